"""What the rig does wrong on demand, by count and not by chance, so that each run meets the same."""

from __future__ import annotations

from msgspec import Struct


class Faults(Struct):
    """Faults of one run; each number 0 = none."""

    #: Each so many requests, one is throttled.
    throttle_every: int = 0
    #: Each so many requests of several things, one is done in part only: ``UnprocessedKeys``, ``Failed`` entries,
    #: ``FailedEntryCount``.
    partial_every: int = 0
    #: Each so many requests, one is answered after ``slow_seconds``.
    slow_every: int = 0
    slow_seconds: float = 0.0
    _requests: int = 0
    _batches: int = 0

    def throttles(self) -> bool:
        """Count one request. Whether it is throttled."""
        self._requests += 1
        return bool(self.throttle_every) and self._requests % self.throttle_every == 0

    def delay(self) -> float:
        """Seconds before the request that was counted last is answered."""
        is_slow = bool(self.slow_every) and self._requests % self.slow_every == 0
        return self.slow_seconds if is_slow else 0.0

    def partial(self) -> bool:
        """Count one request of several things. Whether it is done in part only."""
        self._batches += 1
        return bool(self.partial_every) and self._batches % self.partial_every == 0
