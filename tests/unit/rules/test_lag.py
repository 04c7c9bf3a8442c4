"""How late a segment is planned: by what its next turn is overdue, and never less than nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.rules.lag import lag_ms

HORIZON_S, TICK_S = 720, 300
#: When a segment that is planned through this instant was planned: at zero.
PLANNED_THROUGH = HORIZON_S * 1_000


@pytest.mark.parametrize(
    ("now", "lag"),
    [
        pytest.param(0, 0, id="just-planned"),
        pytest.param(300_000, 0, id="its-turn-is-now"),
        pytest.param(300_001, 1, id="its-turn-was-a-millisecond-ago"),
        pytest.param(1_200_000, 900_000, id="three-turns-missed"),
    ],
)
def test_a_segment_is_late_from_its_next_turn_on(now: int, lag: int) -> None:
    assert lag_ms(PLANNED_THROUGH, now=now, horizon_seconds=HORIZON_S, tick_seconds=TICK_S) == lag


@given(st.integers(0, 10**13), st.integers(0, 10**13), st.integers(1, 3_600), st.integers(1, 3_600))
def test_planning_at_every_tick_is_never_late(at: int, later: int, horizon: int, tick: int) -> None:
    planned_through = at + horizon * 1_000
    now = at + later % (tick * 1_000 + 1)

    assert lag_ms(planned_through, now=now, horizon_seconds=horizon, tick_seconds=tick) == 0
