"""When ``rate()`` fires: instants a fixed period apart, without those that exclusions cover."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from eventcron.model.names import Instant, Window
from eventcron.timing.cron import DAY_S, HOUR_S, bits_of, mask_of, year_of, year_shape
from eventcron.timing.daylight import EARLIEST, LATEST, leap
from eventcron.timing.expression import Rate
from eventcron.timing.remaining import Remaining
from eventcron.timing.sets import LocalTimes, every_nth, seconds_in
from eventcron.timing.zones import Zone

_WHOLE_HOUR = (1 << HOUR_S) - 1
_DAYS_A_YEAR = 366
#: If more seconds are left, nearly each day has one that is due.
_FEW_SECONDS = 4_096
#: Up to so many bits of a number are taken one by one.
_FEW_BITS = 30
#: Days whose seconds stay in memory while one search goes on.
_MAX_KNOWN = 512


def dues(rate: Rate, window: Window) -> range:
    """Return every due instant of *rate* in *window*, whatever is excluded."""
    start, end = max(window.start, EARLIEST * 1000), min(window.end, LATEST * 1000)
    return range(start + (rate.phase - start) % rate.period, end, rate.period)


def dues_left(rate: Rate, remaining: Remaining, zone: Zone, window: Window) -> Iterator[Instant]:
    """Yield the due instants of *rate* in *window* that no exclusion covers, strictly increasing.

    Within a span of constant offset, the dues are a fixed number of seconds apart in local time too. On days it can
    meet only those seconds of the day that are the same modulo the common divisor of the period and a day. Days
    without such a second are passed over.
    """
    period, (first, millis) = rate.period // 1000, divmod(rate.phase, 1000)
    begin = max(-(-(window.start - millis) // 1000), EARLIEST)
    end = min(-(-(window.end - millis) // 1000), LATEST)
    step = gcd(period, DAY_S)
    meetings: dict[int, _Meetings] = {}
    while begin < end:
        span = zone.span(begin)
        stop = min(span.end, end)
        local_first = first + span.offset
        if local_first not in meetings:
            meetings[local_first] = _Meetings(remaining.every(step, local_first % step), period, local_first)
        for local in meetings[local_first].between(begin + span.offset, stop + span.offset):
            yield (local - span.offset) * 1000 + millis
        begin = stop if stop >= end else leap(remaining.every(1, 0), stop)


class _Meetings:
    """Those of *times* that are a whole number of periods from the local time *first*."""

    def __init__(self, times: LocalTimes, period: int, first: int) -> None:
        self._times = times
        self._period = period
        self._first = first
        #: After so many days, a day has the same dues again.
        self._cycle = period // gcd(period, DAY_S)
        self._seconds: dict[tuple[int, int], tuple[int, ...]] = {}
        self._folded: dict[int, int] = {}
        self._residues: dict[int, int | None] = {}

    def between(self, low: int, high: int) -> Iterator[int]:
        """Yield them in ``[low, high)``, in order."""
        first_day, last_day = low // DAY_S, (high - 1) // DAY_S
        for year in range(year_of(first_day), year_of(last_day) + 1):
            shape = year_shape(year)
            end = max(min(last_day + 1 - shape.first, shape.length), 0)
            inside = (1 << end) - (1 << max(first_day - shape.first, 0))
            met = [
                (day, sign)
                for sign, days in self._times.kinds(year)
                for day in self._days(sign, days & inside, shape.first)
            ]
            for day, sign in sorted(met):
                midnight = day * DAY_S
                for second in self._seconds_on(day, sign):
                    if low <= midnight + second < high:
                        yield midnight + second

    def _days(self, sign: int, days: int, start: int) -> Iterator[int]:
        """Yield those of *days*, bits from the day *start* on, that have a time.

        If few seconds are left, each is met every so many days, and arithmetic tells on which. Otherwise each of the
        days is looked at, and most of them have one.
        """
        if sign not in self._residues:
            self._residues[sign] = self._residues_of(sign)
        residues = self._residues[sign]
        if residues is None:
            folded = self._folded[sign]
            found = (start + position for position in bits_of(days))
            yield from (day for day in found if folded >> (self._first - day * DAY_S) % self._period & 1)
        else:
            yield from (start + position for position in bits_of(residues >> start % self._cycle & days))

    def _residues_of(self, sign: int) -> int | None:
        """The days of one cycle, and of a year more, that have a time, as bits; None if too many seconds are left."""
        step = gcd(self._period, DAY_S)
        folded = self._folded[sign] = self._fold(self._times.seconds_of_day(sign))
        if folded.bit_count() > _FEW_SECONDS:
            return None
        inverse = pow(DAY_S // step, -1, self._cycle)
        found = {(self._first - second) // step * inverse % self._cycle for second in bits_of(folded)}
        cycles = range(0, self._cycle + _DAYS_A_YEAR, self._cycle)
        return mask_of(cycle + residue for residue in found for cycle in cycles)

    def _fold(self, seconds: int) -> int:
        """*seconds*, as bits, modulo the period."""
        size = self._period
        while size < DAY_S:
            size *= 2
        while size > self._period:
            size //= 2
            seconds = seconds & (1 << size) - 1 | seconds >> size
        return seconds

    def _seconds_on(self, day: int, sign: int) -> tuple[int, ...]:
        """The seconds of *day* that are left and due."""
        key = (sign, (self._first - day * DAY_S) % self._period)
        known = self._seconds.get(key)
        if known is None:
            mask = self._times.seconds_of_day(sign) & every_nth(self._period) << key[1]
            known = _positions(mask)
            if len(self._seconds) >= _MAX_KNOWN:
                self._seconds.clear()
            self._seconds[key] = known
        return known


def _positions(mask: int) -> tuple[int, ...]:
    """Return the seconds of a day in *mask*, in order."""
    lowest = max((mask & -mask).bit_length() - 1, 0)
    if mask.bit_count() < _FEW_BITS:
        return tuple(lowest + position for position in bits_of(mask >> lowest))
    hours = range(lowest // HOUR_S, 24)
    return tuple(hour * HOUR_S + second for hour in hours for second in seconds_in(mask >> hour * HOUR_S & _WHOLE_HOUR))
