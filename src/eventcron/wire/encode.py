"""Encode what eventcron sends: packs for the fire queue and events for the bus. Compute their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from eventcron.errors import Undecodable
from eventcron.model.codes import RejectionCode
from eventcron.model.events import (
    EVENT_SOURCE,
    CalendarDeleted,
    CalendarUnchanged,
    CalendarUpdated,
    Event,
    EventDetail,
    ScheduleBackfilled,
    ScheduleCompleted,
    ScheduleCreated,
    ScheduleDeleted,
    ScheduleFailed,
    ScheduleFired,
    SchedulePaused,
    ScheduleRejected,
    ScheduleResumed,
    ScheduleSkipped,
    ScheduleUnchanged,
    ScheduleUpdated,
    SkipNotice,
)
from eventcron.model.messages import Fire, Pack
from eventcron.model.names import CalendarKey, Instant, Key
from eventcron.model.records import Backfill, Calendar, FireRecord, Record
from eventcron.timing.calendars import read_dates
from eventcron.timing.instant import rfc3339
from eventcron.wire.decode import Rejected
from eventcron.wire.messages import LAST_INSTANT, decode_message

#: The versions of the pack format: of a pack of fires to be published, and of one with a ``kind``.
PACK_VERSIONS = frozenset({1, 2})


_encoder = msgspec.json.Encoder()
_empty_digest = blake2b(digest_size=16)
_pack_decoder = msgspec.json.Decoder(Pack)


def fire_id(fire: Fire) -> str:
    """Return the id of a fire, 32 hexadecimal digits. The same occurrence always has the same id.

    The id is BLAKE2b over the JSON array of tenant, name, due, cause and cause id. It does not include the revision:
    an update that keeps an occurrence also keeps its id, and so does a resume that catches up on it. Nor, for a run,
    when it is due: a run is named by its own id, and ``Run Schedule`` sent again is the same run.

    >>> fire_id(Fire("acme", "nightly-export", 7, 1764550800000, 1764550800000))
    'e524f81ad5036886e1ddcdadacf0caec'
    """
    return _fire_id(fire, fire.public_id)


def _fire_id(fire: Fire, public_id: str) -> str:
    cause = fire.cause
    return _digest(_encoder.encode((fire.tenant, fire.name, 0 if cause == "run" else fire.due, cause, public_id)))


def pack_id(fires: Sequence[Fire], *, after: str = "") -> str:
    """Return the id of a pack of *fires*, 32 hexadecimal digits. The order of *fires* does not matter.

    The id ignores the revision and the instant of a run: ``Run Schedule`` may come again at any time, and the schedule
    may have changed by then. *after* is the id of the pack that these fires were in before, "" if they were in none.
    """
    encode = _encoder.encode
    content = sorted([encode(_of_run(fire) if fire.cause == "run" else fire) for fire in fires])
    return _digest(b"\n".join([after.encode(), *content] if after else content))


def _of_run(fire: Fire) -> Fire:
    """A run without what another delivery of its command would change."""
    return replace(fire, revision=0, due=0, at=0)


def encode_pack(pack: Pack) -> str:
    """Encode *pack* as the body of a queue message."""
    return _encoder.encode(pack).decode()


def decode_pack(body: str | bytes) -> Pack:
    """Decode the pack in the body of a queue message.

    Raises:
        Undecodable: *body* is no pack, has another format version, or holds no fires or a fire outside 1970-9999.
    """
    pack = decode_message(body, _pack_decoder, name="pack", versions=PACK_VERSIONS)
    if not pack.fires:
        raise Undecodable("a pack without fires")
    instants = [fire.due for fire in pack.fires] + [fire.at for fire in pack.fires]
    if not 0 <= min(instants) <= max(instants) <= LAST_INSTANT:
        raise Undecodable("a pack with a fire due before 1970 or after 9999")
    return pack


def fired(
    record: FireRecord,
    fire: Fire,
    *,
    attempt: int,
    local_time: str,
    apart: msgspec.Raw | None = None,
    run_token: str | UnsetType = UNSET,
) -> Event:
    """Return ``Schedule Fired``, or the event named by the schedule's ``detail_type``.

    The event's time is the instant at which the fire was to be published: log groups and archives file events by their
    time and refuse old ones, and a backfilled fire may have been due a year ago.

    The schedule's input is copied byte for byte. *apart* is the input, if *record* refers to one that is stored apart.
    *run_token* is that of a tracked fire.

    Raises:
        ValueError: *record* is a tombstone, or refers to an input that is not given.
    """
    schedule = record.schedule
    if schedule is None:
        raise ValueError(f"{record.key} is {record.state}: it has no schedule to fire")
    if record.input is not None and apart is None:
        raise ValueError(f"{record.key} has an input of {record.input.size} bytes, which was not read")
    tenant, name, public_id = fire.tenant, fire.name, fire.public_id
    of_fire = _fire_id(fire, public_id)
    detail = ScheduleFired(
        tenant=tenant,
        name=name,
        fire_id=of_fire,
        due=rfc3339(fire.due),
        local_time=local_time,
        timezone=schedule.timezone,
        cause=fire.cause,
        cause_id=public_id or UNSET,
        attempt=attempt,
        revision=fire.revision,
        route=schedule.route or UNSET,
        priority=schedule.priority,
        labels=schedule.labels,
        input=schedule.input if apart is None else apart,
        run_token=run_token,
    )
    return Event(
        source=EVENT_SOURCE,
        detail_type=schedule.detail_type,
        detail=_encoder.encode(detail),
        time=fire.at,
        resources=(f"{tenant}/{name}",),
        fire_id=of_fire,
    )


def created(record: Record, *, now: Instant, event_id: str = "") -> Event:
    return _changed("Schedule Created", ScheduleCreated, record, now=now, event_id=event_id)


def updated(record: Record, *, now: Instant, event_id: str = "") -> Event:
    return _changed("Schedule Updated", ScheduleUpdated, record, now=now, event_id=event_id)


def unchanged(record: Record, *, now: Instant, event_id: str = "") -> Event:
    return _changed("Schedule Unchanged", ScheduleUnchanged, record, now=now, event_id=event_id)


def deleted(record: Record, *, now: Instant, event_id: str = "") -> Event:
    return _changed("Schedule Deleted", ScheduleDeleted, record, now=now, event_id=event_id)


def paused(record: Record, *, now: Instant, event_id: str = "", by_failures: bool = False) -> Event:
    """Return ``Schedule Paused``. *by_failures*: nobody asked for it, but ``pause_after_failures``."""
    more = {"reason": "failures"} if by_failures else {}
    return _changed("Schedule Paused", SchedulePaused, record, now=now, event_id=event_id, more=more)


def resumed(record: Record, *, now: Instant, event_id: str = "") -> Event:
    return _changed("Schedule Resumed", ScheduleResumed, record, now=now, event_id=event_id)


def completed(record: FireRecord, *, now: Instant) -> Event:
    """Return ``Schedule Completed``. Its state is COMPLETED, even if *record* does not say so yet."""
    return _changed("Schedule Completed", ScheduleCompleted, record, now=now)


def skipped(notice: SkipNotice, *, now: Instant) -> Event:
    """Return ``Schedule Skipped``, one event for all occurrences of *notice*."""
    first = Fire(
        notice.tenant,
        notice.name,
        notice.revision,
        notice.first_due,
        notice.first_due,
        cause=notice.cause,
        cause_id=notice.cause_id,
    )
    detail = ScheduleSkipped(
        tenant=notice.tenant,
        name=notice.name,
        revision=notice.revision,
        reason=notice.reason,
        by=UNSET if notice.by is None else notice.by,
        first_due=rfc3339(notice.first_due),
        last_due=rfc3339(notice.last_due),
        count=notice.count,
        fire_id=fire_id(first),
        cause=UNSET if notice.cause == "schedule" else notice.cause,
        cause_id=notice.cause_id or UNSET,
    )
    return event_of("Schedule Skipped", detail, first.key, time=now)


def failed(record: FireRecord | None, fire: Fire, *, code: str, message: str, attempts: int, now: Instant) -> Event:
    """Return ``Schedule Failed``. *code* and *message* come from the service that refused the last attempt.

    *record* is None if the stored record cannot be read; the event then has no labels.
    """
    detail = ScheduleFailed(
        tenant=fire.tenant,
        name=fire.name,
        fire_id=fire_id(fire),
        due=rfc3339(fire.due),
        cause=fire.cause,
        cause_id=fire.public_id or UNSET,
        revision=fire.revision,
        labels={} if record is None or record.schedule is None else record.schedule.labels,
        attempts=attempts,
        code=code,
        message=message,
    )
    return event_of("Schedule Failed", detail, fire.key, time=now)


def backfilled(backfill: Backfill, *, now: Instant, event_id: str = "") -> Event:
    """Return ``Schedule Backfilled``, which reports the progress of *backfill*."""
    known = backfill.event_id != ""
    detail = ScheduleBackfilled(
        tenant=backfill.tenant,
        name=backfill.name,
        backfill_id=backfill.id,
        state=backfill.state.value,
        reason=UNSET if backfill.reason is None else backfill.reason,
        since=rfc3339(backfill.span.start) if known else UNSET,
        until=rfc3339(backfill.span.end) if known else UNSET,
        through=rfc3339(backfill.enqueued_through) if known else UNSET,
        per_minute=backfill.per_minute,
        fires=backfill.fires,
        skipped=backfill.skipped,
        event_id=event_id or UNSET,
    )
    return event_of("Schedule Backfilled", detail, Key(backfill.tenant, backfill.name), time=now)


def calendar_changed(calendar: Calendar, *, now: Instant, event_id: str = "") -> Event:
    """Return ``Calendar Updated``, or ``Calendar Deleted`` if *calendar* is a tombstone."""
    if calendar.dates is not None:
        return _with_days("Calendar Updated", CalendarUpdated, calendar, now, event_id)
    detail = CalendarDeleted(
        tenant=calendar.tenant, name=calendar.name, revision=calendar.revision, event_id=event_id or UNSET
    )
    return event_of("Calendar Deleted", detail, calendar.key, time=now)


def calendar_unchanged(calendar: Calendar, *, now: Instant, event_id: str = "") -> Event:
    """Return ``Calendar Unchanged``, the answer to a put of what *calendar* has already."""
    return _with_days("Calendar Unchanged", CalendarUnchanged, calendar, now, event_id)


def _with_days(detail_type: str, kind: type[CalendarUpdated], calendar: Calendar, now: Instant, event_id: str) -> Event:
    detail = kind(
        tenant=calendar.tenant,
        name=calendar.name,
        revision=calendar.revision,
        days=_days(calendar.dates or ()),
        event_id=event_id or UNSET,
    )
    return event_of(detail_type, detail, calendar.key, time=now)


def _days(dates: Sequence[str]) -> int:
    return sum(span.last - span.first + 1 for span in read_dates(dates))


def rejected(error: Rejected, *, now: Instant) -> Event:
    """Return ``Schedule Rejected``, which answers the sender of the command."""
    detail = ScheduleRejected(
        code=RejectionCode(error.code),
        field=error.field,
        given=error.given,
        allowed=error.allowed,
        message=str(error),
        command=error.command,
        event_id=error.event_id,
        source=error.source,
        tenant=_given(error.tenant),
        name=_given(error.name),
    )
    return event_of("Schedule Rejected", detail, error.key, time=now)


def _changed(
    detail_type: str,
    kind: type[ScheduleCreated],
    record: FireRecord,
    *,
    now: Instant,
    event_id: str = "",
    more: Mapping[str, str] = MappingProxyType({}),
) -> Event:
    schedule = record.schedule
    detail = kind(
        tenant=record.tenant,
        name=record.name,
        revision=record.revision,
        state="COMPLETED" if kind is ScheduleCompleted else record.state.value,
        expression=UNSET if schedule is None else schedule.expression,
        timezone=UNSET if schedule is None else schedule.timezone,
        event_id=event_id or UNSET,
        **more,
    )
    return event_of(detail_type, detail, record.key, time=now)


def event_of(detail_type: str, detail: EventDetail, key: Key | CalendarKey | None, *, time: Instant) -> Event:
    """Eventcron's own event of that detail type, about *key*."""
    return Event(
        source=EVENT_SOURCE,
        detail_type=detail_type,
        detail=_encoder.encode(detail),
        time=time,
        resources=() if key is None else (str(key),),
    )


def _given(text: str | None) -> str | UnsetType:
    return UNSET if text is None else text


def _digest(content: bytes) -> str:
    digest = _empty_digest.copy()  # cheaper than a new one
    digest.update(content)
    return digest.hexdigest()
