"""A pace: turns follow each other, none is longer than the time for it, and a slow pace is no standstill."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.rules.pace import SLOWEST, TOGETHER_MS, CallPace, Pace, Turn


def test_turns_follow_each_other_at_the_pace() -> None:
    pace = Pace(100)

    assert pace.turn(50, now=1_000, until=60_000) == Turn(1_000, 50)
    assert pace.turn(50, now=1_000, until=60_000) == Turn(1_500, 50)


def test_the_pieces_of_a_turn_begin_evenly() -> None:
    pace = Pace(400)
    turn = pace.turn(5, now=0, until=1_000)

    assert turn is not None
    assert [pace.begins(index, turn) for index in range(5)] == [0, 2, 5, 8, 10]


def test_pieces_of_one_turn_begin_before_those_of_the_next_to_the_millisecond() -> None:
    """An error of a rounding in each turn would let the next one begin before the last piece of the one before."""
    pace = Pace(1_000 / 0.35)
    turns = [pace.turn(count, now=0, until=10_000) for count in (10, 3)]
    begun = [pace.begins(index, turn) for turn in turns if turn for index in range(turn.pieces)]

    assert begun == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4]


def test_a_pause_saves_nothing_up() -> None:
    pace = Pace(100)
    pace.turn(1, now=0, until=60_000)

    assert pace.turn(500, now=10_000, until=60_000) == Turn(10_000, 500)
    assert pace.turn(1, now=10_000, until=60_000) == Turn(15_000, 1)


def test_a_turn_has_as_many_pieces_as_there_is_time_for() -> None:
    pace = Pace(100)

    assert pace.turn(50, now=0, until=200) == Turn(0, 20)
    assert pace.turn(1, now=0, until=200) is None
    assert pace.turn(1, now=0, until=210) == Turn(200, 1)


def test_one_piece_may_begin_where_the_pace_is_too_slow_for_any() -> None:
    """Or a segment with a wave would be given up each time, and what is dense in it would never be planned."""
    pace = Pace(0.01)

    assert pace.turn(7, now=0, until=500) == Turn(0, 1)
    assert pace.turn(7, now=0, until=500) is None
    assert pace.turn(7, now=100_000, until=99_999) is None


@pytest.mark.slow
@pytest.mark.no_cover
@given(
    st.floats(0.01, 1_000_000), st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 500)), min_size=1, max_size=20)
)
def test_no_second_has_more_than_the_pace(a_second: float, asked: list[tuple[int, int]]) -> None:
    pace, now, begun = Pace(a_second), 0, []
    for pause, count in asked:
        now += pause
        turn = pace.turn(count, now=now, until=now + 10_000)
        if turn is not None:
            begun += [pace.begins(index, turn) for index in range(turn.pieces)]

    assert begun == sorted(begun)
    for index, instant in enumerate(begun):
        in_second = sum(instant <= other < instant + 1_000 for other in begun[index : index + 200])
        assert in_second <= a_second + 2  # instants are whole milliseconds


@pytest.mark.parametrize(
    ("quota", "later_ms", "pace"),
    [
        pytest.param(100, 0, 50, id="half-of-the-quota"),
        pytest.param(100, 5_000, 100, id="the-quota-again-once-it-has-doubled"),
        pytest.param(0, 0, 10, id="half-of-what-was-called-in-a-second"),
        pytest.param(0, 5_000, 20, id="as-often-as-before"),
        pytest.param(0, 60_000, 0, id="no-pace-a-minute-later"),
    ],
)
def test_a_pace_is_half_after_a_refusal_and_rises(quota: int, later_ms: int, pace: float) -> None:
    calls = CallPace(quota)
    for _ in range(20):
        calls.begin(1_000)

    calls.refused(1_500)

    assert calls.a_second(1_500 + later_ms) == pytest.approx(pace)


def test_calls_that_are_refused_together_count_once_and_no_pace_is_slower_than_the_slowest() -> None:
    calls = CallPace(100)
    for _ in range(16):
        calls.refused(0)
    assert calls.a_second(0) == 50

    for at in range(0, 60_000, TOGETHER_MS):
        calls.refused(at)
    assert calls.a_second(59_500) == SLOWEST


@given(st.integers(1, 1_000), st.lists(st.integers(0, 500), min_size=1, max_size=50))
def test_no_second_has_more_calls_than_the_quota_and_one(quota: int, pauses: list[int]) -> None:
    calls, now, begun = CallPace(quota), 0, []
    for pause in pauses:
        now += pause
        begun.append(calls.begin(now))

    assert begun == sorted(begun)
    for first in begun:
        assert sum(first <= at < first + 1_000 for at in begun) <= quota + 1
