"""Report to an operator what is about to fire: count the fires of a coming window, and list the first of them.

The use case reads the table, not the index, because a schedule whose fires are already in the queue may have left the
index. It reads the whole table once, in parallel parts, or only the records of one tenant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from msgspec import Struct

from eventcron.app.concurrency import all_of
from eventcron.app.reading import ReadPage, pages
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.events import SkipNotice
from eventcron.model.names import Instant, Unreadable, Window
from eventcron.model.records import Backfill, BackfillState, Record
from eventcron.ports import Backfills, ScheduleStore
from eventcron.rules.heat_map import HeatMap, cell_ms
from eventcron.rules.planning import joined
from eventcron.rules.upcoming import UpcomingFire, upcoming_entries, upcoming_fires
from eventcron.settings import Settings

#: Milliseconds. One day: a person can read its minutes, and it bounds the work.
MAX_SPAN_MS = 86_400_000
#: Fires held in memory beyond twice the requested number before the later ones are dropped.
SLACK = 10_000
MINUTE_MS = 60_000


class UpcomingReport(Struct, kw_only=True):
    """What will be published in a window, by the records as they were read."""

    window: Window
    #: How many schedules were read, whether or not they fire in the window.
    schedules: int = 0
    #: How many of them each tenant has.
    schedules_of: Counter[str] = msgspec.field(default_factory=Counter)
    #: Fires by tenant and by name of the schedule, ``tenant/name``.
    tenants: Counter[str] = msgspec.field(default_factory=Counter)
    names: Counter[str] = msgspec.field(default_factory=Counter)
    #: Fires by the instant at which their second, or their minute, begins.
    seconds: Counter[Instant] = msgspec.field(default_factory=Counter)
    minutes: Counter[Instant] = msgspec.field(default_factory=Counter)
    #: Fires by tenant and by the number of their part of the window; see ``heat_map``.
    cells: Counter[tuple[str, int]] = msgspec.field(default_factory=Counter)
    #: The first fires, in order of publication.
    first: list[UpcomingFire] = msgspec.field(default_factory=list)
    #: What will not fire: one notice for each schedule and reason, in order of ``first_due``.
    skips: list[SkipNotice] = msgspec.field(default_factory=list)
    unreadable: list[Unreadable] = msgspec.field(default_factory=list)
    #: Running backfills. Their fires are not counted here.
    backfills: list[Backfill] = msgspec.field(default_factory=list)

    @property
    def fires(self) -> int:
        return self.minutes.total()

    @property
    def heat_map(self) -> HeatMap:
        """When each tenant fires how much."""
        return HeatMap(self.window, self.cells)


def _ignore(_report: UpcomingReport) -> None:
    """Discard the progress: the default for ``on_progress``."""


class Upcoming:
    """Reports what is about to fire. Reads only."""

    def __init__(self, *, store: ScheduleStore, backfills: Backfills, settings: Settings) -> None:
        self._store = store
        self._backfills = backfills
        self._settings = settings

    async def look(
        self,
        window: Window,
        *,
        tenant: str | None = None,
        limit: int,
        max_span_ms: int = MAX_SPAN_MS,
        on_progress: Callable[[UpcomingReport], None] = _ignore,
    ) -> UpcomingReport:
        """Report what will be published in *window*, of *tenant* or of all tenants, and list the first *limit* fires.

        A schedule that changes during the call is reported as before or as after the change. Runs and what a resume
        catches up on are not counted; a long catch-up is among the running backfills.

        Raises:
            InvalidSchedule: the window is empty or longer than *max_span_ms*.
            Unavailable: a service refused.
        """
        _check(window, max_span_ms)
        report = UpcomingReport(window=window)
        skips: dict[tuple[str, str, str, str], SkipNotice] = {}

        async def note(read: ReadPage[Record]) -> None:
            async for page in pages(read):
                report.unreadable += page.unreadable
                _note(report, page.items, skips, limit=limit)
                on_progress(report)

        store, parts = self._store, self._settings.concurrency
        if tenant is not None:
            await note(partial(store.of_tenant, tenant))
        else:
            await all_of(note(partial(store.scan, part, parts)) for part in range(parts))
        report.first = _earliest(report.first, limit)
        report.skips = [skip for _, skip in sorted(skips.items(), key=lambda item: (item[1].first_due, item[0]))]
        report.backfills = await self._running(tenant)
        return report

    async def _running(self, tenant: str | None) -> list[Backfill]:
        keys = [key for key in await self._backfills.open() if tenant in {None, key.tenant}]
        stored = await self._backfills.get(keys)
        return [stored[key] for key in sorted(stored) if stored[key].state is BackfillState.RUNNING]


def _check(window: Window, max_span_ms: int) -> None:
    span = window.end - window.start
    if span <= 0:
        raise InvalidSchedule(
            RejectionCode.OUT_OF_RANGE, field="until", given="a span that is empty", allowed="later than its beginning"
        )
    if span > max_span_ms:
        given = f"a span of {span / 3_600_000:,.1f} hours"
        allowed = f"at most {max_span_ms // 3_600_000:,} hours at a time; begin later to look further ahead"
        raise InvalidSchedule(RejectionCode.OUT_OF_RANGE, field="until", given=given, allowed=allowed)


def _note(
    report: UpcomingReport,
    records: Sequence[Record],
    skips: dict[tuple[str, str, str, str], SkipNotice],
    *,
    limit: int,
) -> None:
    """Add the fires of *records* to *report*, and their skips to *skips*."""
    stored = [record.tenant for record in records if record.schedule is not None]
    report.schedules += len(stored)
    report.schedules_of.update(stored)
    entries = [entry for record in records for entry in upcoming_entries(record, since=report.window.start)]
    for found in upcoming_fires(entries, report.window):
        if isinstance(found, UpcomingFire):
            _count(report, found)
            report.first.append(found)
            if len(report.first) > 2 * limit + SLACK:
                report.first = _earliest(report.first, limit)
        elif isinstance(found, SkipNotice):
            which = (found.tenant, found.name, found.reason, found.by or "")
            skips[which] = joined(skips.get(which), found)
        else:
            report.unreadable.append(found)


def _count(report: UpcomingReport, upcoming: UpcomingFire) -> None:
    report.cells[upcoming.fire.tenant, (upcoming.at - report.window.start) // cell_ms(report.window)] += 1
    report.tenants[upcoming.fire.tenant] += 1
    report.names[str(upcoming.fire.key)] += 1
    report.seconds[upcoming.at // 1000 * 1000] += 1
    report.minutes[upcoming.at // MINUTE_MS * MINUTE_MS] += 1


def _earliest(fires: list[UpcomingFire], limit: int) -> list[UpcomingFire]:
    return sorted(fires, key=lambda upcoming: (upcoming.at, upcoming.fire.key, upcoming.fire.due))[:limit]
