"""Bodies of queue messages: what is common to their formats."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Struct

from eventcron.errors import Undecodable
from eventcron.model.names import Instant

T = TypeVar("T")

#: 9999-12-31T23:59:59.999Z, the last instant that has a date.
LAST_INSTANT: Instant = 253_402_300_799_999


class _Version(Struct):
    v: int


_version_decoder = msgspec.json.Decoder(_Version)


def decode_message(body: str | bytes, decoder: msgspec.json.Decoder[T], *, name: str, version: int) -> T:
    """The message in *body*, whose format has the number *version* in ``v``; *name* is what a person calls it.

    The number comes first: what a later release writes is refused by it, and never guessed at.

    Raises:
        Undecodable: the body is not such a message, or one of another version.
    """
    try:
        given = _version_decoder.decode(body).v
        if given != version:
            raise Undecodable(f"a {name} of version {given}; this release reads version {version}")
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Undecodable(f"not a {name}: {error}") from error
