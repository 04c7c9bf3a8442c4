"""What a fire needs of stored schedules, decoded straight from DynamoDB's answer: an executor reads one for each fire.

The structs hold no cycles, so the garbage collector need not look at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Struct

from eventcron.adapters.aws.items import FORMATS, decode, decode_eras
from eventcron.adapters.aws.table import Found, decode_found
from eventcron.errors import Undecodable
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key
from eventcron.model.records import NO_ERA, Era, FiredSchedule, FireRecord, InputRef, State


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


class _Revision(Struct, array_like=True, gc=False):
    """The first element of an ``Era``."""

    revision: int


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
    #: As it is stored. Few fires need more of it than the revision of the era in force.
    stored_eras: str
    trigger: str
    in_force: int
    schedule: FiredSchedule | None
    input: InputRef | None
    size: int

    @property
    def tenant(self) -> str:
        return self.key.tenant

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def eras(self) -> Sequence[Era]:
        """The eras.

        Raises:
            Undecodable: they are not ours.
        """
        try:
            return decode_eras(self.stored_eras, self.trigger)
        except (msgspec.DecodeError, IndexError, ValueError) as error:
            raise Undecodable(f"the eras of schedule {self.key} cannot be read: {error!r}") from error


_FORMATS = frozenset(map(int, FORMATS))
_decode = msgspec.json.Decoder(Found[_Item], strict=False).decode
_decode_revisions = msgspec.json.Decoder(tuple[_Revision, ...]).decode
_decode_body = msgspec.json.Decoder(_Body).decode


def decode_to_fire(answer: bytes) -> Found[FireRecord]:
    """The records in *answer*, as BatchGetItem sends it.

    Raises:
        Undecodable: an item is of a later format, or not one of ours.
    """
    try:
        found = _decode(answer)
        return Found({table: [_record(item) for item in items] for table, items in found.items.items()}, found.left)
    except (msgspec.DecodeError, IndexError, ValueError):
        # Reading whole records says what is wrong, and where.
        whole = decode_found(answer)
        return Found({table: [decode(item) for item in items] for table, items in whole.items.items()}, whole.left)


def _record(item: _Item) -> FireRecord:
    if item.v.number not in _FORMATS:
        raise ValueError(item.v.number)
    text, trigger, stored_eras = item.body.text, item.trigger.text, item.eras.text
    body: Any = _decode_body(text)
    eras = _decode_revisions(stored_eras)
    return _FireRecord(
        Key(item.tenant.text, item.name.text),
        item.revision.number,
        item.state.state,
        body.created,
        stored_eras,
        trigger,
        eras[-1].revision if eras else NO_ERA.revision,
        body.schedule,
        body.input,
        (len(text) + len(stored_eras) + len(trigger)) * (1 if text.isascii() else 4),
    )
