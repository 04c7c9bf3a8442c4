"""Spread work evenly over time."""

from __future__ import annotations

from typing import NamedTuple

from eventcron.model.names import Instant


class Turn(NamedTuple):
    """When a number of pieces of work may begin, one after the other."""

    begin: Instant
    pieces: int


class Pace:
    """At most *a_second* pieces of work each second, of all who ask for a turn."""

    def __init__(self, a_second: float) -> None:
        self._each_ms = 1_000 / a_second
        #: When all turns that were given are over.
        self._free: float = 0

    def turn(self, count: int, *, now: Instant, until: Instant) -> Turn | None:
        """A turn for *count* pieces, or for as many of them as are over by *until*. None: there is no time left.

        Turns follow each other in the order of asking. Where none is under way, one piece may always begin, so that a
        pace too slow for any time is no standstill.

        >>> pace = Pace(100)
        >>> pace.turn(5, now=0, until=100), pace.turn(8, now=0, until=100), pace.turn(1, now=0, until=100)
        (Turn(begin=0, pieces=5), Turn(begin=50, pieces=5), None)
        """
        begin = max(self._free, now)
        granted = min(count, int((until - begin) / self._each_ms))
        if granted < 1 and now == begin <= until:
            granted = 1
        if granted < 1:
            return None
        self._free = begin + granted * self._each_ms
        return Turn(round(begin), granted)

    def begins(self, index: int, turn: Turn) -> Instant:
        """When the piece number *index* of *turn*, from 0, may begin."""
        return turn.begin + round(index * self._each_ms)

    def within(self, milliseconds: int) -> int:
        """How many pieces fit into so much time; one at least."""
        return max(1, int(milliseconds / self._each_ms))
