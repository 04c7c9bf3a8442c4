"""Several pieces of work at once."""

from __future__ import annotations

import asyncio

import pytest

from eventcron.app.concurrency import all_of


async def test_one_failure_waits_for_all_and_then_rises() -> None:
    ended: list[str] = []

    async def fail(name: str) -> str:
        raise LookupError(name)

    async def succeed() -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ended.append("slow")
        return "slow"

    with pytest.raises(LookupError, match="first"):
        await all_of([fail("first"), succeed(), fail("second")])

    assert ended == ["slow"]


async def test_results_come_in_order() -> None:
    async def after(steps: int) -> int:
        for _ in range(steps):
            await asyncio.sleep(0)
        return steps

    assert await all_of(map(after, [3, 1, 2])) == [3, 1, 2]
    assert await all_of([]) == []
