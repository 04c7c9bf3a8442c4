"""One tick, many planners: the tick hands the segments out in ranges, each a message of the segment queue.

A message says for which tick its segments are to be planned, and what is planned through a horizon from there is left
as it is. So a message that comes twice, or late, finds its work done; claims keep two planners out of one segment. What
the queue does not take, the tick plans itself.
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

#: A pass that ended so has something left to do, and its range has to come once more.
LEFT = (SegmentOutcome.FAILED, SegmentOutcome.SAVED)


class FanOutReport(Struct, frozen=True, kw_only=True):
    """What became of a tick's segments: ``sent`` in ranges, or ``left`` for the tick to plan itself."""

    sent: Sequence[SegmentRange] = ()
    left: Sequence[int]
    #: Why the queue did not take some.
    refusals: Sequence[Refusal] = ()


class Behind(NamedTuple):
    """A segment, and how many milliseconds after its time it still is not planned."""

    segment: int
    lag_ms: int


class FanOut:
    """Hands segments out to planners."""

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
        """Send every segment to the segment queue, or none, where there is one planner only."""
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
            sent=[asked for index, asked in enumerate(ranges) if index not in refused],
            left=[segment for index in sorted(refused) for segment in range(ranges[index].first, ranges[index].end)],
            refusals=refusals,
        )

    async def furthest_behind(self) -> Behind | None:
        """The segment that is furthest behind; None: none was ever planned.

        Planners tell the lag of what they claim. Of what nobody claims, only a look from outside can tell.

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
