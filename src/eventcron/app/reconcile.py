"""Check the whole table daily: repair faulty records, complete finished schedules, delete expired records.

Every write is conditional on what the reconciler read, so it can run while registrar and planner do. If another writer
was first, that writer has repaired the record, or the next run will.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from eventcron.app.calendars import named_by
from eventcron.app.concurrency import all_of
from eventcron.app.delivery import Publisher, complete
from eventcron.app.reading import read_readable
from eventcron.errors import InvalidSchedule
from eventcron.model.names import MAX_SEGMENTS, Instant
from eventcron.model.records import Record, State, StoredInput
from eventcron.ports import Calendars, Clock, EventBus, Leases, RulesVersion, ScheduleStore
from eventcron.rules.inputs import is_abandoned
from eventcron.rules.reconcile import Fault, Finding, Setting, find
from eventcron.settings import Settings

#: Milliseconds. Closer than this to its deadline, the reconciler reads no further page. A page takes under a second.
STOP_BEFORE_MS = 5_000


class ReconcileReport(Struct, kw_only=True):
    """What a run has found and done so far."""

    #: Records by state, including tombstones.
    states: Counter[State] = msgspec.field(default_factory=Counter)
    #: Repaired faults.
    repaired: Counter[Fault] = msgspec.field(default_factory=Counter)
    #: Inputs that were removed because no record refers to them.
    inputs_removed: int = 0
    #: Faults that were not repaired, because another writer changed the record meanwhile.
    contested: int = 0
    #: Schedules that this release cannot read, each with the reason.
    unreadable: list[str] = msgspec.field(default_factory=list)
    #: Whether the run read every record before its deadline.
    finished: bool = False

    @property
    def records(self) -> int:
        return self.states.total()


def _ignore(_report: ReconcileReport) -> None:
    """Discard the progress: the default for ``on_progress``."""


class Reconciler:
    """Checks and repairs every record of the table."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: ScheduleStore,
        leases: Leases,
        rules_version: RulesVersion,
        calendars: Calendars,
        bus: EventBus,
        jitter: Callable[[], float],
        settings: Settings,
    ) -> None:
        self._clock = clock
        self._store = store
        self._leases = leases
        self._rules_version = rules_version
        self._calendars = calendars
        self._publisher = Publisher(clock=clock, bus=bus, jitter=jitter)
        self._settings = settings

    async def run(
        self,
        *,
        deadline: Instant,
        rules: str | None,
        segments: int | None = None,
        on_progress: Callable[[ReconcileReport], None] = _ignore,
    ) -> ReconcileReport:
        """Check every record once, in ``concurrency`` parallel parts. Return what was found and repaired.

        *rules* names the zone rules and the release. If they differ from those of the last finished run, every trigger
        is computed again. None keeps the triggers, except those of schedules that exclude calendars. *segments* is the
        number of segments, by default the deployment's. *on_progress* gets the report after each page.

        Raises:
            Unavailable: a service refused. Repairs made before that stay.
        """
        report = ReconcileReport()
        # The number of segments may have been changed, so read all that there can be.
        states = await self._leases.segments(MAX_SEGMENTS)
        setting = Setting(
            now=self._clock.now(),
            reach=(self._settings.horizon_seconds + self._settings.guard_seconds) * 1000,
            segments=segments or self._settings.segments,
            planned_through={state.segment: state.planned_through for state in states},
            work_out=rules is not None and await self._rules_version.read() != rules,
        )
        parts = self._settings.concurrency
        ended = await all_of(
            self._walk(part, parts, setting, report, deadline=deadline, on_progress=on_progress)
            for part in range(parts)
        )
        report.finished = all(ended)
        if report.finished and setting.work_out and rules is not None:
            await self._rules_version.write(rules)
        return report

    async def _walk(
        self,
        part: int,
        parts: int,
        setting: Setting,
        report: ReconcileReport,
        *,
        deadline: Instant,
        on_progress: Callable[[ReconcileReport], None],
    ) -> bool:
        """Check one part of the table. Return False if the deadline came first."""
        cursor: str | None = None
        while self._clock.now() < deadline - STOP_BEFORE_MS:
            page = await self._store.scan(part, parts, cursor=cursor)
            report.unreadable += [f"{item.key}: {item.reason}" for item in page.unreadable]
            await self._check(page.items, setting, report)
            report.inputs_removed += await self._sweep(page.inputs, setting.now)
            on_progress(report)
            cursor = page.cursor
            if cursor is None:
                return True
        return False

    async def _sweep(self, inputs: Sequence[StoredInput], now: Instant) -> int:
        """Remove those of *inputs* to which no record refers, as a writer that died leaves them. Return how many."""
        doubtful = [stored for stored in inputs if is_abandoned(stored, None, now=now)]
        records, unreadable = await read_readable(self._store.get, list({stored.key for stored in doubtful}))
        abandoned = [
            stored
            for stored in doubtful
            if stored.key not in unreadable and is_abandoned(stored, records.get(stored.key), now=now)
        ]
        return sum(await all_of(map(self._store.drop_input, abandoned)))

    async def _check(self, records: Sequence[Record], setting: Setting, report: ReconcileReport) -> None:
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
        for record in records:
            report.states[record.state] += 1
            try:
                finding = find(record, setting, calendars.get(record.tenant))
            except (InvalidSchedule, ValueError) as error:
                # The record stays: the next deployment may bring a release that can read it.
                report.unreadable.append(f"{record.key}: {error}")
                continue
            if finding is not None:
                findings.append((record, finding))
        await all_of(repair(record, finding) for record, finding in findings)

    async def _repair(self, record: Record, finding: Finding) -> bool:
        if finding.fault is Fault.EXPIRED:
            return await self._store.delete_expired(record)
        if finding.fault is Fault.OVER:
            # The executor normally completes a schedule after its last fire. Here that pack was lost or unreadable.
            return await complete(record, clock=self._clock, store=self._store, publisher=self._publisher)
        return await self._store.repair(finding.record, was=record)
