"""Read at once what several look for at one moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from typing import Generic, NamedTuple, TypeVar

from eventcron.app.concurrency import all_of

K = TypeVar("K")
T = TypeVar("T")


class _Asked(NamedTuple, Generic[K, T]):
    keys: Sequence[K]
    answer: asyncio.Future[T]


class Together(Generic[K, T]):
    """Reads keys by *read*, those that are asked for at one moment in one call of it, with at most *at_most* keys.

    Each who asked gets the whole answer, with the keys that others asked for; or the error.
    """

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[T]], *, at_most: int) -> None:
        self._read = read
        self._at_most = at_most
        self._asked: list[_Asked[K, T]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, keys: Sequence[K]) -> T:
        """What *read* says of *keys*, and perhaps of others.

        Raises:
            Exception: as *read* does.
        """
        loop = asyncio.get_running_loop()
        asked: _Asked[K, T] = _Asked(keys, loop.create_future())
        self._asked.append(asked)
        if len(self._asked) == 1:
            task = loop.create_task(self._read_all())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await asked.answer

    async def _read_all(self) -> None:
        await asyncio.sleep(0)  # whoever else wakes at this moment asks first
        # Nothing here holds who asked, and with them an answer that they have let go.
        await all_of([self._answer(asked) for asked in self._calls()])

    def _calls(self) -> list[list[_Asked[K, T]]]:
        """Who is answered by one call each."""
        asked, self._asked = self._asked, []
        calls: list[list[_Asked[K, T]]] = []
        count = self._at_most
        for one in asked:
            if count + len(one.keys) > self._at_most:
                calls.append([])
                count = 0
            calls[-1].append(one)
            count += len(one.keys)
        return calls

    async def _answer(self, asked: Sequence[_Asked[K, T]]) -> None:
        try:
            several = len(asked) > 1
            keys = list(dict.fromkeys(chain.from_iterable(one.keys for one in asked))) if several else asked[0].keys
            answer = await self._read(keys)
        except BaseException as error:  # noqa: BLE001  # each of those who asked raises it
            for one in asked:
                if not one.answer.done():
                    one.answer.set_exception(error)
        else:
            for one in asked:
                if not one.answer.done():
                    one.answer.set_result(answer)
