"""Plan segments ahead of time, many at once, each under a lease.

The planner acquires a segment's lease. It reads the index page by page, plans each page, sends the packs and moves each
``wake``. Last, and only if every pack and every skip notice was taken, it commits ``planned_through``. So a crash
repeats work and never skips any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from msgspec import Struct, field
from msgspec.structs import replace

from eventcron.app.concurrency import all_of
from eventcron.app.delivery import NAMED_SKIPS, PackSender, Publisher
from eventcron.app.moves import Mover
from eventcron.app.reading import read_readable
from eventcron.errors import InvalidSchedule, Unavailable
from eventcron.model.codes import SkipReason
from eventcron.model.events import SkipNotice
from eventcron.model.messages import Pack
from eventcron.model.names import Instant, Key, Window
from eventcron.model.records import IndexEntry
from eventcron.ports import Clock, DeadLetters, EventBus, FireQueue, IsQuiet, Lease, Leases, Page, ScheduleStore
from eventcron.rules.lag import lag_ms
from eventcron.rules.late import Spread, graces
from eventcron.rules.packing import pack_fires
from eventcron.rules.planning import (
    DENSE,
    Contribution,
    Memos,
    WindowMemo,
    contribution,
    index_entry_of,
    unread_notice,
)
from eventcron.rules.portions import PagePlan, Planned
from eventcron.rules.quiet import NextOccurrences
from eventcron.settings import Settings
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.wire.encode import skipped

#: Milliseconds before the deadline at which a planner saves its page and stops. A page takes well under a second, and
#: its moves get their turn only if they are over by then.
SAVE_BEFORE_MS = 2_000
#: Milliseconds that a pass waits before it reads a lagging index. If one part of the index showed an entry as dense
#: and another part still as timed, the pass could find it nowhere. Indexes follow within a second.
INDEX_LAG_MS = 5_000
#: Milliseconds. A segment that is planned further than this beyond a horizon from now was planned by a clock that was
#: ahead. Clocks of AWS differ by milliseconds, and the guard, within which a new schedule is safe, is longer.
AHEAD_MS = 5_000
#: Milliseconds of a window at most; longer than any horizon. What a segment is further behind is left to the next
#: planners, one window each. So each gets a window done, however much is due in it.
LONGEST_WINDOW_MS = 3_600_000
#: Fires that all segments of one planner hold at once: about 100 MB, at 500 bytes for a fire, its pack and its message.
FIRES_HELD = 200_000


class SegmentOutcome(StrEnum):
    """How planning a segment ended."""

    PLANNED = "planned"  # the segment is planned through the window's end
    SAVED = "saved"  # stopped near the deadline, or far behind after one window; the next planner goes on from there
    HELD = "held"  # another planner holds the lease
    FENCED = "fenced"  # a later lease took over; the ids of the packs sent make repeats harmless
    FAILED = "failed"  # a service refused; the whole window will be planned again
    AHEAD = "ahead"  # a clock that was ahead planned the segment too far; what that passed by is planned


class SegmentReport(Struct, frozen=True, kw_only=True):
    """What a planner did with one segment.

    ``behind_ms`` is now minus ``planned_through`` when the lease was acquired: fires due in that time are late.
    ``lag_ms`` is how long after its scheduled time, a tick after the previous lease, the segment was leased. It is None
    if the segment was not leased, or was never planned before. ``ahead_ms`` is ``planned_through`` minus the end of the
    horizon, if a clock that was ahead planned the segment too far.
    """

    segment: int
    ended: SegmentOutcome
    visited: int = 0
    fires: int = 0
    packs: int = 0
    skipped: int = 0
    #: The first ``NAMED_SKIPS`` of them.
    skips: Sequence[SkipNotice] = ()
    behind_ms: int = 0
    ahead_ms: int = 0
    lag_ms: int | None = None
    reason: str = ""


class _Tally(Struct):
    #: The lease, and when it was acquired.
    lease: Lease | None = None
    leased: Instant = 0
    #: Whether a schedule became dense.
    dense: bool = False
    visited: int = 0
    fires: int = 0
    packs: int = 0
    skipped: int = 0
    skips: list[SkipNotice] = field(default_factory=list)


class Planner:
    """Plans segments."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: ScheduleStore,
        leases: Leases,
        fire_queue: FireQueue,
        dead_letters: DeadLetters,
        bus: EventBus,
        jitter: Callable[[], float],
        settings: Settings,
    ) -> None:
        self._clock = clock
        self._store = store
        self._leases = leases
        self._sender = PackSender(clock=clock, fire_queue=fire_queue, dead_letters=dead_letters, jitter=jitter)
        self._publisher = Publisher(clock=clock, bus=bus, jitter=jitter)
        self._mover = Mover(
            clock=clock, store=store, leases=leases, publisher=self._publisher, jitter=jitter, settings=settings
        )
        self._jitter = jitter
        self._settings = settings
        #: For as long as the process lives.
        self._next_occurrences = NextOccurrences()

    async def run(
        self, segments: Iterable[int], *, deadline: Instant, tick: Instant | None = None
    ) -> list[SegmentReport]:
        """Plan *segments*, at most ``concurrency`` at once. Returns one report each, in the given order.

        A segment that fails does not stop the others. *deadline* is when this process may be killed. Leases end then,
        so the segments of a planner that dies wait for the next tick at most. A segment that is already planned through
        a horizon from *tick* is not planned again: another planner planned it for that tick or a later one.
        """
        slots = asyncio.Semaphore(self._settings.concurrency)
        memos = Memos(self._next_occurrences.note)
        # In whole seconds and equal for all segments, so that they share windows and the memo of their triggers.
        # From now, not from the tick: what messages that waited asked for is planned at once.
        end = self._horizon(self._clock.now())
        asked = None if tick is None else self._horizon(tick)

        async def plan(segment: int) -> SegmentReport:
            async with slots:
                return await self._plan_segment(segment, end=end, asked=asked, deadline=deadline, memos=memos)

        # Start at a random segment. If time never suffices for all, different segments wait each time.
        chosen = list(segments)
        first = int(self._jitter() * len(chosen))
        reports = await all_of(plan(segment) for segment in chosen[first:] + chosen[:first])
        return reports[len(chosen) - first :] + reports[: len(chosen) - first]

    def _horizon(self, instant: Instant) -> Instant:
        """The instant one horizon after *instant*, in whole seconds."""
        return (instant // 1000 + self._settings.horizon_seconds) * 1000

    async def _plan_segment(
        self,
        segment: int,
        *,
        end: Instant,
        asked: Instant | None,
        deadline: Instant,
        memos: Memos,
    ) -> SegmentReport:
        tally = _Tally()
        try:
            if asked is not None and asked <= await self._leases.planned_through(segment) <= end + AHEAD_MS:
                return SegmentReport(segment=segment, ended=SegmentOutcome.PLANNED)
            ended = await self._plan_window(segment, end=end, deadline=deadline, memos=memos, tally=tally)
            reason = "no time left to start" if ended is SegmentOutcome.SAVED and tally.lease is None else ""
        except Unavailable as error:
            ended, reason = SegmentOutcome.FAILED, str(error)
        lease = tally.lease
        start = 0 if lease is None else lease.start
        return SegmentReport(
            segment=segment,
            ended=ended,
            visited=tally.visited,
            fires=tally.fires,
            packs=tally.packs,
            skipped=tally.skipped,
            skips=tally.skips,
            behind_ms=max(0, tally.leased - start) if start else 0,
            ahead_ms=start - lease.end if lease is not None and ended is SegmentOutcome.AHEAD else 0,
            lag_ms=self._lag(start, tally.leased) if start else None,
            reason=reason,
        )

    async def _plan_window(
        self, segment: int, *, end: Instant, deadline: Instant, memos: Memos, tally: _Tally
    ) -> SegmentOutcome:
        """Plan the segment through *end*, or through ``LONGEST_WINDOW_MS`` of what it is behind.

        The index has to show what a window changed before the next one reads it. So that is left to the next planner.

        Raises:
            Unavailable: a service refused.
        """
        now = self._clock.now()
        if now > deadline - SAVE_BEFORE_MS:
            return SegmentOutcome.SAVED
        lease = await self._leases.acquire(segment, end=end, now=now, lease_until=deadline)
        if lease is None:
            return SegmentOutcome.HELD
        tally.lease, tally.leased = lease, now
        window = _cut(lease)
        try:
            ended = await self._plan_lease(window, deadline=deadline, memos=memos, tally=tally)
        except Unavailable:
            await self._release(_ending(lease, tally))
            raise
        return SegmentOutcome.SAVED if ended is SegmentOutcome.PLANNED and window.end < lease.end else ended

    def _lag(self, start: Instant, now: Instant) -> int:
        settings = self._settings
        return lag_ms(start, now=now, horizon_seconds=settings.horizon_seconds, tick_seconds=settings.tick_seconds)

    async def _release(self, lease: Lease) -> None:
        try:
            await self._leases.release(lease)
        except Unavailable:
            # The lease ends by itself at the deadline. Only then can the next planner acquire it.
            return

    async def _plan_lease(self, lease: Lease, *, deadline: Instant, memos: Memos, tally: _Tally) -> SegmentOutcome:
        if lease.start >= lease.end:
            await self._leases.release(lease)
            if lease.start - lease.end <= AHEAD_MS:
                return SegmentOutcome.PLANNED
            done = await self._plan_passed_by(lease, deadline=deadline, memos=memos, tally=tally)
            return SegmentOutcome.AHEAD if done else SegmentOutcome.SAVED
        until = deadline - SAVE_BEFORE_MS
        if lease.lagging and lease.cursor is None:
            # By this process's clock alone: the clock of whoever made schedules dense may be another.
            ready = self._clock.now() + INDEX_LAG_MS
            if ready > until:
                return await self._save(lease, None)
            await self._clock.sleep_until(ready)
            lease = replace(lease, lagging=False)
        window = Window(lease.start, lease.end)
        is_quiet = self._next_occurrences.quiet_in(window)
        cursor, page = lease.cursor, await self._page(lease, lease.cursor, is_quiet)
        looked_up: set[Key] = set()
        while True:
            ahead = asyncio.ensure_future(self._page(lease, page.cursor, is_quiet)) if page.cursor else None
            try:
                planned = await self._plan_page(page, window, memos, tally, looked_up, lease=lease, until=until)
                if planned < len(page.items):
                    # The index may still show what was moved. It must not be read again.
                    last = page.items[planned - 1] if planned else None
                    at = cursor if last is None else self._store.cursor_after(lease.segment, last)
                    return await self._save(_ending(lease, tally), at)
                if ahead is None:
                    committed = await self._leases.commit(_ending(lease, tally))
                    return SegmentOutcome.PLANNED if committed else SegmentOutcome.FENCED
                if self._clock.now() > until:
                    return await self._save(_ending(lease, tally), page.cursor)
                cursor, page = page.cursor, await ahead
            finally:
                if ahead is not None and not ahead.done():
                    ahead.cancel()

    async def _save(self, lease: Lease, cursor: str | None) -> SegmentOutcome:
        """Give up the lease. The next planner reads on from *cursor*; None: it begins anew."""
        saved = await (self._leases.release(lease) if cursor is None else self._leases.save(lease, cursor))
        return SegmentOutcome.SAVED if saved else SegmentOutcome.FENCED

    async def _plan_passed_by(self, lease: Lease, *, deadline: Instant, memos: Memos, tally: _Tally) -> bool:
        """Plan the timed entries of a segment that a planner whose clock was ahead has planned beyond the horizon.

        False: the time ran out.

        That planner left each entry dense, or with a ``wake`` after its window. So an entry with an earlier ``wake``
        was put later. It stays timed until the horizon reaches the instant up to which the segment is planned.
        """
        window = Window(lease.end, lease.end)
        cursor: str | None = None
        until = deadline - SAVE_BEFORE_MS
        while self._clock.now() <= until:
            page = await self._page(lease, cursor)
            timed = [entry for entry in page.items if entry.wake != DENSE]
            part = replace(page, items=timed)
            planned = await self._plan_page(part, window, memos, tally, set(), lease=lease, until=until)
            if planned < len(timed):
                return False
            if page.cursor is None or len(timed) < len(page.items):
                return True  # the dense entries come last
            cursor = page.cursor
        return False

    async def _page(self, lease: Lease, cursor: str | None, is_quiet: IsQuiet | None = None) -> Page[IndexEntry]:
        return await self._store.read_index(lease.segment, before=lease.end, cursor=cursor, is_quiet=is_quiet)

    async def _plan_page(
        self,
        page: Page[IndexEntry],
        window: Window,
        memos: Memos,
        tally: _Tally,
        looked_up: set[Key],
        *,
        lease: Lease,
        until: Instant,
    ) -> int:
        """Plan *page*, part by part. Returns how many of its entries were planned.

        There may be no time before *until* for the moves of the others; their ``wake`` still lies in the window.
        """
        left: Page[IndexEntry] | None = page
        while left is not None:
            part = self._mover.part(left, until=until)
            if part is None:
                return len(page.items) - len(left.items)
            done = await self._plan_part(part.page, window, memos, tally, looked_up)
            dense = await self._mover.move(done, window, lease=lease, turn=part.turn, until=until)
            tally.dense = tally.dense or dense
            left = part.rest
        return len(page.items)

    async def _plan_part(
        self, page: Page[IndexEntry], window: Window, memos: Memos, tally: _Tally, looked_up: set[Key]
    ) -> list[Planned]:
        """Send the fires of *page*, and report its skips. Returns what is to be moved."""
        entries = await self._verified(page.items, window, looked_up)
        now = self._clock.now()

        def contribute(entry: IndexEntry, memo: WindowMemo, since: Instant) -> Contribution:
            return _contribution(entry, memo, now=now, since=since, window=window)

        limit = max(1, FIRES_HELD // self._settings.concurrency)
        plan = PagePlan(entries, window, memos, limit=limit, contribute=contribute)
        spread = Spread(window, now, self._settings.tick_seconds * 1000, LONGEST_WINDOW_MS)
        patience_ms = graces(entries) if spread.is_late(window.start) else {}
        for fires in plan.portions():
            timely, late = spread.split(fires, patience_ms)
            packs = pack_fires(timely, size=self._settings.pack_size)
            await self._send(packs)
            late_packs = pack_fires(late, size=self._settings.pack_size)
            await self._sender.send(late_packs, visible_at=lambda pack: spread.appears_at(pack.at))
            tally.packs += len(packs) + len(late_packs)
            tally.fires += len(fires)
        done = plan.planned
        notices = [notice for planned in done for notice in planned.skips]
        span = _span(window, now)
        notices += [
            unread_notice(item.key, span, reason=SkipReason.UNREADABLE, by=item.reason) for item in page.unreadable
        ]
        await self._report(notices, now=now)
        tally.visited += len(entries) + page.left_out
        tally.skipped += sum(notice.count for notice in notices)
        tally.skips += notices[: NAMED_SKIPS - len(tally.skips)]
        return done

    async def _verified(self, items: Sequence[IndexEntry], window: Window, looked_up: set[Key]) -> list[IndexEntry]:
        """*items*, in which entries that may be stale are replaced by what the table stores.

        A timed entry should have been planned in the window that holds its ``wake``. If that window is past, the index
        did not show the entry then, or it shows an entry that has moved on since. Only the table says which. Such
        entries are rare, so reading them costs little.

        Entries that are dense in the table are added to *looked_up*. The index may catch up and return them again among
        the dense entries, which come last.
        """
        if looked_up:
            items = [entry for entry in items if entry.wake != DENSE or entry.key not in looked_up]
        doubtful = [entry for entry in items if DENSE < entry.wake < window.start]
        if not doubtful:
            return list(items)
        stored, unreadable = await read_readable(self._store.get, [entry.key for entry in doubtful])
        actual = [index_entry_of(record) for record in stored.values()]
        looked_up |= {entry.key for entry in actual if entry is not None and entry.wake == DENSE}
        sure = [entry for entry in items if not DENSE < entry.wake < window.start or entry.key in unreadable]
        return sure + [entry for entry in actual if entry is not None and entry.wake < window.end]

    async def _send(self, packs: Sequence[Pack]) -> None:
        lead_ms = self._settings.lead_seconds * 1000
        await self._sender.send(packs, visible_at=lambda pack: pack.at - lead_ms)

    async def _report(self, notices: Sequence[SkipNotice], *, now: Instant) -> None:
        await self._publisher.publish([skipped(notice, now=now) for notice in notices])


def _ending(lease: Lease, tally: _Tally) -> Lease:
    """*lease* as it is given up."""
    return replace(lease, lagging=lease.lagging or tally.dense)


def _cut(lease: Lease) -> Lease:
    """*lease* of no more than ``LONGEST_WINDOW_MS``; of the whole window if the segment was never planned."""
    return replace(lease, end=min(lease.end, lease.start + LONGEST_WINDOW_MS)) if lease.start else lease


def _contribution(entry: IndexEntry, memo: WindowMemo, *, now: Instant, since: Instant, window: Window) -> Contribution:
    """The contribution of *entry* to a slice of *window*. If its trigger cannot be read, a skip notice reports that.

    Such an entry stays in the index, because the next deployment may read it.
    """
    try:
        return contribution(entry, memo.window, memo, now=now, since=since)
    except (InvalidSchedule, ValueError) as error:
        start, end = _span(window, now)
        reason = SkipReason.UNREADABLE_TRIGGER
        # What is published in the window is due earlier by the offset.
        offset = flexible_offset_ms(entry.key, entry.flexible_window_seconds)
        due = Window(max(max(start, entry.wake) - offset, entry.start), end - offset)
        if due.start >= due.end:
            return Contribution([], [], entry.wake)
        notice = unread_notice(entry.key, due, revision=entry.revision, reason=reason, by=str(error))
        return Contribution([], [notice], entry.wake)


def _span(window: Window, now: Instant) -> Window:
    """The instants of publication that a pass over *window* answers for."""
    return window if window.start < window.end else Window(min(now, window.end), window.end)
