"""Events of eventcron, as the bus delivers them → entries of the history.

What is kept is listed field by field. Inputs, results, labels, tokens and the values that a rejection quotes are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from eventcron.errors import Undecodable
from eventcron.model.events import is_fire
from eventcron.model.history import KINDS, EntryKind, HistoryEntry
from eventcron.model.names import Instant, Key, Moment, ScheduleName, TenantId
from eventcron.timing.instant import from_datetime, from_rfc3339, rfc3339

#: Fields of a detail that are kept as they are.
KEPT = frozenset({
    "attempt", "attempts", "backfill_id", "by", "cause", "cause_id", "code", "command", "count", "deadline", "due",
    "duration_ms", "event_id", "expression", "failures", "field", "fire_id", "fires", "first_due", "from", "last_due",
    "local_time", "message", "per_minute", "reason", "revision", "skipped", "started", "state", "status",
    "through", "timezone", "until",
})  # fmt: skip
#: Characters of a message that are kept.
MESSAGE_CHARS = 1_024

_MESSAGE = "message"


class _Envelope(Struct, rename={"detail_type": "detail-type"}):
    id: Annotated[str, Meta(min_length=1, max_length=64)]
    detail_type: Annotated[str, Meta(max_length=128)]
    time: Moment
    detail: dict[str, msgspec.Raw]


class _Named(Struct):
    tenant: TenantId
    name: ScheduleName


_envelope = msgspec.json.Decoder(_Envelope)
_decode = msgspec.json.decode


def decode_entry(body: str) -> HistoryEntry | None:
    """The entry for the event in *body*, a queue message from an EventBridge rule. None: no entry is kept of it.

    Raises:
        Undecodable: it is no event of eventcron.
    """
    try:
        envelope = _envelope.decode(body)
        detail = envelope.detail
        kind = _kind(envelope.detail_type, detail)
        if kind is None:
            return None
        kept = {name: _decode(value) for name, value in detail.items() if name in KEPT}
        key = _key(detail)
        time = from_datetime(envelope.time)
        if _MESSAGE in kept:
            kept[_MESSAGE] = "" if kind is EntryKind.REJECTED else kept[_MESSAGE][:MESSAGE_CHARS]
        if kind is EntryKind.FIRED:
            kept["input_bytes"] = len(bytes(detail["input"]))
            if "run_token" in detail:
                kept["tracked"] = True
        return HistoryEntry(
            tenant=key.tenant,
            name=key.name,
            at=_at(kind, kept, published=time),
            kind=kind,
            id=_id(kind, kept, envelope),
            detail_type=envelope.detail_type,
            time=time,
            detail={name: value for name, value in kept.items() if value != ""},
        )
    except (msgspec.DecodeError, UnicodeError, KeyError, ValueError, TypeError) as error:
        raise Undecodable(f"it is no event of eventcron: {error!r}") from error


def _key(detail: Mapping[str, msgspec.Raw]) -> Key:
    named = msgspec.convert({name: _decode(detail[name]) for name in ("tenant", "name")}, _Named)
    return Key(named.tenant, named.name)


def _kind(detail_type: str, detail: Mapping[str, msgspec.Raw]) -> EntryKind | None:
    """What an event says; None: nothing of a schedule, or nothing that is kept."""
    if is_fire(detail):
        return EntryKind.FIRED
    kind = KINDS.get(detail_type)
    if kind is EntryKind.REJECTED:
        of_schedule = "name" in detail and "tenant" in detail and "Calendar" not in _decode(detail["command"])
        return kind if of_schedule else None
    return kind


def _at(kind: EntryKind, kept: Mapping[str, Any], *, published: Instant) -> Instant:
    if kind in {EntryKind.CHANGED, EntryKind.REJECTED}:
        return published
    return from_rfc3339(kept["first_due" if kind is EntryKind.SKIPPED else "due"])


def _id(kind: EntryKind, kept: Mapping[str, Any], envelope: _Envelope) -> str:
    """What tells the event from others of its kind and instant, however often it is published."""
    if kind is EntryKind.SKIPPED:
        return f"{kept['fire_id']}.{kept['reason']}"
    if kind is EntryKind.RUN:
        return f"{kept['fire_id']}.{envelope.detail_type.partition(' ')[2].lower()}"
    return str(kept["fire_id"]) if kind in {EntryKind.FIRED, EntryKind.FAILED} else envelope.id


class ShownEntry(Struct, frozen=True, kw_only=True):
    """One event of a schedule's past, for programs."""

    at: Annotated[
        str,
        Meta(description="The due instant, of several the first; for a change, when it was published. Orders events."),
    ]
    kind: Annotated[EntryKind, Meta(description="What the event says.")]
    event: Annotated[str, Meta(description="The event's detail-type.")]
    published: Annotated[str, Meta(description="When it was published, in whole seconds.")]
    detail: Annotated[
        dict[str, Any],
        Meta(description="The event's own fields, without input, result, labels and tokens."),
    ]


def shown(entry: HistoryEntry) -> ShownEntry:
    """*entry* for programs."""
    return ShownEntry(
        at=rfc3339(entry.at),
        kind=entry.kind,
        event=entry.detail_type,
        published=rfc3339(entry.time, millis=False),
        detail=entry.detail,
    )
