"""What every ``FireQueue`` promises."""

from __future__ import annotations

import pytest

from eventcron.adapters.clock import SystemClock
from eventcron.model.messages import Fire, Pack
from tests.contract.conftest import Backend, FireQueueRig

#: Milliseconds. moto stamps a message with the time of a request that it has begun to read, and both count whole ones.
TOLERANCE_MS = 5


def a_pack(number: int = 0, *, fires: int = 2, tenants: int = 1) -> Pack:
    return Pack(
        id=f"pack-{number}",
        at=1_764_547_200_000,
        fires=[
            Fire(tenant=f"tenant-{index % tenants}", name="nightly", revision=7, due=index, at=index)
            for index in range(fires)
        ],
    )


async def received(rig: FireQueueRig, count: int) -> list[Pack]:
    """The next *count* packs and whatever came with them."""
    packs: list[Pack] = []
    while len(packs) < count:
        packs += await rig.receive(1)
    return packs


@pytest.fixture(name="rig")
async def _rig(backend: Backend) -> FireQueueRig:
    return await backend.fire_queue()


@pytest.fixture(name="now")
def _now() -> int:
    return SystemClock().now()


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(a_pack(), id="one-tenant"),
        pytest.param(a_pack(tenants=2), id="several-tenants"),
        pytest.param(
            Pack(
                id="retry",
                at=1,
                fires=[
                    Fire(tenant="a", name="b", revision=0, due=0, at=1, cause="backfill", cause_id="x-1", last=True)
                ],
                attempt=3,
            ),
            id="every-field",
        ),
    ],
)
async def test_a_pack_arrives_as_it_was_sent(rig: FireQueueRig, now: int, pack: Pack) -> None:
    assert await rig.port.send([pack], visible_at=[now], now=now) == []

    assert await received(rig, 1) == [pack]


async def test_any_number_of_packs_arrive_once_each(rig: FireQueueRig, now: int) -> None:
    packs = [a_pack(number) for number in range(25)]

    assert await rig.port.send(packs, visible_at=[now] * 25, now=now) == []

    assert sorted(pack.id for pack in await received(rig, 25)) == sorted(pack.id for pack in packs)


async def test_large_packs_are_not_too_many_bytes_together(rig: FireQueueRig, now: int) -> None:
    packs = [a_pack(number, fires=5_000) for number in range(10)]

    assert await rig.port.send(packs, visible_at=[now] * 10, now=now) == []

    assert len(await received(rig, 10)) == 10


async def test_nothing_is_sent_of_nothing(rig: FireQueueRig, now: int) -> None:
    assert await rig.port.send([], visible_at=[], now=now) == []
    assert await rig.receive(0) == []


async def test_a_pack_stays_hidden_for_the_whole_seconds_until_it_may_show(rig: FireQueueRig) -> None:
    clock = SystemClock()
    now = clock.now()
    await rig.port.send([a_pack(1), a_pack(2)], visible_at=[now + 1_900, now - 5_000], now=now)

    arrived: dict[str, int] = {}
    while len(arrived) < 2:
        arrived |= {pack.id: clock.now() for pack in await received(rig, 1)}

    assert arrived.keys() == {"pack-1", "pack-2"}
    assert arrived["pack-1"] - now >= 1_000 - TOLERANCE_MS


async def test_a_longer_delay_than_the_queue_has_is_a_fault_and_sends_nothing(rig: FireQueueRig, now: int) -> None:
    with pytest.raises(ValueError, match=r"a pack is to appear in 901 s; the queue delays at most 900 s"):
        await rig.port.send([a_pack(1), a_pack(2)], visible_at=[now, now + 901_000], now=now)

    assert await rig.receive(0) == []


async def test_the_longest_delay_is_taken(rig: FireQueueRig, now: int) -> None:
    assert await rig.port.send([a_pack()], visible_at=[now + 900_999], now=now) == []
    assert await rig.receive(0) == []
