"""Commands → stored calendars; and the calendars that schedules exclude."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from eventcron.app.reading import read_readable
from eventcron.errors import Conflict, InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import DeleteCalendar, PutCalendar, Schedule
from eventcron.model.names import CalendarKey, Instant
from eventcron.model.records import Calendar
from eventcron.ports import Calendars, Clock
from eventcron.rules import ordering
from eventcron.rules.ordering import Verdict, Version
from eventcron.settings import Settings
from eventcron.timing.calendars import read_dates
from eventcron.timing.exclusions import DateSpan, calendar_names

#: How often a command is decided anew because another writer was first.
MAX_TRIES = 8


class Change(NamedTuple):
    """A calendar after a command, and whether the command changed it."""

    calendar: Calendar
    new: bool


class CalendarCommands:
    """Applies commands about calendars."""

    def __init__(self, *, clock: Clock, calendars: Calendars, settings: Settings) -> None:
        self._clock = clock
        self._calendars = calendars
        self._remember_days = settings.tombstone_days

    async def apply(self, command: PutCalendar | DeleteCalendar, *, time: Instant, event_id: str) -> Change:
        """Store what *command*, sent at *time*, makes of the calendar.

        Raises:
            InvalidSchedule: the command has to be changed by its sender.
            Unavailable, Conflict: the command may be applied again.
        """
        for _ in range(MAX_TRIES):
            stored = (await self._calendars.get([command.key])).get(command.key)
            place = ordering.version_of(stored, given=command.revision, time=time, event_id=event_id)
            verdict = Verdict.DUPLICATE if place is None else _judge(stored, command, place.revision)
            if stored is not None and (place is None or verdict is Verdict.DUPLICATE):
                return Change(stored, new=False)
            assert place is not None  # noqa: S101  # nothing was seen where nothing is stored
            if stored is not None and verdict is Verdict.STALE:
                raise _stale(stored, place.revision)
            expires = self._clock.now() // 1000 + self._remember_days * 86_400
            calendar = _changed(command, place, expires=expires)
            if await self._calendars.put(calendar, replacing=None if stored is None else stored.revision):
                if calendar.dates is None and (stored is None or stored.dates is None):
                    # Kept all the same: the put it belongs to may still be on its way.
                    raise _not_found(command.key)
                return Change(calendar, new=True)
        raise Conflict(f"{command.key} is being changed by others: not applied after {MAX_TRIES} tries")


async def named_by(
    schedules: Iterable[Schedule], calendars: Calendars, *, unreadable_too: bool = False
) -> dict[str, dict[str, tuple[DateSpan, ...]]]:
    """Tenant → name → the days of the calendars that *schedules* exclude; those that do not exist are not there.

    Raises:
        Undecodable: one of them cannot be read; with *unreadable_too* it is not there instead.
    """
    keys = [CalendarKey(schedule.tenant, name) for schedule in schedules for name in calendar_names(schedule.exclude)]
    found: dict[str, dict[str, tuple[DateSpan, ...]]] = {}
    if not keys:
        return found
    stored = (await read_readable(calendars.get, keys)).found if unreadable_too else await calendars.get(keys)
    for key, calendar in stored.items():
        if calendar.dates is not None:
            found.setdefault(key.tenant, {})[key.name] = read_dates(calendar.dates)
    return found


def _judge(stored: Calendar | None, command: PutCalendar | DeleteCalendar, revision: int) -> Verdict:
    """Whether *command* acts. The highest revision wins; a delete wins a tie, in whatever order they arrive."""
    if stored is None or revision > stored.revision:
        return Verdict.APPLY
    if revision < stored.revision:
        return Verdict.STALE
    undoes = isinstance(command, DeleteCalendar) and stored.dates is not None
    return Verdict.APPLY if undoes else Verdict.DUPLICATE


def _changed(command: PutCalendar | DeleteCalendar, place: Version, *, expires: int) -> Calendar:
    """The calendar after *command*; a tombstone may be removed at *expires*, seconds since 1970.

    Raises:
        InvalidSchedule: one of its dates is none.
    """
    dates = None
    if isinstance(command, PutCalendar):
        read_dates(command.dates)
        dates = tuple(command.dates)
    return Calendar(
        tenant=command.tenant,
        name=command.name,
        revision=place.revision,
        dates=dates,
        recent_event_ids=place.recent_event_ids,
        expires=expires if dates is None else None,
    )


def _stale(stored: Calendar, revision: int) -> InvalidSchedule:
    allowed = f"more than {stored.revision}, the revision already applied"
    return InvalidSchedule(RejectionCode.STALE_REVISION, field="revision", given=str(revision), allowed=allowed)


def _not_found(key: CalendarKey) -> InvalidSchedule:
    return InvalidSchedule(
        RejectionCode.NOT_FOUND, field="name", given=repr(str(key)), allowed="a calendar that exists"
    )
