"""Distribute the segments of a tick to many planners. The tick sends ranges of segments to the segment queue.

A message names its tick. A planner skips a segment that is already planned through a horizon from that tick, so a
repeated or late message causes no second planning. A lease keeps two planners out of one segment. The tick itself plans
the ranges that the queue does not take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import Struct

from eventcron.app.planner import SegmentOutcome
from eventcron.app.retry import Retry
from eventcron.model.messages import SegmentRange
from eventcron.ports import Clock, Leases, Refusal, SegmentQueue
from eventcron.rules.lag import lag_ms
from eventcron.settings import Settings
from eventcron.wire.segment_ranges import split

#: Outcomes that leave part of a segment unplanned. The message with its range is then received again.
UNFINISHED = (SegmentOutcome.FAILED, SegmentOutcome.SAVED)


class FanOutReport(Struct, frozen=True, kw_only=True):
    """The ranges ``sent`` to the segment queue, and the segments ``left`` for the tick to plan itself."""

    sent: Sequence[SegmentRange] = ()
    left: Sequence[int]
    #: Why the queue did not take a range.
    refusals: Sequence[Refusal] = ()


class Behind(NamedTuple):
    """A segment, and how many milliseconds ago it should have been planned."""

    segment: int
    lag_ms: int


class FanOut:
    """Distributes segments to planners."""

    def __init__(
        self,
        *,
        clock: Clock,
        segment_queue: SegmentQueue,
        leases: Leases,
        jitter: Callable[[], float],
        settings: Settings,
    ) -> None:
        self._clock = clock
        self._queue = segment_queue
        self._leases = leases
        self._retry = Retry(clock=clock, jitter=jitter)
        self._settings = settings

    async def run(self) -> FanOutReport:
        """Send every segment to the segment queue. A deployment with one planner sends none."""
        settings = self._settings
        if settings.planner_workers == 1:
            return FanOutReport(left=range(settings.segments))
        ranges = split(
            settings.segments,
            workers=settings.planner_workers,
            at_once=settings.concurrency,
            tick=self._clock.now(),
        )
        refusals = await self._retry.deliver(ranges, self._queue.send)
        refused = {refusal.index for refusal in refusals}
        return FanOutReport(
            sent=[segments for index, segments in enumerate(ranges) if index not in refused],
            left=[segment for index in sorted(refused) for segment in range(ranges[index].first, ranges[index].end)],
            refusals=refusals,
        )

    async def furthest_behind(self) -> Behind | None:
        """The segment that is furthest behind; None if no segment was ever planned.

        A planner reports the lag of each segment that it leases. Only this method sees a segment that no planner
        leases.

        Raises:
            Unavailable: the states cannot be read for now.
        """
        settings = self._settings
        states = await self._leases.segments(settings.segments)
        now = self._clock.now()
        lags = [
            Behind(
                state.segment,
                lag_ms(
                    state.planned_through,
                    now=now,
                    horizon_seconds=settings.horizon_seconds,
                    tick_seconds=settings.tick_seconds,
                ),
            )
            for state in states
            if state.planned_through
        ]
        return max(lags, key=lambda behind: behind.lag_ms, default=None)
