"""Decoding that all queue messages share: the version in ``v`` comes first."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

import msgspec
from msgspec import Struct

from eventcron.errors import Undecodable
from eventcron.model.names import Instant

T = TypeVar("T")

#: 9999-12-31T23:59:59.999Z, the last instant that Python's datetime can express.
LAST_INSTANT: Instant = 253_402_300_799_999


class _Version(Struct):
    v: int


_version_decoder = msgspec.json.Decoder(_Version)


def decode_message(body: str | bytes, decoder: msgspec.json.Decoder[T], *, name: str, versions: Collection[int]) -> T:
    """Decode the message in *body*, if its ``v`` is one of *versions*. Errors call the message *name*.

    The version is read before anything else, so that an older release never misreads a newer format.

    Raises:
        Undecodable: *body* is no such message, or has another version.
    """
    try:
        # What eventcron writes begins with the version. To look for it elsewhere is to read the whole message twice.
        if not (isinstance(body, str) and body.startswith(tuple([f'{{"v":{version},' for version in versions]))):
            given = _version_decoder.decode(body).v
            if given not in versions:
                read = " and ".join(map(str, sorted(versions)))
                raise Undecodable(f"a {name} of version {given}; this release reads version {read}")
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Undecodable(f"not a {name}: {error}") from error
