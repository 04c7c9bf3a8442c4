"""Compute how late a segment is planned."""

from __future__ import annotations

from eventcron.model.names import Instant


def lag_ms(planned_through: Instant, *, now: Instant, horizon_seconds: int, tick_seconds: int) -> int:
    """Return by how many milliseconds the planner is late for a segment; 0 if it is on time.

    Each tick plans one horizon ahead. So the segment was planned a horizon before *planned_through*, and its next turn
    was one tick later.

    >>> lag_ms(720_000, now=307_000, horizon_seconds=720, tick_seconds=300)
    7000
    """
    planned_at = planned_through - horizon_seconds * 1000
    return max(0, now - planned_at - tick_seconds * 1000)
