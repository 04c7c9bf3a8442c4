"""Which fires move when a schedule changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventcron.rules.diff import Moves, moves

INSTANTS = st.sets(st.integers(0, 50))


def test_a_fire_that_is_an_hour_later_moves() -> None:
    assert moves([6, 30, 54], [7, 31, 55]) == Moves([], [], [(6, 7), (30, 31), (54, 55)])


def test_a_fire_that_is_earlier_moves() -> None:
    assert moves([6, 30], [5, 29]) == Moves([], [], [(6, 5), (30, 29)])


def test_every_third_hour_instead_of_every_second_removes_and_moves() -> None:
    assert moves([0, 2, 4, 6], [0, 3, 6]) == Moves([], [4], [(2, 3)])


def test_what_stays_parts_what_goes_from_what_comes() -> None:
    assert moves([1, 5], [5, 9]) == Moves([9], [1], [])


def test_a_new_schedule_only_adds_and_a_deleted_one_only_removes() -> None:
    assert moves([], [1, 2]) == Moves([1, 2], [], [])
    assert moves([1, 2], []) == Moves([], [1, 2], [])


@given(INSTANTS, INSTANTS)
def test_every_fire_that_differs_is_named_once(before: set[int], after: set[int]) -> None:
    found = moves(before, after)
    gone = found.removed + [old for old, _ in found.moved]
    come = found.added + [new for _, new in found.moved]
    assert sorted(gone) == sorted(before - after)
    assert sorted(come) == sorted(after - before)
    assert found.added == sorted(found.added)
    assert found.removed == sorted(found.removed)


@given(INSTANTS, INSTANTS)
def test_nothing_fires_between_the_two_ends_of_a_move(before: set[int], after: set[int]) -> None:
    for old, new in moves(before, after).moved:
        low, high = sorted((old, new))
        assert not [at for at in before | after if low < at < high]


@given(INSTANTS, INSTANTS)
def test_undoing_a_change_moves_the_fires_back(before: set[int], after: set[int]) -> None:
    there, back = moves(before, after), moves(after, before)
    assert back == Moves(there.removed, there.added, [(new, old) for old, new in there.moved])
