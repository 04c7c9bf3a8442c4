"""Compares declared schedules with what a deployment has stored: what would have to be sent, and what that changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial

import msgspec
from msgspec import Struct

from eventcron.app.reading import pages
from eventcron.app.use_cases import UseCases
from eventcron.errors import InvalidSchedule
from eventcron.model.commands import PutCalendar, Schedule
from eventcron.model.names import CalendarKey, Key, Unreadable, Window
from eventcron.model.records import Calendar, Record
from eventcron.rules.changes import Change, change_of, later_than, removal_of
from eventcron.rules.definition import Calendars
from eventcron.timing.calendars import read_dates
from eventcron.timing.exclusions import DateSpan, calendar_names

#: Schedules that are compared at once: BatchGetItem reads a hundred.
AT_ONCE = 100
#: Milliseconds within which fires are compared.
AHEAD_MS = 7 * 86_400_000


class Differences(Struct, kw_only=True):
    """What is to be sent: calendars first, then schedules, then removals."""

    changes: list[Change] = msgspec.field(default_factory=list)
    unchanged: int = 0
    #: Declared under a revision that is older than what was applied since: they stay as they are.
    older: list[Key] = msgspec.field(default_factory=list)
    #: What the registrar would reject, and why.
    rejected: list[tuple[Key, InvalidSchedule]] = msgspec.field(default_factory=list)
    #: Stored schedules that this release cannot read. They are neither compared nor removed.
    unreadable: list[Unreadable] = msgspec.field(default_factory=list)


def _ignore(_plan: Differences) -> None:
    """Discard the progress: the default for ``on_progress``."""


async def plan(
    cases: UseCases,
    schedules: Sequence[Schedule],
    calendars: Sequence[PutCalendar] = (),
    *,
    prune: Iterable[str] = (),
    on_progress: Callable[[Differences], None] = _ignore,
) -> Differences:
    """Compare *schedules* and *calendars* with what is stored. Of the tenants in *prune*, remove what is not declared.

    Reads only. Nothing is locked: what others change meanwhile is compared as before or as after.

    Raises:
        Unavailable: a service refused.
    """
    made = Differences()
    now = cases.clock.now()
    window = Window(now + 1, now + AHEAD_MS)
    known = await _calendars(cases, schedules, calendars, made)
    for begin in range(0, len(schedules), AT_ONCE):
        part = schedules[begin : begin + AT_ONCE]
        stored = await cases.store.get([schedule.key for schedule in part])
        for schedule in part:
            _compare(schedule, stored.get(schedule.key), known[schedule.tenant], made, window=window)
        on_progress(made)
    declared = {schedule.key for schedule in schedules} | {key for key, _ in made.rejected}
    for tenant in sorted(set(prune)):
        async for record in _of_tenant(cases, tenant, made):
            if record.schedule is not None and record.key not in declared:
                made.changes.append(removal_of(record, window=window))
        on_progress(made)
    return made


def _compare(
    schedule: Schedule, stored: Record | None, calendars: Calendars, made: Differences, *, window: Window
) -> None:
    later = later_than(schedule, stored)
    if later < 0:
        made.older.append(schedule.key)
        return
    if later == 0:
        made.unchanged += 1
        return
    try:
        change = change_of(schedule, stored, calendars, now=window.start - 1, window=window)
    except InvalidSchedule as error:
        made.rejected.append((schedule.key, error))
        return
    if change is None:
        made.unchanged += 1
    else:
        made.changes.append(change)


async def _of_tenant(cases: UseCases, tenant: str, made: Differences) -> AsyncIterator[Record]:
    async for page in pages(partial(cases.store.of_tenant, tenant)):
        made.unreadable += page.unreadable
        for record in page.items:
            yield record


async def _calendars(
    cases: UseCases, schedules: Sequence[Schedule], declared: Sequence[PutCalendar], made: Differences
) -> dict[str, dict[str, Sequence[DateSpan]]]:
    """The days of the calendars of each tenant, as they will be. Changes of declared ones are added to *made*."""
    named = {CalendarKey(one.tenant, name) for one in schedules for name in calendar_names(one.exclude)}
    keys = sorted(named | {one.key for one in declared})
    stored: dict[CalendarKey, Calendar] = {}
    for begin in range(0, len(keys), AT_ONCE):
        stored |= await cases.calendars.get(keys[begin : begin + AT_ONCE])
    known: dict[str, dict[str, Sequence[DateSpan]]] = defaultdict(dict)
    for key, calendar in stored.items():
        if calendar.dates is not None:
            known[key.tenant][key.name] = read_dates(calendar.dates)
    for one in declared:
        before = stored.get(one.key)
        if before is not None and one.revision is not None and one.revision < before.revision:
            continue
        if before is not None and before.dates is not None and tuple(before.dates) == tuple(one.dates):
            made.unchanged += 1
        else:
            days = (list(before.dates) if before and before.dates else None, list(one.dates))
            made.changes.append(Change(command=one, exists=days[0] is not None, fields={"dates": days}))
        known[one.tenant][one.name] = read_dates(one.dates)
    return known
