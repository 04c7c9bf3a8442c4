"""Spread what a planner that was behind catches up on, so that hours of it do not fire within a second.

With each tick a planner that is behind plans at most its longest window, an hour. The fires of that hour appear over
one tick, in order: at twelve times the rate of their schedules, with ticks of five minutes. A target gets no more
than that, however long the planner was down. Only schedules with ``fire_all`` have several fires that are late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from eventcron.model.commands import MisfirePolicy
from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Key, Window
from eventcron.model.records import IndexEntry
from eventcron.rules.misfire import LATE_MS


class Spread(NamedTuple):
    """How late fires of *window* are spread: one *tick_ms* for *longest_ms* of it, from *now* on."""

    window: Window
    now: Instant
    tick_ms: int
    longest_ms: int

    def appears_at(self, at: Instant) -> Instant:
        """When a late fire to be published at *at* is published instead.

        >>> spread = Spread(Window(0, 3_600_000), now=9_000_000, tick_ms=300_000, longest_ms=3_600_000)
        >>> spread.appears_at(0), spread.appears_at(1_800_000)
        (9000000, 9150000)
        """
        return self.now + max(0, at - self.window.start) * self.tick_ms // self.longest_ms

    def is_late(self, at: Instant) -> bool:
        """Whether what is to be published at *at* is late enough to be spread: by misfire's measure."""
        return at < self.now - LATE_MS

    def split(self, fires: Sequence[Fire], patience_ms: Mapping[Key, int]) -> tuple[Sequence[Fire], Sequence[Fire]]:
        """Split *fires* into those that are sent at once and those that are spread over the tick.

        *patience_ms* has the misfire graces by schedule, see ``graces``. A fire that would outlive its
        grace is not spread.
        """
        if not patience_ms or not self.is_late(self.window.start):
            return fires, ()
        spread = [fire for fire in fires if self.is_late(fire.at) and self._lasts(fire, patience_ms)]
        if not spread:
            return fires, ()
        others = set(spread)
        return [fire for fire in fires if fire not in others], spread

    def _lasts(self, fire: Fire, patience_ms: Mapping[Key, int]) -> bool:
        """Whether *fire* is still within its grace when it appears, a minute for its publication included."""
        patience = patience_ms.get(fire.key)
        return patience is not None and self.appears_at(fire.at) + LATE_MS <= fire.at + patience


def graces(entries: Iterable[IndexEntry]) -> dict[Key, int]:
    """The misfire graces, in milliseconds, of the schedules among *entries* that fire all that they missed."""
    return {
        entry.key: entry.misfire.grace_seconds * 1000
        for entry in entries
        if entry.misfire.policy is MisfirePolicy.FIRE_ALL
    }
