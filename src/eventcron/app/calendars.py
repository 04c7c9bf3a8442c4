"""Apply commands about calendars, and read the calendars that schedules exclude."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from eventcron.app.contention import MAX_TRIES, contended
from eventcron.app.delivery import expires_at
from eventcron.app.reading import read_readable
from eventcron.app.results import Outcome
from eventcron.model.commands import DeleteCalendar, PutCalendar, Schedule
from eventcron.model.names import CalendarKey, Instant
from eventcron.model.records import Calendar
from eventcron.ports import Calendars, Clock
from eventcron.rules import ordering
from eventcron.rules.ordering import Verdict, Version
from eventcron.rules.rejections import not_found, stale
from eventcron.settings import Settings
from eventcron.timing.calendars import read_dates
from eventcron.timing.exclusions import DateSpan, calendar_names


class Change(NamedTuple):
    """The calendar after a command, and the command's outcome."""

    calendar: Calendar
    outcome: Outcome


class CalendarCommands:
    """Applies commands about calendars."""

    def __init__(self, *, clock: Clock, calendars: Calendars, settings: Settings) -> None:
        self._clock = clock
        self._calendars = calendars
        self._remember_days = settings.tombstone_days

    async def apply(self, command: PutCalendar | DeleteCalendar, *, time: Instant, event_id: str) -> Change:
        """Apply *command*, sent at *time*, and return the calendar. Idempotent: a repeated command changes nothing.

        Raises:
            InvalidSchedule: the sender must change the command.
            Unavailable: a service refused; the command may be applied again.
            Conflict: other writers were first at every try; the command may be applied again.
        """
        for _ in range(MAX_TRIES):
            stored = (await self._calendars.get([command.key])).get(command.key)
            version = ordering.version_of(stored, given=command.revision, time=time, event_id=event_id)
            if stored is not None and version is not None and _has_dates(stored, command):
                sent = time if command.revision is None else command.revision
                noted = replace(stored, revision=max(sent, stored.revision))
                # Else an older command that is still on its way would win over this one.
                if noted == stored or await self._calendars.put(noted, replacing=stored.revision):
                    return Change(noted, Outcome.UNCHANGED)
                continue
            verdict = Verdict.DUPLICATE if version is None else _judge(stored, command, version.revision)
            if stored is not None and (version is None or verdict is Verdict.DUPLICATE):
                return Change(stored, Outcome.DUPLICATE)
            assert version is not None  # noqa: S101  # an event is a repetition only if something is stored
            if stored is not None and verdict is Verdict.STALE:
                raise stale(version.revision, applied=stored.revision)
            expires = expires_at(self._clock.now(), self._remember_days)
            calendar = _changed(command, version, expires=expires)
            if await self._calendars.put(calendar, replacing=None if stored is None else stored.revision):
                if calendar.dates is None and (stored is None or stored.dates is None):
                    # The tombstone stays: the put that this delete follows may still be on its way.
                    raise not_found(command.key)
                return Change(calendar, Outcome.ACCEPTED)
        raise contended(command.key)


async def named_by(
    schedules: Iterable[Schedule], calendars: Calendars, *, unreadable_too: bool = False
) -> dict[str, dict[str, tuple[DateSpan, ...]]]:
    """Return the days of the calendars that *schedules* exclude, by tenant and name.

    Calendars that do not exist are absent. With *unreadable_too*, so are calendars that cannot be read.

    Raises:
        Undecodable: a calendar cannot be read, and *unreadable_too* is false.
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


def _has_dates(stored: Calendar, command: PutCalendar | DeleteCalendar) -> bool:
    """Whether *command* puts what is stored already."""
    return isinstance(command, PutCalendar) and stored.dates == tuple(command.dates)


def _judge(stored: Calendar | None, command: PutCalendar | DeleteCalendar, revision: int) -> Verdict:
    """Whether *command* applies. The highest revision wins, and a delete wins a tie, in any order of arrival.

    Another put with the revision that is stored is stale: one of the two has to be wrong, and the first one stays.
    """
    if stored is None or revision > stored.revision:
        return Verdict.APPLY
    if revision < stored.revision or isinstance(command, PutCalendar):
        return Verdict.STALE
    return Verdict.DUPLICATE if stored.dates is None else Verdict.APPLY


def _changed(command: PutCalendar | DeleteCalendar, version: Version, *, expires: int) -> Calendar:
    """Return the calendar after *command*. A tombstone is deleted after *expires*, in seconds since 1970.

    Raises:
        InvalidSchedule: an entry of ``dates`` is no date and no range.
    """
    dates = None
    if isinstance(command, PutCalendar):
        read_dates(command.dates)
        dates = tuple(command.dates)
    return Calendar(
        tenant=command.tenant,
        name=command.name,
        revision=version.revision,
        dates=dates,
        recent_event_ids=version.recent_event_ids,
        expires=expires if dates is None else None,
    )
