"""A schedule as a DynamoDB item, format 1.

    tenant S, name S          the key
    v N                       the format
    revision N, state S       what conditions read
    segment N, wake N         the key of the index ``plan``; absent = not in it
    trigger S, first N, until N, handoff N, misfire S (JSON), flexible_window_seconds N
                              projected into the index; until, misfire and the window are absent at their defaults
    owed S (JSON), expires N  absent = None; ``expires`` is the TTL attribute, in seconds
    body S (JSON)             every other field of ``Record``, the definition among them

A field added to ``Record`` with a default goes into ``body`` by itself; older items lack it and read as the default.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from eventcron.adapters.aws.table import Item, number, text
from eventcron.errors import Undecodable
from eventcron.model.commands import Misfire
from eventcron.model.names import Window
from eventcron.model.records import Plan, Record, State

FORMAT = 1

#: Fields of ``Record`` with an attribute of their own.
ATTRIBUTES = frozenset({
    "tenant", "name", "revision", "state", "trigger", "first", "until", "handoff", "segment", "wake", "owed", "expires",
})  # fmt: skip


def _body_field(field: msgspec.structs.FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    return (field.name, field.type) if field.required else (field.name, field.type, field.default)


_Body = msgspec.defstruct(
    "_Body",
    [_body_field(field) for field in msgspec.structs.fields(Record) if field.name not in ATTRIBUTES],
    omit_defaults=True,
    kw_only=True,
)
_encode = msgspec.json.Encoder().encode
_body = msgspec.json.Decoder(_Body)
_window = msgspec.json.Decoder(Window)


def encode(record: Record) -> Item:
    """*record* as an item."""
    item = {
        "tenant": text(record.tenant),
        "name": text(record.name),
        "v": number(FORMAT),
        "revision": number(record.revision),
        "state": text(record.state),
        "trigger": text(record.trigger),
        "first": number(record.first),
        "handoff": number(record.handoff),
        "body": text(_json(_Body(**{name: getattr(record, name) for name in _Body.__struct_fields__}))),
    }
    for name in ("until", "segment", "wake", "expires"):
        value = getattr(record, name)
        if value is not None:
            item[name] = number(value)
    if record.owed is not None:
        item["owed"] = text(_json(record.owed))
    if record.schedule is not None:
        if record.schedule.misfire != Misfire():
            item["misfire"] = text(_json(record.schedule.misfire))
        if record.schedule.flexible_window_seconds:
            item["flexible_window_seconds"] = number(record.schedule.flexible_window_seconds)
    return item


def decode(item: Item) -> Record:
    """The record in *item*.

    Raises:
        Undecodable: the item is of a later format, or not one of ours.
    """
    where = f"schedule {item['tenant']['S']}/{item['name']['S']}"
    stored = item["v"]["N"] if "v" in item else "unknown"
    if stored != str(FORMAT):
        raise Undecodable(f"{where} is stored in format {stored}; this version reads format {FORMAT}")
    try:
        body = _body.decode(item["body"]["S"])
        return Record(
            tenant=item["tenant"]["S"],
            name=item["name"]["S"],
            revision=int(item["revision"]["N"]),
            state=State(item["state"]["S"]),
            trigger=item["trigger"]["S"],
            first=int(item["first"]["N"]),
            until=_optional(item, "until"),
            handoff=int(item["handoff"]["N"]),
            segment=_optional(item, "segment"),
            wake=_optional(item, "wake"),
            owed=_window.decode(item["owed"]["S"]) if "owed" in item else None,
            expires=_optional(item, "expires"),
            **{name: getattr(body, name) for name in _Body.__struct_fields__},
        )
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise Undecodable(f"{where} is stored in a form that cannot be read: {error!r}") from error


def decode_plan(item: Item) -> Plan:
    """The plan in an item of the index.

    Raises:
        Undecodable: the item is not one of ours.
    """
    try:
        return Plan(
            tenant=item["tenant"]["S"],
            name=item["name"]["S"],
            revision=int(item["revision"]["N"]),
            trigger=item["trigger"]["S"],
            first=int(item["first"]["N"]),
            until=_optional(item, "until"),
            handoff=int(item["handoff"]["N"]),
            wake=int(item["wake"]["N"]),
            misfire=_misfire(item["misfire"]["S"]) if "misfire" in item else _DEFAULT_MISFIRE,
            flexible_window_seconds=_optional(item, "flexible_window_seconds") or 0,
        )
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        where = f"plan of {item['tenant']['S']}/{item['name']['S']}"
        raise Undecodable(f"{where} is stored in a form that cannot be read: {error!r}") from error


_DEFAULT_MISFIRE = Misfire()


@lru_cache(maxsize=1_024)
def _misfire(json: str) -> Misfire:
    """Few policies are shared by many schedules."""
    return msgspec.json.decode(json, type=Misfire)


def _json(value: object) -> str:
    return _encode(value).decode()


def _optional(item: Item, name: str) -> int | None:
    return int(item[name]["N"]) if name in item else None
