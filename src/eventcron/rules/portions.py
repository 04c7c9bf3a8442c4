"""Plan many schedules for one window in portions, so that few fires are held at once, however long the window is.

A window is cut into slices. A portion holds the fires of one slice or more, so a pack still gets the fires of many
schedules. The slices of a page become shorter where its schedules fire often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple, TypeAlias

from eventcron.model.codes import SkipReason
from eventcron.model.events import SkipNotice
from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Window
from eventcron.model.records import IndexEntry
from eventcron.rules.planning import Contribution, Memos, WindowMemo, joined, opening

#: Seconds of a slice at most. No planned window is longer unless the planner is behind (horizon: 840 s at most). A
#: schedule has no more than two occurrences a second, so a slice has at most 1,800 of one schedule.
SLICE_S = 900

#: The contribution of an entry to a slice, from an instant of publication on.
Contribute: TypeAlias = Callable[[IndexEntry, WindowMemo, Instant], Contribution]


class Planned(NamedTuple):
    """What planning a window came to for one entry.

    ``fired`` is when its last fire in the window is published, ``following`` when its first one after it is; None:
    there is none. ``ends``: that last fire is marked as the schedule's last, so that the executor completes it. Where
    only skipped occurrences follow in later slices, none is marked.
    """

    entry: IndexEntry
    fired: Instant | None
    ends: bool
    skips: Sequence[SkipNotice]
    following: Instant | None


class _Work:
    """One entry while its window is planned."""

    def __init__(self, entry: IndexEntry) -> None:
        self.entry = entry
        self.fired: Instant | None = None
        self.ends = False
        self.skips: dict[tuple[SkipReason, str], SkipNotice] = {}
        self.following: Instant | None = None

    def add(self, part: Contribution) -> None:
        if part.fires:
            self.fired, self.ends = part.fires[-1].at, part.fires[-1].last
        for notice in part.skips:
            which = (notice.reason, notice.by or "")
            self.skips[which] = joined(self.skips.get(which), notice)
        self.following = part.following

    @property
    def planned(self) -> Planned:
        """The result, with notices in the order of ``planning.notices``."""
        skips = [self.skips[which] for which in sorted(self.skips)]
        return Planned(self.entry, self.fired, self.ends, skips, self.following)


class PagePlan:
    """The plan of *entries* for *window*. ``portions`` makes it; after the last portion ``planned`` has the result.

    A portion has at most *limit* fires, or those of one schedule in one slice if they are more.
    """

    def __init__(
        self, entries: Sequence[IndexEntry], window: Window, memos: Memos, *, limit: int, contribute: Contribute
    ) -> None:
        self._work = [_Work(entry) for entry in entries]
        self._window = window
        self._memos = memos
        self._limit = limit
        self._contribute = contribute
        self._slice_s = SLICE_S
        #: Entries by the instant from which they are still to be planned.
        self._left = [(min(opening(entry, window), window.end - 1), index) for index, entry in enumerate(entries)]
        heapify(self._left)

    @property
    def planned(self) -> list[Planned]:
        """The result for each entry, in the order of the entries."""
        return [work.planned for work in self._work]

    def portions(self) -> Iterator[list[Fire]]:
        """The fires, in order of the slices."""
        held: list[Fire] = []
        while self._left:
            fires = self._next_slice()
            if held and len(held) + len(fires) > self._limit:
                yield held
                held = []
            held += fires
        if held:
            yield held

    def _next_slice(self) -> list[Fire]:
        """The fires of the earliest slice that is left. Where they are too many, the slice becomes shorter."""
        part = self._slice_at(self._left[0][0])
        members: list[tuple[Instant, int]] = []
        while self._left and self._left[0][0] < part.end:
            members.append(heappop(self._left))
        members.sort(key=lambda member: member[1])
        memo, count = self._memos.of(part), 0
        done: list[tuple[int, Contribution]] = []
        for since, index in members:
            contributed = self._contribute(self._work[index].entry, memo, since)
            count += len(contributed.fires)
            if done and count > self._limit:
                break
            done.append((index, contributed))
        if len(done) < len(members) and self._slice_s > 1:
            self._slice_s //= 2
            done = []
        for member in members[len(done) :]:
            heappush(self._left, member)
        for index, contributed in done:
            self._work[index].add(contributed)
            following = contributed.following
            # Before the slice's end: the wake of an entry that cannot be read, which is left as it is.
            if following is not None and part.end <= following < self._window.end:
                heappush(self._left, (following, index))
        return [fire for _, contributed in done for fire in contributed.fires]

    def _slice_at(self, instant: Instant) -> Window:
        length = self._slice_s * 1000
        start = self._window.start + (instant - self._window.start) // length * length
        return Window(start, min(start + length, self._window.end))
