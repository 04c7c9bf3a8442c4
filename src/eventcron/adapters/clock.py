"""The wall clock. No other module reads it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from eventcron.model.names import Instant

NANOSECONDS_PER_MILLISECOND = 1_000_000


class SystemClock:
    """The host's clock. If the host sets it back, it stands still until the host has caught up."""

    def __init__(self, time_ns: Callable[[], int] = time.time_ns) -> None:
        self._time_ns = time_ns
        self._latest: Instant = 0

    def now(self) -> Instant:
        """Milliseconds since 1970, rounded down so that an instant is never reached early."""
        self._latest = max(self._latest, self._time_ns() // NANOSECONDS_PER_MILLISECOND)
        return self._latest

    async def sleep_until(self, instant: Instant) -> None:
        """Return once ``now() >= instant``, never before; at once if it has passed.

        The event loop sleeps by the monotonic clock, which may run ahead of the wall clock. So the clock is read again.
        """
        while (remaining := instant - self.now()) > 0:  # noqa: ASYNC110  nothing signals that time has passed
            await asyncio.sleep(remaining / 1000)
