"""A schedule as a DynamoDB item, format 1 or 2.

    tenant S, name S          the key
    v N                       the format
    revision N, state S       what conditions read
    segment N, wake N         the key of the index ``plan``; absent = not in it
    trigger S, start N, end N, handoff N, misfire S (JSON), flexible_window_seconds N
                              the era in force, projected into the index; absent at their defaults
    eras S (JSON)             every era, the one in force last; "=" stands for the text in ``trigger``, "=3" for that
                              of the era at position 3
    pending N, expires N      absent = None; ``expires`` is the TTL attribute, in seconds
    put_revision N, state_revision N
                              as in ``LastCommands``, of a later put that changed nothing; absent = there was none
    body S (JSON)             every other field of ``Record``, the definition among them

Format 2 is that of a record whose input is stored apart, or in which "=3" stands for a trigger. A release that reads
format 1 only would fire such a schedule without its input.

A field added to ``Record`` with a default goes into ``body`` by itself. Older items lack it and read as the default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from eventcron.adapters.aws.table import Item, number, text
from eventcron.errors import Undecodable
from eventcron.model.commands import Misfire
from eventcron.model.records import Era, InputRef, LastCommands, Record, State

FORMAT = 1
FORMAT_APART = 2
FORMATS = frozenset({str(FORMAT), str(FORMAT_APART)})

#: Fields of ``Record`` with an attribute of their own.
ATTRIBUTES = frozenset({
    "tenant", "name", "revision", "state", "eras", "handoff", "segment", "wake", "pending", "expires",
})  # fmt: skip
#: Characters. A trigger no longer than this may stand in several eras: that keeps the format of most schedules.
REPEATED_CHARS = 1_000
#: Stands for the trigger of the era in force: a pause and a resume leave several eras with the same text.
_SAME = "="


def _body_field(field: msgspec.structs.FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    return (field.name, field.type) if field.required else (field.name, field.type, field.default)


_Body = msgspec.defstruct(
    "_Body",
    [_body_field(field) for field in msgspec.structs.fields(Record) if field.name not in ATTRIBUTES],
    omit_defaults=True,
    kw_only=True,
)
_LAST = "last_commands"
_OTHER_FIELDS = tuple(name for name in _Body.__struct_fields__ if name != _LAST)


class _Referring(msgspec.Struct):
    """The one field of the body that a write reads of the item before."""

    input: InputRef | None = None


_encode = msgspec.json.Encoder().encode
_body = msgspec.json.Decoder(_Body)
_referring = msgspec.json.Decoder(_Referring)
_eras = msgspec.json.Decoder(tuple[Era, ...])


def encode(record: Record) -> Item:
    """*record* as an item."""
    folded = _folded(record.eras)
    item = {
        "tenant": text(record.tenant),
        "name": text(record.name),
        "v": number(FORMAT_APART if record.input is not None or _refers(folded) else FORMAT),
        "revision": number(record.revision),
        "state": text(record.state),
        "handoff": number(record.handoff),
        "body": text(_json(_Body(**{name: getattr(record, name) for name in _Body.__struct_fields__}))),
        **timeline_attributes(record, folded),
    }
    for name in ("segment", "wake", "pending", "expires"):
        value = getattr(record, name)
        if value is not None:
            item[name] = number(value)
    return item


def timeline_attributes(record: Record, folded: Sequence[Era]) -> Item:
    """The attributes that hold the eras of *record*, and those that the index projects of the era in force."""
    era = record.era
    item = {"trigger": text(era.trigger), "start": number(era.start), "eras": text(_json(folded))}
    if era.end is not None:
        item["end"] = number(era.end)
    if era.misfire != _DEFAULT_MISFIRE:
        item["misfire"] = text(_json(era.misfire))
    if era.flexible_window_seconds:
        item["flexible_window_seconds"] = number(era.flexible_window_seconds)
    return item


def decode(item: Item) -> Record:
    """The record in *item*.

    Raises:
        Undecodable: the item is of a later format, or not one of ours.
    """
    where = f"schedule {item['tenant']['S']}/{item['name']['S']}"
    stored = item["v"]["N"] if "v" in item else "unknown"
    if stored not in FORMATS:
        raise Undecodable(
            f"{where} is stored in format {stored}; this version reads formats {' and '.join(sorted(FORMATS))}"
        )
    try:
        body = _body.decode(item["body"]["S"])
        return Record(
            tenant=item["tenant"]["S"],
            name=item["name"]["S"],
            revision=int(item["revision"]["N"]),
            state=State(item["state"]["S"]),
            eras=decode_eras(item["eras"]["S"], item["trigger"]["S"]),
            handoff=int(item["handoff"]["N"]),
            segment=_optional(item, "segment"),
            wake=_optional(item, "wake"),
            pending=_optional(item, "pending"),
            expires=_optional(item, "expires"),
            **{name: getattr(body, name) for name in _OTHER_FIELDS},
            last_commands=_with_noted(body, item),
        )
    except (msgspec.DecodeError, KeyError, IndexError, ValueError) as error:
        raise Undecodable(f"{where} is stored in a form that cannot be read: {error!r}") from error


def _with_noted(body: msgspec.Struct, item: Item) -> LastCommands:
    """The last commands in *body*, and the later puts that changed nothing."""
    last: LastCommands = getattr(body, _LAST)
    put, state = (_optional(item, name) for name in ("put_revision", "state_revision"))
    return replace(
        last,
        put_revision=last.put_revision if put is None else max(put, last.put_revision),
        state_revision=last.state_revision if state is None else max(state, last.state_revision),
    )


_DEFAULT_MISFIRE = Misfire()


def _folded(eras: Sequence[Era]) -> list[Era]:
    """*eras* with each long text once: pauses, resumes and repeated definitions leave several with the same trigger."""
    places: dict[str, str] = {}
    folded = []
    for place, era in enumerate(eras):
        text_of = _SAME if era.trigger == eras[-1].trigger else places.get(era.trigger, era.trigger)
        if len(era.trigger) > REPEATED_CHARS:
            places.setdefault(era.trigger, f"{_SAME}{place}")
        folded.append(replace(era, trigger=text_of if era.trigger else ""))
    return folded


def _refers(folded: Sequence[Era]) -> bool:
    """Whether the text of one era stands in another that is not the last."""
    return any(era.trigger.startswith(_SAME) and era.trigger != _SAME for era in folded)


def decode_eras(json: str, trigger: str) -> tuple[Era, ...]:
    """The eras in the attribute ``eras``, with *trigger*, the attribute of that name, where they refer to it.

    Raises:
        DecodeError, IndexError, ValueError: they cannot be read.
    """
    eras = _eras.decode(json)
    if len(eras) == 1 and eras[0].trigger == _SAME:
        return (replace(eras[0], trigger=trigger),)  # as nearly all are

    def text_of(era: Era) -> str:
        if era.trigger == _SAME:
            return trigger
        return eras[int(era.trigger.removeprefix(_SAME))].trigger if era.trigger.startswith(_SAME) else era.trigger

    return tuple(replace(era, trigger=text_of(era)) if era.trigger.startswith(_SAME) else era for era in eras)


def input_of(item: Item) -> InputRef | None:
    """Where the input is to which *item* refers; None also if this release cannot read the item."""
    try:
        return _referring.decode(item["body"]["S"]).input
    except (msgspec.DecodeError, KeyError):
        return None


def _json(value: object) -> str:
    return _encode(value).decode()


def _optional(item: Item, name: str) -> int | None:
    return int(item[name]["N"]) if name in item else None
