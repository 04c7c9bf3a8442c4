"""A cron expression as sets of numbers, and the local times it matches. This module knows no time zones.

A local time is the number of whole seconds since 1970-01-01T00:00:00 on the wall clock. Days count from that date.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import NamedTuple

from eventcron.timing.fields import FIRST_YEAR, LAST_YEAR, DayRule, LastDay, NthWeekday

DAY_S = 86_400
HOUR_S = 3_600

#: Takes a day number, answers yes or no.
DayTest = Callable[[int], bool]

_FIRST_ORDINAL = date(1970, 1, 1).toordinal()
_SATURDAY, _SUNDAY = 6, 0


class MonthShape(NamedTuple):
    """``first`` day number, ``length`` in days, and ``weekday`` of the 1st (Sunday = 0)."""

    first: int
    length: int
    weekday: int


@lru_cache(maxsize=4096)  # 230 years have 2,760 months
def month_shape(year: int, month: int) -> MonthShape:
    ordinal = date(year, month, 1).toordinal()
    following = date(year + month // 12, month % 12 + 1, 1).toordinal()
    return MonthShape(ordinal - _FIRST_ORDINAL, following - ordinal, ordinal % 7)


@dataclass(frozen=True)
class Cron:
    """The values that each field of an expression matches, independent of its dialect.

    ``either``: a day must match one of the two day fields; otherwise it must match both. ``fixed``: neither the
    minute nor the hour field starts with ``*``, so the expression names times of day. The daylight-saving policy
    applies to fixed expressions only.
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    years: tuple[int, ...] | None = None  # None: every year
    day_rules: tuple[DayRule, ...] = ()
    weekday_rules: tuple[DayRule, ...] = ()
    either: bool = False
    fixed: bool = True

    def local_times(self, low: int, high: int, *, skip: DayTest | None = None) -> Iterator[int]:
        """Yield every matching local time in ``[low, high)``, in order, except on days for which *skip* is true."""
        first_day, second_of_day = divmod(low, DAY_S)
        first_hour, first_second = divmod(second_of_day, HOUR_S)
        hours, within_hour = self.hours, self.within_hour
        size = len(within_hour)
        for day in self.matching_days(first_day, (high - 1) // DAY_S):
            if skip is not None and skip(day):
                continue
            on_first_day = day == first_day
            for hour in hours[bisect_left(hours, first_hour) :] if on_first_day else hours:
                start = day * DAY_S + hour * HOUR_S
                begin = bisect_left(within_hour, first_second) if on_first_day and hour == first_hour else 0
                for index in range(begin, size):
                    local = start + within_hour[index]
                    if local >= high:
                        return
                    yield local

    def matches(self, local: int) -> bool:
        """Whether the fields match the local time *local*."""
        day, second_of_day = divmod(local, DAY_S)
        hour, second = divmod(second_of_day, HOUR_S)
        index = bisect_left(self.within_hour, second)
        in_hour = index < len(self.within_hour) and self.within_hour[index] == second
        return in_hour and hour in self.hours and self.first_day(day, day) == day

    def first_day(self, first: int, last: int) -> int | None:
        """Return the first matching day in ``[first, last]``, or None."""
        return next(self.matching_days(first, last), None)

    def matching_days(self, first: int, last: int) -> Iterator[int]:
        """Yield every matching day number in ``[first, last]``, in order. The search ends with the year 2199."""
        start = date.fromordinal(max(first, 0) + _FIRST_ORDINAL)
        for year in self._years(start.year):
            months = self.months if year > start.year else self.months[bisect_left(self.months, start.month) :]
            for month in months:
                days = self._days_in(year, month)
                for day in days[bisect_left(days, first) :]:
                    if day > last:
                        return
                    yield day
                if month_shape(year, month).first > last:
                    return

    def _years(self, first: int) -> Iterable[int]:
        if self.years is None:
            return range(first, LAST_YEAR + 1)
        return self.years[bisect_left(self.years, first) :]

    @cached_property
    def within_hour(self) -> tuple[int, ...]:
        """The seconds of an hour at which the minute and second fields match, sorted."""
        return tuple(minute * 60 + second for minute in self.minutes for second in self.seconds)

    def _days_in(self, year: int, month: int) -> tuple[int, ...]:
        """Return the matching day numbers of a month, from the cache if it has them."""
        known = self._months.get(year * 12 + month)
        if known is None:
            shape = month_shape(year, month)
            known = tuple(shape.first + day for day in self._days_of(shape))
            self._months[year * 12 + month] = known
        return known

    @cached_property
    def _months(self) -> dict[int, tuple[int, ...]]:
        return {}

    @cached_property
    def _shapes(self) -> dict[tuple[int, int], tuple[int, ...]]:
        return {}

    def _days_of(self, shape: MonthShape) -> tuple[int, ...]:
        """Return the matching days of any month with this length and first weekday, counted from 0.

        There are only 28 such combinations, so the cache stays small.
        """
        known = self._shapes.get(shape[1:])
        if known is None:
            known = tuple(day for day in range(shape.length) if self._day_matches(day + 1, shape))
            self._shapes[shape[1:]] = known
        return known

    def _day_matches(self, day: int, shape: MonthShape) -> bool:
        weekday = (shape.weekday + day - 1) % 7
        by_day = day in self.days or any(_day_of(rule, shape) == day for rule in self.day_rules)
        by_weekday = weekday in self.weekdays or any(_day_of(rule, shape) == day for rule in self.weekday_rules)
        return by_day or by_weekday if self.either else by_day and by_weekday


#: Matches every second.
EVERY_SECOND = Cron(
    seconds=tuple(range(60)),
    minutes=tuple(range(60)),
    hours=tuple(range(24)),
    days=tuple(range(1, 32)),
    months=tuple(range(1, 13)),
    weekdays=tuple(range(7)),
    fixed=False,
)


def first_match(cron: Cron) -> int | None:
    """Return the first matching day of the years 1970-2199. None means that the expression can never match."""
    last = month_shape(LAST_YEAR, 12).first + 30
    return cron.first_day(month_shape(FIRST_YEAR, 1).first, last)


def _day_of(rule: DayRule, shape: MonthShape) -> int | None:
    """Return the day of the month that *rule* names, or None if this month has no such day."""
    if isinstance(rule, NthWeekday):
        first = 1 + (rule.weekday - shape.weekday) % 7
        if rule.nth == -1:
            return first + (shape.length - first) // 7 * 7
        day = first + (rule.nth - 1) * 7
    elif isinstance(rule, LastDay):
        day = shape.length - rule.before
        if rule.weekday and day >= 1:
            return _nearest_weekday(day, shape)
    else:
        day = rule.day
        if day <= shape.length:
            return _nearest_weekday(day, shape)
    return day if 1 <= day <= shape.length else None


def _nearest_weekday(day: int, shape: MonthShape) -> int:
    """Return the Monday to Friday of the same month that is nearest to *day*."""
    weekday = (shape.weekday + day - 1) % 7
    if weekday == _SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == _SUNDAY:
        return day + 1 if day < shape.length else day - 2
    return day
