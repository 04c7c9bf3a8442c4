"""Spread work evenly over time."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from eventcron.model.names import Instant


class Turn(NamedTuple):
    """When a number of pieces of work may begin, one after the other."""

    #: An instant, with the part of a millisecond that is left of the turn before.
    begin: float
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
        (Turn(begin=0, pieces=5), Turn(begin=50.0, pieces=5), None)
        """
        begin = max(self._free, now)
        granted = min(count, int((until - begin) / self._each_ms))
        if granted < 1 and now == begin <= until:
            granted = 1
        if granted < 1:
            return None
        self._free = begin + granted * self._each_ms
        return Turn(begin, granted)

    def begins(self, index: int, turn: Turn) -> Instant:
        """When the piece number *index* of *turn*, from 0, may begin."""
        return round(turn.begin + index * self._each_ms)

    def within(self, milliseconds: int) -> int:
        """How many pieces fit into so much time; one at least."""
        return max(1, int(milliseconds / self._each_ms))


#: Calls a second. No pace is slower: the smallest quota of a Region is 400, and a hundred executors share it.
SLOWEST = 4.0
#: Milliseconds within which refusals count once: calls that were under way together are refused together.
TOGETHER_MS = 500
#: Milliseconds in which a pace doubles while nothing is refused: 15 % a second.
DOUBLED_MS = 5_000
#: Milliseconds. Where nothing was refused for so long and no quota is given, there is no pace any more.
FORGOTTEN_MS = 60_000


class CallPace:
    """How often a service may be called: *quota* calls a second; 0 = as often as it takes.

    Others call it too, so it may refuse a call nevertheless. Then the pace is half of what it was, and rises slowly. So
    callers that know nothing of each other share what there is.
    """

    def __init__(self, quota: float = 0) -> None:
        self._quota = quota
        #: The pace after the last refusal, and when that was.
        self._halved: float = 0
        self._refused_at: Instant | None = None
        #: When the next call may begin.
        self._free: float = 0
        #: The second that is counted, and the calls in it and in the one before.
        self._second = self._calls = self._calls_before = 0

    def a_second(self, now: Instant) -> float:
        """Calls a second; 0 = as many as there are.

        >>> pace = CallPace(100)
        >>> pace.refused(0)
        >>> pace.refused(1)
        >>> [round(pace.a_second(at)) for at in (0, 2_500, 5_000, 60_000)]
        [50, 71, 100, 100]
        """
        if self._refused_at is None:
            return self._quota
        quiet_ms = now - self._refused_at
        pace = self._halved * 2 ** (min(quiet_ms, FORGOTTEN_MS) / DOUBLED_MS)
        if (pace < self._quota) if self._quota else (quiet_ms < FORGOTTEN_MS):
            return pace
        self._refused_at = None
        return self._quota

    def begin(self, now: Instant) -> Instant:
        """When the next call may begin. It counts as made then.

        >>> pace = CallPace(2)
        >>> pace.begin(0), pace.begin(0), pace.begin(700)
        (0, 500, 1000)
        """
        self._count(now)
        pace = self.a_second(now)
        if not pace:
            return now
        begin = max(self._free, now)
        self._free = begin + 1_000 / pace
        return ceil(begin)

    def refused(self, now: Instant) -> None:
        """Note that a call was refused as one too many."""
        if self._refused_at is not None and now - self._refused_at < TOGETHER_MS:
            return
        made = self.a_second(now) or max(self._calls, self._calls_before)
        self._halved, self._refused_at = max(SLOWEST, made / 2), now
        self._free = max(self._free, now + 1_000 / self._halved)

    def _count(self, now: Instant) -> None:
        second = now // 1_000
        if second != self._second:
            self._calls_before = self._calls if second == self._second + 1 else 0
            self._second, self._calls = second, 0
        self._calls += 1
