"""Expressions in plain English."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

from eventcron.timing.cron import Cron
from eventcron.timing.expression import UNITS_MS, At, Item, Manual, Rate
from eventcron.timing.fields import DayRule, LastDay, NearestWeekday, runs

WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_NTH = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last"}

#: A description lists up to this many times of day one by one.
_MAX_TIMES = 6
#: A description writes at least this many consecutive numbers as a range.
_MIN_STEPS = 3


def describe(item: Item) -> str:
    """Return what *item* matches as an English sentence, without its full stop.

    >>> from eventcron.timing.trigger import parse
    >>> describe(parse("*/15 9-17 * * MON-FRI", anchor=0).items[0])
    'every 15 minutes during the hours 9 to 17, Monday to Friday'
    """
    if isinstance(item, Manual):
        return "never by itself, only when Run Schedule asks for it"
    if isinstance(item, Rate):
        return f"every {_duration(item.period)} of elapsed time"
    if isinstance(item, At):
        moment = datetime(1970, 1, 1) + timedelta(milliseconds=item.local)  # noqa: DTZ001  a wall clock has no offset
        day = f"{WEEKDAYS[moment.isoweekday() % 7]} {moment.day} {MONTHS[moment.month - 1]} {moment.year}"
        shown = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
        return f"once, on {day} at {shown.partition('T')[2]}"
    return f"{_times(item)}, {_days(item)}{_months(item)}{_years(item)}"


def join(parts: Sequence[str], word: str = "and") -> str:
    """Join *parts* as ``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _duration(milliseconds: int) -> str:
    for unit in ("day", "hour", "minute", "second"):
        count, remainder = divmod(milliseconds, UNITS_MS[unit])
        if remainder == 0 and count > 0:
            return unit if count == 1 else f"{count} {unit}s"
    return f"{milliseconds} milliseconds"


def _times(cron: Cron) -> str:
    if len(cron.hours) * len(cron.minutes) * len(cron.seconds) <= _MAX_TIMES:
        times = [
            f"{hour:02}:{minute:02}" + (f":{second:02}" if cron.seconds != (0,) else "")
            for hour in cron.hours
            for minute in cron.minutes
            for second in cron.seconds
        ]
        return f"at {join(times)}"
    parts = []
    if cron.seconds != (0,):
        parts.append(_every(cron.seconds, 60, "second"))
    if not parts or len(cron.minutes) != 60:  # noqa: PLR2004  "every second" already implies every minute
        parts.append(_every(cron.minutes, 60, "minute"))
    phrase = " of ".join(part if index == 0 else part.replace("at ", "", 1) for index, part in enumerate(parts))
    if len(cron.hours) == 24:  # noqa: PLR2004  all of them
        return phrase if parts[-1].startswith("every") else f"{phrase} of every hour"
    return f"{phrase} during the hour{'s' if len(cron.hours) > 1 else ''} {_numbers(cron.hours)}"


def _every(values: Sequence[int], size: int, unit: str) -> str:
    """``every minute``, ``every 15 minutes``, ``at minute 5``, ``at minutes 5 and 20``."""
    if len(values) == size:
        return f"every {unit}"
    step = _step(values, size)
    if step is not None and step != 1:
        return f"every {step} {unit}s" + (f" from {unit} {values[0]}" if values[0] else "")
    return f"at {unit}{'s' if len(values) > 1 else ''} {_numbers(values)}"


def _step(values: Sequence[int], size: int) -> int | None:
    """Return the distance between neighbouring values if it is always the same, also across the end of the field."""
    if len(values) < 2:  # noqa: PLR2004  one value has no neighbour
        return None
    distances = {(later - earlier) % size for earlier, later in zip(values, [*values[1:], values[0]], strict=True)}
    return distances.pop() if len(distances) == 1 else None


def _numbers(values: Sequence[int]) -> str:
    distances = {later - earlier for earlier, later in pairwise(values)}
    if len(distances) == 1 and distances != {1} and len(values) > _MIN_STEPS:
        return f"{values[0]}, {values[1]}, … {values[-1]}"
    return _runs(values, [str(value) for value in range(max(values) + 1)])


def _runs(values: Sequence[int], names: Sequence[str]) -> str:
    """Join the names of sorted values. Three or more consecutive ones become ``first to last``."""
    parts: list[str] = []
    for first, last in runs(values):
        if last - first + 1 >= _MIN_STEPS:
            parts.append(f"{names[first]} to {names[last]}")
        else:
            parts.extend(names[first : last + 1])
    return join(parts)


def _days(cron: Cron) -> str:
    by_day = "" if len(cron.days) == 31 else _of_month(cron.days, cron.day_rules)  # noqa: PLR2004  all of them
    by_weekday = "" if len(cron.weekdays) == 7 else _of_week(cron.weekdays, cron.weekday_rules)  # noqa: PLR2004
    if cron.either:
        return f"{by_day or 'every day'} or {by_weekday or 'every day'}, either of them"
    if by_day and by_weekday:
        return f"{by_day} if it is also {by_weekday}"
    return by_day or by_weekday or "every day"


def _of_month(days: Sequence[int], rules: Sequence[DayRule]) -> str:
    parts = []
    if days:
        parts.append(f"on day{'s' if len(days) > 1 else ''} {_numbers(days)} of the month")
    parts += [f"on {_rule(rule)}" for rule in rules]
    return join(parts)


def _of_week(weekdays: Sequence[int], rules: Sequence[DayRule]) -> str:
    parts = []
    if len(weekdays) >= _MIN_STEPS:
        monday_first = sorted((weekday - 1) % 7 for weekday in weekdays)
        parts.append(_runs(monday_first, [*WEEKDAYS[1:], WEEKDAYS[0]]))
    elif weekdays:
        parts.append("on " + join([f"{WEEKDAYS[weekday]}s" for weekday in weekdays]))
    parts += [f"on {_rule(rule)}" for rule in rules]
    return join(parts)


def _rule(rule: DayRule) -> str:
    if isinstance(rule, LastDay):
        if rule.before:
            day = f"the day {rule.before} before the last of the month"
            return f"the Monday to Friday nearest to {day}" if rule.weekday else day
        return "the last Monday to Friday of the month" if rule.weekday else "the last day of the month"
    if isinstance(rule, NearestWeekday):
        return f"the Monday to Friday nearest to day {rule.day} of the month"
    return f"the {_NTH[rule.nth]} {WEEKDAYS[rule.weekday]} of the month"


def _months(cron: Cron) -> str:
    if len(cron.months) == 12:  # noqa: PLR2004  all of them
        return ""
    return " in " + _runs([month - 1 for month in cron.months], MONTHS)


def _years(cron: Cron) -> str:
    if cron.years is None:
        return ""
    first, last = cron.years[0], cron.years[-1]
    if len(cron.years) == last - first + 1 and first != last:
        return f" of {first} to {last}"
    return (
        " of " + join([str(year) for year in cron.years[:_MAX_TIMES]]) + ("…" if len(cron.years) > _MAX_TIMES else "")
    )


def last_or_nth(day: date) -> str:
    """Return a date as ``the last Sunday of March`` or ``the second Sunday of March``."""
    following = day + timedelta(days=7)
    nth = "last" if following.month != day.month else _NTH[(day.day - 1) // 7 + 1]
    return f"the {nth} {WEEKDAYS[day.isoweekday() % 7]} of {MONTHS[day.month - 1]}"
