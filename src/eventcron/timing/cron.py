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

_FIRST_ORDINAL = date(1970, 1, 1).toordinal()
_SATURDAY, _SUNDAY = 6, 0
#: Day fields whose matching days stay in memory, at a kilobyte each.
_KNOWN_DAYS = 1_024


class Shape(NamedTuple):
    """A year: the day number of its ``first`` day, its ``length`` in days, and the ``weekday`` of the first day.

    Weekdays count from Sunday = 0.
    """

    first: int
    length: int
    weekday: int


class MonthShape(NamedTuple):
    """A month: its ``length`` in days, and the ``weekday`` of its first day (Sunday = 0)."""

    length: int
    weekday: int


#: Every shape that a month can have. What depends on the shape alone is one number, of 31 bits for each in this order.
MONTH_SHAPES = tuple(MonthShape(length, weekday) for length in range(28, 32) for weekday in range(7))
_MONTH_BITS = 31
_ONE_MONTH = (1 << _MONTH_BITS) - 1


def _of_each_shape(bits: Callable[[MonthShape], int]) -> int:
    return sum(bits(shape) << _MONTH_BITS * number for number, shape in enumerate(MONTH_SHAPES))


def _days_of(weekday: int) -> int:
    return _of_each_shape(lambda shape: sum(1 << day for day in range((weekday - shape.weekday) % 7, shape.length, 7)))


#: The first day of a month of each shape, all its days, and its days of each weekday from Sunday on.
_FIRST_DAYS = _of_each_shape(lambda _shape: 1)
_ALL_DAYS = _of_each_shape(lambda shape: (1 << shape.length) - 1)
_WEEKDAYS = [_days_of(weekday) for weekday in range(7)]


@lru_cache(maxsize=256)
def month_shapes(year: int) -> tuple[tuple[int, int], ...]:
    """For each month of *year*, the index of its shape and the position of its first day in the year, from 0 on."""
    first, found = date(year, 1, 1).toordinal(), []
    for month in range(1, 13):
        ordinal = date(year, month, 1).toordinal()
        following = date(year + month // 12, month % 12 + 1, 1).toordinal()
        found.append((MONTH_SHAPES.index(MonthShape(following - ordinal, ordinal % 7)), ordinal - first))
    return tuple(found)


@lru_cache(maxsize=256)
def year_shape(year: int) -> Shape:
    ordinal = date(year, 1, 1).toordinal()
    return Shape(ordinal - _FIRST_ORDINAL, date(year + 1, 1, 1).toordinal() - ordinal, ordinal % 7)


def year_of(day: int) -> int:
    return date.fromordinal(day + _FIRST_ORDINAL).year


def bits_of(mask: int) -> Iterator[int]:
    """Yield the positions of the bits that are set in *mask*, lowest first.

    >>> list(bits_of(0b1010))
    [1, 3]
    """
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def mask_of(positions: Iterable[int]) -> int:
    """Return the number whose bits at *positions* are set."""
    mask = 0
    for position in positions:
        mask |= 1 << position
    return mask


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

    def local_times(self, low: int, high: int) -> Iterator[int]:
        """Yield every matching local time in ``[low, high)``, in order."""
        first_day, second_of_day = divmod(low, DAY_S)
        first_hour, first_second = divmod(second_of_day, HOUR_S)
        hours, within_hour = self.hours, self.within_hour
        size = len(within_hour)
        for day in self.matching_days(first_day, (high - 1) // DAY_S):
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

    def is_within(self, other: Cron) -> bool:
        """Whether each of the local times of this expression is one of *other*, field by field."""
        if self._days.of_months & ~other._days.of_months or not set(self.months) <= set(other.months):
            return False
        if other.years is not None and (self.years is None or not self._year_set <= other._year_set):
            return False
        fields = ((self.seconds, other.seconds), (self.minutes, other.minutes), (self.hours, other.hours))
        return all(set(mine) <= set(theirs) for mine, theirs in fields)

    def first_day(self, first: int, last: int) -> int | None:
        """Return the first matching day in ``[first, last]``, or None."""
        return next(self.matching_days(first, last), None)

    def matching_days(self, first: int, last: int) -> Iterator[int]:
        """Yield every matching day number in ``[first, last]``, in order. The search ends with the year 2199."""
        first = max(first, 0)
        for year in self._years(year_of(first)):
            shape = year_shape(year)
            if shape.first > last:
                return
            mask = self.days_in(year)
            if shape.first < first:
                mask &= -1 << (first - shape.first)
            for position in bits_of(mask):
                if shape.first + position > last:
                    return
                yield shape.first + position

    def _years(self, first: int) -> Iterable[int]:
        if self.years is None:
            return range(first, LAST_YEAR + 1)
        return self.years[bisect_left(self.years, first) :]

    @cached_property
    def within_hour(self) -> tuple[int, ...]:
        """The seconds of an hour at which the minute and second fields match, sorted."""
        starts, seconds = [minute * 60 for minute in self.minutes], self.seconds
        return tuple([start + second for start in starts for second in seconds])

    @cached_property
    def hour_mask(self) -> int:
        """``within_hour`` as bits."""
        seconds, mask = mask_of(self.seconds), 0
        for minute in self.minutes:
            mask |= seconds << minute * 60
        return mask

    @property
    def day_fields(self) -> tuple[object, ...]:
        """What decides on which days the expression matches."""
        rules = (self.day_rules, self.weekday_rules, self.either)
        return (self.days, self.months, self.weekdays, self.years, *rules)

    def days_in(self, year: int) -> int:
        """Return the matching days of *year* as bits, from the 1st of January on."""
        if self.years is not None and year not in self._year_set:
            return 0
        return self._days.in_year(year)

    def days_of_month(self, shape: int) -> int:
        """Return the days of a month with that index of its shape, as bits, as if every month matched."""
        return self._days.of_month(shape)

    @cached_property
    def _days(self) -> _MatchingDays:
        fields = (self.days, self.day_rules, self.weekdays, self.weekday_rules)
        return _matching_days(*fields, months=self.months, either=self.either)

    @cached_property
    def _year_set(self) -> frozenset[int]:
        return frozenset(self.years or ())


class _MatchingDays:
    """The days that the day fields and the month field of an expression match, whatever the year."""

    def __init__(self, of_months: int, months: tuple[int, ...]) -> None:
        #: The matching days of a month of each shape, as if every month matched.
        self.of_months = of_months
        self._months = months
        #: Years of the same length that begin on the same weekday match on the same days. So there are 14 at most.
        self._of_years: dict[tuple[int, int], int] = {}

    def of_month(self, shape: int) -> int:
        return self.of_months >> _MONTH_BITS * shape & _ONE_MONTH

    def in_year(self, year: int) -> int:
        kind = year_shape(year)[1:]
        known = self._of_years.get(kind)
        if known is None:
            months, known = month_shapes(year), 0
            for month in self._months:
                shape, start = months[month - 1]
                known |= self.of_month(shape) << start
            self._of_years[kind] = known
        return known


@lru_cache(maxsize=_KNOWN_DAYS)
def _matching_days(
    days: tuple[int, ...],
    day_rules: tuple[DayRule, ...],
    weekdays: tuple[int, ...],
    weekday_rules: tuple[DayRule, ...],
    *,
    months: tuple[int, ...],
    either: bool,
) -> _MatchingDays:
    """The days of such fields. Most expressions match every day, or every weekday."""
    by_day = (mask_of(days) >> 1) * _FIRST_DAYS
    for rule in day_rules:
        by_day |= _days_by(rule)
    by_weekday = 0
    for weekday in weekdays:
        by_weekday |= _WEEKDAYS[weekday]
    for rule in weekday_rules:
        by_weekday |= _days_by(rule)
    return _MatchingDays((by_day | by_weekday if either else by_day & by_weekday) & _ALL_DAYS, months)


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
    last = year_shape(LAST_YEAR)
    return cron.first_day(year_shape(FIRST_YEAR).first, last.first + last.length - 1)


@lru_cache(maxsize=256, typed=True)  # there are 135 rules; MON#1 and LW are equal as tuples
def _days_by(rule: DayRule) -> int:
    """Return the day that *rule* names in a month of each shape."""

    def bit(shape: MonthShape) -> int:
        day = _day_of(rule, shape)
        return 0 if day is None else 1 << day - 1

    return _of_each_shape(bit)


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
