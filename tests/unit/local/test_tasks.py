"""Work runs with endless tasks: whichever ends first cancels the rest."""

from __future__ import annotations

import asyncio

import pytest

from eventcron.local.tasks import run_with


async def test_the_end_of_the_work_cancels_the_other_tasks() -> None:
    ended = []

    async def other() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("other")

    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    assert await run_with(work(), [other()]) == "done"
    assert ended == ["other"]


async def test_an_exception_of_another_task_cancels_the_work() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("work")

    async def other() -> None:
        raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        await run_with(work(), [other()])
    assert ended == ["work"]


async def test_an_exception_of_another_task_counts_even_if_the_work_ends_at_the_same_time() -> None:
    async def work() -> str:
        return "done"

    async def other() -> None:
        raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        await run_with(work(), [other()])
