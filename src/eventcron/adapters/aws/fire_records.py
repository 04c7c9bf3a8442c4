"""What a fire needs of stored schedules, decoded straight from DynamoDB's answer: an executor reads one for each fire.

The structs hold no cycles, so the garbage collector need not look at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Struct

from eventcron.adapters.aws.items import FORMATS, decode, decode_eras
from eventcron.adapters.aws.table import Item
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key
from eventcron.model.records import Era, FiredSchedule, FireRecord, InputRef, State


class _Text(Struct, gc=False):
    text: str = msgspec.field(name="S")


class _State(Struct, gc=False):
    state: State = msgspec.field(name="S")


class _Number(Struct, gc=False):
    """DynamoDB writes a number as text, which a lax decoder reads as a number."""

    number: int = msgspec.field(name="N")


class _Item(Struct, gc=False):
    """The attributes that are read of an item."""

    v: _Number
    tenant: _Text
    name: _Text
    revision: _Number
    state: _State
    trigger: _Text
    eras: _Text
    body: _Text


def _unchecked(field: msgspec.structs.FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    """*field* with its type and without its bounds: they were checked when the schedule was put."""
    bare = get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
    if field.required:
        return (field.name, bare)
    if field.default_factory is not msgspec.NODEFAULT:
        return (field.name, bare, msgspec.field(default_factory=field.default_factory))
    return (field.name, bare, field.default)


#: A schedule, as ``Schedule`` has it. A field that this release does not know keeps it from reading the schedule.
_Schedule = msgspec.defstruct(
    "_Schedule",
    [_unchecked(field) for field in msgspec.structs.fields(Schedule)],
    frozen=True,
    kw_only=True,
    gc=False,
    forbid_unknown_fields=True,
)
#: The part of a record's body that a fire needs.
_Body = msgspec.defstruct(
    "_Body",
    [("schedule", _Schedule | None), ("created", Instant), ("input", InputRef | None, None)],
    kw_only=True,
    gc=False,
)


class _FireRecord(Struct, frozen=True, gc=False):
    key: Key
    revision: int
    state: State
    created: Instant
    eras: Sequence[Era]
    schedule: FiredSchedule | None
    input: InputRef | None
    size: int

    @property
    def tenant(self) -> str:
        return self.key.tenant

    @property
    def name(self) -> str:
        return self.key.name


_FORMATS = frozenset(map(int, FORMATS))
_items = msgspec.json.Decoder(list[_Item], strict=False)
_body = msgspec.json.Decoder(_Body)
_plain_items = msgspec.json.Decoder(list[Item])


def decode_to_fire(items: msgspec.Raw) -> Sequence[FireRecord]:
    """The records in *items*, an array as DynamoDB sends it.

    Raises:
        Undecodable: an item is of a later format, or not one of ours.
    """
    try:
        return [_record(item) for item in _items.decode(items)]
    except (msgspec.DecodeError, IndexError, ValueError):
        # Reading whole records says what is wrong, and where.
        return [decode(item) for item in _plain_items.decode(items)]


def _record(item: _Item) -> FireRecord:
    if item.v.number not in _FORMATS:
        raise ValueError(item.v.number)
    body: Any = _body.decode(item.body.text)
    return _FireRecord(
        Key(item.tenant.text, item.name.text),
        item.revision.number,
        item.state.state,
        body.created,
        decode_eras(item.eras.text, item.trigger.text),
        body.schedule,
        body.input,
        (len(item.body.text) + len(item.eras.text) + len(item.trigger.text)) * (1 if item.body.text.isascii() else 4),
    )
