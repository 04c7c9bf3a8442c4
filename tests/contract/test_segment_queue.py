"""What every ``SegmentQueue`` promises."""

from __future__ import annotations

import pytest

from eventcron.model.messages import SegmentRange
from eventcron.wire.segment_ranges import split
from tests.contract.conftest import Backend, SegmentQueueRig

TICK = 1_796_112_000_000


async def received(rig: SegmentQueueRig, count: int) -> list[SegmentRange]:
    """The next *count* ranges and whatever came with them."""
    ranges: list[SegmentRange] = []
    while len(ranges) < count:
        ranges += await rig.receive(1)
    return ranges


@pytest.fixture(name="rig")
async def _rig(backend: Backend) -> SegmentQueueRig:
    return await backend.segment_queue()


async def test_a_range_arrives_as_it_was_sent_and_at_once(rig: SegmentQueueRig) -> None:
    asked = SegmentRange(tick=TICK, first=32, end=48)

    assert await rig.port.send([asked]) == []

    assert await rig.receive(0) == [asked]


async def test_any_number_of_ranges_arrive_once_each(rig: SegmentQueueRig) -> None:
    ranges = split(256, workers=8, at_once=10, tick=TICK)

    assert await rig.port.send(ranges) == []

    assert sorted(await received(rig, 26), key=lambda asked: asked.first) == ranges


async def test_nothing_is_sent_of_nothing(rig: SegmentQueueRig) -> None:
    assert await rig.port.send([]) == []
    assert await rig.receive(0) == []
