"""Packs: one second each, bounded, fair between tenants, and the same whoever makes them."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from eventcron.model.messages import Fire
from eventcron.rules.packing import make_pack, pack_fires


def fire(tenant: str = "acme", name: str = "a", at: int = 5_000) -> Fire:
    return Fire(tenant, name, 1, at, at)


fires = st.lists(
    st.builds(
        fire,
        tenant=st.sampled_from(["acme", "beta", "gamma"]),
        name=st.text("abcdef", min_size=1, max_size=3),
        at=st.integers(0, 5_000),
    ),
    unique=True,
    max_size=60,
)


def test_fires_of_one_second_travel_together() -> None:
    packs = pack_fires([fire(at=1_999), fire(name="b", at=1_001), fire(at=2_000)], size=10)

    assert [(pack.at, [f.at for f in pack.fires]) for pack in packs] == [(1_001, [1_001, 1_999]), (2_000, [2_000])]


def test_a_busy_tenant_gets_packs_of_its_own() -> None:
    busy = [fire("busy", f"n{number}") for number in range(6)]
    quiet = [fire("quiet-1"), fire("quiet-2")]

    packs = pack_fires([*busy, *quiet], size=8)

    assert [{f.tenant for f in pack.fires} for pack in packs] == [{"busy"}, {"quiet-1", "quiet-2"}]


def test_each_round_of_each_life_has_an_id_of_its_own() -> None:
    """Or the ledger, which knows a round as published, would have another skipped."""
    first = make_pack([fire()])
    ids = {first.id}
    for life in range(3):
        pack = replace(first, id=f"{first.id}-{life}" if life else first.id)
        for attempt in range(2, 31):
            pack = make_pack([fire()], after=pack)
            assert pack.attempt == attempt
            ids.add(pack.id)

    assert len(ids) == 1 + 3 * 29


def test_a_round_that_is_repeated_has_the_same_id() -> None:
    pack = make_pack([fire(), fire(name="b")])

    assert make_pack([fire(), fire(name="b")], after=pack) == make_pack(pack.fires, after=pack)
    assert make_pack([fire()], after=pack).id != make_pack([fire(name="b")], after=pack).id


@given(fires, st.integers(1, 20), st.randoms(use_true_random=False))
def test_packs_hold_every_fire_once_and_do_not_depend_on_the_order(
    given_fires: list[Fire], size: int, shuffler: random.Random
) -> None:
    packs = pack_fires(given_fires, size=size)
    shuffled = list(given_fires)
    shuffler.shuffle(shuffled)

    assert pack_fires(shuffled, size=size) == packs
    assert sorted((f for pack in packs for f in pack.fires), key=repr) == sorted(given_fires, key=repr)
    assert all(0 < len(pack.fires) <= size for pack in packs)
    assert all(len({f.at // 1000 for f in pack.fires}) == 1 for pack in packs)
    assert all(pack.at == min(f.at for f in pack.fires) for pack in packs)
    assert len({pack.id for pack in packs}) == len(packs)
