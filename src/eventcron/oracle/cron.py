"""Reads cron expressions slowly: every field becomes a set of numbers, and each day is tested by itself.

It follows ``docs/reference/expressions.md`` and shares no code with ``eventcron.timing``. It takes only expressions
that eventcron accepts, so it does not report what is wrong with others.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime

from eventcron.errors import EventcronError

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_SUNDAY, _SATURDAY = 0, 6
_DAYS_A_WEEK = 7
#: Fields of a bare expression that has seconds but no year.
_WITH_SECONDS = 6


class NotComputed(EventcronError):
    """The independent computation cannot read this schedule, so there is nothing to compare with."""


@dataclass(frozen=True)
class Cron:
    """An expression as sets of numbers, and its two day fields as text."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    days: str
    weekdays: str
    #: Sunday is 1, as in ``cron(…)``. Otherwise it is 0 and 7.
    sunday_is_one: bool
    #: The minute or the hour starts with ``*``, so the expression follows real time when the clocks change.
    wildcard: bool
    #: It names seconds. An exclusion without them covers whole minutes.
    has_seconds: bool

    def shows(self, wall: datetime) -> bool:
        """Whether the expression matches the local time *wall*, to the second."""
        return wall.second in self.seconds and self.shows_minute(wall)

    def shows_minute(self, wall: datetime) -> bool:
        """Whether the expression matches the local time *wall*, apart from the second."""
        return wall.minute in self.minutes and wall.hour in self.hours and self.on(wall.date())

    def can_match(self) -> bool:
        """Whether the expression matches any day of 1970-2199."""
        first, after = date(1970, 1, 1).toordinal(), date(2200, 1, 1).toordinal()
        return any(self.on(date.fromordinal(number)) for number in range(first, after))

    def on(self, day: date) -> bool:
        """Whether the day fields match *day*."""
        if day.year not in self.years or day.month not in self.months:
            return False
        by_day = any(_is_day(term, day) for term in self.days.split(","))
        by_weekday = any(self._is_weekday(term, day) for term in self.weekdays.split(","))
        if self.days[0] in "*?" or self.weekdays[0] in "*?":
            return by_day and by_weekday
        return by_day or by_weekday

    def _is_weekday(self, term: str, day: date) -> bool:
        weekday = day.isoweekday() % _DAYS_A_WEEK
        if term == "L":
            return weekday == _SATURDAY
        if term.endswith("L"):
            return weekday in self._weekday_numbers(term[:-1]) and day.day > _days_in_month(day) - _DAYS_A_WEEK
        if "#" in term:
            name, nth = term.split("#")
            return weekday in self._weekday_numbers(name) and (day.day + 6) // _DAYS_A_WEEK == int(nth)
        return weekday in self._weekday_numbers(term)

    def _weekday_numbers(self, term: str) -> set[int]:
        """The weekdays in *term*, from 0 (Sunday) to 6."""
        if self.sunday_is_one:
            return {number - 1 for number in _numbers(term, 1, 7, _WEEKDAYS)}
        first, dash, last = term.partition("/")[0].partition("-")
        if dash and _number(first, 0, _WEEKDAYS) > _number(last, 0, _WEEKDAYS):
            # A range around the end of the week has seven days, with Sunday as 0.
            return set(_numbers(term, 0, 6, _WEEKDAYS))
        return {number % _DAYS_A_WEEK for number in _numbers(term, 0, 7, _WEEKDAYS)}


def read_cron(expression: str) -> Cron:
    """*expression*, in any dialect.

    Raises:
        NotComputed: the expression is hashed (``H``).
    """
    text = _MACROS.get(expression.strip().lower(), expression).strip().upper()
    eventbridge = text.startswith("CRON")
    fields = text.removeprefix("CRON").strip(" ()").split() if eventbridge else text.split()
    if any(term.startswith("H") for field in fields for term in field.split(",")):
        raise NotComputed(f"{expression!r} is hashed, which only the engine can do")
    has_seconds = not eventbridge and len(fields) >= _WITH_SECONDS
    second = fields.pop(0) if has_seconds else "0"
    minute, hour, days, month, weekdays, *year = fields
    return Cron(
        seconds=_numbers(second, 0, 59),
        minutes=_numbers(minute, 0, 59),
        hours=_numbers(hour, 0, 23),
        months=_numbers(month, 1, 12, _MONTHS),
        years=_numbers(year[0] if year else "*", 1970, 2199),
        days=days,
        weekdays=weekdays,
        sunday_is_one=eventbridge,
        wildcard=minute.startswith("*") or hour.startswith("*"),
        has_seconds=has_seconds,
    )


def _numbers(field: str, low: int, high: int, names: list[str] | None = None) -> frozenset[int]:
    """The numbers in *field*, between *low* and *high*. *names* stand for *low* and the numbers after it."""
    return frozenset(number for term in field.split(",") for number in _term(term, low, high, names or []))


def _term(term: str, low: int, high: int, names: list[str]) -> list[int]:
    span, slash, step = term.partition("/")
    if span in {"*", "?"}:
        first, last = low, high
    elif "-" in span:
        first, last = (_number(end, low, names) for end in span.split("-"))
    else:
        first = _number(span, low, names)
        last = high if slash else first
    straight = [*range(first, last + 1)]
    around_the_end = [*range(first, high + 1), *range(low, last + 1)]
    return (straight if first <= last else around_the_end)[:: int(step) if slash else 1]


def _number(text: str, low: int, names: list[str]) -> int:
    return names.index(text) + low if text in names else int(text)


def _is_day(term: str, day: date) -> bool:
    if term[0] == "L":
        back = term[1:].rstrip("W").removeprefix("-") or "0"
        target = _days_in_month(day) - int(back)
    elif term[-1] == "W":
        target = int(term[:-1])
    else:
        return day.day in _term(term, 1, 31, [])
    if not 1 <= target <= _days_in_month(day):
        return False
    return day.day == (_nearest_workday(day.replace(day=target)) if term[-1] == "W" else target)


def _nearest_workday(target: date) -> int:
    """The day of the month of the Monday to Friday nearest to *target*, within its month."""
    workdays = [
        number for number in range(1, _days_in_month(target) + 1) if target.replace(day=number).isoweekday() < _SATURDAY
    ]
    return min(workdays, key=lambda number: (abs(number - target.day), number))


def _days_in_month(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]
