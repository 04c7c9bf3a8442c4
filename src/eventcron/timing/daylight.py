"""From local times to instants, across clock changes. docs/reference/expressions.md explains the rules.

The same two rules apply to every change of a zone's offset, however long and at whatever hour:

- A *wildcard* schedule (its minute or hour field starts with ``*``) follows real time. It fires at every instant
  whose local time matches. So it fires in both passes of a repeated hour, and never in a skipped one.
- A *fixed-time* schedule fires at times of day. If the clocks skip some of its times, it fires once, at the first
  instant after the gap. If they repeat a time, it fires the first time only, or both times if the policy says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from eventcron.model.codes import SkipReason
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import BEGINNING_OF_TIME, END_OF_TIME, Instant, Occurrence, Window
from eventcron.timing.cron import DAY_S, Cron, year_of, year_shape
from eventcron.timing.exclusions import Excluder
from eventcron.timing.sets import LocalTimes
from eventcron.timing.zones import OffsetSpan, Zone

#: Seconds. No search looks outside them.
EARLIEST, LATEST = BEGINNING_OF_TIME // 1000, END_OF_TIME // 1000

_UTC_DAYS_MARGIN = 2  # a local date is at most one day from the UTC date


class Times(Protocol):
    """Local times: those of one cron expression, or what exclusions leave of several."""

    def local_times(self, low: int, high: int) -> Iterator[int]: ...

    def first_day(self, first: int, last: int) -> int | None: ...


class ZoneRules(NamedTuple):
    """A zone, and what a schedule wants of its clock changes."""

    zone: Zone
    policy: DaylightSaving


def walk_cron(
    cron: Cron,
    zone: Zone,
    policy: DaylightSaving,
    window: Window,
    *,
    excluded: Excluder | None = None,
) -> Iterator[Occurrence]:
    """Yield every occurrence due in *window*, strictly increasing, including those that will not fire."""
    begin, end = seconds_of(window)
    while begin < end:
        span = zone.span(begin)
        stop = min(span.end, end)
        low = begin + span.offset
        if cron.fixed and span.before != span.offset:
            if begin == span.start and span.before < span.offset:
                landed = _after_gap(cron, span, policy, excluded)
                if landed is not None:
                    yield landed
                    low += 1
            elif span.before > span.offset and policy.overlap == "once":
                low = max(low, span.start + span.before)
        for local in cron.local_times(low, stop + span.offset):
            by = None if excluded is None else excluded(local)
            due = (local - span.offset) * 1000
            yield Occurrence(due) if by is None else Occurrence(due, SkipReason.EXCLUDED, by)
        begin = stop if stop >= end else leap(cron, stop)


def fires(times: Times, fixed: Times | None, wild: Times | None, rules: ZoneRules, window: Window) -> Iterator[Instant]:
    """Yield every instant in *window* at which *times* fire, strictly increasing.

    *fixed* and *wild* are the parts of *times* that come from fixed-time and from wildcard expressions; None if there
    is no such expression.
    """
    zone, policy = rules
    begin, end = seconds_of(window)
    while begin < end:
        span = zone.span(begin)
        stop = min(span.end, end)
        low, high = begin + span.offset, stop + span.offset
        if fixed is not None and span.before != span.offset:
            if begin == span.start and span.before < span.offset:
                if _lands(times, fixed, span, policy):
                    yield span.start * 1000
                    low += 1
            elif span.before > span.offset and policy.overlap == "once":
                again = max(low, min(high, span.start + span.before))
                if wild is not None:
                    yield from ((local - span.offset) * 1000 for local in wild.local_times(low, again))
                low = again
        yield from ((local - span.offset) * 1000 for local in times.local_times(low, high))
        begin = stop if stop >= end else leap(times, stop)


def _lands(times: Times, fixed: Times, span: OffsetSpan, policy: DaylightSaving) -> bool:
    """Whether anything fires at the end of the gap with which *span* begins."""
    start, end = span.start + span.before, span.start + span.offset
    if next(times.local_times(end, end + 1), None) is not None:
        return True
    return policy.gap == "shift" and next(fixed.local_times(start, end), None) is not None


def counted(times: LocalTimes, rules: ZoneRules, window: Window) -> Iterator[tuple[Window, int | None]]:
    """Yield consecutive parts of *window*, with the number of fires of *times* in each.

    A part is either the days of one year between two clock changes, or what is left before and after whole days. For
    the latter the number is None: it is for the caller to count.
    """
    begin, end = seconds_of(window)
    while begin < end:
        span = rules.zone.span(begin)
        stop = min(span.end, end)
        # Fixed times that the clocks repeat are left out until here.
        day = -(-max(begin + span.offset, span.start + span.before) // DAY_S)
        last = (stop + span.offset) // DAY_S
        while day < last:
            year = year_of(day)
            shape = year_shape(year)
            until = min(last, shape.first + shape.length)
            low, high = (number * DAY_S - span.offset for number in (day, until))
            yield Window(begin * 1000, low * 1000), None
            days = (1 << until - shape.first) - (1 << day - shape.first)
            yield Window(low * 1000, high * 1000), times.count(year, days)
            begin, day = high, until
        yield Window(begin * 1000, stop * 1000), None
        begin = stop if stop >= end else leap(times, stop)


def seconds_of(window: Window) -> tuple[int, int]:
    """Return the whole seconds in *window*, as a half-open span. No search looks outside 1970-2199."""
    return max(-(-window.start // 1000), EARLIEST), min(-(-window.end // 1000), LATEST)


def _after_gap(cron: Cron, span: OffsetSpan, policy: DaylightSaving, excluded: Excluder | None) -> Occurrence | None:
    """Return the single occurrence at the end of a gap, or None if no local time matches there.

    It stands for all local times that the change into *span* skips, and for the first local time after them. It
    counts as excluded only if every match is excluded.
    """
    gap_start, gap_end = span.start + span.before, span.start + span.offset
    skipped, by_gap = _any_left(cron, gap_start, gap_end, excluded)
    landing, by_landing = _any_left(cron, gap_end, gap_end + 1, excluded)
    due = span.start * 1000
    if landing or (skipped and policy.gap == "shift"):
        return Occurrence(due)
    if skipped:
        return Occurrence(due, SkipReason.DAYLIGHT_SAVING_GAP)
    by = by_landing or by_gap
    return None if by is None else Occurrence(due, SkipReason.EXCLUDED, by)


def _any_left(cron: Cron, low: int, high: int, excluded: Excluder | None) -> tuple[bool, str | None]:
    """Whether some match in ``[low, high)`` is not excluded; if all are, also the entry that excludes the first."""
    first_by = None
    for local in cron.local_times(low, high):
        by = None if excluded is None else excluded(local)
        if by is None:
            return True, None
        first_by = first_by or by
    return False, first_by


def leap(times: Times, instant: int) -> int:
    """Return the second at which to continue after *instant*. It skips days without a match, up to ``LATEST``."""
    today = instant // DAY_S
    day = times.first_day(today - _UTC_DAYS_MARGIN, LATEST // DAY_S - 1)
    return LATEST if day is None else max(instant, (day - _UTC_DAYS_MARGIN) * DAY_S)


def to_instants(local: int, zone: Zone) -> list[Instant]:
    """Return the instants at which the wall clock shows *local* (milliseconds), in order.

    There are none in a gap and two in an overlap.
    """
    found = set()
    for guess in (local // 1000 - DAY_S, local // 1000 + DAY_S):
        instant = local - zone.span(guess).offset * 1000
        if zone.span(instant // 1000).offset * 1000 + instant == local:
            found.add(instant)
    return sorted(found)


def end_of_gap(local: int, zone: Zone) -> Instant:
    """Return the first instant after the gap that skips *local* (milliseconds)."""
    span = zone.span(local // 1000 - DAY_S)
    while span.start * 1000 + span.offset * 1000 <= local:
        span = zone.span(span.end)
    return span.start * 1000
