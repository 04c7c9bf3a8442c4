"""When ``rate()`` fires: instants a fixed period apart, without those that exclusions cover."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import gcd

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.names import BEGINNING_OF_TIME, END_OF_TIME, Instant, Window
from eventcron.timing.cron import DAY_S, bits_of, year_of, year_shape
from eventcron.timing.daylight import EARLIEST, LATEST, leap
from eventcron.timing.expression import Rate
from eventcron.timing.remaining import Remaining
from eventcron.timing.sets import LocalTimes
from eventcron.timing.zones import Zone

#: A period with at most so many due instants a day is one of few.
_FEW_A_DAY = 4
#: To take a day by itself, and all its seconds at once, takes as long as so many looks.
_A_DAY, _FEW_SECONDS = 30, 200
#: Days whose seconds stay in memory while one search goes on.
_MAX_KNOWN = 512


class Looks:
    """Counts the due instants that a search looks at one by one, and the days that it takes apart.

    Where exclusions leave few of the due instants of ``rate()``, and the period has no large divisor in common with a
    day, nothing but looking tells which.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0

    def add(self, count: int) -> None:
        """Count *count* more.

        Raises:
            InvalidSchedule: there are more than the limit; ``field`` is ``max_fires``.
        """
        self._count += count
        if self._count > self._limit:
            raise InvalidSchedule(
                RejectionCode.OUT_OF_RANGE,
                field="max_fires",
                given=f"a last fire after more than {self._limit:,} due instants of rate(), most of them excluded",
                allowed="fewer max_fires, an earlier end, or exclusions that leave more of rate()",
            )


def dues(rate: Rate, window: Window) -> range:
    """Return every due instant of *rate* in *window*, whatever is excluded."""
    start, end = max(window.start, BEGINNING_OF_TIME), min(window.end, END_OF_TIME)
    return range(start + (rate.phase - start) % rate.period, end, rate.period)


def dues_left(
    rate: Rate, remaining: Remaining, zone: Zone, window: Window, looks: Looks | None = None
) -> Iterator[Instant]:
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
            meetings[local_first] = _Meetings(remaining.every(step, local_first % step), period, local_first, looks)
        for start, seconds in meetings[local_first].between(begin + span.offset, stop + span.offset):
            due = (start - span.offset) * 1000 + millis
            if isinstance(seconds, list):
                yield from [due + second * 1000 for second in seconds]
            else:
                yield from (due + second * 1000 for second in seconds)
        begin = stop if stop >= end else leap(remaining.every(1, 0), stop)


class _Meetings:
    """Those of *times* that are a whole number of periods from the local time *first*."""

    def __init__(self, times: LocalTimes, period: int, first: int, looks: Looks | None) -> None:
        self._times = times
        self._looks = looks
        self._period = period
        self._first = first
        #: The due seconds of a day that are left, by the day's sign and those that are due.
        self._known: dict[tuple[int, range], Iterable[int]] = {}

    def between(self, low: int, high: int) -> Iterator[tuple[int, Iterable[int]]]:
        """Yield them in ``[low, high)``, in order: a local time, and seconds to be added to it, again and again."""
        first_day, last_day = low // DAY_S, (high - 1) // DAY_S
        for year in range(year_of(first_day), year_of(last_day) + 1):
            days = self._times.days_to_look_at(year, last_day - first_day)
            if not days:
                continue
            shape = year_shape(year)
            end = max(min(last_day + 1 - shape.first, shape.length), 0)
            days &= (1 << end) - (1 << max(first_day - shape.first, 0))
            begin = shape.first * DAY_S
            start, stop = max(low - begin, 0), min(high - begin, shape.length * DAY_S)
            start += (self._first - begin - start) % self._period
            due = range(start, stop, self._period)
            # A day by itself takes as long as many due instants, most of which may be on other days.
            if self._period * _FEW_A_DAY >= DAY_S and len(due) <= days.bit_count() * _A_DAY:
                self._count(len(due))
                yield begin, self._times.seconds_left(due, year, days)
            else:
                yield from self._due_on_each(days, year, low, high)

    def _due_on_each(self, days: int, year: int, low: int, high: int) -> Iterator[tuple[int, Iterable[int]]]:
        """The same, on each of *days*, which are bits of *year*."""
        first_midnight, signs = year_shape(year).first * DAY_S, self._times.signs(year)
        for position in bits_of(days):
            midnight = first_midnight + position * DAY_S
            begin, end = max(low - midnight, 0), min(high - midnight, DAY_S)
            start = begin + (self._first - midnight - begin) % self._period
            if start < end:
                yield midnight, self._left_on(signs[position], range(start, end, self._period))

    def _left_on(self, sign: int, due: range) -> Iterable[int]:
        """The seconds *due* that are left on a day with that *sign*."""
        known = self._known.get((sign, due))
        if known is None:
            self._count(_A_DAY + min(len(due), _FEW_SECONDS))
            known = self._times.seconds_among(sign, due)
            if isinstance(known, list):
                if len(self._known) >= _MAX_KNOWN:
                    self._known.clear()
                self._known[sign, due] = known
        return known

    def _count(self, looks: int) -> None:
        if self._looks is not None:
            self._looks.add(looks)
