"""When ``rate()`` fires: instants a fixed period apart, without those that exclusions cover."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from eventcron.model.names import Instant, Window
from eventcron.timing.cron import DAY_S, Shape, bits_of, year_of, year_shape
from eventcron.timing.daylight import EARLIEST, LATEST, leap
from eventcron.timing.expression import Rate
from eventcron.timing.remaining import Remaining
from eventcron.timing.sets import LocalTimes
from eventcron.timing.zones import Zone


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
        begin = stop if stop >= end else leap(remaining.every(step, local_first % step), stop)


class _Meetings:
    """Those of *times* that are a whole number of periods from the local time *first*."""

    def __init__(self, times: LocalTimes, period: int, first: int) -> None:
        self._times = times
        self._period = period
        self._first = first

    def between(self, low: int, high: int) -> Iterator[int]:
        """Yield them in ``[low, high)``, in order."""
        first_day, last_day = low // DAY_S, (high - 1) // DAY_S
        for year in range(year_of(first_day), year_of(last_day) + 1):
            days = self._times.days_in(year)
            if not days:
                continue
            shape = year_shape(year)
            end = max(min(last_day + 1 - shape.first, shape.length), 0)
            days &= (1 << end) - (1 << max(first_day - shape.first, 0))
            signs = self._times.signs(year)
            for position, seconds in self._due(days, shape):
                midnight = (shape.first + position) * DAY_S
                for second in self._times.seconds_among(signs[position], seconds):
                    if low <= midnight + second < high:
                        yield midnight + second

    def _due(self, days: int, shape: Shape) -> Iterator[tuple[int, range]]:
        """Yield those of *days*, bits of the year *shape*, that have a due instant, and the seconds of the day."""
        if self._period <= DAY_S * shape.length // (days.bit_count() + 1):
            for position in bits_of(days):
                start = (self._first - (shape.first + position) * DAY_S) % self._period
                if start < DAY_S:
                    yield position, range(start, DAY_S, self._period)
            return
        begin = shape.first * DAY_S
        since = begin + (self._first - begin) % self._period
        for due in range(since - begin, shape.length * DAY_S, self._period):
            if days >> due // DAY_S & 1:
                yield due // DAY_S, range(due % DAY_S, DAY_S, self._period)
