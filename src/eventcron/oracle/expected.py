"""What is due, worked out a second time: by looking at a clock on the wall, minute after minute.

For comparing with what eventcron fired. It follows ``docs/reference/expressions.md``, shares no code with
``eventcron.timing`` and nothing of its approach, and prefers being plain to being quick.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Window
from eventcron.oracle.cron import Cron, NotComputed, read_cron

__all__ = ["NotComputed", "can_match", "due_instants"]

_MINUTE = timedelta(minutes=1)
_SECOND_MS = 1_000
_MINUTE_MS = 60_000
_RATE_MS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
#: No clock was ever put back by more than a day, or is more than a day from UTC.
_DAY_AND_MORE_MS = 26 * 3_600_000


class Minute(NamedTuple):
    """What a clock on the wall showed for a minute of real time."""

    instant: Instant
    wall: datetime
    #: It had shown this, or something later, before: the clocks were put back.
    repeated: bool
    #: The minutes that it left out just before: the clocks were put forward.
    jumped: tuple[datetime, ...]


#: Whether an exclusion of the schedule covers what the clock shows.
Excluded = Callable[[datetime], bool]


def due_instants(schedule: Schedule, first_ms: Instant, until_ms: Instant, created_ms: Instant) -> list[Instant]:
    """The instants at or after *first_ms* and before *until_ms* at which *schedule* fires, in order, each once.

    ``start``, ``end`` and ``max_fires`` bound it; its state does not. *created_ms* is when it was first put, which
    ``rate()`` counts from if there is no ``start``. What is skipped, by daylight saving or ``exclude``, is not due.

    Raises:
        NotComputed: it uses ``H`` or a named calendar.
    """
    until = until_ms if schedule.end is None else min(until_ms, _instant(schedule.end))
    start = None if schedule.start is None else _instant(schedule.start)
    if schedule.max_fires is None:
        return _due(schedule, Window(max(first_ms, start or first_ms), until), created_ms)
    from_the_first = _due(schedule, Window(max(created_ms + 1, start or 0), until), created_ms)
    return [due for due in from_the_first[: schedule.max_fires] if due >= first_ms]


def can_match(schedule: Schedule) -> bool:
    """Whether each of its expressions has a day at all; ``0 0 30 2 *`` has none, and is refused when it is put.

    Raises:
        NotComputed: it uses ``H``.
    """
    crons = [text for text in schedule.expressions if not text.lower().startswith(("rate(", "at("))]
    return all(read_cron(text).can_match() for text in crons)


def _due(schedule: Schedule, span: Window, created: Instant) -> list[Instant]:
    excluded = _exclusions(schedule.exclude)
    found: set[Instant] = set()
    for expression in schedule.expressions:
        if expression.lower().startswith("rate("):
            found.update(_by_rate(expression, schedule, span, created, excluded))
        elif expression.lower().startswith("at("):
            found.update(_by_at(expression, schedule, excluded))
        else:
            found.update(_by_cron(read_cron(expression), schedule, span, excluded))
    return sorted(due for due in found if span.start <= due < span.end)


def _by_rate(
    expression: str, schedule: Schedule, span: Window, created: Instant, excluded: Excluded
) -> Iterator[Instant]:
    count, unit = expression[5:].strip(" )").split()
    period = int(count) * _RATE_MS[unit.lower().removesuffix("s")]
    # A start is itself an instant at which it fires; a creation is not.
    due = created // _SECOND_MS * _SECOND_MS + period if schedule.start is None else _instant(schedule.start)
    due += max(0, span.start - due) // period * period
    zone = _zone(schedule.timezone)
    while due < span.end:
        if not schedule.exclude or not excluded(datetime.fromtimestamp(due // _SECOND_MS, zone).replace(tzinfo=None)):
            yield due
        due += period


def _by_at(expression: str, schedule: Schedule, excluded: Excluded) -> Iterator[Instant]:
    wanted = datetime.fromisoformat(expression[3:].strip(" )"))
    if excluded(wanted):
        return
    minute = wanted.replace(second=0, microsecond=0)
    # Wherever on earth it is, within a day of that time in UTC.
    middle = _instant(minute.replace(tzinfo=UTC))
    for shown in _minutes(schedule.timezone, middle - _DAY_AND_MORE_MS, middle + _DAY_AND_MORE_MS):
        if shown.wall == minute:
            yield shown.instant + (wanted - minute) // timedelta(milliseconds=1)
            return
        if minute in shown.jumped:
            if _gap(schedule) == "shift":
                yield shown.instant
            return


def _by_cron(cron: Cron, schedule: Schedule, span: Window, excluded: Excluded) -> Iterator[Instant]:
    minutes = _minutes(schedule.timezone, span.start // _MINUTE_MS * _MINUTE_MS, span.end)
    days = {day for day in _days(minutes) if cron.on(day)}
    once = not cron.wildcard and _overlap(schedule) == "once"

    shift = not cron.wildcard and _gap(schedule) == "shift"

    def seconds_of(wall: datetime) -> list[int]:
        if wall.minute not in cron.minutes or wall.hour not in cron.hours or wall.date() not in days:
            return []
        return [second for second in cron.seconds if not excluded(wall.replace(second=second))]

    for minute in minutes:
        if shift and any(seconds_of(wall) for wall in minute.jumped):
            yield minute.instant
        if not (once and minute.repeated):
            yield from (minute.instant + second * _SECOND_MS for second in seconds_of(minute.wall))


def _days(minutes: Iterable[Minute]) -> set[date]:
    return {wall.date() for minute in minutes for wall in (minute.wall, *minute.jumped)}


def _gap(schedule: Schedule) -> str:
    return "skip" if schedule.daylight_saving == "eventbridge" else schedule.daylight_saving.gap


def _overlap(schedule: Schedule) -> str:
    return "once" if schedule.daylight_saving == "eventbridge" else schedule.daylight_saving.overlap


@lru_cache(maxsize=32)
def _minutes(zone: str, first: Instant, until: Instant) -> tuple[Minute, ...]:
    """Every minute of a span that begins with a whole one."""
    info = _zone(zone)
    latest = before = datetime.min  # noqa: DTZ901  # what a clock shows has no zone
    found = []
    for instant in range(first - _DAY_AND_MORE_MS, until, _MINUTE_MS):
        wall = datetime.fromtimestamp(instant // _SECOND_MS, info).replace(tzinfo=None)
        if instant >= first:
            found.append(Minute(instant, wall, wall <= latest, tuple(_between(before, wall))))
        latest, before = max(latest, wall), wall
    return tuple(found)


def _between(before: datetime, after: datetime) -> Iterator[datetime]:
    """The minutes after *before* that come before *after*."""
    minute = before + _MINUTE
    while minute < after:
        yield minute
        minute += _MINUTE


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    """By the rules that travel with eventcron: those of the host may be of another year."""
    with importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def _exclusions(entries: Iterable[str]) -> Excluded:
    tests = [_exclusion(entry) for entry in entries]
    return lambda wall: any(test(wall) for test in tests)


def _exclusion(entry: str) -> Excluded:
    if entry.startswith("calendar:"):
        raise NotComputed(f"{entry!r} names a calendar, which only the engine knows")
    if entry[:4].isdigit() and entry[4:5] == "-":
        first, _, last = entry.partition("/")
        span = (date.fromisoformat(first), date.fromisoformat(last or first))
        return lambda wall: span[0] <= wall.date() <= span[1]
    cron = read_cron(entry)
    return cron.shows if cron.has_seconds else cron.shows_minute


def _instant(moment: datetime) -> Instant:
    """Whole milliseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
