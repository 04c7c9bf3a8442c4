"""From a decoder's message to a rejection: field, given, allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import inspect

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.wire.strict_json import Number, short

#: How msgspec ends a message: ``- at `$.misfire.policy` `` or ``- at `key` in `$.labels` ``.
_PATH = re.compile(r" - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`\Z")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = "Object contains unknown field `"
_MISSING = "Object missing required field `"

#: How a message starts → its code. In order: the first that fits.
_CODES = [
    (re.compile(re.escape("Invalid enum value")), RejectionCode.UNKNOWN_VALUE),
    (re.compile(re.escape("Invalid RFC3339")), RejectionCode.INVALID_TIME),
    (re.compile("Expected `datetime` with a timezone"), RejectionCode.INVALID_TIME),
    (re.compile("Expected `[^`]*`, got `"), RejectionCode.WRONG_TYPE),
    (re.compile("Expected `str` matching regex"), RejectionCode.INVALID_NAME),
]

#: Characters of an unknown name that are compared with the known ones; more would only take time.
_COMPARED_CHARS = 64


class _Node(NamedTuple):
    field: str
    value: object
    type: inspect.Type

    @property
    def members(self) -> dict[str, object]:
        return self.value if isinstance(self.value, dict) else {}

    @property
    def unknown(self) -> list[str]:
        """The members that are no fields."""
        return [name for name in self.members if name not in _fields(self.type)]


def to_invalid_schedule(error: msgspec.ValidationError, value: object, kind: type[msgspec.Struct]) -> InvalidSchedule:
    """The rejection for *error*, which msgspec raised when it decoded *value* as *kind*."""
    message = str(error)
    root = _Node("", value, inspect.type_info(kind))
    if message.startswith(_UNKNOWN):
        return _unknown_field(root)
    found = _PATH.search(message)
    message = message[: found.start()] if found else message
    node = _follow(found["path"] if found else "", root)
    if message.startswith(_MISSING):
        return _missing_field(node, message.removeprefix(_MISSING).rstrip("`"))
    if found and found["key"]:
        node = _bad_key(node)
    code = next((code for start, code in _CODES if start.match(message)), RejectionCode.OUT_OF_RANGE)
    return InvalidSchedule(code, field=node.field or "detail", given=short(node.value), allowed=allowed(node.type))


def allowed(kind: inspect.Type, form: str = "") -> str:
    """What *kind* takes: ``'shift' or 'skip'``, ``a whole number from 1 to 10000``. *form* is ``names.form``'s text."""
    match kind:
        case inspect.Metadata():
            text = allowed(kind.type, (kind.extra or {}).get("allowed", form))
        case inspect.UnionType():
            text = ", or ".join(allowed(one) for one in kind.types if not isinstance(one, inspect.NoneType))
        case inspect.LiteralType():
            text = " or ".join(map(repr, kind.values))
        case inspect.EnumType():
            text = " or ".join(repr(member.value) for member in kind.cls)
        case inspect.DateTimeType():
            text = "a date and time with an offset (RFC 3339), such as 2026-12-01T09:00:00Z"
        case inspect.StructType():
            text = f"an object with {', '.join(field.encode_name for field in kind.fields)}"
        case _:
            text = _sized(kind, form)
    return text


def _sized(kind: inspect.Type, form: str) -> str:
    match kind:
        case inspect.StrType(pattern=str()):
            return form or f"text that matches {kind.pattern}"
        case inspect.StrType():
            return f"text{_count(kind, 'characters')}" + (f" ({form})" if form else "")
        case inspect.IntType():
            return f"a whole number from {kind.ge} to {kind.le}"
        case inspect.ListType():
            return f"a list{_count(kind, 'items')}, each {allowed(kind.item_type)}"
        case inspect.DictType():
            return f"an object{_count(kind, 'entries')}, each {allowed(kind.value_type)}"
        case _:
            return "any JSON"


def _unknown_field(root: _Node) -> InvalidSchedule:
    """Look for the unknown name in the value, not in the message.

    The sender chose the name. A name such as ``x` - at `$.tenant`` would make the message point elsewhere.
    """
    node = next(node for node in _structs(root) if node.unknown)
    known = _fields(node.type)
    name = node.unknown[0]
    near = get_close_matches(name[:_COMPARED_CHARS], known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return InvalidSchedule(
        RejectionCode.UNKNOWN_FIELD,
        field=_join(node.field, name[:_COMPARED_CHARS] or "''"),
        given=short(node.members[name]),
        allowed=", ".join(known) + hint,
    )


def _structs(node: _Node) -> Iterator[_Node]:
    """*node* and every object with fields inside it."""
    if _fields(node.type):
        yield node
        for name in _fields(node.type):
            yield from _structs(_enter(node, name))


def _missing_field(node: _Node, name: str) -> InvalidSchedule:
    missing = _enter(node, name)
    return InvalidSchedule(
        RejectionCode.MISSING_FIELD, field=missing.field, given="nothing", allowed=f"required: {allowed(missing.type)}"
    )


def _follow(path: str, node: _Node) -> _Node:
    for name, index in _STEP.findall(path):
        node = _enter(node, name) if name else _item(node, index)
    return node


def _enter(node: _Node, name: str) -> _Node:
    return _Node(_join(node.field, name), node.members.get(name), _fields(node.type)[name])


def _item(node: _Node, index: str) -> _Node:
    """The item of a list, or the entry of a mapping. msgspec does not name the entry, so take the first wrong one."""
    if isinstance(node.value, list):
        return _Node(f"{node.field}.{index}", node.value[int(index)], _option(node.type, inspect.ListType).item_type)
    type_ = _option(node.type, inspect.DictType).value_type
    key = next(key for key, value in node.members.items() if not _fits(value, type_))
    return _Node(_join(node.field, key), node.members[key], type_)


def _bad_key(node: _Node) -> _Node:
    type_ = _option(node.type, inspect.DictType).key_type
    return _Node(node.field, next(key for key in node.members if not _fits(key, type_)), type_)


def _fits(value: object, type_: inspect.Type) -> bool:
    """Whether a mapping of text to text takes *value* there."""
    text = _bare(type_)
    if not isinstance(text, inspect.StrType) or not isinstance(value, str) or isinstance(value, Number):
        return False
    return len(value) <= (text.max_length or len(value)) and re.search(text.pattern or "", value) is not None


_T = TypeVar("_T", bound=inspect.Type)


def _option(type_: inspect.Type, wanted: type[_T]) -> _T:
    """The member of *type_* that is of the *wanted* kind. The message implies that there is one."""
    return next(member for member in _members(type_) if isinstance(member, wanted))


def _fields(type_: inspect.Type) -> dict[str, inspect.Type]:
    """The fields of the object that *type_* takes; none if it takes no object."""
    return {
        field.encode_name: field.type
        for member in _members(type_)
        if isinstance(member, inspect.StructType)
        for field in member.fields
    }


def _members(type_: inspect.Type) -> list[inspect.Type]:
    """The members of a union, or *type_* alone, without their descriptions."""
    bare = _bare(type_)
    return [_bare(member) for member in bare.types] if isinstance(bare, inspect.UnionType) else [bare]


def _bare(type_: inspect.Type) -> inspect.Type:
    while isinstance(type_, inspect.Metadata):
        type_ = type_.type
    return type_


def _join(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _count(kind: inspect.StrType | inspect.ListType | inspect.DictType, unit: str) -> str:
    if kind.max_length is None:
        return ""
    least = f"{kind.min_length} to" if kind.min_length else "at most"
    return f" of {least} {kind.max_length} {unit}"
