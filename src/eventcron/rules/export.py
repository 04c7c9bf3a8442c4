"""Which commands make a stored schedule or calendar again, somewhere else or in the same place. Pure functions.

Each command carries the stored revision. Where a later command was applied, it changes nothing. So an export can be put
over newer changes, in any order and more than once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from eventcron.model.commands import (
    DeleteCalendar,
    PauseSchedule,
    PutCalendar,
    ResumeSchedule,
    Schedule,
)
from eventcron.model.names import CalendarKey, Instant
from eventcron.model.records import Calendar, Record, State
from eventcron.rules.definition import calendars_of, spent_before
from eventcron.timing.exclusions import calendar_names
from eventcron.timing.expression import Rate
from eventcron.timing.instant import to_datetime
from eventcron.timing.trigger import from_canonical

#: What an export consists of.
Exported = Schedule | PauseSchedule | ResumeSchedule | PutCalendar | DeleteCalendar


class SchedulesCalendars(NamedTuple):
    """The calendars that a schedule excludes, with the days that it has taken over from them."""

    revision: int
    dates: dict[CalendarKey, tuple[str, ...]]


def schedule_commands(record: Record, *, now: Instant) -> list[Exported]:
    """The commands that make *record* again: none for a tombstone, and none for a schedule that is over.

    A command is not the same as the one that was sent, where a fresh start would count anew: ``rate()`` gets the
    instant from which it counts as its ``start``, and ``max_fires`` is what is left of it.

    Raises:
        InvalidSchedule: this release cannot read the trigger.
    """
    schedule, last = record.schedule, record.last_commands
    if schedule is None or record.state is State.COMPLETED:
        return []
    trigger = from_canonical(record.era.trigger)
    left = schedule.max_fires
    if left is not None:
        left = max(0, left - spent_before(record, schedule, now))
    if left == 0:
        return []
    if schedule.start is None and any(isinstance(item, Rate) for item in trigger.items):
        schedule = replace(schedule, start=to_datetime(record.created // 1000 * 1000))
    paused, switch_is_later = record.state is State.PAUSED, last.pause_revision >= last.put_revision
    if paused and not switch_is_later:
        schedule = replace(schedule, state="PAUSED")
    put = replace(schedule, max_fires=left, revision=last.put_revision)
    if not switch_is_later:
        return [put]
    switch = PauseSchedule if paused else ResumeSchedule
    return [put, switch(tenant=record.tenant, name=record.name, revision=last.pause_revision)]


def calendars_in(record: Record) -> SchedulesCalendars | None:
    """The calendars whose days *record* has taken over; None if it excludes none.

    Raises:
        InvalidSchedule: this release cannot read the trigger.
    """
    names = () if record.schedule is None else calendar_names(record.schedule.exclude)
    if not names or record.state is State.COMPLETED:
        return None
    taken = calendars_of(record.era.trigger)
    dates = {CalendarKey(record.tenant, name): tuple(map(str, taken[name])) for name in names if name in taken}
    return SchedulesCalendars(record.last_commands.put_revision, dates)


def calendar_commands(calendar: Calendar) -> list[Exported]:
    """The command that makes *calendar* again; none for a tombstone."""
    if calendar.dates is None:
        return []
    return [_put(calendar.key, calendar.dates, revision=calendar.revision)]


def rebuilt_calendar(key: CalendarKey, taken: SchedulesCalendars, stored: Calendar | None) -> Iterator[Exported]:
    """The commands for a calendar that is not stored, but that schedules exclude: without it no schedule can be put.

    If it was deleted, its deletion follows: schedules keep their days then. *taken* is from the schedule that was put
    last, *stored* the tombstone. If neither is there, the ledger was lost.
    """
    revision = taken.revision if stored is None else max(0, stored.revision - 1)
    yield _put(key, taken.dates[key], revision=revision)
    if stored is not None:
        yield DeleteCalendar(tenant=key.tenant, name=key.name, revision=stored.revision)


def _put(key: CalendarKey, dates: tuple[str, ...], *, revision: int) -> PutCalendar:
    return PutCalendar(tenant=key.tenant, name=key.name, dates=list(dates), revision=revision)
