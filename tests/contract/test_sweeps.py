"""What every ``Sweeps`` promises."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from eventcron.model.records import Share, State, Sweep
from eventcron.ports.sweeps import Sweeps
from tests.contract.conftest import Backend

SWEEP = Sweep(
    number=1, began=1_000, segments=64, rules="2026b", computed_by="2026a", unfinished_since=900, shares=3, ended=2_000
)
SHARE = Share(
    part=2,
    sweep=1,
    version=1,
    cursor='{"tenant": {"S": "acme"}}',
    done=True,
    lease_until=5_000,
    states={State.ENABLED: 7, State.DELETED: 1},
    unreadable=3,
)


@pytest.fixture(name="sweeps")
async def _sweeps(backend: Backend) -> Sweeps:
    return await backend.sweeps()


async def test_the_latest_sweep_is_read(sweeps: Sweeps) -> None:
    assert await sweeps.latest() is None

    assert await sweeps.put(SWEEP, replacing=None)
    assert await sweeps.latest() == SWEEP
    assert await sweeps.put(replace(SWEEP, number=2, ended=None), replacing=1)
    assert await sweeps.latest() == replace(SWEEP, number=2, ended=None)


async def test_a_sweep_replaces_only_the_one_it_was_made_from(sweeps: Sweeps) -> None:
    assert not await sweeps.put(replace(SWEEP, number=2), replacing=1)
    assert await sweeps.put(SWEEP, replacing=None)

    assert not await sweeps.put(replace(SWEEP, segments=1), replacing=None)
    assert await sweeps.put(replace(SWEEP, segments=2), replacing=1), "a sweep may be stored again, as when it ends"
    assert await sweeps.latest() == replace(SWEEP, segments=2)


async def test_shares_are_read_by_their_number(sweeps: Sweeps) -> None:
    assert await sweeps.shares(3) == {}
    other = Share(part=0, sweep=2, version=1)
    for share in (SHARE, other, replace(SHARE, part=3)):
        assert await sweeps.put_share(share, replacing=None)

    assert await sweeps.shares(3) == {0: other, 2: SHARE}


async def test_more_than_a_hundred_shares_are_read_as_well(sweeps: Sweeps) -> None:
    many = {part: replace(SHARE, part=part) for part in range(101)}
    await asyncio.gather(*(sweeps.put_share(share, replacing=None) for share in many.values()))

    assert await sweeps.shares(101) == many


async def test_one_of_many_runs_at_once_gets_a_share(sweeps: Sweeps) -> None:
    await sweeps.put_share(SHARE, replacing=None)
    took = await asyncio.gather(
        *(sweeps.put_share(replace(SHARE, version=2, lease_until=n), replacing=1) for n in range(12))
    )

    assert sum(took) == 1
    assert not await sweeps.put_share(replace(SHARE, version=2), replacing=1)
