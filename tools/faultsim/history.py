"""What happened in a simulation: every step as text, and what the checker needs as data."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

from eventcron.model.events import Event
from eventcron.model.messages import SegmentRange
from eventcron.model.names import Instant, Key
from eventcron.model.records import Record


class Step(NamedTuple):
    """One step: who did what, and when. *about* is text that names the schedule concerned."""

    at_us: int
    who: str
    what: str
    about: str


class Written(NamedTuple):
    """A process stored this record. *began* is when that process began."""

    at: Instant
    began: Instant
    record: Record


class Publication(NamedTuple):
    """The bus took an event: at the true time *at*, when the clock of the publisher showed *own*."""

    at: Instant
    own: Instant
    event: Event


class IndexRead(NamedTuple):
    """A planner read this schedule from the index."""

    at: Instant
    key: Key
    wake: Instant


class Attempt(NamedTuple):
    """A planner began or ended work on a segment. ``is_over``: it is planned, or another planner has it."""

    who: str
    segment: int
    is_over: bool


class RangeDone(NamedTuple):
    """A planner deleted this range. ``segments``: the instant through which each of them was planned then."""

    #: When the planner began.
    began: Instant
    who: str
    asked: SegmentRange
    segments: dict[int, Instant]


class History:
    """The whole history of a simulation, in order."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.written: list[Written] = []
        self.publications: list[Publication] = []
        self.index_reads: list[IndexRead] = []
        self.attempts: list[Attempt] = []
        self.ranges_done: list[RangeDone] = []
        #: The tick that sent a range, and the range that the segment queue refused.
        self.ranges_refused: set[tuple[str, SegmentRange]] = set()
        #: The ticks that ended with time left for another segment.
        self.timely_ticks: set[str] = set()
        #: When a planner had no time left for a segment: the segment's number, and the true time.
        self.out_of_time: list[tuple[int, Instant]] = []
        #: When a planner with a clock far ahead began; None = none did.
        self.ahead_at: Instant | None = None
        #: Exceptions of handlers that are no ``EventcronError``.
        self.crashes: list[Step] = []

    def digest(self) -> str:
        """16 hexadecimal digits, the same for the same steps."""
        digest = blake2b(digest_size=8)
        for step in self.steps:
            digest.update(f"{step.at_us} {step.who} {step.what} {step.about}\n".encode())
        return digest.hexdigest()

    def about(self, key: Key) -> Iterator[Step]:
        """The steps that concern a schedule."""
        names = (str(key), f'"{key.tenant}","{key.name}"', f'"{key.tenant}","name":"{key.name}"')
        return (step for step in self.steps if any(name in step.about for name in names))
