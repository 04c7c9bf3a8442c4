"""How a backfill progresses: in slices of at most a minute, never faster than its rate.

The planner leases a slice, computes its fires, sends them, and only then records the slice as done. After a crash, the
next planner computes the same slice again: the same fires at the same instants, in packs with the same ids.
"""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from msgspec.structs import replace

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import CancelReason, RejectionCode, SkipReason
from eventcron.model.commands import BackfillSchedule
from eventcron.model.events import SkipNotice
from eventcron.model.messages import Fire
from eventcron.model.names import MAX_BACKFILL_MS, BackfillKey, Cause, Instant, Key, Window
from eventcron.model.records import Backfill, BackfillState, Record
from eventcron.rules.definition import readable_trigger
from eventcron.rules.planning import first_occurrence, is_readable, notices
from eventcron.timing.instant import from_datetime, rfc3339
from eventcron.timing.trigger import from_canonical, occurrences, walk

#: Milliseconds. After a crash, the remaining fires of a slice are published at once; a minute bounds that burst.
SLICE_MS = 60_000
#: One slice examines at most this many occurrences. An exclusion may skip nearly all of them, so fires do not bound it.
MAX_LOOKED_AT = 10_000
#: ``left`` counts at most this many occurrences, which takes a fraction of a second.
MAX_COUNTED = 100_000


class Left(NamedTuple):
    """What a running backfill has still to send."""

    #: At most ``MAX_COUNTED``; then ``more`` says whether there are more.
    fires: int
    more: bool
    #: The earliest instant at which the last counted fire can be published.
    ends: Instant


class Slice(NamedTuple):
    """The fires and skips of one slice, and the backfill as it is after the slice was sent."""

    fires: list[Fire]
    skips: list[SkipNotice]
    after: Backfill


def requested_span(command: BackfillSchedule) -> Window:
    """The due instants that *command* asks for.

    Raises:
        InvalidSchedule: there are none, or the span is longer than ``MAX_BACKFILL_MS``.
    """
    span = Window(from_datetime(command.since), from_datetime(command.until))
    if not span.start < span.end <= span.start + MAX_BACKFILL_MS:
        allowed = f"after {rfc3339(span.start)} and at most {MAX_BACKFILL_MS // 86_400_000} days later"
        given = repr(rfc3339(span.end))
        raise InvalidSchedule(RejectionCode.OUT_OF_RANGE, field="until", given=given, allowed=allowed)
    return span


def open_backfill(command: BackfillSchedule, record: Record, *, event_id: str, now: Instant) -> Backfill:
    """Return the backfill that *command* requests, for the schedule stored in *record*.

    A backfill of a trigger that this release cannot read starts once a release that can read it runs.

    Raises:
        InvalidSchedule: the span is empty, longer than ``MAX_BACKFILL_MS``, or holds no occurrence.
    """
    span = requested_span(command)
    trigger = readable_trigger(record)
    if is_readable(trigger) and first_occurrence(trigger, span.start, span.end) is None:
        allowed = f"an end after the next occurrence of {record.key}; none is due from {rfc3339(span.start)} until then"
        given = repr(rfc3339(span.end))
        raise InvalidSchedule(RejectionCode.NOTHING_DUE, field="until", given=given, allowed=allowed)
    return Backfill(
        tenant=command.tenant,
        name=command.name,
        id=command.backfill_id or event_id,
        event_id=event_id,
        revision=record.revision,
        schedule_created=record.created,
        trigger=trigger,
        span=span,
        per_minute=command.per_minute,
        enqueued_through=span.start,
        at=now,
    )


def is_same(stored: Backfill, asked: Backfill) -> bool:
    """Whether *stored* has the span and rate of *asked*. Their events may differ."""
    return (stored.span, stored.per_minute) == (asked.span, asked.per_minute)


def cancelled_before_it_arrived(key: BackfillKey, *, expires: int) -> Backfill:
    """Return a cancelled backfill for a ``Cancel Backfill`` that arrived first. It keeps the backfill from starting.

    *expires* is in seconds since 1970.
    """
    return Backfill(
        tenant=key.tenant,
        name=key.name,
        id=key.id,
        state=BackfillState.CANCELLED,
        reason=CancelReason.COMMAND,
        expires=expires,
    )


def cancel(backfill: Backfill, reason: CancelReason, *, expires: int) -> Backfill:
    """Return *backfill* as cancelled for *reason*. Its record is deleted after *expires*, in seconds since 1970."""
    return _ended(backfill, BackfillState.CANCELLED, reason, expires)


def complete(backfill: Backfill, *, expires: int) -> Backfill:
    """Return *backfill* as completed. Its record is deleted after *expires*, in seconds since 1970."""
    return _ended(backfill, BackfillState.COMPLETED, None, expires)


def is_spent(backfill: Backfill) -> bool:
    """Whether all fires were sent. The executor may publish the last ones only at ``backfill.at``."""
    return backfill.slice is None and backfill.enqueued_through >= backfill.span.end


def left(backfill: Backfill, *, now: Instant) -> Left:
    """Return what *backfill* still has to send, if nobody cancels it. A leased slice counts as not sent."""
    window = Window(backfill.enqueued_through, backfill.span.end)
    dues = list(islice(occurrences(from_canonical(backfill.trigger), window), MAX_COUNTED + 1))
    gap = gap_ms(backfill.per_minute)
    free = max(backfill.at, now) if backfill.slice is None else backfill.slice.start
    ends = backfill.at
    for due in dues[:MAX_COUNTED]:
        ends = max(free, due)
        free = ends + gap
    return Left(min(len(dues), MAX_COUNTED), len(dues) > MAX_COUNTED, ends)


def claim(backfill: Backfill, *, now: Instant, horizon_end: Instant, lease_until: Instant) -> Backfill | None:
    """Return *backfill* with a slice leased until *lease_until*, or None if there is nothing to send yet.

    The slice is the next one, or the one that a crashed planner left. Its fires are published before *horizon_end*,
    because the queue cannot delay messages longer.
    """
    taken = backfill.slice or _next_slice(backfill, now=now, horizon_end=horizon_end)
    if taken is None:
        return None
    return replace(backfill, slice=taken, lease_until=lease_until, version=backfill.version + 1)


def make_slice(backfill: Backfill) -> Slice:
    """Return the leased slice. Its fires are evenly spaced, and none is published before it is due.

    Raises:
        ValueError: *backfill* has no leased slice.
    """
    window = backfill.slice
    if window is None:
        raise ValueError(f"backfill {backfill.key} has no leased slice")
    gap = gap_ms(backfill.per_minute)
    at, enqueued_through = window.start, backfill.span.end
    fires: list[Fire] = []
    silent: list[tuple[Instant, SkipReason, str | None]] = []
    looked_at = 0
    for occurrence in walk(from_canonical(backfill.trigger), Window(backfill.enqueued_through, backfill.span.end)):
        due = occurrence.due
        if max(at, due) >= window.end or looked_at == MAX_LOOKED_AT:
            enqueued_through = due
            break
        looked_at += 1
        if occurrence.skipped is not None:
            silent.append((due, occurrence.skipped, occurrence.by))
            continue
        at = max(at, due)
        fires.append(_fire(backfill, due, at))
        at += gap
    after = replace(
        backfill,
        enqueued_through=enqueued_through,
        at=at,
        slice=None,
        lease_until=0,
        version=backfill.version + 1,
        fires=backfill.fires + len(fires),
        skipped=backfill.skipped + len(silent),
    )
    key = Key(backfill.tenant, backfill.name)
    # A resume does not report the occurrences that an exclusion or a clock change dropped.
    is_catch_up = backfill.key.is_catch_up
    skips = [] if is_catch_up else notices(key, backfill.revision, silent, cause="backfill", cause_id=backfill.id)
    return Slice(fires, skips, after)


def gap_ms(per_minute: int) -> int:
    """Return the milliseconds between two fires, rounded up so that the rate is never exceeded.

    >>> gap_ms(60), gap_ms(7)
    (1000, 8572)
    """
    return -(-60_000 // per_minute)


def _next_slice(backfill: Backfill, *, now: Instant, horizon_end: Instant) -> Window | None:
    if is_spent(backfill):
        return None
    due = first_occurrence(backfill.trigger, backfill.enqueued_through, backfill.span.end)
    start = max(backfill.at, now, backfill.enqueued_through if due is None else due)
    return Window(start, min(start + SLICE_MS, horizon_end)) if start < horizon_end else None


def _fire(backfill: Backfill, due: Instant, at: Instant) -> Fire:
    cause: Cause = "schedule" if backfill.key.is_catch_up else "backfill"
    return Fire(backfill.tenant, backfill.name, backfill.revision, due, at, cause=cause, cause_id=backfill.id)


def _ended(backfill: Backfill, state: BackfillState, reason: CancelReason | None, expires: int) -> Backfill:
    return replace(
        backfill,
        state=state,
        reason=reason,
        slice=None,
        lease_until=0,
        version=backfill.version + 1,
        expires=expires,
    )
