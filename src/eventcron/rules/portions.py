"""Plan many schedules for one window in portions, so that few fires are held at once, however long the window is.

A window is cut into slices. A portion holds the fires of one slice or more, so a pack still gets the fires of many
schedules. The slices of a page become shorter where its schedules fire often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from eventcron.errors import InvalidSchedule
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
        skips = [self.skips[which] for which in sorted(self.skips)] if self.skips else []
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
        members = self._members(part)
        while self._slice_s > 1 and self._is_too_much(members, part):
            self._slice_s //= 2
            first = min(members)[0]
            part = self._slice_at(first)
            self._put_back(member for member in members if member[0] >= part.end)
            members = [member for member in members if member[0] < part.end]
        memo, fires = self._memos.of(part), list[Fire]()
        done = 0
        for since, index in members:
            contributed = self._contribute(self._work[index].entry, memo, since)
            if done and len(fires) + len(contributed.fires) > self._limit:
                break
            done += 1
            fires += contributed.fires
            self._work[index].add(contributed)
            following = contributed.following
            # Before the slice's end: the wake of an entry that cannot be read, which is left as it is.
            if following is not None and part.end <= following < self._window.end:
                heappush(self._left, (following, index))
        self._put_back(members[done:])
        return fires

    def _members(self, part: Window) -> list[tuple[Instant, int]]:
        """Take the entries that are to be planned in *part*, in their order."""
        if part.end == self._window.end:
            members, self._left = self._left, []
        else:
            members = []
            while self._left and self._left[0][0] < part.end:
                members.append(heappop(self._left))
        members.sort(key=itemgetter(1))
        return members

    def _put_back(self, members: Iterable[tuple[Instant, int]]) -> None:
        for member in members:
            heappush(self._left, member)

    def _is_too_much(self, members: Sequence[tuple[Instant, int]], part: Window) -> bool:
        """Whether *part* has more fires than may be held, going by the triggers alone."""
        memo, count = self._memos.of(part), 0
        for _, index in members:
            try:
                count += len(memo.look_up(self._work[index].entry.trigger).occurrences)
            except (InvalidSchedule, ValueError):
                continue  # reported when it is planned
            if count > self._limit:
                return len(members) > 1
        return False

    def _slice_at(self, instant: Instant) -> Window:
        length = self._slice_s * 1000
        start = self._window.start + (instant - self._window.start) // length * length
        return Window(start, min(start + length, self._window.end))
