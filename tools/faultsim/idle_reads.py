"""Checks of what planners read: no schedule that has nothing due."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from eventcron.model.names import Instant, Key
from tools.faultsim.network import INDEX_LAG_MS
from tools.faultsim.observations import Observations
from tools.faultsim.promises import Violation
from tools.faultsim.spell import Condition


def _reads_for_nothing(observed: Observations) -> Iterator[Violation]:
    """The planner reads no schedule without a due occurrence, and none that has left the index.

    A release that cannot tell when a schedule fires has to look at it.
    """
    settings = observed.simulation.scenario.settings
    reach_ms = 2 * (settings.horizon_seconds + settings.guard_seconds) * 1000
    reach_ms += observed.simulation.faults.spell.ahead_ms
    end = max([observed.end, *(read.at for read in observed.history.index_reads)]) + reach_ms
    asleep: dict[Key, bool] = {}
    for read in observed.history.index_reads:
        if read.key not in asleep:
            asleep[read.key] = all(
                not observed.is_unread(v) and (not v.fires or not v.occurrences(v.first, end))
                for v in observed.revisions[read.key]
            )
        if asleep[read.key]:
            yield Violation(7, read.key, f"it was read at {read.at} though nothing of it is due")
            return
    yield from _reads_after_leaving(observed)


def _reads_after_leaving(observed: Observations) -> Iterator[Violation]:
    """The planner reads no schedule that left the index longer ago than the index lags."""
    spell = observed.simulation.faults.spell
    lag_ms = INDEX_LAG_MS * 3 + (spell.length_ms if spell.condition is Condition.STUCK_INDEX else 0)
    left: dict[Key, list[tuple[Instant, bool]]] = defaultdict(list)
    for at, _, record in observed.history.written:
        left[record.key].append((at, record.segment is None))
    for read in observed.history.index_reads:
        since = [out for at, out in left[read.key] if at <= read.at]
        recent = [at for at, _ in left[read.key] if read.at - lag_ms <= at]
        if since and since[-1] and not recent:
            yield Violation(7, read.key, f"it was read at {read.at} though it had left the index")
            return


READ_CHECKS = (_reads_for_nothing,)
