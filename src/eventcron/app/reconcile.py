"""The whole table, daily: what is wrong is repaired, what is over is ended, what has expired is removed.

Every write is conditional on what was read, so it may run beside registrar and planner: whoever changed a record
meanwhile has put it right, or the next run will.
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
from eventcron.errors import InvalidSchedule
from eventcron.model.names import MAX_SEGMENTS, Instant
from eventcron.model.records import Record, State
from eventcron.ports import Calendars, Clock, EventBus, Leases, RulesVersion, ScheduleStore
from eventcron.rules.reconcile import Fault, Finding, Setting, find
from eventcron.settings import Settings

#: Milliseconds before the deadline at which no further page is read. A page takes well under a second.
STOP_BEFORE_MS = 5_000


class ReconcileReport(Struct, kw_only=True):
    """What a run has seen and done so far."""

    #: Records by state, tombstones included.
    states: Counter[State] = msgspec.field(default_factory=Counter)
    #: Faults found and put right.
    repaired: Counter[Fault] = msgspec.field(default_factory=Counter)
    #: Faults found in what someone else changed meanwhile.
    contested: int = 0
    #: Schedules that this release cannot read.
    unreadable: list[str] = msgspec.field(default_factory=list)
    #: Whether every record was seen; else the deadline came first.
    finished: bool = False

    @property
    def records(self) -> int:
        return self.states.total()


def _ignore(_survey: ReconcileReport) -> None:
    """What happens to progress nobody asked for."""


class Reconciler:
    """Walks the table."""

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
        """Look at every record once, in ``concurrency`` shares at once.

        *rules* names the zone rules and the release: if they are not those of the last run that finished, every
        trigger is worked out anew; None leaves triggers as they are, but for those that exclude calendars, which
        always follow. *segments* is the number to place schedules
        by, the deployment's own if not given.

        Raises:
            Unavailable: a service refused; what was repaired stays so.
        """
        survey = ReconcileReport()
        # All that this deployment, or one before it, can have had.
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
            self._walk(part, parts, setting, survey, deadline=deadline, on_progress=on_progress)
            for part in range(parts)
        )
        survey.finished = all(ended)
        if survey.finished and setting.work_out and rules is not None:
            await self._rules_version.write(rules)
        return survey

    async def _walk(
        self,
        part: int,
        parts: int,
        setting: Setting,
        survey: ReconcileReport,
        *,
        deadline: Instant,
        on_progress: Callable[[ReconcileReport], None],
    ) -> bool:
        """Go through one share of the table. False: the deadline came first."""
        cursor: str | None = None
        while self._clock.now() < deadline - STOP_BEFORE_MS:
            page = await self._store.scan(part, parts, cursor=cursor)
            survey.unreadable += [f"{item.key}: {item.reason}" for item in page.unreadable]
            await self._look_at(page.items, setting, survey)
            on_progress(survey)
            cursor = page.cursor
            if cursor is None:
                return True
        return False

    async def _look_at(self, records: Sequence[Record], setting: Setting, survey: ReconcileReport) -> None:
        slots = asyncio.Semaphore(self._settings.concurrency)

        async def put_right(record: Record, finding: Finding) -> None:
            async with slots:
                done = await self._put_right(record, finding)
            survey.repaired[finding.fault] += done
            survey.contested += not done

        schedules = (record.schedule for record in records if record.schedule)
        # Of a calendar that cannot be read its schedules keep the days they have.
        calendars = await named_by(schedules, self._calendars, unreadable_too=True)
        findings: list[tuple[Record, Finding]] = []
        for record in records:
            survey.states[record.state] += 1
            try:
                finding = find(record, setting, calendars.get(record.tenant))
            except (InvalidSchedule, ValueError) as error:
                # It stays as it is: the release that can read it may be back with the next deployment.
                survey.unreadable.append(f"{record.key}: {error}")
                continue
            if finding is not None:
                findings.append((record, finding))
        await all_of(put_right(record, finding) for record, finding in findings)

    async def _put_right(self, record: Record, finding: Finding) -> bool:
        if finding.fault is Fault.EXPIRED:
            return await self._store.delete_expired(record)
        if finding.fault is Fault.OVER:
            # Its last fire ended nothing: it was lost on its way, or nobody could read its pack.
            return await complete(record, clock=self._clock, store=self._store, publisher=self._publisher)
        return await self._store.repair(finding.record, was=record)
