"""From local times to instants, over the nights the clocks change. The rules are written out in docs/time.md.

Each change of a zone's offset is treated by itself, however long it is and whenever it comes:

- a *wildcard* job (its minute or hour field starts with ``*``) follows real time: it fires at every instant whose
  local time matches, so in both passes of a repeated hour and at nothing the clocks skip;
- a *fixed-time* job fires at local times as if clocks never changed: what they skip falls to the first instant after
  the gap, all of it to one occurrence; what they repeat counts the first time only, or both if so asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from eventcron.model.codes import SkipReason
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import Instant, Occurrence, Window
from eventcron.timing.cron import DAY_S, Cron, DayTest
from eventcron.timing.exclusions import Excluder
from eventcron.timing.zones import OffsetSpan, Zone

#: Seconds. 1970-01-01 and 2200-01-01: where every search begins and ends.
EARLIEST, LATEST = 0, 7_258_118_400

_UTC_DAYS_MARGIN = 2  # no local date is further than a day from the UTC date


def walk_cron(
    cron: Cron,
    zone: Zone,
    policy: DaylightSaving,
    window: Window,
    *,
    excluded: Excluder | None = None,
    skip: DayTest | None = None,
) -> Iterator[Occurrence]:
    """Every occurrence due in *window*, in order, strictly increasing, with those that are skipped.

    Days that *skip* is true of are passed over, whatever would be skipped on them.
    """
    begin = max(-(-window.start // 1000), EARLIEST)
    end = min(-(-window.end // 1000), LATEST)
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
        for local in cron.local_times(low, stop + span.offset, skip=skip):
            by = None if excluded is None else excluded(local)
            due = (local - span.offset) * 1000
            yield Occurrence(due) if by is None else Occurrence(due, SkipReason.EXCLUDED, by)
        begin = stop if stop >= end else _leap(cron, stop)


def _after_gap(cron: Cron, span: OffsetSpan, policy: DaylightSaving, excluded: Excluder | None) -> Occurrence | None:
    """The one occurrence of all local times that the change into *span* skips, and of the first local time after them.

    None if nothing of them matches. An excluded local time does not count, unless there is no other.
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
    """Whether a match in ``[low, high)`` is not excluded; if all are, what excluded the first of them."""
    first_by = None
    for local in cron.local_times(low, high):
        by = None if excluded is None else excluded(local)
        if by is None:
            return True, None
        first_by = first_by or by
    return False, first_by


def _leap(cron: Cron, instant: int) -> int:
    """Where to go on from *instant*: over all the years in which no day matches; ``LATEST`` if none does."""
    today = instant // DAY_S
    day = cron.first_day(today - _UTC_DAYS_MARGIN, LATEST // DAY_S - 1)
    return LATEST if day is None else max(instant, (day - _UTC_DAYS_MARGIN) * DAY_S)


def to_instants(local: int, zone: Zone) -> list[Instant]:
    """When the wall clock shows *local* (milliseconds), in order: never in a gap, twice in an overlap."""
    found = set()
    for guess in (local // 1000 - DAY_S, local // 1000 + DAY_S):
        instant = local - zone.span(guess).offset * 1000
        if zone.span(instant // 1000).offset * 1000 + instant == local:
            found.add(instant)
    return sorted(found)


def end_of_gap(local: int, zone: Zone) -> Instant:
    """The first instant after the gap that swallows *local* (milliseconds)."""
    span = zone.span(local // 1000 - DAY_S)
    while span.start * 1000 + span.offset * 1000 <= local:
        span = zone.span(span.end)
    return span.start * 1000
