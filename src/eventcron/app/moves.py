"""Move the ``wake`` of timed schedules, when their window was planned.

A move is three write units of DynamoDB: one of the table, and two of its index, which deletes an entry and stores
another. Many timed schedules are due at one instant: on the first of the month, or at midnight of a year. So moves have
a pace. A wave of them takes the time that planners have before its fires are due, instead of all that the table gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from msgspec.structs import replace

from eventcron.app.completion import Completion
from eventcron.app.concurrency import all_of
from eventcron.app.delivery import Publisher
from eventcron.app.reading import read_readable
from eventcron.app.retry import Retry
from eventcron.model.names import Instant, Window
from eventcron.model.records import IndexEntry
from eventcron.ports import Clock, Lease, Leases, Page, ScheduleStore
from eventcron.rules.pace import Pace, Turn
from eventcron.rules.planning import DENSE, next_wake
from eventcron.rules.portions import Planned
from eventcron.settings import Settings

#: Conditional ``wake`` updates in flight for one segment: as many as a process has in flight for a table. At 5 ms each
#: that is more than any pace asks of a segment.
MOVES_AT_ONCE = 16
#: Milliseconds of moves, at the planner's pace, whose fires are sent before the first of them is made. If the planner
#: dies meanwhile, these fires are sent again, in other packs. Long enough that packs are full, also where many planners
#: share the pace.
PART_MS = 10_000
#: Milliseconds for which a planner believes that it holds its segment, once it has asked.
HELD_MS = 500


class Part(NamedTuple):
    """A part of a page, what is left of the page, and when the part's moves may begin."""

    page: Page[IndexEntry]
    rest: Page[IndexEntry] | None
    turn: Turn


class Mover:
    """Moves ``wake`` for one planner."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: ScheduleStore,
        leases: Leases,
        publisher: Publisher,
        jitter: Callable[[], float],
        settings: Settings,
    ) -> None:
        self._clock = clock
        self._store = store
        self._leases = leases
        #: Of each segment: the fence of the lease that was held when it was asked last, and when that was.
        self._held: dict[int, tuple[int, Instant]] = {}
        self._completion = Completion(clock=clock, store=store, publisher=publisher, settings=settings)
        self._retry = Retry(clock=clock, jitter=jitter)
        self._pace = Pace(settings.moves_per_second / settings.planner_workers)
        self._most = self._pace.within(PART_MS)

    def part(self, page: Page[IndexEntry], *, until: Instant) -> Part | None:
        """The first part of *page*, as large as its moves are over by *until*. None: not one is.

        What is dense comes last, and stays as it is: it belongs to the last part. What cannot be read belongs to the
        first, so that it is reported, even twice, whichever parts of the page are left to the next planner.
        """
        now = self._clock.now()
        timed = sum(1 for _ in takewhile(_is_timed, page.items))
        if timed == 0:
            return Part(page, None, Turn(now, 0))
        turn = self._pace.turn(min(timed, self._most), now=now, until=until)
        if turn is None:
            return None
        if turn.pieces == timed:
            return Part(page, None, turn)
        rest = replace(page, items=page.items[turn.pieces :], unreadable=[])
        return Part(replace(page, items=page.items[: turn.pieces], left_out=0), rest, turn)

    async def move(self, done: Sequence[Planned], window: Window, *, lease: Lease, turn: Turn, until: Instant) -> bool:
        """Move the ``wake`` of timed entries when it is their *turn*, and remove finished entries from the index.

        Returns whether a schedule became dense.

        Only the planner removes them. If planning fails after the last fire was sent, the executor may publish that
        fire and complete the schedule before the planner has sent the fires before it.

        A move that is refused is tried again until *until*. A window of which some schedules were moved and others
        not is planned again for the others, and their fires come in other packs: they would fire twice.

        Raises:
            Unavailable: a service refused, a move until *until*.
        """
        now = self._clock.now()
        # What is dense and has more occurrences stays as it is, and that is nearly all.
        others = (planned for planned in done if planned.following is None or _is_timed(planned.entry))
        wakes = ((planned, _wake_after(planned, window, now=now)) for planned in others)
        moving = [(planned, wake) for planned, wake in wakes if wake != planned.entry.wake]
        left = iter(enumerate(moving))
        movers = min(MOVES_AT_ONCE, len(moving))
        await all_of(self._move_each(left, window, lease=lease, turn=turn, until=until) for _ in range(movers))
        return any(wake == DENSE for _, wake in moving)

    async def _move_each(
        self,
        left: Iterator[tuple[int, tuple[Planned, Instant | None]]],
        window: Window,
        *,
        lease: Lease,
        turn: Turn,
        until: Instant,
    ) -> None:
        """Make moves one after the other while some are *left*, until one fails."""
        for number, (planned, wake) in left:
            # As many at once as are in flight, so that few moves wait for nothing.
            begin = self._pace.begins(number - number % MOVES_AT_ONCE, turn)
            if begin > self._clock.now():
                await self._clock.sleep_until(begin)
            # A planner that was fenced off makes nothing dense. The next one has waited for the index already and could
            # find the entry nowhere. What stays timed is planned from its wake on, by whoever meets it.
            if wake != DENSE or await self._is_held(lease, until=until):
                await self._move(planned, wake, window, until=until)

    async def _is_held(self, lease: Lease, *, until: Instant) -> bool:
        """Whether *lease* is the segment's still, or was just now."""
        now = self._clock.now()
        fence, asked = self._held.get(lease.segment, (0, 0))
        if fence == lease.fence and now < asked + HELD_MS:
            return True
        held = await self._retry.call_until(lambda: self._leases.holds(lease), until=until)
        self._held[lease.segment] = lease.fence, now if held else 0
        return held

    async def _move(self, planned: Planned, wake: Instant | None, window: Window, *, until: Instant) -> None:
        if wake is None and not planned.ends:
            await self._finish(planned.entry)
        # The index returns dense entries last. It may return an entry that becomes dense here once more, and that entry
        # is planned through the window already: hence *handoff*.
        handoff = window.end if wake == DENSE else None
        # False: the schedule was changed meanwhile, and the change set its own wake.
        await self._retry.call_until(lambda: self._store.move_wake(planned.entry, wake, handoff=handoff), until=until)

    async def _finish(self, entry: IndexEntry) -> None:
        """Complete a schedule whose last occurrence did not fire. The executor completes the others."""
        record = (await read_readable(self._store.get, [entry.key])).found.get(entry.key)
        await self._completion.complete_revision(record, entry.revision)


def _is_timed(entry: IndexEntry) -> bool:
    return entry.wake != DENSE


def _wake_after(planned: Planned, window: Window, *, now: Instant) -> Instant | None:
    """The ``wake`` of an entry after *window* was planned; None: it leaves the index."""
    entry, following = planned.entry, planned.following
    # An empty window: the segment is planned further already. A dense entry would be left out until then.
    wake = following if window.start == window.end else next_wake(planned.fired, following)
    if entry.wake == DENSE and wake is not None:
        return DENSE
    if wake is None and not planned.ends and not _is_past(entry, now):
        # Its last fires may still be in the queue. Keep the entry until they are past.
        return window.end if planned.skips or entry.wake == DENSE else entry.wake
    return wake


def _is_past(entry: IndexEntry, now: Instant) -> bool:
    """Whether the last fires of a timed *entry* without further occurrences are past."""
    return entry.wake != DENSE and entry.wake <= now
