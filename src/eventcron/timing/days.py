"""The days and times of day that the members of a schedule match: as bits, and as signs.

A *member* is an expression or an exclusion. A *sign* is a number with one bit for each member: the sign of a day has
the bits of the members that match the day, that of a time of day the bits of those that match the time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from eventcron.timing.cron import HOUR_S, MONTH_SHAPES, Cron, bits_of, month_shapes, year_shape
from eventcron.timing.exclusions import DateSpan, Exclusion
from eventcron.timing.fields import FIRST_YEAR, LAST_YEAR

#: Where the days of several years are one number, each year has as many bytes: 366 days, and two bits that are 0.
_YEAR_BYTES = 46
_MONTHS = 12
_HOURS, _SIXTY = 24, 60
_WHOLE_HOUR = (1 << HOUR_S) - 1
#: Years of which the signs stay in memory: those that several rates of one schedule look at together.
_MAX_YEARS_KNOWN = 16


class Members:
    """The expressions and the exclusions of a schedule, and what is known of their days and times of day.

    It computes what it is asked for, and remembers it. Outside the years 1970-2199 no cron expression matches.
    """

    def __init__(self, expressions: Sequence[Cron], exclusions: Sequence[Exclusion]) -> None:
        excluded = [exclusion.cron for exclusion in exclusions if exclusion.cron is not None]
        #: The expressions, then the exclusions that cover a part of a day.
        self.crons = [*expressions, *(cron for cron in excluded if not _is_whole(cron))]
        #: A sign below this has the bit of no exclusion.
        self.top = 1 << len(expressions)
        self._whole = [cron for cron in excluded if _is_whole(cron)]
        self._spans = _joined(span for exclusion in exclusions for span in exclusion.spans)
        self._firsts = [span.first for span in self._spans]
        self._left: dict[range, int] = {}
        self._signs: dict[int, list[int]] = {}
        self._patterns = _by_days(self.crons)
        self._of_month: dict[int, list[int]] = {}
        self._known: dict[range, list[tuple[int, int]]] = {}

    @cached_property
    def hour_signs(self) -> list[int]:
        return signs_of([cron.hours for cron in self.crons], _HOURS)

    @cached_property
    def minute_signs(self) -> list[int]:
        return signs_of([cron.minutes for cron in self.crons], _SIXTY)

    @cached_property
    def second_signs(self) -> list[int]:
        return signs_of([cron.seconds for cron in self.crons], _SIXTY)

    @cached_property
    def of_hour(self) -> list[int]:
        """The signs of the seconds of an hour."""
        return [minute & second for minute in self.minute_signs for second in self.second_signs]

    def signs(self, year: int) -> list[int]:
        """Return the sign of each day of *year*, from the 1st of January on."""
        known = self._signs.get(year)
        if known is None:
            if len(self._signs) >= _MAX_YEARS_KNOWN:
                self._signs.clear()
            known = self._signs[year] = self._signs_in(year)
        return known

    def _signs_in(self, year: int) -> list[int]:
        if not FIRST_YEAR <= year <= LAST_YEAR:
            return [self.top - 1] * year_shape(year).length
        found: list[int] = []
        of_year = self._of_year(year)
        for (shape, _), of_month in zip(month_shapes(year), self._of_months, strict=True):
            both = of_year & of_month
            signs = self._of_month.get(shape) or self._look_up(shape)
            found += [both & sign for sign in signs]
        return found

    def left(self, years: range) -> int:
        """Return the days of *years* that nothing excludes as a whole, as ``joined`` makes them."""
        known = self._left.get(years)
        if known is None:
            known = joined(years, self.without_spans)
            for cron in self._whole:
                known &= ~joined(years, cron.days_in, alike=cron.years is None)
            self._left[years] = known
        return known

    def without_spans(self, year: int) -> int:
        """Return the days of *year* that are in none of the spans, as bits."""
        shape = year_shape(year)
        left = (1 << shape.length) - 1
        index = max(bisect_right(self._firsts, shape.first) - 1, 0)
        for span in self._spans[index:]:
            first, end = max(span.first - shape.first, 0), min(span.last + 1 - shape.first, shape.length)
            if first >= shape.length:
                break
            if first < end:
                left &= ~((1 << end) - (1 << first))
        return left

    def patterns(self, years: range) -> list[tuple[int, int]]:
        """Return the different sets of days of *years*, each with the sign of the members that have it.

        The sets are as ``joined`` makes them, those of the most days first.
        """
        known = self._known.get(years)
        if known is None:
            known = [(joined(years, cron.days_in, alike=cron.years is None), bits) for bits, cron in self._patterns]
            known.sort(key=lambda pattern: pattern[0].bit_count(), reverse=True)
            self._known[years] = known
        return known

    def _look_up(self, shape: int) -> list[int]:
        signs = [0] * MONTH_SHAPES[shape].length
        for bits, cron in self._patterns:
            for position in bits_of(cron.days_of_month(shape)):
                signs[position] |= bits
        self._of_month[shape] = signs
        return signs

    @cached_property
    def _of_months(self) -> list[int]:
        return signs_of([cron.months for cron in self.crons], _MONTHS + 1)[1:]

    def _of_year(self, year: int) -> int:
        return self._always | self._of_years.get(year, 0)

    @cached_property
    def _always(self) -> int:
        """The sign of the members that match in every year."""
        return sum(1 << bit for bit, cron in enumerate(self.crons) if cron.years is None)

    @cached_property
    def _of_years(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for bit, cron in enumerate(self.crons):
            for year in cron.years or ():
                found[year] = found.get(year, 0) | 1 << bit
        return found


def signs_of(fields: Sequence[Sequence[int]], size: int) -> list[int]:
    """For each value of a field, return the sign with the bits of those *fields* that have the value."""
    signs = [0] * size
    for bit, values in enumerate(fields):
        for value in values:
            signs[value] |= 1 << bit
    return signs


def joined(years: Iterable[int], days_in: Callable[[int], int], *, alike: bool = False) -> int:
    """Return the days of all *years* as one number, the first year as the lowest bits.

    *alike*: years of the same length that begin on the same weekday have the same days.
    """
    if not alike:
        return int.from_bytes(b"".join(days_in(year).to_bytes(_YEAR_BYTES, "little") for year in years), "little")
    kinds = [year_shape(year)[1:] for year in years]
    of_kind = {
        kind: days_in(year).to_bytes(_YEAR_BYTES, "little")
        for kind, year in dict(zip(kinds, years, strict=True)).items()
    }
    return int.from_bytes(b"".join([of_kind[kind] for kind in kinds]), "little")


def parted(days: int, years: range) -> dict[int, int]:
    """Return the days of each of *years*, of which ``joined`` made *days*."""
    data = days.to_bytes(_YEAR_BYTES * len(years), "little")
    return {
        year: int.from_bytes(data[number * _YEAR_BYTES : (number + 1) * _YEAR_BYTES], "little")
        for number, year in enumerate(years)
    }


def _by_days(members: Sequence[Cron]) -> list[tuple[int, Cron]]:
    """The different sets of days of *members*: the sign of those that have it, and one of them."""
    found: dict[tuple[object, ...], tuple[int, Cron]] = {}
    for bit, cron in enumerate(members):
        bits, _ = found.get(cron.day_fields, (0, cron))
        found[cron.day_fields] = (bits | 1 << bit, cron)
    return list(found.values())


def _joined(spans: Iterable[DateSpan]) -> list[DateSpan]:
    """The days of *spans* in order, in as few spans as possible."""
    joined: list[DateSpan] = []
    for span in sorted(spans):
        if joined and span.first <= joined[-1].last + 1:
            joined[-1] = DateSpan(joined[-1].first, max(joined[-1].last, span.last))
        else:
            joined.append(span)
    return joined


def _is_whole(cron: Cron) -> bool:
    """Whether *cron* matches every time of the days that it matches."""
    return len(cron.hours) == _HOURS and cron.hour_mask == _WHOLE_HOUR
