"""Several pieces of work at once, each to its own end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def all_of(work: Iterable[Awaitable[T]]) -> list[T]:
    """Await all of *work* at once, each to its end even if others fail. Results come in the given order.

    Raises:
        Exception: the first failure in the given order, once all have ended. (``asyncio.gather`` would raise while
            the others still run; ``TaskGroup`` would cut them off, and a call cut short may have had its effect.)
    """
    pieces = list(work)
    if len(pieces) == 1:
        return [await pieces[0]]
    ended: list[T] = []
    for result in await asyncio.gather(*pieces, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
        ended.append(result)
    return ended
