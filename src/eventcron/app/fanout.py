"""One tick, many planners: the tick hands the segments out in ranges, each a message of the segment queue.

A message names the tick for which its segments are to be planned. A planner leaves alone a segment that is planned
through a horizon from that tick, so a message that comes twice, or late, finds its work done. A lease keeps two
planners out of one segment. The tick itself plans the ranges that the queue does not take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from eventcron.app.planner import SegmentOutcome
from eventcron.app.settings import DeploymentSettings
from eventcron.model.messages import SegmentRange
from eventcron.ports import Ports, Refusal
from eventcron.rules.lag import lag_ms
from eventcron.wire.segment_ranges import split

#: Outcomes that leave part of a segment unplanned: its range has to come back.
UNFINISHED = (SegmentOutcome.FAILED, SegmentOutcome.SAVED)


class FanOutReport(Struct, frozen=True, kw_only=True):
    """What became of a tick's segments: ``sent`` in ranges, or ``left`` for the tick to plan itself."""

    sent: Sequence[SegmentRange] = ()
    left: Sequence[int]
    #: Why the queue did not take a range.
    refusals: Sequence[Refusal] = ()


class Behind(NamedTuple):
    """A segment, and how many milliseconds ago it should have been planned."""

    segment: int
    lag_ms: int


class FanOut:
    """Hands segments to planners."""

    def __init__(self, ports: Ports, settings: DeploymentSettings) -> None:
        self._clock = ports.clock
        self._plans = ports.plans
        self._ledger = ports.ledger
        self._settings = settings

    async def run(self) -> FanOutReport:
        """Send every segment to the segment queue; where there is one planner only, send none."""
        settings = self._settings
        if settings.planner_workers == 1:
            return FanOutReport(left=range(settings.segments))
        ranges = split(
            settings.segments,
            workers=settings.planner_workers,
            at_once=settings.concurrency,
            tick=self._clock.now(),
        )
        # No retry: the tick plans refused ranges in the time that a retry would wait.
        refusals = await self._plans.send(ranges)
        refused = {refusal.index for refusal in refusals}
        return FanOutReport(
            sent=[asked for index, asked in enumerate(ranges) if index not in refused],
            left=[segment for index in sorted(refused) for segment in range(ranges[index].first, ranges[index].end)],
            refusals=refusals,
        )

    async def furthest_behind(self) -> Behind | None:
        """The segment that the ledger shows furthest behind; None if no segment was ever planned.

        A planner reports the lag of each segment that it leases. Only this method sees a segment that no planner
        leases.

        Raises:
            Unavailable: the ledger cannot be read for now.
        """
        settings = self._settings
        states = await self._ledger.segments(settings.segments)
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
