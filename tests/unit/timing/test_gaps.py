"""How close the fires of a trigger come to each other."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.model.names import Window
from eventcron.timing.gaps import FIRES_LOOKED_AT, shortest_gap
from eventcron.timing.trigger import occurrences, parse

NOON = 1_796_126_400_000  # 2026-12-01T12:00:00Z, a Tuesday
SECOND = 1_000
MINUTE = 60 * SECOND
DAY = 1_440 * MINUTE


@pytest.mark.parametrize(
    ("expression", "gap"),
    [
        pytest.param("rate(90 seconds)", 90 * SECOND, id="rate-is-its-period"),
        pytest.param("*/5 * * * *", 5 * MINUTE, id="steps"),
        pytest.param("*/7 * * * *", 4 * MINUTE, id="a-step-that-does-not-divide-the-hour-is-shorter-at-its-end"),
        pytest.param("0,59 * * * *", MINUTE, id="across-the-hour"),
        pytest.param("59 23 * * *", DAY, id="once-a-day"),
        pytest.param("0 0 1 1 *", None, id="one-fire-in-a-year-has-no-gap"),
        pytest.param("0-30/15 0 9 1 1 *", 15 * SECOND, id="close-ones-that-come-months-later"),
        pytest.param("at(2026-12-24T12:00:00)", None, id="once"),
        pytest.param("manual", None, id="never-by-itself"),
        pytest.param(["0 * * * *", "1 * * * *"], MINUTE, id="two-expressions-together"),
        pytest.param(["0 * * * *", "*/2 * * 25 12 *"], 2 * SECOND, id="the-rare-one-of-two-is-looked-at-by-itself"),
        pytest.param(["at(2026-12-24T12:00:00)", "at(2026-12-24T12:00:00.250)"], 250, id="within-a-second"),
    ],
)
def test_the_shortest_gap(expression: str | list[str], gap: int | None) -> None:
    assert shortest_gap(parse(expression, anchor=NOON), NOON) == gap


def test_an_exclusion_hides_no_fires() -> None:
    """The first days have only the hourly fire left; the fires of every second come later."""
    exclude = ["2026-12-01/2027-11-30"]

    assert shortest_gap(parse("* * * * * *", exclude=exclude, anchor=NOON), NOON) == SECOND


def test_clocks_set_back_bring_fires_no_closer() -> None:
    autumn = 1_792_881_000_000  # 2026-10-24T22:30:00Z; Oslo sets its clocks back on the 25th at 01:00Z
    trigger = parse("0 2,3 * * *", timezone="Europe/Oslo", anchor=autumn)

    assert shortest_gap(trigger, autumn) == 60 * MINUTE


@given(
    seconds=st.sets(st.integers(0, 59), min_size=1, max_size=4),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=4),
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=4),
)
def test_of_one_cron_expression_it_is_the_shortest_of_two_days(
    seconds: set[int], minutes: set[int], hours: set[int]
) -> None:
    fields = (",".join(map(str, sorted(values))) for values in (seconds, minutes, hours))
    trigger = parse(f"{' '.join(fields)} * * *", anchor=NOON)
    dues = list(occurrences(trigger, Window(NOON, NOON + 2 * DAY)))

    assert len(dues) <= FIRES_LOOKED_AT
    assert shortest_gap(trigger, NOON) == min(b - a for a, b in pairwise(dues))
