"""What is about to fire, for an operator: the stored schedules' fires in a span to come, counted and the first shown.

It reads the table, not the index: a fire that was handed to the queue already has left the index, and is the very one
that is asked for. All of it once, in parallel shares, as the reconciler does daily; for one tenant, that tenant's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from eventcron.app.concurrency import all_of
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.events import SkipNotice
from eventcron.model.names import Instant, Unreadable, Window
from eventcron.model.records import Backfill, BackfillState, Record
from eventcron.ports import Backfills, Page, ScheduleStore
from eventcron.rules.upcoming import UpcomingFire, upcoming_entries, upcoming_fires
from eventcron.settings import Settings

#: Milliseconds. A day of minutes is what a person can read, and bounds the work.
MAX_SPAN_MS = 86_400_000
#: Fires held beyond those wanted before the later ones are dropped.
SLACK = 10_000
MINUTE_MS = 60_000


class UpcomingReport(Struct, kw_only=True):
    """What is to be published in a window, as stored when it was read."""

    window: Window
    #: Schedules looked at, whether or not they fire in the window.
    schedules: int = 0
    #: Fires by tenant and by name of the schedule, ``tenant/name``.
    tenants: Counter[str] = msgspec.field(default_factory=Counter)
    names: Counter[str] = msgspec.field(default_factory=Counter)
    #: Fires by the instant at which their second and their minute begins.
    seconds: Counter[Instant] = msgspec.field(default_factory=Counter)
    minutes: Counter[Instant] = msgspec.field(default_factory=Counter)
    #: The first of them, in order of publication.
    first: list[UpcomingFire] = msgspec.field(default_factory=list)
    #: What will not fire, one for each schedule and reason, in order of the first.
    skips: list[SkipNotice] = msgspec.field(default_factory=list)
    unreadable: list[Unreadable] = msgspec.field(default_factory=list)
    #: Running; what they fire is not among the fires counted here.
    backfills: list[Backfill] = msgspec.field(default_factory=list)

    @property
    def fires(self) -> int:
        return self.minutes.total()


def _ignore(_outlook: UpcomingReport) -> None:
    """What happens to progress nobody asked for."""


class Upcoming:
    """Answers what is about to fire. Reads only."""

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
        on_progress: Callable[[UpcomingReport], None] = _ignore,
    ) -> UpcomingReport:
        """What is to be published in *window*, of *tenant* or of all; the first *limit* fires are told one by one.

        A schedule that changes while it reads is told of as it was or as it is. Runs, and what a resume fires of what
        was missed, go out at once and are never to come.

        Raises:
            InvalidSchedule: the window is empty or longer than ``MAX_SPAN_MS``.
            Unavailable: a service refused.
        """
        _check(window)
        outlook = UpcomingReport(window=window)
        skips: dict[tuple[str, str, str, str], SkipNotice] = {}

        def note(page: Page[Record]) -> None:
            outlook.unreadable += page.unreadable
            _note(outlook, page.items, skips, limit=limit)
            on_progress(outlook)

        store, parts = self._store, self._settings.concurrency
        if tenant is not None:
            await _each(partial(store.of_tenant, tenant), note)
        else:
            await all_of(_each(partial(store.scan, part, parts), note) for part in range(parts))
        outlook.first = _earliest(outlook.first, limit)
        outlook.skips = [skip for _, skip in sorted(skips.items(), key=lambda item: (item[1].first_due, item[0]))]
        outlook.backfills = await self._running(tenant)
        return outlook

    async def _running(self, tenant: str | None) -> list[Backfill]:
        keys = [key for key in await self._backfills.open() if tenant in {None, key.tenant}]
        stored = await self._backfills.get(keys)
        return [stored[key] for key in sorted(stored) if stored[key].state is BackfillState.RUNNING]


class _Ask(Protocol):
    """Asks for one page: the first, or the one at *cursor*."""

    def __call__(self, *, cursor: str | None) -> Awaitable[Page[Record]]: ...


async def _each(ask: _Ask, note: Callable[[Page[Record]], None]) -> None:
    """Hand every page to *note*."""
    page = await ask(cursor=None)
    note(page)
    while page.cursor is not None:
        page = await ask(cursor=page.cursor)
        note(page)


def _check(window: Window) -> None:
    span = window.end - window.start
    if span <= 0:
        raise InvalidSchedule(
            RejectionCode.OUT_OF_RANGE, field="until", given="a span that is empty", allowed="after --from"
        )
    if span > MAX_SPAN_MS:
        given = f"a span of {span / 3_600_000:,.1f} hours"
        allowed = "at most 24 hours at a time; give --from to look further ahead"
        raise InvalidSchedule(RejectionCode.OUT_OF_RANGE, field="until", given=given, allowed=allowed)


def _note(
    outlook: UpcomingReport,
    records: Sequence[Record],
    skips: dict[tuple[str, str, str, str], SkipNotice],
    *,
    limit: int,
) -> None:
    """Add what *records* fire to *outlook*, and what they skip to *skips*."""
    outlook.schedules += sum(record.schedule is not None for record in records)
    plans = [plan for record in records for plan in upcoming_entries(record, since=outlook.window.start)]
    for found in upcoming_fires(plans, outlook.window):
        if isinstance(found, UpcomingFire):
            _count(outlook, found)
            outlook.first.append(found)
            if len(outlook.first) > 2 * limit + SLACK:
                outlook.first = _earliest(outlook.first, limit)
        elif isinstance(found, SkipNotice):
            which = (found.tenant, found.name, found.reason, found.by or "")
            skips[which] = _joined(skips.get(which), found)
        else:
            outlook.unreadable.append(found)


def _count(outlook: UpcomingReport, coming: UpcomingFire) -> None:
    outlook.tenants[coming.fire.tenant] += 1
    outlook.names[str(coming.fire.key)] += 1
    outlook.seconds[coming.at // 1000 * 1000] += 1
    outlook.minutes[coming.at // MINUTE_MS * MINUTE_MS] += 1


def _earliest(fires: list[UpcomingFire], limit: int) -> list[UpcomingFire]:
    return sorted(fires, key=lambda coming: (coming.at, coming.fire.key, coming.fire.due))[:limit]


def _joined(before: SkipNotice | None, after: SkipNotice) -> SkipNotice:
    """Both in one: a plan's skips come in order, a slice at a time."""
    if before is None:
        return after
    return replace(before, last_due=after.last_due, count=before.count + after.count)
