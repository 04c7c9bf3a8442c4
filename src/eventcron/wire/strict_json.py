"""JSON as it came from strangers: UTF-8, each key once, nested only so deep."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import NoReturn

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode

#: Arrays and objects inside one another. Far below where any reader's stack ends (Python's at about 1,000).
MAX_DEPTH = 100

#: Characters of what was sent that an answer repeats.
MAX_GIVEN_CHARS = 120

#: A string or a bracket. Closing the string is optional, or a search through broken JSON would be quadratic.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)


class Number(str):
    """A number as it was written: converting a huge one would cost more than reading it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def short(value: object) -> str:
    """*value* in a readable form, cut to what an answer may repeat.

    >>> short({"report": "leads"}), len(short("x" * 1000))
    ("{'report': 'leads'}", 120)
    """
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= MAX_GIVEN_CHARS else text[: MAX_GIVEN_CHARS - 1] + "…"


def parse(raw: bytes, *, field: str) -> object:
    """*raw* as Python values, numbers as they were written.

    Raises:
        InvalidSchedule: about *field*, with code ``not_utf8``, ``not_json``, ``too_deep`` or ``duplicate_key``.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        given = f"byte 0x{raw[error.start]:02x} at {error.start}"
        raise InvalidSchedule(RejectionCode.NOT_UTF8, field=field, given=given, allowed="UTF-8") from error
    if prune(raw) != raw:
        allowed = f"arrays and objects at most {MAX_DEPTH} deep"
        raise InvalidSchedule(
            RejectionCode.TOO_DEEP, field=field, given=f"more than {MAX_DEPTH} levels", allowed=allowed
        )
    try:
        value = _DECODER.decode(text)
    except ValueError as error:
        raise InvalidSchedule(
            RejectionCode.NOT_JSON, field=field, given=str(error), allowed="JSON as RFC 8259 has it"
        ) from error
    if r"\ud" in text.lower():
        _refuse_lone_surrogates(value, field)
    return value


def parse_leniently(raw: bytes) -> object:
    """As much of *raw* as can be read: what is not UTF-8 replaced, what is too deep None, NaN and repeated keys taken.

    Only for finding out whom to answer.

    Raises:
        ValueError: *raw* is not JSON at all.
    """
    return _LENIENT_DECODER.decode(prune(raw).decode(errors="replace"))


def end_of_value(text: str, start: int) -> int:
    """Where the JSON value that starts at *start* ends. It may be of any kind and need not be strict.

    Raises:
        ValueError: there is none.
    """
    try:
        return _LENIENT_DECODER.raw_decode(text, start)[1]
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def prune(raw: bytes) -> bytes:
    """*raw* with every array and object deeper than `MAX_DEPTH` replaced by null; *raw* itself if there is none."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return raw
    kept, kept_until, depth = [], 0, 0
    for token in _TOKEN.finditer(raw):
        if token[0] in b"[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept.append(raw[kept_until : token.start()])
                kept_until = len(raw)  # in case it never closes
        elif token[0] in b"]}":
            if depth == MAX_DEPTH + 1:
                kept.append(b"null")
                kept_until = token.end()
            depth -= 1
    return b"".join([*kept, raw[kept_until:]]) if kept else raw


def _refuse_lone_surrogates(value: object, field: str) -> None:
    """A half of a surrogate pair can be escaped in JSON, but is no character: AWS would refuse what carries it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        given = f"\\u{ord(error.object[error.start]):04x}, half of a surrogate pair"
        raise InvalidSchedule(RejectionCode.NOT_UTF8, field=field, given=given, allowed="whole characters") from error


class _DuplicateKeyError(InvalidSchedule):
    def __init__(self, key: str) -> None:
        # an answer has to be text, which half of a surrogate pair is not
        field = key[:MAX_GIVEN_CHARS].encode(errors="backslashreplace").decode()
        super().__init__(RejectionCode.DUPLICATE_KEY, field=field, given="the same key twice", allowed="each key once")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose keys are told apart: readers disagree about which of two counts, so a stranger could use both."""
    found = dict(pairs)
    if len(found) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise _DuplicateKeyError(key)
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_once, parse_int=Number, parse_float=Number, parse_constant=_refuse_constant
)
_LENIENT_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=Number, strict=False)
