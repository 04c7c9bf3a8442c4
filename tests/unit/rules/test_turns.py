"""Turns: the same fires in the same order, another order each minute, and no fire that is always first."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from eventcron.model.messages import Fire
from eventcron.rules.packing import pack_fires
from eventcron.rules.turns import MINUTE_MS, SPREAD_MS, Turns, ask_early_ms, in_turn

NAMES = [f"n{number}" for number in range(5)]
MINUTES = 500


def fires(minute: int, *, ms: int = 0) -> list[Fire]:
    at = minute * MINUTE_MS + ms
    return [Fire("acme", name, 1, at, at) for name in NAMES]


def test_the_order_does_not_depend_on_who_asks() -> None:
    given = fires(7)
    shuffled = random.Random(1).sample(given, len(given))

    assert in_turn(shuffled) == in_turn(given)
    assert in_turn(in_turn(given)) == in_turn(given)


def test_each_is_first_as_often_as_another() -> None:
    first = Counter(in_turn(fires(minute))[0].name for minute in range(MINUTES))

    assert set(first) == set(NAMES)
    # 100 on average; the standard deviation is 9.
    assert all(abs(count - MINUTES / len(NAMES)) < 45 for count in first.values())


def test_an_earlier_second_comes_first() -> None:
    later, earlier = fires(7, ms=1_000), fires(7, ms=999)

    assert {fire.at for fire in in_turn([*later, *earlier])[: len(NAMES)]} == {7 * MINUTE_MS + 999}


def test_which_fires_share_a_pack_changes_too() -> None:
    """Or all of a pack that is refused would be refused together each time."""
    shared = [
        {frozenset(fire.name for fire in pack.fires) for pack in pack_fires(fires(minute), size=3)}
        for minute in range(20)
    ]

    assert len({frozenset(one) for one in shared}) > 5


def test_another_pack_asks_first_each_minute() -> None:
    first = Counter(
        max((pack.id for pack in packs), key=ask_early_ms) == packs[0].id
        for packs in (pack_fires(fires(minute), size=3) for minute in range(MINUTES))
    )

    assert min(first[True], first[False]) > MINUTES / 3
    assert all(0 <= ask_early_ms(f"{number}") < SPREAD_MS for number in range(MINUTES))


@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(1, 7))
def test_turns_lose_nothing_keep_each_owners_order_and_let_nobody_go_more_than_twice_while_another_waits(
    owners: list[str], count: int
) -> None:
    turns: Turns[tuple[str, int]] = Turns()
    for number, owner in enumerate(owners):
        turns.put(owner, (owner, number))

    taken: list[tuple[str, int]] = []
    while turns:
        taken += turns.take(count)

    assert sorted(taken) == sorted((owner, number) for number, owner in enumerate(owners))
    for owner in "abc":
        numbers = [number for of, number in taken if of == owner]
        assert numbers == sorted(numbers)
        # Of another there is one in between in each of the two rounds.
        places = [place for place, (of, _) in enumerate(taken) if of == owner]
        for before, after in pairwise(places):
            assert max(Counter(of for of, _ in taken[before + 1 : after]).values(), default=0) <= 2
