"""Tick → packs: plans segments ahead of time, many at once, each under a claim.

For each segment: claim, read the index page by page, plan, send, move ``wake``, commit the cursor. The order is the
guarantee: a crash anywhere repeats work and never skips it, because the cursor moves last and only if every pack
and every skip notice was taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from eventcron.app.concurrency import all_of
from eventcron.app.delivery import PackSender, Publisher, complete
from eventcron.app.reading import read_readable
from eventcron.errors import InvalidSchedule, Unavailable
from eventcron.model.codes import SkipReason
from eventcron.model.events import SkipNotice
from eventcron.model.messages import Pack
from eventcron.model.names import Instant, Key, Window
from eventcron.model.records import IndexEntry, State
from eventcron.ports import Clock, DeadLetters, EventBus, FireQueue, Lease, Leases, Page, ScheduleStore
from eventcron.rules.lag import lag_ms
from eventcron.rules.packing import pack_fires
from eventcron.rules.planning import DENSE, Contribution, WindowMemo, contribution, index_entry_of, next_wake
from eventcron.settings import Settings
from eventcron.wire.encode import skipped

#: Milliseconds before the deadline at which a pass saves its page and stops. A page takes well under a second.
SAVE_BEFORE_MS = 2_000
#: Conditional ``wake`` updates in flight for one segment.
MOVES_AT_ONCE = 32


class SegmentOutcome(StrEnum):
    """How a segment's pass ended."""

    PLANNED = "planned"  # the cursor moved to the window's end
    SAVED = "saved"  # stopped near the deadline; the next pass resumes at the page
    HELD = "held"  # another planner holds a live claim
    FENCED = "fenced"  # a later claim took over; what was sent is known by its ids
    FAILED = "failed"  # a service refused; the whole window will be planned again


class SegmentReport(Struct, frozen=True, kw_only=True):
    """What one pass over one segment did.

    ``behind_ms`` is how far the cursor was behind now when the segment was claimed: what was due meanwhile is late.
    ``lag_ms`` is how long after its time, a tick after the pass before, it was claimed; None = it was not, or never
    had been.
    """

    segment: int
    ended: SegmentOutcome
    visited: int = 0
    fires: int = 0
    packs: int = 0
    skipped: int = 0
    behind_ms: int = 0
    lag_ms: int | None = None
    reason: str = ""


class _Tally(Struct):
    visited: int = 0
    fires: int = 0
    packs: int = 0
    skipped: int = 0


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
        self._jitter = jitter
        self._settings = settings

    async def run(
        self, segments: Iterable[int], *, deadline: Instant, tick: Instant | None = None
    ) -> list[SegmentReport]:
        """IndexEntry *segments*, at most ``concurrency`` at once; one report each, in the given order.

        A segment that fails does not stop the others. *deadline* is when this process may be killed: claims are
        held no longer, so a planner that dies delays its segments to the next tick at most. A segment that is planned
        through a horizon from *tick* already is left as it is: someone has planned it for that tick, or a later one.
        """
        slots = asyncio.Semaphore(self._settings.concurrency)
        memos: dict[Window, WindowMemo] = {}
        # Whole seconds, and the same for all: segments of one run share windows, and so the memo of their triggers.
        # From now, not from the tick: after an outage one pass must see all that was missed, so that the latest of it
        # fires once, and not once for each message that waited.
        end = self._horizon(self._clock.now())
        asked = None if tick is None else self._horizon(tick)

        async def plan(segment: int) -> SegmentReport:
            async with slots:
                return await self._plan_segment(segment, end=end, asked=asked, deadline=deadline, memos=memos)

        # Another first each time: if there is never time for all, it is not always the same that wait.
        chosen = list(segments)
        first = int(self._jitter() * len(chosen))
        reports = await all_of(plan(segment) for segment in chosen[first:] + chosen[:first])
        return reports[len(chosen) - first :] + reports[: len(chosen) - first]

    def _horizon(self, instant: Instant) -> Instant:
        """A horizon from *instant*, in whole seconds."""
        return (instant // 1000 + self._settings.horizon_seconds) * 1000

    async def _plan_segment(
        self,
        segment: int,
        *,
        end: Instant,
        asked: Instant | None,
        deadline: Instant,
        memos: dict[Window, WindowMemo],
    ) -> SegmentReport:
        now = self._clock.now()
        if now > deadline - SAVE_BEFORE_MS:
            return SegmentReport(segment=segment, ended=SegmentOutcome.SAVED, reason="no time left to start")
        try:
            if asked is not None and await self._leases.planned_through(segment) >= asked:
                return SegmentReport(segment=segment, ended=SegmentOutcome.PLANNED)
            lease = await self._leases.acquire(segment, end=end, now=now, lease_until=deadline)
        except Unavailable as error:
            return SegmentReport(segment=segment, ended=SegmentOutcome.FAILED, reason=str(error))
        if lease is None:
            return SegmentReport(segment=segment, ended=SegmentOutcome.HELD)
        tally = _Tally()
        try:
            ended = await self._plan_lease(lease, deadline=deadline, memos=memos, tally=tally)
            reason = ""
        except Unavailable as error:
            ended, reason = SegmentOutcome.FAILED, str(error)
            await self._give_up(lease)
        return SegmentReport(
            segment=segment,
            ended=ended,
            visited=tally.visited,
            fires=tally.fires,
            packs=tally.packs,
            skipped=tally.skipped,
            behind_ms=max(0, now - lease.start) if lease.start else 0,
            lag_ms=self._lag(lease, now) if lease.start else None,
            reason=reason,
        )

    def _lag(self, lease: Lease, now: Instant) -> int:
        settings = self._settings
        return lag_ms(
            lease.start, now=now, horizon_seconds=settings.horizon_seconds, tick_seconds=settings.tick_seconds
        )

    async def _give_up(self, lease: Lease) -> None:
        try:
            await self._leases.release(lease)
        except Unavailable:
            # The lease runs out by itself at the deadline; only then will the next pass come.
            return

    async def _plan_lease(
        self, lease: Lease, *, deadline: Instant, memos: dict[Window, WindowMemo], tally: _Tally
    ) -> SegmentOutcome:
        if lease.start >= lease.end:
            await self._leases.release(lease)
            return SegmentOutcome.PLANNED
        window = Window(lease.start, lease.end)
        memo = memos.setdefault(window, WindowMemo(window))
        page = await self._page(lease, lease.cursor)
        looked_up: set[Key] = set()
        while True:
            ahead = asyncio.ensure_future(self._page(lease, page.cursor)) if page.cursor else None
            try:
                await self._plan_page(page, window, memo, tally, looked_up)
                if ahead is None:
                    return SegmentOutcome.PLANNED if await self._leases.commit(lease) else SegmentOutcome.FENCED
                if self._clock.now() > deadline - SAVE_BEFORE_MS:
                    assert page.cursor is not None  # noqa: S101  # a page is ahead
                    return (
                        SegmentOutcome.SAVED if await self._leases.save(lease, page.cursor) else SegmentOutcome.FENCED
                    )
                page = await ahead
            finally:
                if ahead is not None and not ahead.done():
                    ahead.cancel()

    async def _page(self, lease: Lease, cursor: str | None) -> Page[IndexEntry]:
        return await self._store.plans(lease.segment, before=lease.end, cursor=cursor)

    async def _plan_page(
        self, page: Page[IndexEntry], window: Window, memo: WindowMemo, tally: _Tally, looked_up: set[Key]
    ) -> None:
        plans = await self._verified(page.items, window, looked_up)
        now = self._clock.now()
        done = [(plan, _contribution(plan, window, memo, now=now)) for plan in plans]
        packs = pack_fires((fire for _, part in done for fire in part.fires), size=self._settings.pack_size)
        notices = [notice for _, part in done for notice in part.skips]
        notices += [_unread(item.key, window, reason=SkipReason.UNREADABLE, by=item.reason) for item in page.unreadable]
        await self._send(packs)
        await self._publisher.publish([skipped(notice, now=now) for notice in notices])
        await self._move(done, window)
        tally.visited += len(plans)
        tally.packs += len(packs)
        tally.fires += sum(len(pack.fires) for pack in packs)
        tally.skipped += sum(notice.count for notice in notices)

    async def _verified(self, items: Sequence[IndexEntry], window: Window, looked_up: set[Key]) -> list[IndexEntry]:
        """*items*, with those the index may show as they no longer are replaced by what is stored.

        A timed plan that should have been planned in an earlier window was either invisible then, or is shown as it
        was before that pass moved it on; only the table itself knows. This is rare, so the reading costs little.

        Those found dense there are *looked_up*: the index may catch up and show them among the dense ones, the last.
        """
        items = [plan for plan in items if plan.wake != DENSE or plan.key not in looked_up]
        doubtful = [plan for plan in items if DENSE < plan.wake < window.start]
        if not doubtful:
            return list(items)
        stored, unreadable = await read_readable(self._store.get, [plan.key for plan in doubtful])
        actual = [index_entry_of(record) for record in stored.values()]
        looked_up |= {plan.key for plan in actual if plan is not None and plan.wake == DENSE}
        sure = [plan for plan in items if not DENSE < plan.wake < window.start or plan.key in unreadable]
        return sure + [plan for plan in actual if plan is not None and plan.wake < window.end]

    async def _send(self, packs: Sequence[Pack]) -> None:
        lead_ms = self._settings.lead_seconds * 1000
        await self._sender.send(packs, visible_at=lambda pack: pack.at - lead_ms)

    async def _move(self, done: Sequence[tuple[IndexEntry, Contribution]], window: Window) -> None:
        """Move on the timed plans, and take the finished ones out of the index.

        Nobody else takes them out: a last fire may be published, and complete its schedule, while a pass that failed
        after sending it still owes what comes before.
        """
        slots = asyncio.Semaphore(MOVES_AT_ONCE)
        now = self._clock.now()

        async def move(plan: IndexEntry, part: Contribution) -> None:
            wake = next_wake(part)
            if plan.wake == DENSE and wake is not None:
                return
            if wake is None and not part.fires and not _is_past(plan, now):
                # What it fired last may still be on its way: it stays until all that was planned is past.
                wake = window.end if part.skips or plan.wake == DENSE else plan.wake
            if wake == plan.wake:
                return
            async with slots:
                if wake is None and not part.fires:
                    await self._finish(plan)
                # False: the schedule was changed meanwhile, and the change has its own wake.
                # A pass reads the dense ones last, this one perhaps too, which is planned through the window already.
                await self._store.move_wake(plan, wake, handoff=window.end if wake == DENSE else None)

        await all_of(move(plan, part) for plan, part in done)

    async def _finish(self, plan: IndexEntry) -> None:
        """End a schedule whose last occurrence did not fire: there is no last fire for the executor to end it with."""
        record = (await read_readable(self._store.get, [plan.key])).found.get(plan.key)
        if record is None or record.revision != plan.revision or record.state is not State.ENABLED:
            return
        await complete(record, clock=self._clock, store=self._store, publisher=self._publisher)


def _is_past(plan: IndexEntry, now: Instant) -> bool:
    """Whether everything of a timed plan without an occurrence left is past."""
    return plan.wake != DENSE and plan.wake <= now


def _contribution(plan: IndexEntry, window: Window, memo: WindowMemo, *, now: Instant) -> Contribution:
    """A plan's contribution; a trigger this version cannot read is skipped in the open and stops nothing else.

    It stays in the index: the code that can read it may be back with the next deployment.
    """
    try:
        return contribution(plan, window, memo, now=now)
    except (InvalidSchedule, ValueError) as error:
        span = Window(max(window.start, plan.wake), window.end)
        notice = _unread(plan.key, span, revision=plan.revision, reason=SkipReason.UNREADABLE_TRIGGER, by=str(error))
        return Contribution([], [notice], plan.wake)


def _unread(key: Key, window: Window, *, revision: int = 0, reason: SkipReason, by: str) -> SkipNotice:
    """What is due in the window of a schedule that cannot be read, nobody knows: that it does not fire is told."""
    return SkipNotice(
        tenant=key.tenant,
        name=key.name,
        revision=revision,
        reason=reason,
        first_due=window.start,
        last_due=window.end - 1,
        by=by,
    )
