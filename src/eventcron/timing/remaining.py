"""What exclusions leave of a trigger's local times. It is computed once and kept for the triggers used last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from eventcron.timing.cron import EVERY_SECOND, Cron
from eventcron.timing.daylight import Times
from eventcron.timing.days import Members
from eventcron.timing.exclusions import Exclusion
from eventcron.timing.sets import LocalTimes


class Remaining:
    """The local times of *crons* without *exclusions*: of all, of the fixed-time ones, of the wildcards.

    Each is None if there is no such expression.
    """

    def __init__(self, crons: Sequence[Cron], exclusions: Sequence[Exclusion]) -> None:
        self._crons = crons
        self._exclusions = exclusions
        self._members = Members([*crons, EVERY_SECOND], exclusions)
        self._every: dict[tuple[int, int], LocalTimes] = {}

    @cached_property
    def all(self) -> Times | None:
        return self._of(lambda _cron: True)

    @cached_property
    def sets(self) -> LocalTimes:
        """The same as ``all``, as sets that count."""
        return self.all if isinstance(self.all, LocalTimes) else LocalTimes(self._members, (1 << len(self._crons)) - 1)

    @cached_property
    def fixed(self) -> Times | None:
        return self._of(lambda cron: cron.fixed)

    @cached_property
    def wild(self) -> Times | None:
        return self._of(lambda cron: not cron.fixed)

    def every(self, step: int, first: int) -> LocalTimes:
        """Return the times that are not excluded, on days that have one at second ``first``, ``first + step``, …."""
        known = self._every.get((step, first))
        if known is None:
            known = LocalTimes(self._members, 1 << len(self._crons), only=(step, first))
            self._every[step, first] = known
        return known

    def _of(self, chosen: Callable[[Cron], bool]) -> Times | None:
        crons = [cron for cron in self._crons if chosen(cron)]
        if len(crons) == 1 and not self._exclusions:
            return crons[0]
        sign = sum(1 << bit for bit, cron in enumerate(self._crons) if chosen(cron) and not _adds_nothing(cron, crons))
        return LocalTimes(self._members, sign) if crons else None


def _adds_nothing(cron: Cron, crons: Sequence[Cron]) -> bool:
    """Whether another of *crons* has all times of *cron*. Of several that have the same, the first adds them."""
    before = True
    for other in crons:
        if other is cron:
            before = False
        elif cron.is_within(other) and (before or not other.is_within(cron)):
            return True
    return False
