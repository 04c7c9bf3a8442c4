"""Bound the memory of one process: what is read and published is held in portions, and tenants take turns."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from eventcron.model.messages import Fire
from eventcron.model.names import Instant

T = TypeVar("T")

_Waiting = tuple[int, "asyncio.Future[None]"]


def portions(items: Sequence[T], *, size: Callable[[T], int], total: int, count: int) -> Iterator[list[T]]:
    """*items* in order, in portions of at most *count* items and *total* bytes; a larger item has one of its own.

    >>> list(portions([4, 4, 4, 20, 1], size=int, total=10, count=2))
    [[4, 4], [4], [20], [1]]
    """
    portion: list[T] = []
    held = 0
    for item in items:
        more = size(item)
        if portion and (len(portion) == count or held + more > total):
            yield portion
            portion, held = [], 0
        portion.append(item)
        held += more
    if portion:
        yield portion


def by_instant(fires: Sequence[Fire]) -> Iterable[tuple[Instant, Sequence[Fire]]]:
    """*fires* by the instant at which they are published."""
    if len({fire.at for fire in fires}) == 1:
        return [(fires[0].at, fires)]
    found: dict[Instant, list[Fire]] = {}
    for fire in fires:
        found.setdefault(fire.at, []).append(fire)
    return found.items()


class Held:
    """Bytes that are held of a budget."""

    def __init__(self, size: int, give_back: Callable[[int], None]) -> None:
        self.size = size
        self._give_back = give_back

    def shrink(self, size: int) -> None:
        """Give back all but *size* bytes. What is held never grows."""
        size = min(size, self.size)
        self._give_back(self.size - size)
        self.size = size


class Budget:
    """Bytes that may be held at once, at most *total*.

    Owners take turns: one with a thousand requests delays another's only request by one of them.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._waiting: OrderedDict[str, deque[_Waiting]] = OrderedDict()

    @asynccontextmanager
    async def hold(self, owner: str, size: int) -> AsyncIterator[Held]:
        """Hold *size* bytes for *owner*, as soon as they are free. A size over the total counts as the total."""
        size = min(size, self.total)
        await self._acquire(owner, size)
        held = Held(size, self._release)
        try:
            yield held
        finally:
            held.shrink(0)

    def hold_now(self, size: int) -> Held | None:
        """Hold *size* bytes, to be shrunk to 0 in the end. None: they are not free, or others wait."""
        if self._waiting or size > self._free:
            return None
        self._free -= size
        return Held(size, self._release)

    async def _acquire(self, owner: str, size: int) -> None:
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        granted = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append((size, granted))
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._release(size)
            raise

    def _release(self, size: int) -> None:
        self._free += size
        self._grant()

    def _grant(self) -> None:
        """Grant what fits, in turn. The first that does not fit waits, and everybody after it."""
        while self._waiting:
            owner, requests = next(iter(self._waiting.items()))
            size, granted = requests[0]
            if size > self._free and not granted.cancelled():
                return
            requests.popleft()
            self._waiting.move_to_end(owner)
            if not requests:
                del self._waiting[owner]
            if not granted.cancelled():
                self._free -= size
                granted.set_result(None)
