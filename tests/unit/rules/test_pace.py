"""A pace: turns follow each other, none is longer than the time for it, and a slow pace is no standstill."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventcron.rules.pace import Pace, Turn


def test_turns_follow_each_other_at_the_pace() -> None:
    pace = Pace(100)

    assert pace.turn(50, now=1_000, until=60_000) == Turn(1_000, 50)
    assert pace.turn(50, now=1_000, until=60_000) == Turn(1_500, 50)


def test_the_pieces_of_a_turn_begin_evenly() -> None:
    pace = Pace(400)
    turn = pace.turn(5, now=0, until=1_000)

    assert turn is not None
    assert [pace.begins(index, turn) for index in range(5)] == [0, 2, 5, 8, 10]


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
