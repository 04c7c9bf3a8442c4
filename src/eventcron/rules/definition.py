"""What a schedule's definition means: its trigger, where it ends, and how many of its fires are used up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from eventcron.errors import InvalidSchedule
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Window
from eventcron.model.records import Record, State
from eventcron.rules.planning import is_readable
from eventcron.timing.exclusions import DateSpan, calendar_names
from eventcron.timing.instant import from_datetime
from eventcron.timing.trigger import count_occurrences, from_canonical, nth_occurrence, parse

#: Due instants of ``rate()`` that a put looks at one by one to find the last fire. It takes 9 ms to look at as many.
MAX_LOOKS = 30_000

#: The days of a tenant's calendars, by name.
Calendars: TypeAlias = Mapping[str, Sequence[DateSpan]]


def fires_alike(stored: Record, schedule: Schedule, *, calendars: Calendars | None = None) -> bool:
    """Whether *schedule*, which equals the definition of *stored*, also means the same today.

    It does not if one of *calendars* has changed since, or if a later release stored a trigger that this one would
    write in another way.

    Raises:
        InvalidSchedule: the trigger does not parse.
    """
    return stored.era.trigger == canonical_of(schedule, stored.created, calendars or {})


def continues(stored: Record, schedule: Schedule) -> bool:
    """Whether *schedule* goes on counting the fires of *stored*: it fires by the same expression from the same start.

    Any other definition is a new series, which counts its ``max_fires`` anew.
    """
    before = stored.schedule
    return before is not None and _series(before) == _series(schedule)


def _series(schedule: Schedule) -> tuple[object, ...]:
    return schedule.expressions, schedule.timezone, schedule.start


def end_of(
    trigger: str, schedule: Schedule, start: Instant, *, spent: int, max_looks: int | None = None
) -> Instant | None:
    """Where an era that fires from *start* on ends: at the schedule's end, or when ``max_fires`` is used up.

    Raises:
        InvalidSchedule: as ``nth_occurrence``.
    """
    end = None if schedule.end is None else from_datetime(schedule.end)
    if schedule.max_fires is None:
        return end
    left = schedule.max_fires - spent
    if left <= 0:
        return start if end is None else min(end, start)
    final = nth_occurrence(from_canonical(trigger), start, left, before=end, max_looks=max_looks)
    return end if final is None else final + 1


def spent_before(stored: Record | None, schedule: Schedule, start: Instant) -> int:
    """How many of ``max_fires`` are used up when *schedule* replaces *stored* and fires from *start* on."""
    if stored is None or schedule.max_fires is None or not continues(stored, schedule):
        return 0
    # A pause uses up none, and the pause itself counted those before it.
    return stored.spent + (0 if stored.state is State.PAUSED else count_fires(stored, start))


def held_from(stored: Record | None, schedule: Schedule, start: Instant, *, cut: Instant) -> Instant:
    """From when on a put that pauses holds fires back, if *schedule* would fire from *start* on by its command.

    Until the era in force is cut, at *cut*, it fires what is due. In a series with ``max_fires`` that is used up.
    """
    fires_on = stored is not None and stored.state is not State.PAUSED and continues(stored, schedule)
    if stored is None or not fires_on or schedule.max_fires is None:
        return start
    end = stored.era.end
    return max(start, cut if end is None else min(end, cut))


def count_fires(record: Record, end: Instant) -> int:
    """How many of ``max_fires`` the era in force uses up before *end*; 0 if they are not limited."""
    era = record.era
    if record.schedule is None or record.schedule.max_fires is None:
        return 0
    window = Window(era.start, end if era.end is None else min(end, era.end))
    trigger = readable_trigger(record)
    if window.start >= window.end or not is_readable(trigger):
        return 0
    return count_occurrences(from_canonical(trigger), window, limit=record.schedule.max_fires)


def readable_trigger(record: Record) -> str:
    """The trigger of the era in force, in a form that this release reads, if it can work one out.

    A later release may have stored a form or a zone that this one does not know. Its own reading of the definition
    takes the place; where it has none, the trigger stays, and the planner reports it.
    """
    trigger, schedule = record.era.trigger, record.schedule
    if is_readable(trigger) or schedule is None:
        return trigger
    try:
        return canonical_of(schedule, record.created, {})
    except InvalidSchedule:
        return trigger


def calendars_of(trigger: str) -> Calendars:
    """The calendars in a stored trigger."""
    exclusions = {exclusion.entry: exclusion.spans for exclusion in from_canonical(trigger).exclusions}
    return {name: exclusions[f"calendar:{name}"] for name in calendar_names(list(exclusions))}


def canonical_of(schedule: Schedule, created: Instant, calendars: Calendars) -> str:
    anchor = created // 1000 * 1000 if schedule.start is None else from_datetime(schedule.start)
    return parse(
        schedule.expression,
        timezone=schedule.timezone,
        daylight_saving=schedule.daylight_saving,
        exclude=schedule.exclude,
        anchor=anchor,
        key=schedule.key,
        calendars=calendars,
    ).canonical
