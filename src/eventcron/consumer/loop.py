"""One event loop for a Lambda process. A connection cannot outlive its loop, so the loop stays between invocations."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from asyncio import Runner

T = TypeVar("T")

_runners: list[Runner] = []


def run(work: Awaitable[T]) -> T:
    """Await *work* to its end.

    Raises:
        RuntimeError: a loop runs in this thread already, as in an async test: call the handler in a thread.
    """
    if not _runners:
        from asyncio import Runner  # noqa: PLC0415  # many functions need no loop

        _runners.append(Runner())
    return _runners[0].run(_awaited(work))


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def close() -> None:
    """Close the loop; the next ``run`` opens a new one. Lambda just ends the process."""
    while _runners:
        _runners.pop().close()
