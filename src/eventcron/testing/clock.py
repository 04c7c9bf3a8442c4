"""Clocks for tests. A test moves a ``FakeClock`` by hand; virtual time moves when no task can run."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors

from eventcron.model.names import Instant


class FakeClock:
    """A clock that moves only in ``move_to``, and never back."""

    def __init__(self, now: Instant) -> None:
        self._now = now
        self._order = itertools.count()
        self._sleepers: list[tuple[Instant, int, asyncio.Future[None]]] = []

    def now(self) -> Instant:
        return self._now

    async def sleep_until(self, instant: Instant) -> None:
        if instant > self._now:
            woken = asyncio.get_running_loop().create_future()
            heapq.heappush(self._sleepers, (instant, next(self._order), woken))
            await woken

    def move_to(self, instant: Instant) -> None:
        """Set the clock to *instant* and wake everything that slept until then.

        Raises:
            ValueError: *instant* is before now.
        """
        if instant < self._now:
            raise ValueError(f"a clock does not go back: it is {self._now}, asked for {instant}")
        self._now = instant
        while self._sleepers and self._sleepers[0][0] <= instant:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)


class JumpingClock:
    """A clock on which sleeping moves the time at once; ``slept_to`` lists the instants, in order."""

    def __init__(self, now: Instant) -> None:
        self.instant = now
        self.slept_to: list[Instant] = []

    def now(self) -> Instant:
        return self.instant

    async def sleep_until(self, instant: Instant) -> None:
        self.slept_to.append(instant)
        self.instant = max(self.instant, instant)


class _JumpingSelector(selectors.SelectSelector):
    """A selector that never waits: it moves the time by the timeout instead."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing left to do and nothing to wait for: every task waits for another")
            self.seconds += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at 0 and jumps to the next timer when no task can run."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.seconds


class VirtualClock:
    """A clock on a ``VirtualLoop``: sleeping costs nothing."""

    def __init__(self, start: Instant, loop: asyncio.AbstractEventLoop) -> None:
        self._start = start
        self._loop = loop

    def now(self) -> Instant:
        return self._start + round(self._loop.time() * 1000)

    async def sleep_until(self, instant: Instant) -> None:
        while (remaining := instant - self.now()) > 0:  # noqa: ASYNC110  # time itself is what is waited for
            await asyncio.sleep(remaining / 1000)
