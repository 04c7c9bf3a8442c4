"""How a backfill goes on: slice by slice, each at most a minute's worth, never faster than its rate.

A slice is claimed, made, handed over, and only then counted. Made again after a crash it is the same: the same fires
at the same instants, so the same ids and packs.
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
from eventcron.model.names import MAX_BACKFILL_MS, BackfillKey, Instant, Key, Window
from eventcron.model.records import Backfill, BackfillState, Record
from eventcron.rules.planning import first_occurrence, notices
from eventcron.timing.instant import from_datetime, rfc3339
from eventcron.timing.trigger import from_canonical, occurrences, walk

#: Milliseconds. After a crash what is left of a slice is published at once, so a slice is a minute's worth at most.
SLICE_MS = 60_000
#: Occurrences looked at for one slice: bounds the work where an exclusion swallows nearly all of them.
MAX_LOOKED_AT = 10_000


#: Occurrences counted of what is left, at most: a fraction of a second of work.
MAX_COUNTED = 100_000


class Left(NamedTuple):
    """What a running backfill has still to hand over."""

    #: Fires; ``MAX_COUNTED`` may stand for more.
    fires: int
    more: bool
    #: When the last of those counted is published, at the soonest.
    ends: Instant


class Slice(NamedTuple):
    """What one slice fires and skips, and the backfill once that was handed over."""

    fires: list[Fire]
    skips: list[SkipNotice]
    after: Backfill


def open_backfill(command: BackfillSchedule, record: Record, *, event_id: str, now: Instant) -> Backfill:
    """The backfill that *command* asks for, of the schedule stored in *record*.

    Raises:
        InvalidSchedule: the span is empty, too long, or holds no occurrence.
    """
    span = Window(from_datetime(command.since), from_datetime(command.until))
    given = repr(rfc3339(span.end))
    if not span.start < span.end <= span.start + MAX_BACKFILL_MS:
        allowed = f"after {rfc3339(span.start)} and at most {MAX_BACKFILL_MS // 86_400_000} days later"
        raise InvalidSchedule(RejectionCode.OUT_OF_RANGE, field="until", given=given, allowed=allowed)
    if first_occurrence(record.era.trigger, span.start, span.end) is None:
        allowed = f"a span with an occurrence of {record.key}; none is due from {rfc3339(span.start)} until then"
        raise InvalidSchedule(RejectionCode.NOTHING_DUE, field="until", given=given, allowed=allowed)
    return Backfill(
        tenant=command.tenant,
        name=command.name,
        id=command.backfill_id or event_id,
        event_id=event_id,
        revision=record.revision,
        schedule_created=record.created,
        trigger=record.era.trigger,
        span=span,
        per_minute=command.per_minute,
        cursor=span.start,
        at=now,
    )


def is_same(stored: Backfill, asked: Backfill) -> bool:
    """Whether *stored* is what was asked for, perhaps by another event."""
    return (stored.span, stored.per_minute) == (asked.span, asked.per_minute)


def cancelled_before_it_arrived(key: BackfillKey, *, expires: int) -> Backfill:
    """What keeps a backfill from starting whose cancellation overtook it."""
    return Backfill(
        tenant=key.tenant,
        name=key.name,
        id=key.id,
        state=BackfillState.CANCELLED,
        reason=CancelReason.COMMAND,
        expires=expires,
    )


def cancel(backfill: Backfill, reason: CancelReason, *, expires: int) -> Backfill:
    """*backfill* cancelled for *reason*, to be forgotten at *expires* (seconds since 1970)."""
    return _ended(backfill, BackfillState.CANCELLED, reason, expires)


def complete(backfill: Backfill, *, expires: int) -> Backfill:
    """*backfill* with nothing left to publish, to be forgotten at *expires* (seconds since 1970)."""
    return _ended(backfill, BackfillState.COMPLETED, None, expires)


def is_spent(backfill: Backfill) -> bool:
    """Whether everything was handed over; the last fires may be published only at ``backfill.at``."""
    return backfill.slice is None and backfill.cursor >= backfill.span.end


def left(backfill: Backfill, *, now: Instant) -> Left:
    """What *backfill* still fires if nobody cancels it. A slice in hand counts as not handed over."""
    window = Window(backfill.cursor, backfill.span.end)
    dues = list(islice(occurrences(from_canonical(backfill.trigger), window), MAX_COUNTED + 1))
    gap = gap_ms(backfill.per_minute)
    free = max(backfill.at, now) if backfill.slice is None else backfill.slice.start
    ends = backfill.at
    for due in dues[:MAX_COUNTED]:
        ends = max(free, due)
        free = ends + gap
    return Left(min(len(dues), MAX_COUNTED), len(dues) > MAX_COUNTED, ends)


def claim(backfill: Backfill, *, now: Instant, horizon_end: Instant, lease_until: Instant) -> Backfill | None:
    """*backfill* with its next slice in hand, or the one that someone died at; None: nothing is to be handed over yet.

    *horizon_end* bounds the instants of publication: a queue does not delay longer.
    """
    taken = backfill.slice or _next_slice(backfill, now=now, horizon_end=horizon_end)
    if taken is None:
        return None
    return replace(backfill, slice=taken, lease_until=lease_until, version=backfill.version + 1)


def make_slice(backfill: Backfill) -> Slice:
    """The fires of the slice in hand, an even distance apart and none before it is due."""
    window = backfill.slice
    if window is None:
        raise ValueError(f"backfill {backfill.key} has no slice in hand")
    gap = gap_ms(backfill.per_minute)
    at, cursor = window.start, backfill.span.end
    fires: list[Fire] = []
    silent: list[tuple[Instant, SkipReason, str | None]] = []
    looked_at = 0
    for occurrence in walk(from_canonical(backfill.trigger), Window(backfill.cursor, backfill.span.end)):
        due = occurrence.due
        if max(at, due) >= window.end or looked_at == MAX_LOOKED_AT:
            cursor = due
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
        cursor=cursor,
        at=at,
        slice=None,
        lease_until=0,
        version=backfill.version + 1,
        fires=backfill.fires + len(fires),
        skipped=backfill.skipped + len(silent),
    )
    key = Key(backfill.tenant, backfill.name)
    skips = notices(key, backfill.revision, silent, cause="backfill", cause_id=backfill.id)
    return Slice(fires, skips, after)


def gap_ms(per_minute: int) -> int:
    """Milliseconds between two fires, rounded up: the rate is a limit.

    >>> gap_ms(60), gap_ms(7)
    (1000, 8572)
    """
    return -(-60_000 // per_minute)


def _next_slice(backfill: Backfill, *, now: Instant, horizon_end: Instant) -> Window | None:
    if is_spent(backfill):
        return None
    due = first_occurrence(backfill.trigger, backfill.cursor, backfill.span.end)
    start = max(backfill.at, now, backfill.cursor if due is None else due)
    return Window(start, min(start + SLICE_MS, horizon_end)) if start < horizon_end else None


def _fire(backfill: Backfill, due: Instant, at: Instant) -> Fire:
    return Fire(backfill.tenant, backfill.name, backfill.revision, due, at, cause="backfill", cause_id=backfill.id)


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
