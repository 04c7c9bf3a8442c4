"""Computes the occurrences of a schedule a second time, to compare with what eventcron fired.

It looks at the local time of every single minute and tries each expression on it: plain rather than quick. It follows
``docs/reference/expressions.md`` and shares neither code nor approach with ``eventcron.timing``.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from eventcron.model.codes import SkipReason
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Occurrence, Window
from eventcron.oracle.cron import Cron, NotComputed, read_cron

__all__ = ["NotComputed", "can_match", "due_instants", "occurrences", "zone_info"]

_MINUTE = timedelta(minutes=1)
_SECOND_MS = 1_000
_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_RATE_MS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
_GO_MS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
#: No clock was ever put back by more than a day, and none is more than a day from UTC.
_DAY_AND_MORE_MS = 26 * 3_600_000
#: Of two reasons to skip the same instant, the lower one is reported.
_PRECEDENCE = {None: 0, SkipReason.DAYLIGHT_SAVING_GAP: 1, SkipReason.EXCLUDED: 2}


class Minute(NamedTuple):
    """One minute of real time."""

    instant: Instant
    #: Its local time.
    wall: datetime
    #: An earlier minute had this local time or a later one: the clocks were put back.
    repeated: bool
    #: The local times skipped just before it: the clocks were put forward.
    jumped: tuple[datetime, ...]


#: Local time → the exclusion that covers it, or None.
Excluded = Callable[[datetime], str | None]


def due_instants(schedule: Schedule, first: Instant, until: Instant, created: Instant) -> list[Instant]:
    """The instants at or after *first* and before *until* at which *schedule* fires, in order, each once.

    ``start``, ``end`` and ``max_fires`` bound them; the schedule's state does not. *created* is when the schedule was
    first put.

    Raises:
        NotComputed: the schedule uses ``H`` or a named calendar.
    """
    until = until if schedule.end is None else min(until, _instant(schedule.end))
    start = 0 if schedule.start is None else _instant(schedule.start)
    if schedule.max_fires is None:
        return _fires(schedule, Window(max(first, start), until), created)
    from_the_first = _fires(schedule, Window(max(created + 1, start), until), created)
    return [due for due in from_the_first[: schedule.max_fires] if due >= first]


def _fires(schedule: Schedule, window: Window, created: Instant) -> list[Instant]:
    return [found.due for found in occurrences(schedule, window, created) if found.skipped is None]


def occurrences(schedule: Schedule, window: Window, created: Instant) -> list[Occurrence]:
    """Every occurrence of *schedule* in *window*, in order, each instant once; a skipped one says why.

    ``start``, ``end`` and ``max_fires`` do not bound them. *created* is when the schedule was first put: ``rate()``
    counts from then if there is no ``start``.

    Raises:
        NotComputed: the schedule uses ``H`` or a named calendar.
    """
    excluded = _exclusions(schedule.exclude)
    found: dict[Instant, Occurrence] = {}
    for expression in schedule.expressions:
        for new in _of_expression(expression, schedule, window, created, excluded):
            old = found.get(new.due, new)
            found[new.due] = new if _PRECEDENCE[new.skipped] < _PRECEDENCE[old.skipped] else old
    return [found[due] for due in sorted(found) if window.start <= due < window.end]


def can_match(schedule: Schedule) -> bool:
    """Whether each expression has a day at all. ``0 0 30 2 *`` has none, and eventcron rejects it.

    Raises:
        NotComputed: an expression uses ``H``.
    """
    timed = [text for text in schedule.expressions if not _is_manual(text)]
    crons = [text for text in timed if not text.lower().startswith(("rate(", "@every", "at("))]
    return all(read_cron(text).can_match() for text in crons)


def _of_expression(
    expression: str, schedule: Schedule, window: Window, created: Instant, excluded: Excluded
) -> Iterator[Occurrence]:
    if _is_manual(expression):
        return iter(())
    if expression.lower().startswith(("rate(", "@every")):
        return _of_rate(expression, schedule, window, created, excluded)
    if expression.lower().startswith("at("):
        return _of_at(expression, schedule, window, excluded)
    return _of_cron(read_cron(expression), schedule, window, excluded)


def _is_manual(expression: str) -> bool:
    """Whether it is the expression that never fires by itself."""
    return expression.strip().lower() == "manual"


def _of_rate(
    expression: str, schedule: Schedule, window: Window, created: Instant, excluded: Excluded
) -> Iterator[Occurrence]:
    period = _period(expression)
    # A schedule fires at its start, but not at its creation.
    due = created // _SECOND_MS * _SECOND_MS + period if schedule.start is None else _instant(schedule.start)
    due += max(0, window.start - due) // period * period
    zone = zone_info(schedule.timezone)
    while due < window.end:
        shown = datetime.fromtimestamp(due // _SECOND_MS, zone).replace(tzinfo=None) if schedule.exclude else None
        yield _occurrence(due, None if shown is None else excluded(shown))
        due += period


def _period(expression: str) -> int:
    """The milliseconds between two fires of ``rate(5 minutes)`` or ``@every 5m``."""
    if not expression.startswith("@"):
        count, unit = expression[5:].strip(" )").split()
        return int(count) * _RATE_MS[unit.lower().removesuffix("s")]
    parts = re.findall(r"([0-9.]+)(h|ms|m|s)", expression.split()[1])
    return round(sum(float(count) * _GO_MS[unit] for count, unit in parts))


def _of_at(expression: str, schedule: Schedule, window: Window, excluded: Excluded) -> Iterator[Occurrence]:
    wanted = datetime.fromisoformat(expression[3:].strip(" )"))
    minute = wanted.replace(second=0, microsecond=0)
    # In every zone, the instant is within a day of the same time in UTC.
    middle = _instant(minute.replace(tzinfo=UTC))
    if not window.start - _DAY_AND_MORE_MS <= middle < window.end + _DAY_AND_MORE_MS:
        return
    for shown in _minutes(schedule.timezone, middle - _DAY_AND_MORE_MS, middle + _DAY_AND_MORE_MS).minutes:
        if shown.wall == minute:
            yield _occurrence(shown.instant + (wanted - minute) // timedelta(milliseconds=1), excluded(wanted))
            return
        if minute in shown.jumped:
            yield _after_gap(shown.instant, [wanted], schedule, excluded)
            return


def _of_cron(cron: Cron, schedule: Schedule, window: Window, excluded: Excluded) -> Iterator[Occurrence]:
    shown = _minutes(schedule.timezone, window.start // _MINUTE_MS * _MINUTE_MS, window.end)
    days = {day for day in shown.days if cron.on(day)}
    once = not cron.wildcard and _policy(schedule)[1] == "once"
    minutes, hours = cron.minutes, cron.hours
    seconds = sorted(cron.seconds)
    for minute in shown.minutes if days else ():
        wall = minute.wall
        if wall.minute in minutes and wall.hour in hours and wall.date() in days and not (once and minute.repeated):
            for second in seconds:
                exclusion = excluded(wall.replace(second=second)) if schedule.exclude else None
                yield _occurrence(minute.instant + second * _SECOND_MS, exclusion)
        if minute.jumped and not cron.wildcard:
            missed = [time for time in minute.jumped if time.minute in minutes and time.hour in hours]
            jumped = [time.replace(second=second) for time in missed if time.date() in days for second in seconds]
            if jumped:
                yield _after_gap(minute.instant, jumped, schedule, excluded)


def _occurrence(due: Instant, exclusion: str | None) -> Occurrence:
    return Occurrence(due) if exclusion is None else Occurrence(due, SkipReason.EXCLUDED, exclusion)


def _after_gap(due: Instant, jumped: list[datetime], schedule: Schedule, excluded: Excluded) -> Occurrence:
    """The occurrence at the end of a gap that skipped the local times *jumped*."""
    if all(excluded(time) is not None for time in jumped):
        return _occurrence(due, excluded(jumped[0]))
    return Occurrence(due, SkipReason.DAYLIGHT_SAVING_GAP if _policy(schedule)[0] == "skip" else None)


def _policy(schedule: Schedule) -> tuple[str, str]:
    """What to do in a gap, and in an overlap."""
    policy = schedule.daylight_saving
    return ("skip", "once") if policy == "eventbridge" else (policy.gap, policy.overlap)


class _Shown(NamedTuple):
    """What the clocks of a zone show in a span."""

    minutes: tuple[Minute, ...]
    #: Every day of which there is a minute, shown or skipped.
    days: frozenset[date]


@lru_cache(maxsize=32)
def _minutes(zone: str, first: Instant, until: Instant) -> _Shown:
    """Every minute of a span that begins with a whole one."""
    days = _minutes_of_days(zone, first // _DAY_MS, -(-until // _DAY_MS))
    minutes = tuple(minute for minute in days if first <= minute.instant < until)
    return _Shown(minutes, frozenset(wall.date() for minute in minutes for wall in (minute.wall, *minute.jumped)))


@lru_cache(maxsize=32)
def _minutes_of_days(zone: str, first_day: int, until_day: int) -> tuple[Minute, ...]:
    """Every minute of some days in UTC, which are counted from 1970."""
    info = zone_info(zone)
    first, until = first_day * _DAY_MS, until_day * _DAY_MS
    latest = before = datetime.min  # noqa: DTZ901  # a local time has no zone
    found = []
    for instant in range(first - _DAY_AND_MORE_MS, until, _MINUTE_MS):
        wall = datetime.fromtimestamp(instant // _SECOND_MS, info).replace(tzinfo=None)
        if instant >= first:
            found.append(Minute(instant, wall, wall <= latest, tuple(_between(before, wall))))
        latest, before = max(latest, wall), wall
    return tuple(found)


def _between(before: datetime, after: datetime) -> Iterator[datetime]:
    """The minutes after *before* and before *after*."""
    minute = before + _MINUTE
    while minute < after:
        yield minute
        minute += _MINUTE


@lru_cache(maxsize=64)
def zone_info(name: str) -> ZoneInfo:
    """The zone by the rules of the ``tzdata`` package. Those of the host may be of another year."""
    with importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def _exclusions(entries: Iterable[str]) -> Excluded:
    tests = [(entry, _exclusion(entry)) for entry in entries]
    return lambda wall: next((entry for entry, covers in tests if covers(wall)), None)


def _exclusion(entry: str) -> Callable[[datetime], bool]:
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
