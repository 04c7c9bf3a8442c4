"""Segments → ranges, the messages of the plan queue; and back."""

from __future__ import annotations

import msgspec

from eventcron.errors import Undecodable
from eventcron.model.messages import SegmentRange
from eventcron.model.names import Instant
from eventcron.wire.messages import LAST_INSTANT, decode_message

#: The version of ranges this release writes, and the latest it reads.
RANGE_VERSION = 1

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SegmentRange)


def split(segments: int, *, workers: int, at_once: int, tick: Instant) -> list[SegmentRange]:
    """All *segments* in ranges for *workers* planners, each of which plans *at_once* of them at once.

    A range has as many segments as one planner works on at once, so that none waits within it; fewer, if else some
    planner had nothing to do. All but the last are alike.

    >>> [(part.first, part.end) for part in split(10, workers=4, at_once=16, tick=0)]
    [(0, 3), (3, 6), (6, 9), (9, 10)]
    """
    size = min(at_once, -(-segments // workers))
    return [SegmentRange(tick=tick, first=first, end=min(first + size, segments)) for first in range(0, segments, size)]


def encode_range(asked: SegmentRange) -> str:
    """*asked* as the body of a queue message."""
    return _encoder.encode(asked).decode()


def decode_range(body: str | bytes) -> SegmentRange:
    """The range in a message's body.

    Raises:
        Undecodable: the body is not a range, or one of a later release.
    """
    asked = decode_message(body, _decoder, name="range", version=RANGE_VERSION)
    if asked.first >= asked.end:
        raise Undecodable(f"a range without segments: from {asked.first}, before {asked.end}")
    if not 0 <= asked.tick <= LAST_INSTANT:
        raise Undecodable("a range of a tick before 1970 or after 9999")
    return asked
