"""The local times that some cron expressions match and no exclusion covers, by arithmetic on sets.

A cron expression is a product of sets: the days that it matches, times the hours, times the seconds of an hour. So
nothing here looks at one time after another:

- The days of a year are bits of a number, and so are the seconds of an hour. A union or a difference of such sets is
  one operation on two numbers.
- A *sign* is a number with one bit for each expression and each exclusion. The sign of a day says which of them match
  the day, that of a time of day which of them match the time; both match where both signs have the bit. A year has few
  signs of days, and a day few signs of times.
- A day has a time left if one sign of times shares with the day's sign the bit of an expression and of no exclusion.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache

from eventcron.timing.cron import DAY_S, EVERY_SECOND, HOUR_S, Cron, bits_of, mask_of, year_of, year_shape
from eventcron.timing.exclusions import DateSpan, Exclusion
from eventcron.timing.fields import LAST_YEAR

_HOURS, _SIXTY = 24, 60
_WHOLE_HOUR = (1 << HOUR_S) - 1

#: Entries of the caches of one object. It bounds memory; few objects have more.
_MAX_KNOWN = 4_096
#: Years of which the kinds of days stay in memory: those that several rates of one schedule look at together.
_MAX_YEARS_KNOWN = 16
#: The same for whole days of seconds, which take 11 KB each.
_MAX_DAYS_KNOWN = 64


class LocalTimes:
    """The local times, in seconds, that one of *crons* matches and none of *exclusions* covers.

    *only*: ``(step, first)`` leaves those whose second of the day is ``first``, ``first + step``, …. *within*: other
    local times that have all days of these.
    """

    def __init__(
        self,
        crons: Sequence[Cron],
        exclusions: Sequence[Exclusion],
        *,
        only: tuple[int, int] = (1, 0),
        within: LocalTimes | None = None,
    ) -> None:
        whole = [exclusion.cron for exclusion in exclusions if exclusion.cron is not None and _is_whole(exclusion.cron)]
        partial = [exclusion.cron for exclusion in exclusions if exclusion.cron is not None]
        self._spans = _joined(span for exclusion in exclusions for span in exclusion.spans)
        self._firsts = [span.first for span in self._spans]
        self._whole = whole
        self._only = only
        self._within = within
        self._members = [*crons, *(cron for cron in partial if not _is_whole(cron))]
        #: A sign below this has the bit of no exclusion.
        self._top = 1 << len(crons)
        self._patterns = _by_days(self._members)
        self._open: dict[int, int] = {}
        self._seconds: dict[int, tuple[int, ...]] = {}
        self._counts: dict[int, int] = {}
        self._kinds_known: dict[int, list[tuple[int, int]]] = {}
        self._days: dict[int, int] = {}
        self._signs: dict[int, list[int]] = {}

    # --- What callers ask --------------------------------------------------------------------------------------------

    def local_times(self, low: int, high: int) -> Iterator[int]:
        """Yield the times in ``[low, high)``, in order."""
        first_day, last_day = low // DAY_S, (high - 1) // DAY_S
        for day in self.matching_days(first_day, last_day):
            midnight = day * DAY_S
            begin, end = max(low - midnight, 0), min(high - midnight, DAY_S)
            sign = self._sign(day)
            for hour in range(begin // HOUR_S, -(-end // HOUR_S)):
                seconds, start = self._seconds_of(sign & self._hour_signs[hour]), hour * HOUR_S
                if begin <= start and start + HOUR_S <= end:
                    for second in seconds:
                        yield midnight + start + second
                else:
                    yield from (midnight + start + second for second in seconds if begin <= start + second < end)

    def matching_days(self, first: int, last: int) -> Iterator[int]:
        """Yield the days in ``[first, last]`` that have such a time, in order. The search ends with the year 2199."""
        first = max(first, 0)
        for year in range(year_of(first), LAST_YEAR + 1):
            shape = year_shape(year)
            if shape.first > last:
                return
            for position in bits_of(self.days_in(year) & (-1 << max(first - shape.first, 0))):
                if shape.first + position > last:
                    return
                yield shape.first + position

    def first_day(self, first: int, last: int) -> int | None:
        """Return the first day in ``[first, last]`` that has such a time, or None."""
        return next(self.matching_days(first, last), None)

    def days_in(self, year: int) -> int:
        """Return the days of *year* that have such a time, as bits from the 1st of January on."""
        if year not in self._open:
            # Most callers want to know of one year. Who asks for a second one gets all years at once.
            self._find_days(range(year, LAST_YEAR + 1 if self._open else year + 1))
        return self._open[year]

    def count(self, year: int, days: int) -> int:
        """Return how many such times the *days* of *year* have; *days* are bits from the 1st of January on."""
        return sum(self._count_of(sign) * (days & of_sign).bit_count() for sign, of_sign in self.kinds(year))

    def kinds(self, year: int) -> list[tuple[int, int]]:
        """Return the days of *year* that have such a time, as bits, by their signs."""
        days = self.days_in(year)
        if not days:
            return []
        known = self._kinds_known.get(year)
        if known is None:
            known = [(sign, left) for sign, of_sign in self._kinds(year) if (left := days & of_sign)]
            if len(self._kinds_known) >= _MAX_YEARS_KNOWN:
                self._kinds_known.clear()
            self._kinds_known[year] = known
        return known

    def seconds_of_day(self, sign: int) -> int:
        """Return the seconds of a day with that *sign* that are left, as bits."""
        known = self._days.get(sign)
        if known is None:
            known = 0
            for hour, of_hour in enumerate(self._hour_signs):
                known |= self._mask_of(sign & of_hour) << hour * HOUR_S
            if self._only[0] > 1:
                known &= every_nth(self._only[0]) << self._only[1]
            if len(self._days) >= _MAX_DAYS_KNOWN:
                self._days.clear()
            self._days[sign] = known
        return known

    # --- Days --------------------------------------------------------------------------------------------------------

    def _kinds(self, year: int) -> list[tuple[int, int]]:
        """The days of *year*, as bits, by their signs. Days without an expression are missing."""
        rest = self._days_left(year)
        kinds, common = [(0, rest)], 0
        for bits, cron in self._patterns:
            inside = cron.days_in(year) & rest
            if inside == rest:
                common |= bits
            elif inside:
                kinds = [part for kind in kinds for part in _split(kind, inside, bits)]
        return [(sign | common, days) for sign, days in kinds if days and (sign | common) % self._top]

    def _days_left(self, year: int) -> int:
        """The days of *year* that no exclusion covers as a whole."""
        if self._within is not None:
            return self._within.days_in(year)
        shape = year_shape(year)
        left = (1 << shape.length) - 1
        for cron in self._whole:
            left &= ~cron.days_in(year)
        index = max(bisect_right(self._firsts, shape.first) - 1, 0)
        for span in self._spans[index:]:
            first, end = max(span.first - shape.first, 0), min(span.last + 1 - shape.first, shape.length)
            if first >= shape.length:
                break
            if first < end:
                left &= ~((1 << end) - (1 << first))
        return left

    def _sign(self, day: int) -> int:
        year = year_of(day)
        known = self._signs.get(year)
        if known is None:
            known = [0] * year_shape(year).length
            for sign, days in self._kinds(year):
                for position in bits_of(days):
                    known[position] = sign
            if len(self._signs) >= _MAX_YEARS_KNOWN:
                self._signs.clear()
            self._signs[year] = known
        return known[day - year_shape(year).first]

    def _find_days(self, years: range) -> None:
        """Compute ``days_in`` of all *years* at once.

        For each sign of times, the days that match one of its expressions and none of its exclusions are left. Where
        there are none, the exclusions that cover them all are remembered: they do the same for other signs.
        """
        lengths = [year_shape(year).length for year in years]
        rest = _concatenated([self._days_left(year) for year in years], lengths)
        days = [(_concatenated(_days_in(cron, years), lengths), bits) for bits, cron in self._patterns]
        days.sort(key=lambda pattern: pattern[0].bit_count(), reverse=True)
        open_days, covers = 0, _Covers(self._top, self._second_signs)
        for minute in self._minute_signs:
            if open_days == rest:
                break
            left = covers.open_seconds(minute)
            while left:
                lowest = left & -left
                sign = minute & self._second_signs[lowest.bit_length() - 1]
                found = self._matched(sign, days) & rest & ~open_days
                found, used = _uncovered(found, sign - sign % self._top, days)
                open_days |= found
                left = left & ~lowest if found else left & ~covers.add(sign % self._top, used)
        for year, length in zip(years, lengths, strict=True):
            self._open[year] = open_days & (1 << length) - 1
            open_days >>= length

    def _matched(self, sign: int, days: Sequence[tuple[int, int]]) -> int:
        """The days that one of the expressions in *sign* matches."""
        matched = 0
        for pattern, bits in days:
            if bits & sign % self._top:
                matched |= pattern
        return matched

    # --- Times of day ------------------------------------------------------------------------------------------------

    @cached_property
    def _hour_signs(self) -> list[int]:
        return _signs([member.hours for member in self._members], _HOURS)

    @cached_property
    def _minute_signs(self) -> list[int]:
        """The distinct signs of the minutes of a day, those with the fewest exclusions first."""
        step, first = self._only
        minutes = _signs([member.minutes for member in self._members], _SIXTY)
        if self._by_second:
            seconds, hours = _signs([member.seconds for member in self._members], _SIXTY), self._hour_signs
            times = range(first, DAY_S, step)
            found = {hours[t // HOUR_S] & minutes[t // _SIXTY % _SIXTY] & seconds[t % _SIXTY] for t in times}
        else:
            found = {hour & minute for hour in set(self._hour_signs) for minute in set(minutes)}
        return sorted((sign for sign in found if sign % self._top), key=int.bit_count)

    @cached_property
    def _second_signs(self) -> list[int]:
        """The distinct signs of the seconds of a minute."""
        if self._by_second:
            return [(1 << len(self._members)) - 1]
        step, first = self._only
        return sorted(set(_signs([member.seconds for member in self._members], _SIXTY)[first::step]))

    @property
    def _by_second(self) -> bool:
        """Whether *only* leaves not the same seconds of each minute, so that ``_minute_signs`` tells seconds too."""
        return _SIXTY % self._only[0] != 0

    def _mask_of(self, sign: int) -> int:
        """The seconds of an hour that are left, as bits. *sign* is that of the day and the hour together."""
        expressions = sign % self._top
        if not expressions:
            return 0
        mask = 0
        for bit in bits_of(expressions):
            mask |= self._members[bit].hour_mask
        for bit in bits_of(sign - expressions):
            mask &= ~self._members[bit].hour_mask
            if not mask:
                break
        return mask

    def _seconds_of(self, sign: int) -> tuple[int, ...]:
        """The seconds of an hour that are left, sorted. *sign* is that of the day and the hour together."""
        known = self._seconds.get(sign)
        if known is None:
            known = seconds_in(self._mask_of(sign))
            if len(self._seconds) >= _MAX_KNOWN:
                self._seconds.clear()
            self._seconds[sign] = known
        return known

    def _count_of(self, day_sign: int) -> int:
        known = self._counts.get(day_sign)
        if known is None:
            known = sum(self._mask_of(day_sign & sign).bit_count() for sign in self._hour_signs)
            self._counts[day_sign] = known
        return known


class _Covers:
    """Sets of exclusions that, where they apply together, cover every day that expressions match."""

    def __init__(self, top: int, second_signs: Sequence[int]) -> None:
        self._top = top
        self._second_signs = second_signs
        self._positions: dict[int, int] = {}
        #: The exclusions as a sign, the sign of the other expressions, and the signs of seconds that have all of them.
        self._known: list[tuple[int, int, int]] = []

    def open_seconds(self, minute: int) -> int:
        """Return the positions of the signs of seconds at which nothing known covers *minute*, as bits."""
        left = self._of_expressions(minute & (self._top - 1))
        for exclusions, others, seconds in self._known:
            if not exclusions & ~minute and not others & minute:
                left &= ~seconds
        return left

    def _of_expressions(self, expressions: int) -> int:
        """The positions of the signs of seconds that have one of *expressions*, as bits."""
        known = self._positions.get(expressions)
        if known is None:
            positions = enumerate(self._second_signs)
            known = mask_of(position for position, second in positions if expressions & second)
            self._positions[expressions] = known
        return known

    def add(self, expressions: int, exclusions: int) -> int:
        """Add what covers all days of *expressions*. Return the positions of the signs of seconds that it covers."""
        others = (self._top - 1) & ~expressions
        positions = enumerate(self._second_signs)
        seconds = mask_of(position for position, second in positions if not exclusions & ~second)
        self._known.append((exclusions, others, seconds))
        return seconds


def _uncovered(found: int, exclusions: int, days: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return those of the days *found* that no exclusion covers, and the sign of the exclusions that cover others."""
    used = 0
    for pattern, bits in days:
        if not found:
            break
        if bits & exclusions:
            left = found & ~pattern
            if left != found:
                used |= (bits & exclusions) & -(bits & exclusions)
                found = left
    return found, used


@lru_cache(maxsize=64)
def every_nth(step: int) -> int:
    """Return every *step*-th second of a day, from the first on, as bits."""
    mask, length = 1, step
    while length < DAY_S:
        mask |= mask << length
        length *= 2
    return mask & (1 << DAY_S) - 1


def seconds_in(mask: int) -> tuple[int, ...]:
    """Return the positions of the bits of *mask*, the seconds of an hour."""
    if mask == _WHOLE_HOUR:
        return EVERY_SECOND.within_hour
    if mask.bit_count() < _SIXTY:
        return tuple(bits_of(mask))
    return tuple(position for position, bit in enumerate(reversed(f"{mask:b}")) if bit == "1")


def _is_whole(cron: Cron) -> bool:
    """Whether *cron* matches every time of the days that it matches."""
    return len(cron.hours) == _HOURS and cron.hour_mask == _WHOLE_HOUR


def _by_days(members: Sequence[Cron]) -> list[tuple[int, Cron]]:
    """The different sets of days of *members*: the sign of those that have it, and one of them."""
    found: dict[tuple[object, ...], tuple[int, Cron]] = {}
    for bit, cron in enumerate(members):
        bits, _ = found.get(cron.day_fields, (0, cron))
        found[cron.day_fields] = (bits | 1 << bit, cron)
    return list(found.values())


def _signs(fields: Sequence[Sequence[int]], size: int) -> list[int]:
    """For each value of a field, the sign with the bits of those *fields* that have the value."""
    signs = [0] * size
    for bit, values in enumerate(fields):
        for value in values:
            signs[value] |= 1 << bit
    return signs


def _split(kind: tuple[int, int], inside: int, bit: int) -> Iterator[tuple[int, int]]:
    sign, days = kind
    if yes := days & inside:
        yield sign | bit, yes
    if no := days & ~inside:
        yield sign, no


def _days_in(cron: Cron, years: range) -> list[int]:
    """The days of each of *years* that *cron* matches. Years that begin and end on the same weekdays are alike."""
    if cron.years is not None:
        return [cron.days_in(year) for year in years]
    kinds = {year_shape(year)[1:]: year for year in years}
    known = {kind: cron.days_in(year) for kind, year in kinds.items()}
    return [known[year_shape(year)[1:]] for year in years]


def _concatenated(masks: Sequence[int], lengths: Sequence[int]) -> int:
    """Return *masks*, each of as many bits as its length, one after another, the first as the lowest bits."""
    while len(masks) > 1:
        pairs = range(0, len(masks) - 1, 2)
        odd = slice(len(masks) // 2 * 2, None)
        masks = [*(masks[i] | masks[i + 1] << lengths[i] for i in pairs), *masks[odd]]
        lengths = [*(lengths[i] + lengths[i + 1] for i in pairs), *lengths[odd]]
    return masks[0]


def _joined(spans: Iterable[DateSpan]) -> list[DateSpan]:
    """The days of *spans* in order, in as few spans as possible."""
    joined: list[DateSpan] = []
    for span in sorted(spans):
        if joined and span.first <= joined[-1].last + 1:
            joined[-1] = DateSpan(joined[-1].first, max(joined[-1].last, span.last))
        else:
            joined.append(span)
    return joined
