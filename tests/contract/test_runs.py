"""What every ``Runs`` promises."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from eventcron.model.messages import Fire
from eventcron.model.runs import Lane, LaneKey, OpenRun, PastRun, Skipped
from eventcron.model.tracking import RunEnd
from eventcron.ports.runs import Runs
from tests.contract.conftest import Backend

FIRE = Fire("acme", "report", 7, 60_000, 60_000)
LANE = Lane(tenant="acme", name="report", version=1, secret="5f" * 32)


@pytest.fixture(name="runs")
async def _runs(backend: Backend) -> Runs:
    return await backend.runs()


async def test_what_is_put_is_there(runs: Runs) -> None:
    full = replace(
        LANE,
        id="e524f81ad5036886e1ddcdadacf0caec",
        open=OpenRun(FIRE, "a", 61_000, 71_000, 3, is_again=True),
        waiting=replace(FIRE, cause="backfill", cause_id="november"),
        past=(PastRun(FIRE, "b", 1, 2, RunEnd.OVERDUE, 3, "e-1", 3, failures=3, pauses=True),),
        skipped=(Skipped("c", "a", 62_000),),
        failures=3,
        expires=99,
    )
    assert await runs.put(LANE, replacing=None)
    assert await runs.put(full, replacing=None)

    absent = LaneKey("acme", "other")
    assert await runs.get([LANE.key, full.key, absent]) == {LANE.key: LANE, full.key: full}
    assert await runs.get([]) == {}


async def test_the_second_to_write_the_same_version_is_refused(runs: Runs) -> None:
    await runs.put(LANE, replacing=None)

    assert not await runs.put(replace(LANE, secret="other"), replacing=None)
    assert await runs.put(replace(LANE, version=2, failures=1), replacing=1)
    assert not await runs.put(replace(LANE, version=2, failures=9), replacing=1)
    assert not await runs.put(replace(LANE, name="absent", version=2), replacing=1)

    assert (await runs.get([LANE.key]))[LANE.key].failures == 1


async def test_one_of_many_who_open_a_run_at_once_does(runs: Runs) -> None:
    """Each has another secret, so each write is another one."""
    took = await asyncio.gather(*(runs.put(replace(LANE, secret=runs.new_secret()), replacing=None) for _ in range(12)))

    assert sum(took) == 1


async def test_no_secret_is_like_another(runs: Runs) -> None:
    secrets = {runs.new_secret() for _ in range(100)}

    assert len(secrets) == 100
    assert min(map(len, secrets)) >= 32
