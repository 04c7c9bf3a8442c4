"""Find what is wrong with a stored record, and how the record should be. Pure functions, one record at a time.

The rules repair only what is certainly wrong. A fire due within the reach (horizon plus guard) may be planned already,
so a ``wake`` after that fire proves nothing. A ``wake`` after a later fire is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from eventcron.model.names import Instant
from eventcron.model.records import Record, State
from eventcron.rules.definition import Calendars
from eventcron.rules.lifecycle import worked_out_anew
from eventcron.rules.planning import DENSE, first_occurrence
from eventcron.timing.exclusions import calendar_names
from eventcron.timing.hashing import flexible_offset_ms, segment_of
from eventcron.timing.trigger import is_manual

#: Milliseconds after which a last fire is no longer on its way. The executor gives a fire up after about 90 minutes.
OVER_MS = 86_400_000


class Fault(StrEnum):
    """What is wrong with a record. The reconciler's metrics use these names."""

    EXPIRED = "expired"  # DynamoDB's TTL should have deleted the record
    INDEXED = "indexed"  # the record is in the index, but the planner has nothing to do with it
    TRIGGER = "trigger"  # the trigger was computed with other zone rules or calendars, or by another release
    SEGMENT = "segment"  # the record is not in its segment, so the planner does not find it
    WAKE = "wake"  # the record has occurrences left but is not in the index, or its wake is after the next one
    OVER = "over"  # the last occurrence is long past, but the schedule was never completed


class Finding(NamedTuple):
    """A fault, and the repaired record.

    The caller deletes a record that is EXPIRED and completes one that is OVER; for these, ``record`` is unchanged.
    """

    fault: Fault
    record: Record


class Setting(NamedTuple):
    """What the checks compare a record with."""

    now: Instant
    #: Milliseconds: fires due this far ahead may be planned already.
    reach: int
    segments: int
    #: For each segment, the instant through which it is planned.
    planned_through: Mapping[int, Instant]
    #: Whether the zone rules or the release have changed since triggers were last computed.
    work_out: bool = False


def find(record: Record, setting: Setting, calendars: Calendars | None = None) -> Finding | None:
    """Return the first fault of *record*, with the fully repaired record; None if nothing is wrong.

    *calendars* has the current days of the calendars that the schedule excludes.

    Raises:
        InvalidSchedule: this release cannot parse the schedule's expression.
    """
    if record.expires is not None and record.expires * 1000 <= setting.now:
        return Finding(Fault.EXPIRED, record)
    if record.schedule is not None and record.state is State.ENABLED:
        return _of_enabled(record, setting, calendars)
    if record.schedule is not None and record.state is State.COMPLETED:
        # A pass that sent the last fire and then failed leaves the record in the index. The next pass takes it out.
        placed = _placed(record, setting)
        return None if placed == record else Finding(Fault.SEGMENT, placed)
    if record.segment is not None or record.wake is not None:
        out = replace(record, segment=None, wake=None)
        return Finding(Fault.INDEXED, out if out.schedule is None else _worked_out(out, setting, calendars))
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
    """Check the trigger only: ``Resume Schedule`` computes the rest."""
    anew = _worked_out(record, setting, calendars)
    return None if anew == record else Finding(Fault.TRIGGER, anew)


def _worked_out(record: Record, setting: Setting, calendars: Calendars | None) -> Record:
    """Return *record* with its trigger and end computed again, if its zone rules or calendars may have changed."""
    assert record.schedule is not None  # noqa: S101  # callers pass records with a schedule
    follows = setting.work_out or calendar_names(record.schedule.exclude)
    return worked_out_anew(record, calendars) if follows else record


def _placed(record: Record, setting: Setting) -> Record:
    """Return *record* in its segment.

    A dense record becomes timed at first, because the new segment may be planned further than the old one.
    """
    segment = segment_of(record.key, setting.segments)
    if record.wake is None or record.segment is None or segment == record.segment:
        return record
    if record.wake != DENSE:
        return replace(record, segment=segment)
    return _woken(record, max(record.handoff, setting.planned_through.get(record.segment, 0)), setting)


def _awake(record: Record, setting: Setting) -> Record:
    """Return *record*, with a new wake if its wake is after its next occurrence."""
    if record.wake == DENSE:
        return record
    at = _next_at(record, max(record.handoff, setting.now + setting.reach))
    passed_by = at is not None and (record.wake is None or record.wake > at)
    return _woken(record, max(record.handoff, setting.now), setting) if passed_by else record


def _woken(record: Record, at_or_after: Instant, setting: Setting) -> Record:
    """Return *record* with its wake at its next fire from *at_or_after* on, or outside the index if there is none."""
    at = _next_at(record, at_or_after)
    return replace(record, segment=None if at is None else segment_of(record.key, setting.segments), wake=at)


def _is_over(record: Record, now: Instant) -> bool:
    if is_manual(record.era.trigger):
        return False
    return record.handoff < now - OVER_MS and _next_at(record, now - OVER_MS) is None


def _next_at(record: Record, at_or_after: Instant) -> Instant | None:
    """Return the first instant of publication at or after *at_or_after*, or None."""
    assert record.schedule is not None  # noqa: S101  # callers pass records with a schedule
    offset = flexible_offset_ms(record.key, record.schedule.flexible_window_seconds)
    era = record.era
    start = max(era.start, at_or_after - offset)
    if era.end is not None and start >= era.end:
        return None
    due = first_occurrence(era.trigger, start, era.end)
    return None if due is None else due + offset
