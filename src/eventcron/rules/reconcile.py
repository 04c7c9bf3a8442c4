"""What a stored schedule should be like, and what is wrong with one that is not: pure, one record at a time.

Only what is certain is repaired. What falls due within the reach, horizon and guard, may be planned already and on its
way, so a ``wake`` that has passed it by proves nothing; one that has passed by something later is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from eventcron.model.names import Instant
from eventcron.model.records import Record, State
from eventcron.rules.lifecycle import Calendars, worked_out_anew
from eventcron.rules.planning import DENSE, first_occurrence
from eventcron.timing.exclusions import calendar_names
from eventcron.timing.hashing import flexible_offset_ms, segment_of

#: Milliseconds after which a last fire is no longer on its way: the executor gives one up after some 90 minutes.
OVER_MS = 86_400_000


class Fault(StrEnum):
    """What is wrong with a record; the names of the reconciler's metrics."""

    EXPIRED = "expired"  # TTL should have removed it
    INDEXED = "indexed"  # in the index, though the planner has no work with it
    TRIGGER = "trigger"  # worked out by other zone rules or calendars, or by another release
    SEGMENT = "segment"  # not where the planner would look for it
    WAKE = "wake"  # out of the index with occurrences left, or asleep beyond the next one
    OVER = "over"  # its last occurrence is long past, and it was never completed


class Finding(NamedTuple):
    """A fault, and the record without it; an expired one is to be removed, one that is over to be completed."""

    fault: Fault
    record: Record


class Setting(NamedTuple):
    """What a record is held against."""

    now: Instant
    #: Milliseconds ahead that may be planned already.
    reach: int
    segments: int
    #: Through which instant each segment is planned, by the number it has now.
    planned_through: Mapping[int, Instant]
    #: Whether zone rules or release have changed since the last time.
    work_out: bool = False


def find(record: Record, setting: Setting, calendars: Calendars | None = None) -> Finding | None:
    """The first fault of *record*, with what it takes to repair it and all that follows from it; None: it is well.

    *calendars* has those that it excludes, as they are now.

    Raises:
        InvalidSchedule: its expression does not parse by this release.
    """
    if record.expires is not None and record.expires * 1000 <= setting.now:
        return Finding(Fault.EXPIRED, record)
    if record.schedule is not None and record.state is State.ENABLED:
        return _of_enabled(record, setting, calendars)
    if record.schedule is not None and record.state is State.COMPLETED:
        # In the index only while a pass that sent its last fire has failed: the next one takes it out.
        placed = _placed(record, setting)
        return None if placed == record else Finding(Fault.SEGMENT, placed)
    if record.segment is not None or record.wake is not None:
        return Finding(Fault.INDEXED, replace(record, segment=None, wake=None))
    return None if record.schedule is None else _of_paused(record, setting, calendars)


def _of_enabled(record: Record, setting: Setting, calendars: Calendars | None) -> Finding | None:
    if record.wake is None and record.pending is None and _is_over(record, setting.now):
        return Finding(Fault.OVER, record)
    anew = _worked_out(record, setting, calendars)
    placed = _placed(anew, setting)
    awake = _awake(placed, setting)
    if awake == record:
        return None
    return Finding(Fault.TRIGGER if anew != record else Fault.SEGMENT if placed != anew else Fault.WAKE, awake)


def _of_paused(record: Record, setting: Setting, calendars: Calendars | None) -> Finding | None:
    """Its end is worked out when it is resumed."""
    anew = _worked_out(record, setting, calendars)
    return None if anew == record else Finding(Fault.TRIGGER, anew)


def _worked_out(record: Record, setting: Setting, calendars: Calendars | None) -> Record:
    """*record* as it is, or with its trigger and end worked out anew if the rules it follows may have changed."""
    assert record.schedule is not None  # noqa: S101  # callers pass defined schedules only
    follows = setting.work_out or calendar_names(record.schedule.exclude)
    return worked_out_anew(record, calendars) if follows else record


def _placed(record: Record, setting: Setting) -> Record:
    """*record* in its segment. There it is timed at first: that segment may be planned further than the one before."""
    segment = segment_of(record.key, setting.segments)
    if record.wake is None or record.segment is None or segment == record.segment:
        return record
    if record.wake != DENSE:
        return replace(record, segment=segment)
    return _woken(record, max(record.handoff, setting.planned_through.get(record.segment, 0)), setting)


def _awake(record: Record, setting: Setting) -> Record:
    """*record* as it is, or woken from now on if it sleeps beyond an occurrence."""
    if record.wake == DENSE:
        return record
    at = _next_at(record, max(record.handoff, setting.now + setting.reach))
    passed_by = at is not None and (record.wake is None or record.wake > at)
    return _woken(record, max(record.handoff, setting.now), setting) if passed_by else record


def _woken(record: Record, since: Instant, setting: Setting) -> Record:
    """*record* in the index, to be looked at when its next fire from *since* on is due; out of it if there is none."""
    at = _next_at(record, since)
    return replace(record, segment=None if at is None else segment_of(record.key, setting.segments), wake=at)


def _is_over(record: Record, now: Instant) -> bool:
    return record.handoff < now - OVER_MS and _next_at(record, now - OVER_MS) is None


def _next_at(record: Record, since: Instant) -> Instant | None:
    """The instant of publication of the first occurrence that is to be published at or after *since*."""
    assert record.schedule is not None  # noqa: S101  # callers pass defined schedules only
    offset = flexible_offset_ms(record.key, record.schedule.flexible_window_seconds)
    era = record.era
    start = max(era.start, since - offset)
    if era.end is not None and start >= era.end:
        return None
    due = first_occurrence(era.trigger, start, era.end)
    return None if due is None else due + offset
