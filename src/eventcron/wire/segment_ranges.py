"""Split all segments into ranges, and encode and decode the messages of the segment queue."""

from __future__ import annotations

import msgspec

from eventcron.errors import Undecodable
from eventcron.model.messages import SegmentRange
from eventcron.model.names import Instant
from eventcron.wire.messages import LAST_INSTANT, decode_message

#: The version of the range format: what this release writes, and the only one that it reads.
RANGE_VERSION = 1

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SegmentRange)


def split(segments: int, *, workers: int, at_once: int, tick: Instant) -> list[SegmentRange]:
    """Split *segments* into ranges for *workers* planners, each of which plans *at_once* segments at once.

    A range has at most *at_once* segments, so that no segment waits inside its range. A range has fewer if otherwise
    some planner would get none. All ranges but the last have the same size.

    >>> [(part.first, part.end) for part in split(10, workers=4, at_once=16, tick=0)]
    [(0, 3), (3, 6), (6, 9), (9, 10)]
    """
    size = min(at_once, -(-segments // workers))
    return [SegmentRange(tick=tick, first=first, end=min(first + size, segments)) for first in range(0, segments, size)]


def encode_range(segments: SegmentRange) -> str:
    """Encode *segments* as the body of a queue message."""
    return _encoder.encode(segments).decode()


def decode_range(body: str | bytes) -> SegmentRange:
    """Decode the range in the body of a queue message.

    Raises:
        Undecodable: *body* is no range, has another format version, is empty, or has a tick outside 1970-9999.
    """
    segments = decode_message(body, _decoder, name="range", versions=(RANGE_VERSION,))
    if segments.first >= segments.end:
        raise Undecodable(f"a range without segments: from {segments.first}, before {segments.end}")
    if not 0 <= segments.tick <= LAST_INSTANT:
        raise Undecodable("a range of a tick before 1970 or after 9999")
    return segments
