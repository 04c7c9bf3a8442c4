"""When ``rate()`` fires: instants a fixed period apart, without those that exclusions cover."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import gcd

from eventcron.model.names import Instant, Window
from eventcron.timing.cron import DAY_S, HOUR_S, year_of, year_shape
from eventcron.timing.daylight import EARLIEST, LATEST, leap
from eventcron.timing.expression import Rate
from eventcron.timing.remaining import Remaining
from eventcron.timing.sets import LocalTimes, seconds_in
from eventcron.timing.zones import Zone

_WHOLE_HOUR = (1 << HOUR_S) - 1


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
    while begin < end:
        span = zone.span(begin)
        stop = min(span.end, end)
        local_first = first + span.offset
        times = remaining.every(step, local_first % step)
        for local in _meeting(times, period, local_first, begin + span.offset, stop + span.offset):
            yield (local - span.offset) * 1000 + millis
        begin = stop if stop >= end else leap(remaining.every(1, 0), stop)


def _meeting(times: LocalTimes, period: int, first: int, low: int, high: int) -> Iterator[int]:
    """Yield those of *times* in ``[low, high)`` that are a whole number of periods from *first*."""
    if period >= DAY_S:
        yield from (local for local in range(low + (first - low) % period, high, period) if _has(times, local))
        return
    for day in times.matching_days(low // DAY_S, (high - 1) // DAY_S):
        midnight = day * DAY_S
        for hour, mask in times.hours(day):
            start = midnight + hour * HOUR_S
            if start + HOUR_S <= low or start >= high:
                continue
            offset = (first - start) % period
            if offset >= HOUR_S:
                continue
            for second in seconds_in(mask & _multiples(period) << offset):
                if low <= start + second < high:
                    yield start + second


def _has(times: LocalTimes, local: int) -> bool:
    day = local // DAY_S
    year = year_of(day)
    if not times.days_in(year) >> (day - year_shape(year).first) & 1:
        return False
    return next(times.local_times(local, local + 1), None) is not None


@lru_cache(maxsize=256)
def _multiples(period: int) -> int:
    """Return the multiples of *period* in an hour of seconds, as bits."""
    mask = 0
    for second in range(0, HOUR_S, period):
        mask |= 1 << second
    return mask & _WHOLE_HOUR
