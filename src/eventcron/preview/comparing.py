"""Counts the fires of a simulation part by part, and compares each part with an independent computation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

from msgspec.structs import replace

from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key, Window
from eventcron.oracle.occurrences import NotComputed, due_instants
from eventcron.rules.heat_map import cell_ms
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.instant import rfc3339

#: The most differences listed.
MAX_DIFFERENCES = 20
#: Differences that are held before all but the first ``MAX_DIFFERENCES`` are forgotten.
_HELD = 1_000

#: A schedule, by tenant and name, and a due instant.
Due: TypeAlias = tuple[tuple[str, str], Instant]
#: A difference: ``tenant/name``, the due instant, how often it fired, how often the computation has it.
_Difference: TypeAlias = tuple[str, Instant, int, int]


class Comparison:
    """What fires in *span*, of *schedules* that were put at *put_at*.

    ``add`` takes the fires part by part, so that no more than one schedule's part is in memory.
    """

    def __init__(self, schedules: Mapping[Key, Schedule], span: Window, *, put_at: Instant) -> None:
        self._expectations = {
            key: _Expectation(key, schedule, span, put_at=put_at) for key, schedule in sorted(schedules.items())
        }
        self._span = span
        self._differences: list[_Difference] = []
        self._differing = 0
        self.due = 0
        self.published = 0
        self.per_schedule: Counter[Key] = Counter()
        #: Fires by tenant and by the number of their part of the span.
        self.cells: Counter[tuple[str, int]] = Counter()
        #: By minutes since 1970.
        self.per_minute: Counter[int] = Counter()

    def add(self, fires: Iterable[Due], *, until: Instant | None) -> None:
        """Take *fires*, all that were published since the last call and before *until*; None: all that are left.

        The fires of one schedule come one after the other.
        """
        left = dict.fromkeys(self._expectations)
        for names, group in groupby(fires, key=itemgetter(0)):
            key = Key(*names)
            left.pop(key, None)
            self._compare(key, [due for _, due in group if self._span.start <= due < self._span.end], until)
        for key in left:
            self._compare(key, [], until)

    @property
    def unverified(self) -> list[Key]:
        """Schedules that the independent computation cannot read. Their fires count as due."""
        return [key for key, expectation in self._expectations.items() if expectation.unreadable]

    @property
    def differences(self) -> list[str]:
        """Fires that were not due, not published, or published more than once: at most ``MAX_DIFFERENCES`` of them."""
        listed = [
            f"{name} at {rfc3339(due, millis=False)} fired {actual} times, computed {wanted}"
            for name, due, actual, wanted in sorted(self._differences)[:MAX_DIFFERENCES]
        ]
        more = self._differing - len(listed)
        return listed if more <= 0 else [*listed, f"and {more} more"]

    def _compare(self, key: Key, dues: list[Instant], until: Instant | None) -> None:
        expectation = self._expectations.get(key)
        wanted = [] if expectation is None else expectation.through(until, dues)
        self.due += len(wanted)
        self.published += len(dues)
        if dues:
            self.per_schedule[key] += len(dues)
            self.per_minute.update([due // 60_000 for due in dues])
            start, each = self._span.start, cell_ms(self._span)
            self.cells.update([(key.tenant, (due - start) // each) for due in dues])
        dues.sort()
        if dues != wanted:
            self._note(str(key), dues, wanted)

    def _note(self, name: str, dues: Sequence[Instant], wanted: Sequence[Instant]) -> None:
        fired, computed = Counter(dues), Counter(wanted)
        new = [(name, due, fired[due], computed[due]) for due in fired | computed if fired[due] != computed[due]]
        self._differing += len(new)
        self._differences += new
        if len(self._differences) > _HELD:
            self._differences = sorted(self._differences)[:MAX_DIFFERENCES]


class _Expectation:
    """What the independent computation says of one schedule, part by part."""

    def __init__(self, key: Key, schedule: Schedule, span: Window, *, put_at: Instant) -> None:
        self._schedule = replace(schedule, max_fires=None)
        self._offset = flexible_offset_ms(key, schedule.flexible_window_seconds)
        self._span = span
        self._put_at = put_at
        #: What is before the span counts for ``max_fires``.
        self._since = span.start if schedule.max_fires is None else put_at + 1
        self._fires_left = schedule.max_fires
        self._silent = schedule.state == "PAUSED"
        self.unreadable = False

    def through(self, until: Instant | None, fired: Sequence[Instant]) -> list[Instant]:
        """The due instants that were published since the last call and before *until*; *fired* if it cannot tell."""
        end = self._span.end if until is None else min(self._span.end, until - self._offset)
        if self._silent:
            return []
        if self.unreadable:
            return sorted(set(fired))
        since, self._since = self._since, max(self._since, end)
        try:
            dues = due_instants(self._schedule, since, end, self._put_at) if since < end else []
        except NotComputed:
            self.unreadable = True
            return sorted(set(fired))
        if self._fires_left is not None:
            dues = dues[: self._fires_left]
            self._fires_left -= len(dues)
        return [due for due in dues if due >= self._span.start]
