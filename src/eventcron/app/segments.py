"""How far each segment is planned, for operators."""

from __future__ import annotations

from typing import Any

from eventcron.app.use_cases import UseCases
from eventcron.model.names import Instant
from eventcron.ports import SegmentState
from eventcron.rules.lag import lag_ms
from eventcron.settings import Settings
from eventcron.timing.instant import rfc3339


async def segment_rows(cases: UseCases) -> list[dict[str, Any]]:
    """A row for each segment of the deployment, in order. Its instants are RFC 3339 text; None = never.

    Raises:
        Unavailable: the store refused.
    """
    now = cases.clock.now()
    states = await cases.leases.segments(cases.settings.segments)
    return [_row(state, cases.settings, now) for state in states]


def _row(state: SegmentState, settings: Settings, now: Instant) -> dict[str, Any]:
    never = not state.planned_through
    return {
        "segment": state.segment,
        "planned_through": None if never else rfc3339(state.planned_through),
        "leased_through": rfc3339(state.claimed_through) if state.claimed_through > state.planned_through else None,
        "held_until": rfc3339(state.lease_until) if state.lease_until > now else None,
        "fence": state.fence,
        "lag_ms": None
        if never
        else lag_ms(
            state.planned_through,
            now=now,
            horizon_seconds=settings.horizon_seconds,
            tick_seconds=settings.tick_seconds,
        ),
    }
