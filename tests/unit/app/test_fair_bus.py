"""Tenants take turns at the bus, calls are full, and no more of them are made than the bus takes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest

from eventcron.app.concurrency import all_of
from eventcron.app.fair_bus import MAX_WAIT_MS, PACED, FairBus, Paced
from eventcron.model.events import Event
from eventcron.ports import Refusal
from eventcron.rules.pace import SLOWEST, CallPace
from eventcron.testing import JumpingClock

NOW = 1_796_112_000_000
ENTRIES = 10


def events(tenant: str, count: int) -> list[Event]:
    return [
        Event(source="eventcron", detail_type="Schedule Fired", detail=b"{}", time=NOW, resources=(f"{tenant}/{n}",))
        for n in range(count)
    ]


class SlowBus:
    """Answers a call once all that can be ready is; refuses by name, and as a whole as often as it is told."""

    max_entries = ENTRIES

    def __init__(self, clock: JumpingClock) -> None:
        self.clock = clock
        self.calls: list[list[str]] = []
        self.began: list[int] = []
        self.third = asyncio.Event()
        self.at_once = self.most_at_once = 0
        self.refused: dict[str, Refusal] = {}
        self.throttles = 0
        self.fails_on = ""

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        names = [event.resources[0] for event in events]
        self.calls.append(names)
        self.began.append(self.clock.now())
        if len(self.calls) == 3:
            self.third.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        for _ in range(20):
            await asyncio.sleep(0)
        self.at_once -= 1
        if self.fails_on in names:
            raise RuntimeError("no such bus")
        if self.throttles:
            self.throttles -= 1
            return [Refusal(index=index, code="ThrottlingException") for index in range(len(events))]
        return [
            Refusal(index=index, code=self.refused[name].code)
            for index, name in enumerate(names)
            if name in self.refused
        ]


class Stage:
    def __init__(self, *, quota: float = 0, concurrency: int = 2) -> None:
        self.clock = JumpingClock(NOW)
        self.bus = SlowBus(self.clock)
        self.fair = FairBus(self.bus, clock=self.clock, pace=CallPace(quota), concurrency=concurrency)


async def test_a_small_tenants_event_is_in_the_first_call_that_begins_after_it_was_given() -> None:
    stage = Stage(concurrency=2)

    await all_of([stage.fair.publish(events("huge", 200)), stage.fair.publish(events("small", 1))])

    assert "small/0" in stage.bus.calls[0]
    assert len(stage.bus.calls) == 21
    assert stage.bus.most_at_once == 2


async def test_a_small_tenants_event_that_comes_later_waits_for_no_more_than_the_calls_under_way() -> None:
    stage = Stage(concurrency=1)
    huge = asyncio.ensure_future(stage.fair.publish(events("huge", 200)))
    await stage.bus.third.wait()

    await stage.fair.publish(events("small", 1))

    assert "small/0" in stage.bus.calls[3]
    assert await huge == []


async def test_what_several_publish_at_one_moment_shares_calls_and_keeps_its_order() -> None:
    stage = Stage()

    await all_of(stage.fair.publish(events(f"tenant-{n}", 2)) for n in range(5))

    (call,) = stage.bus.calls
    assert sorted(call) == [f"tenant-{n}/{nth}" for n in range(5) for nth in range(2)]
    assert [name for name in call if name.startswith("tenant-3/")] == ["tenant-3/0", "tenant-3/1"]


async def test_each_learns_what_was_refused_of_its_own() -> None:
    stage = Stage()
    stage.bus.refused = {"a/1": Refusal(index=0, code="InternalFailure"), "b/2": Refusal(index=0, code="NotAuthorized")}

    of_a, of_b, of_c = await all_of(stage.fair.publish(events(tenant, 3)) for tenant in "abc")

    assert [(one.index, one.code) for one in of_a] == [(1, "InternalFailure")]
    assert [(one.index, one.code) for one in of_b] == [(2, "NotAuthorized")]
    assert of_c == []
    assert stage.fair.take_paced() is None, "no code says that there were too many calls"


async def test_a_call_that_fails_fails_for_those_who_are_in_it() -> None:
    stage = Stage()
    stage.bus.fails_on = "broken/0"
    broken = asyncio.ensure_future(stage.fair.publish(events("broken", 1)))
    await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="no such bus"):
        await broken
    assert await stage.fair.publish(events("whole", 1)) == []


async def test_calls_follow_each_other_at_the_quota() -> None:
    stage = Stage(quota=100, concurrency=1)

    await stage.fair.publish(events("acme", 50))

    assert stage.bus.began == [NOW, NOW + 10, NOW + 20, NOW + 30, NOW + 40]
    assert stage.fair.take_paced() == Paced(100.0, 40, 40)
    assert stage.fair.take_paced() is None


async def test_a_bus_that_throttles_is_called_at_half_the_pace() -> None:
    stage = Stage(quota=100, concurrency=1)
    stage.bus.throttles = 1

    refused = await stage.fair.publish(events("acme", 10))
    assert [one.code for one in refused] == ["ThrottlingException"] * 10
    await stage.fair.publish(events("acme", 30))

    later = stage.bus.began[1:]
    assert [after - before for before, after in pairwise(later)] == [20, 20]


async def test_what_would_wait_too_long_goes_back_at_once_and_no_small_tenant_does() -> None:
    stage = Stage(quota=SLOWEST, concurrency=1)
    calls = int(SLOWEST * MAX_WAIT_MS / 1000)

    of_huge, of_small = await all_of(
        [stage.fair.publish(events("huge", 2 * calls * ENTRIES)), stage.fair.publish(events("small", 1))]
    )

    assert {one.code for one in of_huge} == {PACED}
    assert all(one.retryable for one in of_huge)
    # What is refused is what came last.
    assert of_huge[-1].index == 2 * calls * ENTRIES - 1
    assert len(of_huge) == pytest.approx(calls * ENTRIES, abs=ENTRIES)
    assert of_small == []
    assert "small/0" in stage.bus.calls[0]
    assert stage.bus.began[-1] - NOW <= MAX_WAIT_MS + 1000
