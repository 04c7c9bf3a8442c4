"""Which triggers have nothing due in a window: nearly all of them, so the planner asks that before anything else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from eventcron.errors import InvalidSchedule
from eventcron.model.names import Instant, Window
from eventcron.model.records import IndexEntry
from eventcron.rules.planning import DENSE, NEVER_PLANNED, first_occurrence

#: Bytes of triggers and instants that are remembered at most: those of 200,000 triggers of 80 characters.
MAX_BYTES = 64_000_000
#: Bytes that an entry takes besides the trigger's characters: its text object, a tuple, two numbers, a place in a dict.
ENTRY_BYTES = 240
#: Triggers of which it is remembered whether they are quiet in one window: at most 15 MB, at 300 bytes each.
MAX_ANSWERS = 50_000


def is_left_out(entry: IndexEntry, is_quiet: Callable[[str], bool]) -> bool:
    """Whether planning *entry* comes to nothing: it is dense, and nothing of its trigger is due in the window.

    An end and a flexible window are the entry's own, so that its trigger does not say all.
    """
    return entry.wake == DENSE and entry.end is None and not entry.flexible_window_seconds and is_quiet(entry.trigger)


class _Answers(dict[str, bool]):
    """What a function says of triggers, asked once for each. What is known takes no function of Python's own.

    Beyond ``MAX_ANSWERS`` triggers nothing more is remembered.
    """

    def __init__(self, ask: Callable[[str], bool]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, trigger: str) -> bool:
        answer = self._ask(trigger)
        if len(self) < MAX_ANSWERS:
            self[trigger] = answer
        return answer


class NextOccurrences:
    """The next occurrence of each trigger, remembered from window to window.

    Most triggers are due once a day or less, so what one window found out holds for hundreds of them. What goes beyond
    ``MAX_BYTES`` is not remembered: that costs time, but no more with each window.
    """

    def __init__(self) -> None:
        #: From when on the trigger was searched, and the first occurrence found.
        self._known: dict[str, tuple[Instant, Instant]] = {}
        self._bytes = 0
        self._cleared: Instant = NEVER_PLANNED
        #: The window that was asked for last, and its answers: nearly all segments are planned for the same one.
        self._last: tuple[Window, _Answers] | None = None

    def quiet_in(self, window: Window) -> Callable[[str], bool]:
        """A function that tells whether a trigger has no occurrence in *window*, skipped ones included, but one later.

        A trigger that cannot be read counts as not quiet. In a segment's first window nothing is quiet.
        """
        if window.start == NEVER_PLANNED:
            return lambda _trigger: False
        if self._last is None or self._last[0] != window:
            self._last = window, _Answers(partial(self._is_quiet, window))
        return self._last[1].__getitem__

    def _is_quiet(self, window: Window, trigger: str) -> bool:
        found = self._known.get(trigger)
        if found is None or not found[0] <= window.start <= found[1]:
            found = self._search(trigger, window.start)
        return found[1] >= window.end

    def note(self, trigger: str, since: Instant, following: Instant | None) -> None:
        """Remember that the first occurrence of *trigger* from *since* on is *following*; None: there is none."""
        if following is not None and self._has_room(trigger, since):
            self._known[trigger] = since, following

    def _search(self, trigger: str, start: Instant) -> tuple[Instant, Instant]:
        try:
            following = first_occurrence(trigger, start)
        except (InvalidSchedule, ValueError):
            following = None
        self.note(trigger, start, following)
        return start, NEVER_PLANNED if following is None else following

    def _has_room(self, trigger: str, start: Instant) -> bool:
        if trigger in self._known:
            return True
        size = ENTRY_BYTES + len(trigger)
        if self._bytes + size > MAX_BYTES and self._cleared != start:
            # Once a window: what is past is of schedules that are gone.
            self._cleared = start
            for text in [text for text, found in self._known.items() if found[1] < start]:
                del self._known[text]
                self._bytes -= ENTRY_BYTES + len(text)
        if self._bytes + size > MAX_BYTES:
            return False
        self._bytes += size
        return True
