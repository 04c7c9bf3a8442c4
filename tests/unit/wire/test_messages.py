"""A queue message is read by its version, wherever that stands, and by nothing else before it."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Struct

from eventcron.errors import Undecodable
from eventcron.timing.instant import from_rfc3339
from eventcron.wire.messages import LAST_INSTANT, decode_message


class Parcel(Struct):
    v: int
    size: int


PARCELS = msgspec.json.Decoder(Parcel)


def decode(body: str | bytes) -> Parcel:
    return decode_message(body, PARCELS, name="parcel", versions={2, 1})


@pytest.mark.parametrize(
    ("body", "version"),
    [
        pytest.param('{"v":1,"size":7}', 1, id="as-eventcron-writes-it"),
        pytest.param('{"v":2,"size":7}', 2, id="in-the-other-version"),
        pytest.param(b'{"v":1,"size":7}', 1, id="bytes"),
        pytest.param('{"size":7,"v":2}', 2, id="version-last"),
        pytest.param('{ "v" : 1, "size" : 7 }', 1, id="spaces"),
        pytest.param('{"v":1,"size":7,"colour":"red"}', 1, id="a-field-that-a-later-release-adds"),
    ],
)
def test_a_message_of_a_known_version_is_read_however_it_is_written(body: str | bytes, version: int) -> None:
    assert decode(body) == Parcel(version, 7)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"v":12,"size":7}', id="begins-like-a-known-version"),
        pytest.param(b'{"v":12,"size":7}', id="bytes"),
        pytest.param('{"size":{"kg":7},"v":12}', id="cannot-be-read-otherwise"),
        pytest.param('{"v":12}', id="nothing-else"),
    ],
)
def test_another_version_is_named_before_anything_else_is_read(body: str | bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(body)

    assert caught.value.reason == "a parcel of version 12; this release reads version 1 and 2"


def test_the_one_version_that_is_read_is_named() -> None:
    with pytest.raises(Undecodable, match=r"^a parcel of version 2; this release reads version 1$"):
        decode_message('{"v":2}', PARCELS, name="parcel", versions=(1,))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("", "not a parcel: Input data was truncated", id="nothing"),
        pytest.param("{}", "not a parcel: Object missing required field `v`", id="no-version"),
        pytest.param('{"v":"1","size":7}', "not a parcel: Expected `int`, got `str` - at `$.v`", id="version-in-text"),
        pytest.param('{"v":1,"size":"7"}', "not a parcel: Expected `int`, got `str` - at `$.size`", id="another-type"),
        pytest.param('{"v":1,"size":7', "not a parcel: Input data was truncated", id="cut"),
        pytest.param(b"\xff", "not a parcel: JSON is malformed: invalid character (byte 0)", id="bytes"),
        pytest.param("\ud800", "not a parcel: 'utf-8' codec can't encode character", id="half-a-character"),
        pytest.param('{"v":1,"x":' + "[" * 100_000, "not a parcel: maximum recursion depth exceeded", id="deep"),
    ],
)
def test_what_is_no_message_says_why(body: str | bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(body)

    assert caught.value.reason.startswith(reason)


def test_the_last_instant_is_the_last_that_has_a_text() -> None:
    assert from_rfc3339("9999-12-31T23:59:59.999Z") == LAST_INSTANT
