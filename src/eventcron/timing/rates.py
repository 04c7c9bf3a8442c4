"""When ``rate()`` fires: instants a fixed period apart, without those that exclusions cover."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import NamedTuple

from eventcron.model.names import Instant, Window
from eventcron.timing.cron import DAY_S, HOUR_S, bits_of, year_of, year_shape
from eventcron.timing.daylight import EARLIEST, LATEST, leap
from eventcron.timing.expression import Rate
from eventcron.timing.remaining import Remaining
from eventcron.timing.sets import LocalTimes, every_nth, seconds_in
from eventcron.timing.zones import Zone

_WHOLE_HOUR = (1 << HOUR_S) - 1
_DAYS_A_YEAR = 366
#: Bits that are taken from a long number one by one; more are taken hour by hour.
_FEW = 30


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
    step, folds = gcd(period, DAY_S), _Folds(period)
    while begin < end:
        span = zone.span(begin)
        stop = min(span.end, end)
        local_first = first + span.offset
        times = remaining.every(step, local_first % step)
        rate_here = _Seconds(period, local_first)
        for local in _meeting(times, rate_here, folds, begin + span.offset, stop + span.offset):
            yield (local - span.offset) * 1000 + millis
        begin = stop if stop >= end else leap(remaining.every(1, 0), stop)


def _meeting(times: LocalTimes, rate: _Seconds, folds: _Folds, low: int, high: int) -> Iterator[int]:
    """Yield those of *times* in ``[low, high)`` at which *rate* is due, in order."""
    day, last = low // DAY_S, (high - 1) // DAY_S
    for year in range(year_of(day), year_of(last) + 1):
        shape = year_shape(year)
        inside = (1 << max(min(last + 1 - shape.first, shape.length), 0)) - (1 << max(day - shape.first, 0))
        hits = []
        for sign, days in times.kinds(year):
            hits += [(day, sign) for day in rate.days(folds.of(times, sign), days & inside, shape.first)]
        for hit, sign in sorted(hits):
            midnight = hit * DAY_S
            for second in _bits(times.seconds_of_day(sign) & rate.on(hit)):
                if low <= midnight + second < high:
                    yield midnight + second


class _Seconds(NamedTuple):
    """A rate in local time: due at ``first`` and every ``period`` seconds before and after it."""

    period: int
    first: int

    def on(self, day: int) -> int:
        """Return the seconds of *day* at which it is due, as bits."""
        return every_nth(self.period) << (self.first - day * DAY_S) % self.period

    def days(self, folded: int, days: int, start: int) -> Iterator[int]:
        """Yield those of *days*, bits from the day *start* on, on which it is due at a second that is left.

        *folded* has the seconds that are left, modulo the period, as bits. If there are few, each is met every so many
        days, and arithmetic tells on which. Otherwise each of the days is looked at, and most of them are met.
        """
        step = gcd(self.period, DAY_S)
        cycle = self.period // step
        if folded.bit_count() * (_DAYS_A_YEAR // cycle + 1) > _DAYS_A_YEAR:
            found = (start + position for position in bits_of(days))
            yield from (day for day in found if folded >> (self.first - day * DAY_S) % self.period & 1)
            return
        inverse = pow(DAY_S // step, -1, cycle)
        for second in bits_of(folded):
            day = (self.first - second) // step * inverse % cycle
            for position in range((day - start) % cycle, days.bit_length(), cycle):
                if days >> position & 1:
                    yield start + position


class _Folds:
    """For each sign of days, the seconds that are left, modulo a period."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._known: dict[tuple[int, int], int] = {}

    def of(self, times: LocalTimes, sign: int) -> int:
        key = (id(times), sign)
        known = self._known.get(key)
        if known is None:
            known, size = times.seconds_of_day(sign), self._period
            while size < DAY_S:
                size *= 2
            while size > self._period:
                size //= 2
                known = known & (1 << size) - 1 | known >> size
            self._known[key] = known
        return known


def _bits(mask: int) -> Iterator[int]:
    """Yield the seconds of a day in *mask*."""
    if mask.bit_count() <= _FEW:
        lowest = max((mask & -mask).bit_length() - 1, 0)
        yield from (lowest + position for position in bits_of(mask >> lowest))
        return
    for hour in range(24):
        for second in seconds_in(mask >> hour * HOUR_S & _WHOLE_HOUR):
            yield hour * HOUR_S + second
