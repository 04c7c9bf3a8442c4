"""What every ``Backfills`` promises."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from eventcron.model.names import BackfillKey, Window
from eventcron.model.records import Backfill, BackfillState
from eventcron.ports import Backfills
from tests.contract.conftest import Backend

BACKFILL = Backfill(
    tenant="acme",
    name="report",
    id="november",
    event_id="e-1",
    revision=7,
    trigger="…",
    span=Window(1_000, 9_000),
    enqueued_through=2_000,
    slice=Window(3_000, 4_000),
)


@pytest.fixture(name="backfills")
async def _backfills(backend: Backend) -> Backfills:
    return await backend.backfills()


async def test_what_is_put_is_there(backfills: Backfills) -> None:
    ended = replace(BACKFILL, id="a/b#c", state=BackfillState.CANCELLED, reason="deleted", expires=99, slice=None)

    assert await backfills.put(BACKFILL, replacing=None)
    assert await backfills.put(ended, replacing=None)

    absent = BackfillKey("acme", "report", "other")
    assert await backfills.get([BACKFILL.key, ended.key, absent]) == {BACKFILL.key: BACKFILL, ended.key: ended}


async def test_a_hundred_and_one_are_read_as_well_as_one(backfills: Backfills) -> None:
    many = [replace(BACKFILL, id=f"b{number}") for number in range(101)]
    await asyncio.gather(*(backfills.put(one, replacing=None) for one in many))

    assert await backfills.get([one.key for one in many]) == {one.key: one for one in many}
    assert await backfills.get([]) == {}


async def test_the_second_to_write_the_same_version_is_refused(backfills: Backfills) -> None:
    await backfills.put(BACKFILL, replacing=None)

    assert not await backfills.put(replace(BACKFILL, event_id="e-2"), replacing=None)
    assert await backfills.put(replace(BACKFILL, version=1, fires=5), replacing=0)
    assert not await backfills.put(replace(BACKFILL, version=1, fires=6), replacing=0)
    assert not await backfills.put(replace(BACKFILL, id="absent", version=1), replacing=0)

    assert (await backfills.get([BACKFILL.key]))[BACKFILL.key].fires == 5


async def test_one_of_many_writers_at_once_wins(backfills: Backfills) -> None:
    await backfills.put(BACKFILL, replacing=None)
    took = await asyncio.gather(
        *(backfills.put(replace(BACKFILL, version=1, fires=number), replacing=0) for number in range(12))
    )

    assert sum(took) == 1


async def test_the_open_ones_are_those_entered_and_not_struck_off(backfills: Backfills) -> None:
    keys = [BackfillKey("acme", "report", "a/b"), BackfillKey("acme", "report", "b"), BackfillKey("beta", "x", "b")]
    assert await backfills.open() == []

    for key in [*keys, keys[0]]:
        await backfills.enter(key)
    assert sorted(await backfills.open()) == sorted(keys)

    await backfills.strike(keys[1])
    await backfills.strike(keys[1])
    assert sorted(await backfills.open()) == [keys[0], keys[2]]

    await backfills.strike(keys[0])
    await backfills.strike(keys[2])
    assert await backfills.open() == []
