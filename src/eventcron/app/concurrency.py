"""Several things at once, each to its own end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


async def settle(*work: Coroutine[object, object, T]) -> list[T]:
    """Run *work* concurrently, each to its end whatever becomes of the others; results in the given order.

    Raises:
        Exception: the first failure in the given order, once all have ended. (``asyncio.gather`` would raise while
            the others still run; ``TaskGroup`` would cut them off halfway through a publication.)
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    ended: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        ended.append(result)
    return ended
