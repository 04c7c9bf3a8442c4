"""What happened in a simulation: a line for each step, and the facts that the checker needs."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

from eventcron.model.events import Event
from eventcron.model.messages import SegmentRange
from eventcron.model.names import Instant, Key
from eventcron.model.records import Record


class Line(NamedTuple):
    """One step. *about* names what it touched, as text in which a schedule's name can be found."""

    at_us: int
    who: str
    what: str
    about: str


class Written(NamedTuple):
    """A record as it was stored. *began* is when the invocation that wrote it did."""

    at: Instant
    began: Instant
    record: Record


class Publication(NamedTuple):
    """An event taken by the bus. *own* is what the publisher's clock showed, *at* is true."""

    at: Instant
    own: Instant
    event: Event


class Visit(NamedTuple):
    """The planner read this schedule from the index."""

    at: Instant
    key: Key
    wake: Instant


class Attempt(NamedTuple):
    """A planner's attempt at a segment. ``is_over``: planned, or another planner's to plan."""

    who: str
    segment: int
    is_over: bool


class RangeDone(NamedTuple):
    """A planner deleted this range; ``segments`` says through which instant each of them was planned then."""

    who: str
    asked: SegmentRange
    segments: dict[int, Instant]


class History:
    """Everything, in order."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.written: list[Written] = []
        self.publications: list[Publication] = []
        self.visits: list[Visit] = []
        self.attempts: list[Attempt] = []
        self.ranges_done: list[RangeDone] = []
        #: The tick that sent it, and the range that the segment queue refused.
        self.ranges_refused: list[tuple[str, SegmentRange]] = []
        #: The ticks that ended with time left for another segment.
        self.timely_ticks: set[str] = set()
        #: What no handler should raise: anything but an ``EventcronError``.
        self.crashes: list[Line] = []

    def digest(self) -> str:
        """The same for the same steps: 16 hexadecimal digits."""
        digest = blake2b(digest_size=8)
        for line in self.lines:
            digest.update(f"{line.at_us} {line.who} {line.what} {line.about}\n".encode())
        return digest.hexdigest()

    def about(self, key: Key) -> Iterator[Line]:
        """The steps that touched a schedule."""
        names = (str(key), f'"{key.tenant}","{key.name}"', f'"{key.tenant}","name":"{key.name}"')
        return (line for line in self.lines if any(name in line.about for name in names))
