"""Check the whole table daily: repair faulty records, complete finished schedules, delete expired records.

A check of the whole table is a sweep. It is divided into shares. A run leases one share after another and saves its
cursor after each page, so the next run carries on where a run ended, was stopped or died. Runs at the same time share
the work.

Every write is conditional on what the reconciler read, so it can run while registrar and planner do. If another writer
was first, that writer has repaired the record, or the next sweep will. A page that was read twice is checked twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from eventcron.app.calendars import named_by
from eventcron.app.completion import Completion
from eventcron.app.concurrency import all_of
from eventcron.app.contention import MAX_TRIES, contended
from eventcron.app.delivery import Publisher
from eventcron.app.reading import read_readable
from eventcron.errors import InvalidSchedule
from eventcron.model.names import MAX_SEGMENTS, Instant
from eventcron.model.records import Record, Share, State, StoredInput, Sweep
from eventcron.ports import Calendars, Clock, EventBus, Leases, Page, ScheduleStore
from eventcron.ports.sweeps import Sweeps
from eventcron.rules.inputs import is_abandoned
from eventcron.rules.reconcile import Fault, Finding, Setting, find
from eventcron.rules.sweeps import daily_sweep, ended, resizing_sweep, share_of
from eventcron.settings import Settings

#: Milliseconds. Closer than this to its deadline, the reconciler reads no further page. A page takes under a second.
STOP_BEFORE_MS = 5_000
#: Milliseconds for which a run leases a share; each page renews the lease. A page takes under a second, or a few where
#: the table throttles. If one takes longer, another run may check the same page, which does no harm.
LEASE_MS = 60_000
#: Milliseconds between two looks at shares that other runs hold.
WAIT_MS = 1_000
#: Milliseconds after which a run reads again how far the segments are planned. A dense schedule that moves is planned
#: from there on, so what the planner did since the last look is done twice.
FRESH_MS = 10_000


class ReconcileReport(Struct, kw_only=True):
    """What a run has found and done so far, and how far its sweep has come."""

    #: The sweep. None: none is due.
    sweep: Sweep | None = None
    #: How many shares of the sweep are done, whichever run did them.
    shares_done: int = 0
    #: Records that this run has checked, by state, including tombstones.
    states: Counter[State] = msgspec.field(default_factory=Counter)
    #: Faults that this run has repaired.
    repaired: Counter[Fault] = msgspec.field(default_factory=Counter)
    #: Inputs that were removed because no record refers to them.
    inputs_removed: int = 0
    #: Tenants whose count of schedules was made anew, as a writer had died before it could correct it.
    recounted: int = 0
    #: Faults that were not repaired, because another writer changed the record meanwhile.
    contested: int = 0
    #: Schedules that this release cannot read, each with the reason.
    unreadable: list[str] = msgspec.field(default_factory=list)
    #: Whether every record has been read.
    finished: bool = False
    #: Whether a later sweep has begun, so that this one will not be finished.
    replaced: bool = False
    #: Once the sweep is finished: what all its runs counted.
    total_states: Counter[State] = msgspec.field(default_factory=Counter)
    total_unreadable: int = 0

    @property
    def records(self) -> int:
        """How many records this run has checked."""
        return self.states.total()

    @property
    def percent(self) -> int:
        """How much of the table the sweep has checked, by shares."""
        return 0 if self.sweep is None else 100 * self.shares_done // self.sweep.shares


def _ignore(_report: ReconcileReport) -> None:
    """Discard the progress: the default for ``on_progress``."""


class _Run(Struct, kw_only=True):
    """What the parts of a run have in common."""

    sweep: Sweep
    #: Read again every ``FRESH_MS``.
    setting: Setting
    report: ReconcileReport
    #: Milliseconds since 1970: no page is read after it.
    stop_at: Instant
    #: Tenants whose count of schedules this run has checked.
    tenants: set[str] = msgspec.field(default_factory=set)
    on_progress: Callable[[ReconcileReport], None]


class Reconciler:
    """Checks and repairs every record of the table."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: ScheduleStore,
        leases: Leases,
        sweeps: Sweeps,
        calendars: Calendars,
        bus: EventBus,
        jitter: Callable[[], float],
        settings: Settings,
    ) -> None:
        self._clock = clock
        self._store = store
        self._leases = leases
        self._sweeps = sweeps
        self._calendars = calendars
        publisher = Publisher(clock=clock, bus=bus, jitter=jitter)
        self._completion = Completion(clock=clock, store=store, publisher=publisher, settings=settings)
        self._settings = settings

    async def run(
        self,
        *,
        deadline: Instant,
        rules: str,
        on_progress: Callable[[ReconcileReport], None] = _ignore,
    ) -> ReconcileReport:
        """Carry on the open sweep, or begin one if it is due. Return what was found and repaired.

        *rules* names the zone rules and the release. If they differ from those of the last sweep that computed
        triggers, a sweep begins at once and computes every trigger again. *on_progress* gets the report after each
        page.

        Raises:
            Unavailable: a service refused. What was checked before that is not checked again.
            Conflict: other runs began sweeps at every try.
        """
        segments = self._settings.segments
        sweep = await self._begin(lambda last, now: daily_sweep(last, now=now, rules=rules, segments=segments))
        return ReconcileReport() if sweep is None else await self._carry_on(sweep, deadline, on_progress)

    async def resize(
        self,
        *,
        deadline: Instant,
        segments: int,
        on_progress: Callable[[ReconcileReport], None] = _ignore,
    ) -> ReconcileReport:
        """Move every schedule to its segment among *segments*, and check it as ``run`` does, in a sweep of its own.

        If a run with the same *segments* was stopped, carry on from there. The triggers stay, except those of schedules
        that exclude calendars: the deployed release computes triggers, and this release may be another.

        Raises:
            As ``run``.
        """
        sweep = await self._begin(lambda last, now: resizing_sweep(last, now=now, segments=segments))
        assert sweep is not None  # noqa: S101  # a resize is always due
        return await self._carry_on(sweep, deadline, on_progress)

    async def _begin(self, choose: Callable[[Sweep | None, Instant], Sweep | None]) -> Sweep | None:
        """The sweep that *choose* returns, stored if it is new."""
        for _ in range(MAX_TRIES):
            last = await self._sweeps.latest()
            sweep = choose(last, self._clock.now())
            if sweep is None or sweep == last:
                return sweep
            if await self._sweeps.put(sweep, replacing=None if last is None else last.number):
                return sweep
        raise contended("the sweep")

    async def _carry_on(
        self, sweep: Sweep, deadline: Instant, on_progress: Callable[[ReconcileReport], None]
    ) -> ReconcileReport:
        report = ReconcileReport(sweep=sweep)
        run = _Run(
            sweep=sweep,
            setting=await self._setting(sweep),
            report=report,
            stop_at=deadline - STOP_BEFORE_MS,
            on_progress=on_progress,
        )
        while True:
            shares = await self._shares(run)
            left = [share for share in shares if not share.done]
            if report.replaced or not left or self._clock.now() >= run.stop_at:
                break
            free = [share for share in left if share.lease_until <= self._clock.now()]
            if free:
                workers = min(self._settings.concurrency, len(free))
                await all_of(self._work(free, run) for _ in range(workers))
            else:
                # Other runs hold what is left. One of them may have died.
                await self._clock.sleep_until(min(self._clock.now() + WAIT_MS, run.stop_at))
        if not left and not report.replaced:
            await self._finish(run, shares)
        return report

    async def _setting(self, sweep: Sweep) -> Setting:
        # The number of segments may have been changed, so read all that there can be.
        states = await self._leases.segments(MAX_SEGMENTS)
        return Setting(
            now=self._clock.now(),
            reach=(self._settings.horizon_seconds + self._settings.guard_seconds) * 1000,
            segments=sweep.segments,
            planned_through={state.segment: state.planned_through for state in states},
            work_out=sweep.rules not in {"", sweep.computed_by},
        )

    async def _shares(self, run: _Run) -> list[Share]:
        """The shares of the sweep. If one of them is a later sweep's, the report says so."""
        stored = await self._sweeps.shares(run.sweep.shares)
        shares = [share_of(run.sweep, part, stored.get(part)) for part in range(run.sweep.shares)]
        found = [share for share in shares if share is not None]
        run.report.replaced = len(found) < len(shares)
        run.report.shares_done = sum(share.done for share in found)
        return found

    async def _finish(self, run: _Run, shares: Sequence[Share]) -> None:
        report = run.report
        stored = await self._sweeps.put(ended(run.sweep, now=self._clock.now()), replacing=run.sweep.number)
        report.finished, report.replaced = stored, not stored
        for share in shares:
            report.total_states.update(share.states)
            report.total_unreadable += share.unreadable

    async def _work(self, free: list[Share], run: _Run) -> None:
        """Read one of the *free* shares after the other, until none is left or the time is up."""
        while free and self._clock.now() < run.stop_at:
            await self._read(free.pop(), run)

    async def _read(self, share: Share, run: _Run) -> None:
        """Lease *share* and check its pages, to the last one, while there is time and no other run has it."""
        stored, share = share, self._next(share, lease_until=self._clock.now() + LEASE_MS)
        try:
            while await self._save(share) and share.lease_until:
                stored = share
                page = await self._store.scan(share.part, run.sweep.shares, cursor=share.cursor)
                share = await self._after(share, page, run)
                run.report.shares_done += share.done
                run.on_progress(run.report)
        except asyncio.CancelledError:
            # The operator stopped this run. The next one need not wait for the lease to end. The last save may have
            # been stopped before or after it had its effect.
            for last in (share, stored):
                if await self._save(self._next(last, lease_until=0)):
                    break
            raise

    async def _after(self, share: Share, page: Page[Record], run: _Run) -> Share:
        """Check *page*. Return *share* as it is after it, given up if it is done or the time is up."""
        if self._clock.now() - run.setting.now >= FRESH_MS:
            run.setting = await self._setting(run.sweep)
        unreadable = [f"{item.key}: {item.reason}" for item in page.unreadable]
        unreadable += await self._check(page.items, run.setting, run.report)
        run.report.unreadable += unreadable
        run.report.inputs_removed += await self._remove_abandoned(page.inputs, run.setting.now)
        run.report.recounted += await self._recount({record.tenant for record in page.items} | {*page.counted}, run)
        states = Counter(record.state for record in page.items)
        run.report.states += states
        done, now = page.cursor is None, self._clock.now()
        counted = replace(
            share,
            cursor=page.cursor,
            done=done,
            states=dict(states + Counter(share.states)),
            unreadable=share.unreadable + len(unreadable),
        )
        return self._next(counted, lease_until=0 if done or now >= run.stop_at else now + LEASE_MS)

    async def _remove_abandoned(self, inputs: Sequence[StoredInput], now: Instant) -> int:
        """Remove those of *inputs* to which no record refers, as a writer that died leaves them. Return how many."""
        doubtful = [stored for stored in inputs if is_abandoned(stored, None, now=now)]
        records, unreadable = await read_readable(self._store.get, list({stored.key for stored in doubtful}))
        abandoned = [
            stored
            for stored in doubtful
            if stored.key not in unreadable and is_abandoned(stored, records.get(stored.key), now=now)
        ]
        return sum(await all_of(map(self._store.drop_input, abandoned)))

    async def _recount(self, tenants: set[str], run: _Run) -> int:
        """Check the counts of those *tenants* that this run has not met before. Return how many were wrong."""
        new = tenants - run.tenants
        run.tenants |= new
        return sum([await self._store.recount(tenant) != 0 for tenant in sorted(new)])

    @staticmethod
    def _next(share: Share, *, lease_until: Instant) -> Share:
        return replace(share, version=share.version + 1, lease_until=lease_until)

    async def _save(self, share: Share) -> bool:
        """Store *share*, the next version. False: another run has it."""
        before = share.version - 1
        return await self._sweeps.put_share(share, replacing=before or None)

    async def _check(self, records: Sequence[Record], setting: Setting, report: ReconcileReport) -> list[str]:
        """Repair *records*. Return those that this release cannot read, each with the reason."""
        slots = asyncio.Semaphore(self._settings.concurrency)

        async def repair(record: Record, finding: Finding) -> None:
            async with slots:
                done = await self._repair(record, finding)
            report.repaired[finding.fault] += done
            report.contested += not done

        schedules = (record.schedule for record in records if record.schedule)
        # If a calendar cannot be read, the schedules that exclude it keep their days.
        calendars = await named_by(schedules, self._calendars, unreadable_too=True)
        findings: list[tuple[Record, Finding]] = []
        unreadable: list[str] = []
        for record in records:
            try:
                finding = find(record, setting, calendars.get(record.tenant))
            except (InvalidSchedule, ValueError) as error:
                # The record stays: the next deployment may bring a release that can read it.
                unreadable.append(f"{record.key}: {error}")
                continue
            if finding is not None:
                findings.append((record, finding))
        await all_of(repair(record, finding) for record, finding in findings)
        return unreadable

    async def _repair(self, record: Record, finding: Finding) -> bool:
        if finding.fault is Fault.EXPIRED:
            return await self._store.delete_expired(record)
        if finding.fault is Fault.OVER:
            # The executor normally completes a schedule after its last fire. Here that pack was lost or unreadable.
            return await self._completion.complete(record)
        return await self._store.repair(finding.record, was=record)
