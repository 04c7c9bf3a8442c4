"""An event loop in virtual time. The seed alone decides who runs next, and nothing waits for real time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, TypeVar

from eventcron.model.names import Instant
from tools.faultsim.seeded_random import SeededRandom

MICROSECONDS = 1_000_000

T = TypeVar("T")


class SeededLoop(asyncio.AbstractEventLoop):
    """An event loop in virtual microseconds. Time stands still while any callback is ready.

    ``timer`` is the only way to wait for time. Timers due at the same instant run in random order. Every call to a
    port takes a random time, so the seed decides at every await who runs next. Callbacks that asyncio queues run in
    the order of asyncio, so a seed means the same on every Python.
    """

    def __init__(self, random: SeededRandom) -> None:
        self._random = random
        #: Microseconds since the start.
        self.now_us = 0
        self._ready: deque[tuple[Callable[..., object], tuple[Any, ...], Context]] = deque()
        self._timers: list[tuple[int, float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = itertools.count()
        #: Timers run in an empty context: they belong to no process.
        self._no_process = Context()
        self._errors: list[BaseException] = []
        #: One handle for all callbacks, as nothing cancels one by its handle.
        self._handle = asyncio.Handle(_wake, (), self)

    def timer(self, at_us: int, callback: Callable[..., object], *args: Any) -> None:
        """Call *callback* at *at_us*, or now if that has passed."""
        entry = (max(at_us, self.now_us), self._random.fraction(), next(self._count), callback, args)
        heapq.heappush(self._timers, entry)

    async def sleep_until_us(self, at_us: int) -> None:
        """Return at *at_us*."""
        woken: asyncio.Future[None] = asyncio.Future(loop=self)
        self.timer(at_us, _wake, woken)
        await woken

    def run_until(self, end_us: int) -> None:
        """Run everything that happens before *end_us*.

        Raises:
            BaseException: a callback or a task raised it.
        """
        events._set_running_loop(self)
        timers, run = self._timers, self._no_process.run
        try:
            self._run_ready()
            while timers and timers[0][0] < end_us:
                self.now_us, _, _, callback, args = heapq.heappop(timers)
                run(callback, *args)
                if self._ready or self._errors:
                    self._run_ready()
            self.now_us = end_us
        finally:
            events._set_running_loop(None)

    def _run_ready(self) -> None:
        ready = self._ready
        while ready:
            callback, args, context = ready.popleft()
            context.run(callback, *args)
        if self._errors:
            raise self._errors[0]

    # --- What asyncio requires of a loop -----------------------------------------------------------------------------

    def time(self) -> float:
        return self.now_us / MICROSECONDS

    def call_soon(  # type: ignore[override]  # its type variables are newer than Python 3.11
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        self._ready.append((callback, args, copy_context() if context is None else context))
        return self._handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Generator[Any, None, T] | Coroutine[Any, Any, T], **options: Any) -> asyncio.Task[T]:
        return asyncio.Task(coro, loop=self, **options)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if "future" in context:
            return  # a page was read ahead, the read failed, and nobody awaited it
        self._errors.append(context.get("exception") or RuntimeError(context["message"]))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class LoopClock:
    """``Clock`` of one process: the true time plus *off_ms*. *start* is the instant at which the loop's time is 0."""

    def __init__(self, loop: SeededLoop, start: Instant, *, off_ms: int = 0) -> None:
        self._loop = loop
        self._start = start + off_ms

    def now(self) -> Instant:
        return self._start + self._loop.now_us // 1000

    async def sleep_until(self, instant: Instant) -> None:
        while instant > self.now():
            await self._loop.sleep_until_us((instant - self._start) * 1000)
