"""What has been published since the console began: the latest events, and counts of each minute of the last hour.

One thread adds, and others read. The memory is bounded, however many events there are.
"""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import NamedTuple

import msgspec
from msgspec import Struct

from eventcron.client.published import KINDS
from eventcron.model.events import Answer
from eventcron.model.names import Instant
from eventcron.timing.instant import from_rfc3339

#: Events that are kept. A browser that is slower than they come misses some.
KEPT = 2_000
#: Minutes that are counted.
MINUTES = 60
MINUTE_MS = 60_000
#: Tenants of a minute that are counted one by one.
MOST_TENANTS = 1_000
#: Stands for the tenants that are not.
OTHERS = "…"
#: Milliseconds: the upper ends of the histogram's bars. A last bar has what is later.
LATENESS_MS = (25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 30_000)
#: Seconds. So often a stream of events says something, so that a browser that is gone is noticed.
SIGN_OF_LIFE_SECONDS = 15.0


class Seen(NamedTuple):
    """An event, and when it arrived here."""

    number: int
    arrived: Instant
    event: Answer


class Minute(Struct, kw_only=True):
    """The counts of one minute, by arrival."""

    at: Instant
    fires: int = 0
    skips: Counter[str] = msgspec.field(default_factory=Counter)
    failures: int = 0
    rejections: int = 0
    #: Fires by tenant.
    tenants: Counter[str] = msgspec.field(default_factory=Counter)
    #: Fires by the number of their bar in the histogram.
    lateness: Counter[int] = msgspec.field(default_factory=Counter)


class Live:
    """The latest events and the counts. *began* is when this console began to listen."""

    def __init__(self, *, began: Instant) -> None:
        self.began = began
        #: Why nothing is heard; "" = everything is.
        self.silent = ""
        self._lock = threading.Lock()
        self._seen: deque[Seen] = deque(maxlen=KEPT)
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)
        self._number = 0
        self._wake: set[Callable[[], object]] = set()
        self._closed = False

    @property
    def number(self) -> int:
        """The number of the latest event; 0 = there was none."""
        return self._number

    def add(self, event: Answer, arrived: Instant) -> None:
        """Note *event* and wake those who wait for it."""
        with self._lock:
            self._number += 1
            self._seen.append(Seen(self._number, arrived, event))
            _count(self._minute(arrived), event, arrived)
            waiting = list(self._wake)
        for wake in waiting:
            wake()

    def close(self) -> None:
        """End what waits."""
        with self._lock:
            self._closed = True
            waiting = list(self._wake)
        for wake in waiting:
            wake()

    def after(self, number: int) -> list[Seen]:
        """The events with a higher *number*, in order, as far as they are kept."""
        with self._lock:
            return [seen for seen in self._seen if seen.number > number] if self._number > number else []

    def minutes(self, now: Instant) -> list[Minute]:
        """The minutes of the last hour, the one of *now* last, those without any event included."""
        last = now // MINUTE_MS * MINUTE_MS
        with self._lock:
            counted = {minute.at: minute for minute in self._minutes}
        spans = range(last - (MINUTES - 1) * MINUTE_MS, last + 1, MINUTE_MS)
        return [counted.get(at) or Minute(at=at) for at in spans]

    async def follow(self, number: int) -> AsyncGenerator[list[Seen], None]:
        """What comes after *number*, in parts, until the console ends. An empty part is a sign of life."""
        with self._woken() as woken:
            while not self._closed:
                new = self.after(number)
                if new:
                    number = new[-1].number
                    yield new
                    continue
                try:
                    await asyncio.wait_for(woken.wait(), SIGN_OF_LIFE_SECONDS)
                except TimeoutError:
                    yield []
                woken.clear()

    async def answer(self, matches: Callable[[Answer], bool], *, after: int, seconds: float) -> Answer | None:
        """The first event after the number *after* that *matches*. None: none came within *seconds*."""
        try:
            async with asyncio.timeout(seconds), aclosing(self.follow(after)) as parts:
                async for new in parts:
                    for seen in new:
                        if matches(seen.event):
                            return seen.event
        except TimeoutError:
            pass
        return None

    def _minute(self, arrived: Instant) -> Minute:
        at = arrived // MINUTE_MS * MINUTE_MS
        if not self._minutes or self._minutes[-1].at < at:
            self._minutes.append(Minute(at=at))
        return self._minutes[-1]

    @contextmanager
    def _woken(self) -> Iterator[asyncio.Event]:
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(event.set)

        with self._lock:
            self._wake.add(wake)
        try:
            yield event
        finally:
            with self._lock:
                self._wake.discard(wake)


def lateness_ms(event: Answer, arrived: Instant) -> int | None:
    """How much later than due a fire arrived. None: *event* is no fire of an ordinary occurrence."""
    if not KINDS["fires"](event) or event.detail.get("cause") != "schedule":
        return None
    return max(0, arrived - from_rfc3339(event.detail["due"]))


def _count(minute: Minute, event: Answer, arrived: Instant) -> None:
    detail = event.detail
    if KINDS["fires"](event):
        minute.fires += 1
        tenant = str(detail.get("tenant"))
        known = tenant in minute.tenants or len(minute.tenants) < MOST_TENANTS
        minute.tenants[tenant if known else OTHERS] += 1
        late = lateness_ms(event, arrived)
        if late is not None:
            minute.lateness[bisect_right(LATENESS_MS, late)] += 1
    elif KINDS["skips"](event):
        minute.skips[str(detail.get("reason"))] += int(detail.get("count", 1))
    elif KINDS["failures"](event):
        minute.failures += 1
    elif KINDS["rejections"](event):
        minute.rejections += 1
