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

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache

from eventcron.timing.cron import DAY_S, EVERY_SECOND, HOUR_S, bits_of, mask_of, year_of, year_shape
from eventcron.timing.days import Members, parted
from eventcron.timing.fields import FIRST_YEAR, LAST_YEAR

_HOURS, _SIXTY = 24, 60
_WHOLE_HOUR = (1 << HOUR_S) - 1
_HOUR_BYTES = HOUR_S // 8
_EMPTY_HOUR = bytes(_HOUR_BYTES)

#: Entries of the caches of one object. It bounds memory; few objects have more.
_MAX_KNOWN = 4_096
#: Years of which the kinds of days stay in memory: those that several rates of one schedule look at together.
_MAX_YEARS_KNOWN = 16
#: The same for whole days of seconds, which take 11 KB each.
_MAX_DAYS_KNOWN = 64
#: The same for the seconds of an hour as bits, which take half a KB each.
_MAX_MASKS_KNOWN = 1_024
#: Days of a short look, around a midnight.
_FEW_DAYS = 2
#: Years whose days are found at once, before those of all years are.
_SOME_YEARS = 8
#: To compute a whole day's seconds takes about as long as to look at so many.
_MANY_SECONDS = 400
#: Up to so many seconds of a day are looked at one by one, and are a list; more are found hour by hour.
_FEW_SECONDS = 200


class LocalTimes:
    """The local times, in seconds, that one of the *chosen* expressions matches and no exclusion covers.

    *chosen* is a sign of expressions of *members*. *only*, ``(step, first)``, leaves the days that have a time whose
    second of the day is ``first``, ``first + step``, …. Callers look for that second themselves.
    """

    def __init__(self, members: Members, chosen: int, *, only: tuple[int, int] = (1, 0)) -> None:
        self._all = members
        self._members = members.crons
        #: A sign below this has the bit of no exclusion.
        self._top = members.top
        #: The bits of the chosen expressions and of all exclusions.
        self._chosen = chosen | (1 << len(members.crons)) - members.top
        self._only = only
        #: The years that have such a time, once all are known.
        self._open_years: list[int] | None = None
        self._open: dict[int, int] = {}
        self._seconds: dict[int, tuple[int, ...]] = {}
        self._masks: dict[int, int] = {}
        self._hours: dict[int, tuple[tuple[int, tuple[int, ...]], ...]] = {}
        self._counts: dict[int, int] = {}
        self._kinds_known: dict[int, list[tuple[int, int]]] = {}
        self._days: dict[int, int] = {}
        self._asked: dict[int, int] = {}

    # --- What callers ask --------------------------------------------------------------------------------------------

    def local_times(self, low: int, high: int) -> Iterator[int]:
        """Yield the times in ``[low, high)``, in order."""
        first_day, last_day = low // DAY_S, (high - 1) // DAY_S
        for day in self._days_between(first_day, last_day, self.days_to_look_at):
            midnight = day * DAY_S
            begin, end = max(low - midnight, 0), min(high - midnight, DAY_S)
            sign = self._sign(day)
            if end - begin == DAY_S:
                for start, seconds in self._hours_of(sign):
                    for second in seconds:
                        yield midnight + start + second
                continue
            for hour in range(begin // HOUR_S, -(-end // HOUR_S)):
                seconds, start = self._seconds_of(sign & self._hour_signs[hour]), hour * HOUR_S
                if begin <= start and start + HOUR_S <= end:
                    for second in seconds:
                        yield midnight + start + second
                else:
                    yield from (midnight + start + second for second in seconds if begin <= start + second < end)

    def matching_days(self, first: int, last: int) -> Iterator[int]:
        """Yield the days in ``[first, last]`` that have such a time, in order. The search ends with the year 2199."""
        return self._days_between(first, last, lambda year, _: self.days_in(year))

    def _days_between(self, first: int, last: int, days_in: Callable[[int, int], int]) -> Iterator[int]:
        first = max(first, 0)
        for year in self._years(year_of(first)):
            shape = year_shape(year)
            if shape.first > last:
                return
            days = days_in(year, last - first)
            if first > shape.first:
                days &= -1 << first - shape.first
            for position in bits_of(days):
                if shape.first + position > last:
                    return
                yield shape.first + position

    def days_to_look_at(self, year: int, length: int) -> int:
        """Return ``days_in(year)``, and perhaps more days if only *length* days are looked at.

        To look at a few days is quicker than to compute which days have such a time.
        """
        if length > _FEW_DAYS or year in self._open or not FIRST_YEAR <= year <= LAST_YEAR:
            return self.days_in(year)
        return self._all.left(range(year, year + 1))

    def _years(self, first: int) -> Iterable[int]:
        """The years from *first* on that may have such a time."""
        if self._open_years is None:
            return range(first, LAST_YEAR + 1)
        return self._open_years[bisect_left(self._open_years, first) :]

    def first_day(self, first: int, last: int) -> int | None:
        """Return the first day in ``[first, last]`` that has such a time, or None."""
        return next(self.matching_days(first, last), None)

    def days_in(self, year: int) -> int:
        """Return the days of *year* that have such a time, as bits from the 1st of January on."""
        if not FIRST_YEAR <= year <= LAST_YEAR:
            # A zone's first and last local hours. No cron expression matches there.
            return self._all.without_spans(year)
        if year not in self._open:
            # Most callers want to know of one year. Who asks for others gets some years, and then all at once.
            known = len(self._open)
            if not known:
                self._find_days(range(year, year + 1))
            elif known == 1 and abs(year - min(self._open)) < _SOME_YEARS:
                first = min(year, *self._open)
                self._find_days(range(first, min(first + _SOME_YEARS, LAST_YEAR + 1)))
            else:
                self._find_days(range(min(year, *self._open), LAST_YEAR + 1))
                self._open_years = sorted(year for year, days in self._open.items() if days)
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
            signs, found = self.signs(year), dict[int, int]()
            for position in bits_of(days):
                sign = signs[position] & self._chosen
                found[sign] = found.get(sign, 0) | 1 << position
            known = list(found.items())
            if len(self._kinds_known) >= _MAX_YEARS_KNOWN:
                self._kinds_known.clear()
            self._kinds_known[year] = known
        return known

    def seconds_among(self, sign: int, seconds: range) -> Iterable[int]:
        """Return those of *seconds* of a day with that *sign* that are left, in order.

        A few are looked at one by one. Where many are asked for, all of the day's are computed at once, and remembered.
        """
        sign &= self._chosen
        asked = self._asked.get(sign, 0) + len(seconds)
        if len(seconds) > _FEW_SECONDS and asked > _MANY_SECONDS:
            mask = self.seconds_of_day(sign) & every_nth(seconds.step) << seconds.start
            if seconds.stop < DAY_S:
                mask &= (1 << seconds.stop) - 1
            if mask.bit_count() > _FEW_SECONDS:
                return _positions(mask)
            return list(_positions(mask)) if mask else []  # nothing on most days of a long search
        if len(self._asked) >= _MAX_KNOWN:
            self._asked.clear()
        self._asked[sign] = asked
        hours, of_hour, top = self._hour_signs, self._all.of_hour, self._top
        return [s for s in seconds if 0 < sign & hours[s // HOUR_S] & of_hour[s % HOUR_S] < top]

    def seconds_left(self, seconds: Sequence[int], year: int, days: int) -> list[int]:
        """Return those of *seconds*, counted from the 1st of January of *year*, that are left on *days*, in order."""
        signs = self.signs(year)
        hours, of_hour, top = self._hour_signs, self._all.of_hour, self._top
        if days.bit_count() < len(signs):
            is_open = f"{days:0{len(signs)}b}"[::-1]
            seconds = [s for s in seconds if is_open[s // DAY_S] == "1"]
        return [s for s in seconds if 0 < signs[s // DAY_S] & hours[s // HOUR_S % _HOURS] & of_hour[s % HOUR_S] < top]

    def seconds_of_day(self, sign: int) -> int:
        """Return the seconds of a day with that *sign* that are left, as bits."""
        known = self._days.get(sign)
        if known is None:
            known = 0
            for hour, of_hour in enumerate(self._hour_signs):
                mask = self._mask_of(sign & of_hour)
                if mask:
                    known |= mask << hour * HOUR_S
            if len(self._days) >= _MAX_DAYS_KNOWN:
                self._days.clear()
            self._days[sign] = known
        return known

    # --- Days --------------------------------------------------------------------------------------------------------

    def _sign(self, day: int) -> int:
        year = year_of(day)
        return self.signs(year)[day - year_shape(year).first]

    def signs(self, year: int) -> list[int]:
        """Return the sign of each day of *year*, from the 1st of January on, whether or not it has such a time."""
        return self._all.signs(year)

    def _find_days(self, years: range) -> None:
        """Compute ``days_in`` of all *years* at once.

        For each sign of times, the days that match one of its expressions and none of its exclusions are left. Where
        there are none, the exclusions that cover them all are remembered: they do the same for other signs.
        """
        days = self._all.patterns(years)
        rest = self._all.left(years) & self._matched(self._chosen, days)
        open_days, covers = 0, _Covers(self._top, self._second_signs)
        for minute in self._minute_signs:
            if open_days == rest:
                break
            left = covers.open_seconds(minute)
            while left:
                lowest = left & -left
                sign = minute & self._second_signs[lowest.bit_length() - 1]
                uncovered, used = _uncovered(rest & ~open_days, sign - sign % self._top, days)
                found = uncovered and uncovered & self._matched(sign, days)
                open_days |= found
                if found:
                    left &= ~lowest
                else:
                    left &= ~covers.add(sign % self._top if uncovered else self._top - 1, used, minute)
        self._open.update(parted(open_days, years))

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
        return [sign & self._chosen for sign in self._all.hour_signs]

    @cached_property
    def _minute_signs(self) -> list[int]:
        """The distinct signs of the minutes of a day, those with the fewest exclusions first."""
        step, first = self._only
        minutes, seconds, hours = self._all.minute_signs, self._all.second_signs, self._hour_signs
        if self._by_second:
            times = range(first, DAY_S, step)
            found = {hours[t // HOUR_S] & minutes[t // _SIXTY % _SIXTY] & seconds[t % _SIXTY] for t in times}
        else:
            found = {hour & minute for hour in set(hours) for minute in set(minutes)}
        return sorted((sign for sign in found if sign % self._top), key=int.bit_count)

    @cached_property
    def _second_signs(self) -> list[int]:
        """The distinct signs of the seconds of a minute."""
        if self._by_second:
            return [(1 << len(self._members)) - 1]
        step, first = self._only
        return sorted(set(self._all.second_signs[first::step]))

    @property
    def _by_second(self) -> bool:
        """Whether *only* leaves not the same seconds of each minute, so that ``_minute_signs`` tells seconds too."""
        return _SIXTY % self._only[0] != 0

    def _mask_of(self, sign: int) -> int:
        """The seconds of an hour that are left, as bits. *sign* is that of the day and the hour together."""
        if not sign % self._top:
            return 0
        known = self._masks.get(sign)
        if known is None:
            if len(self._masks) >= _MAX_MASKS_KNOWN:
                self._masks.clear()
            known = self._masks[sign] = self._find_mask(sign)
        return known

    def _find_mask(self, sign: int) -> int:
        expressions, mask = sign % self._top, 0
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

    def _hours_of(self, day_sign: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """The hours of a whole day of that sign that have such a time: when each begins, and its seconds."""
        known = self._hours.get(day_sign)
        if known is None:
            each = ((hour * HOUR_S, self._seconds_of(day_sign & sign)) for hour, sign in enumerate(self._hour_signs))
            known = tuple((start, seconds) for start, seconds in each if seconds)
            if len(self._hours) >= _MAX_KNOWN:
                self._hours.clear()
            self._hours[day_sign] = known
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
            if not exclusions & ~minute:
                left &= ~self._covered(seconds, others & minute)
        return left

    def _covered(self, seconds: int, others: int) -> int:
        """Those of the positions *seconds* at which none of the *others* matches, whose days may be open."""
        return seconds & ~self._of_expressions(others) if others else seconds

    def _of_expressions(self, expressions: int) -> int:
        """The positions of the signs of seconds that have one of *expressions*, as bits."""
        known = self._positions.get(expressions)
        if known is None:
            positions = enumerate(self._second_signs)
            known = mask_of(position for position, second in positions if expressions & second)
            self._positions[expressions] = known
        return known

    def add(self, expressions: int, exclusions: int, minute: int) -> int:
        """Add what covers all days of *expressions*.

        Return the positions of the signs of seconds at which that covers *minute*. An expression that is not among
        *expressions* may match there at some seconds: its days are not known to be covered.
        """
        others = (self._top - 1) & ~expressions
        signs = enumerate(self._second_signs)
        seconds = mask_of(position for position, second in signs if not exclusions & ~second)
        self._known.append((exclusions, others, seconds))
        return self._covered(seconds, others & minute)


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


def _positions(mask: int) -> Iterator[int]:
    """Yield the seconds of a day in *mask*, in order."""
    data = mask.to_bytes(_HOURS * _HOUR_BYTES, "little")
    for hour in range(_HOURS):
        of_hour = data[hour * _HOUR_BYTES : (hour + 1) * _HOUR_BYTES]
        if of_hour != _EMPTY_HOUR:
            start = hour * HOUR_S
            for second in seconds_in(int.from_bytes(of_hour, "little")):
                yield start + second
