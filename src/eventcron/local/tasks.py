"""Runs a task for as long as other tasks run well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def run_with(work: Awaitable[T], others: Sequence[Awaitable[Any]]) -> T:
    """The result of *work*. Its end cancels the *others*, which are endless; an exception of theirs cancels *work*."""
    working = asyncio.ensure_future(work)
    tasks = [*map(asyncio.ensure_future, others), working]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
        return working.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
