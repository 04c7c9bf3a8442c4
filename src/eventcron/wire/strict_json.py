"""Strict JSON for text from untrusted senders: UTF-8, no duplicate keys, bounded nesting."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import NoReturn

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode

#: How deep arrays and objects may nest. Python's json module overflows its stack at about 1,000.
MAX_DEPTH = 100

#: An answer repeats at most this many characters of what was sent.
MAX_GIVEN_CHARS = 120

#: A string or a bracket. The closing quote is optional; otherwise a search through broken JSON would be quadratic.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)


class Number(str):
    """A number as it was written. Converting a number with a million digits would take seconds."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def short(value: object) -> str:
    """Return *value* in readable form, cut to ``MAX_GIVEN_CHARS``.

    >>> short({"report": "leads"}), len(short("x" * 1000))
    ("{'report': 'leads'}", 120)
    """
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= MAX_GIVEN_CHARS else text[: MAX_GIVEN_CHARS - 1] + "…"


def parse(raw: bytes, *, field: str) -> object:
    """Parse *raw* strictly. Numbers stay as they were written.

    Raises:
        InvalidSchedule: code ``not_utf8``, ``not_json``, ``too_deep`` or ``duplicate_key``. Its field is *field*, or
            the duplicate key.
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
            RejectionCode.NOT_JSON, field=field, given=str(error), allowed="JSON as in RFC 8259"
        ) from error
    if r"\ud" in text.lower():
        _refuse_lone_surrogates(value, field)
    return value


def parse_leniently(raw: bytes) -> object:
    """Parse as much of *raw* as possible, to find out whom to answer.

    Bytes that are not UTF-8 are replaced, values that are too deep become None, NaN and duplicate keys are accepted.

    Raises:
        ValueError: *raw* is not JSON at all.
    """
    return _LENIENT_DECODER.decode(prune(raw).decode(errors="replace"))


def unescaped(raw: bytes) -> bytes:
    r"""The JSON *raw* with the characters themselves in place of escapes, for all characters beyond ASCII.

    *raw* is valid, and has no half of a surrogate pair.

    >>> unescaped(rb'["\u00e6 \ud83d\ude00 \\u00e6 \u0007"]').decode()
    '["æ 😀 \\\\u00e6 \\u0007"]'
    """
    return _ESCAPE.sub(_character, raw)


def _character(escape: re.Match[bytes]) -> bytes:
    text: str = json.loads(b'"' + escape[0] + b'"')
    return escape[0] if text.isascii() else text.encode()


def end_of_value(text: str, start: int) -> int:
    """Return the index after the JSON value that starts at *start*. The value need not be strict.

    Raises:
        ValueError: no JSON value starts there.
    """
    try:
        return _LENIENT_DECODER.raw_decode(text, start)[1]
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def prune(raw: bytes) -> bytes:
    """Replace every array and object deeper than ``MAX_DEPTH`` by null. Return *raw* itself if there is none."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return raw
    pieces, copied_until, depth = [], 0, 0
    for token in _TOKEN.finditer(raw):
        if token[0] in b"[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                pieces.append(raw[copied_until : token.start()])
                copied_until = len(raw)  # in case the bracket never closes
        elif token[0] in b"]}":
            if depth == MAX_DEPTH + 1:
                pieces.append(b"null")
                copied_until = token.end()
            depth -= 1
    return b"".join([*pieces, raw[copied_until:]]) if pieces else raw


def _refuse_lone_surrogates(value: object, field: str) -> None:
    """Reject an escaped half of a surrogate pair. JSON allows it, but AWS refuses messages that contain it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        given = f"\\u{ord(error.object[error.start]):04x}, half of a surrogate pair"
        raise InvalidSchedule(RejectionCode.NOT_UTF8, field=field, given=given, allowed="whole characters") from error


class _DuplicateKeyError(InvalidSchedule):
    def __init__(self, key: str) -> None:
        # A key may contain half of a surrogate pair, which cannot be encoded in the answer.
        field = key[:MAX_GIVEN_CHARS].encode(errors="backslashreplace").decode()
        super().__init__(RejectionCode.DUPLICATE_KEY, field=field, given="the same key twice", allowed="each key once")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build an object and reject duplicate keys. Parsers disagree about which one counts: senders could exploit it."""
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
#: One escape. Two halves of a surrogate pair are one, and an escaped backslash takes its own two characters.
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|u[0-9a-fA-F]{4}|[^u])")
_LENIENT_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=Number, strict=False)
