"""Work that needs other work beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def beside(work: Coroutine[Any, Any, T], others: Sequence[Coroutine[Any, Any, Any]]) -> T:
    """The result of *work*. The *others*, which do not end of themselves, end with it; what they raise ends it."""
    working = asyncio.ensure_future(work)
    tasks = [working, *map(asyncio.ensure_future, others)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return working.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
