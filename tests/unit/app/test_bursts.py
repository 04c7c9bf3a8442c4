"""Many fires due at once: tenants take turns, the bus is called as often as it takes, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial
from random import Random
from statistics import median
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryEventBus, MemoryFireQueue, MemoryQueue, MemoryScheduleStore
from eventcron.app.concurrency import all_of
from eventcron.app.executor import MAX_PAUSE_S
from eventcron.app.retry import TRIES
from eventcron.model.commands import Schedule
from eventcron.model.events import Event
from eventcron.model.messages import Fire
from eventcron.model.names import Key
from eventcron.model.records import Record
from eventcron.ports import Refusal
from eventcron.rules.packing import make_pack, pack_fires
from eventcron.testing import memory_ports
from eventcron.testing.clock import VirtualClock, VirtualLoop
from eventcron.testing.world import SETTINGS
from eventcron.wire.encode import decode_pack, encode_pack
from tests.records import record_of
from tests.unit.app.test_executor import DUE, NOW, Stage, fire


async def test_what_was_refused_together_does_not_come_back_together() -> None:
    """Full jitter: between 0 and twice as long with each round, up to ``MAX_PAUSE_S``."""
    waits: list[tuple[int, float, int]] = []
    for attempt, part in [(1, 0.0), (1, 0.9), (4, 0.1), (4, 0.5), (4, 0.9), (12, 0.5)]:
        stage = Stage()
        await stage.put()
        stage.refusals = deque([Refusal(index=0, code="NotAuthorized")] * TRIES)
        stage.executor = stage.ports()._replace(jitter=partial(float, part)).use_cases(SETTINGS).executor
        await stage.execute(fire(), attempt=attempt)
        visible = stage.queue.next_visible()
        assert visible is not None
        waits.append((attempt, part, visible - stage.clock.now()))

    # The queue delays by whole seconds.
    assert waits == [
        (1, 0.0, 0),
        (1, 0.9, 1_000),
        (4, 0.1, 1_000),
        (4, 0.5, 8_000),
        (4, 0.9, 14_000),
        (12, 0.5, MAX_PAUSE_S * 500),
    ]


class SlowBus(MemoryEventBus):
    """Answers a call after everything else that can happen meanwhile has happened; remembers each call."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.clock)
        self.calls: list[set[str]] = []

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        self.calls.append({event.resources[0] for event in events})
        for _ in range(50):
            await asyncio.sleep(0)
        return await super().publish(events)


async def test_a_small_tenants_fire_goes_out_with_the_first_of_nine_packs_of_a_huge_one() -> None:
    stage = Stage()
    names = [f"report-{number}" for number in range(9 * 100)]
    for name in names:
        await stage.put(name, tenant="huge")
    await stage.put("only-one", tenant="small")
    bus = SlowBus(stage)
    executor = stage.ports()._replace(bus=bus).use_cases(SETTINGS).executor
    huge = [fire(name, tenant="huge") for name in names]
    packs = [make_pack(huge[start : start + 100]) for start in range(0, len(huge), 100)]

    reports = await all_of(executor.execute(pack) for pack in [*packs, make_pack([fire("only-one", tenant="small")])])

    assert sum(len(report.published) for report in reports) == 901
    # As many calls are made at once as settings say; it is in none of those that wait.
    first = next(number for number, call in enumerate(bus.calls) if "small/only-one" in call)
    assert first < SETTINGS.concurrency
    assert len(bus.calls) > 5 * SETTINGS.concurrency


# --- A burst, in virtual time ----------------------------------------------------------------------------------------

#: A hundredth of a million fires, on a hundredth of AWS's quotas: it takes as long.
SCALE = 100
FIRES = 1_000_000 // SCALE
EXECUTORS = 10
PACK = 100
#: Every hundredth fire is of a tenant of its own; all others are of one.
EACH_SMALL = 100


class QuotaBus:
    """Takes *quota* calls a second, as a token bucket of half a second, and refuses the others."""

    def __init__(self, clock: VirtualClock, quota: float, max_entries: int) -> None:
        self.max_entries = max_entries
        self.taken: dict[str, int] = {}
        self.refused = self.calls = 0
        self._clock, self._quota = clock, quota
        self._tokens, self._at = quota / 2, clock.now()

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        await self._clock.sleep_until(self._clock.now() + 10)
        now = self._clock.now()
        self._tokens = min(self._quota / 2, self._tokens + (now - self._at) * self._quota / 1000)
        self._at = now
        self.calls += 1
        if self._tokens < 1:
            self.refused += 1
            return [Refusal(index=index, code="ThrottlingException") for index in range(len(events))]
        self._tokens -= 1
        for event in events:
            assert now >= event.time
            self.taken.setdefault(event.resources[0], now)
        return []


class AnySchedule(MemoryScheduleStore):
    """Has every schedule that it is asked for."""

    async def get(self, keys: Sequence[Key]) -> dict[Key, Record]:
        return {key: record_of(Schedule(tenant=key.tenant, name=key.name, expression="* * * * *")) for key in keys}


class Burst(NamedTuple):
    """Seconds from when a fire was to be published until the bus took it: the most; of small tenants, and of half."""

    latest_s: float
    latest_small_s: float
    half_small_s: float
    #: The part of all calls that the bus refused.
    refused: float


def all_at_once() -> list[Fire]:
    """``FIRES`` fires that are due at one instant."""
    return [fire(f"report-{number}", tenant=_tenant(number)) for number in range(FIRES)]


def in_a_window(a_second: int, seconds: int) -> list[Fire]:
    """So many fires in each of some seconds, as a flexible window makes them."""
    return [
        fire(f"report-{number}", tenant=_tenant(number), at=DUE + number // a_second * 1000)
        for number in range(a_second * seconds)
    ]


def _tenant(number: int) -> str:
    return f"small-{number}" if number % EACH_SMALL == 0 else "huge"


def burst(fires: Sequence[Fire], *, quota: float, known: int = 0, max_entries: int = 10, seed: int = 0) -> Burst:
    """Let ``EXECUTORS`` executors publish *fires* on a bus with *quota*, known to them or not. *seed* is of jitter."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        clock = VirtualClock(NOW, runner.get_loop())
        bus = QuotaBus(clock, quota, max_entries)
        queue = MemoryQueue(clock, visibility_seconds=600)
        settings = replace(SETTINGS, put_events_per_second=known, tenant_fires_per_minute=0)
        ports = memory_ports(
            clock, store=AnySchedule(clock), fire_queue=MemoryFireQueue(queue), bus=bus, jitter=Random(seed).random
        )
        for pack in pack_fires(fires, size=PACK):
            queue.put(encode_pack(pack), delay_seconds=max(0, pack.at - NOW - 1000) // 1000)

        async def work() -> None:
            executor = ports.use_cases(settings).executor
            while len(bus.taken) < len(fires):
                batch = queue.receive()
                await all_of(executor.execute(decode_pack(message.body)) for message in batch)
                for message in batch:
                    queue.delete(message.id)
                await clock.sleep_until(clock.now() + 100)

        async def all_work() -> None:
            await all_of(work() for _ in range(EXECUTORS))

        runner.run(all_work())
    late_ms = {str(one.key): bus.taken[str(one.key)] - one.at for one in fires}
    small = [late for name, late in late_ms.items() if name.startswith("small")]
    return Burst(max(late_ms.values()) / 1000, max(small) / 1000, median(small) / 1000, bus.refused / bus.calls)


# A small tenant's fire waits for its turn. If the bus refuses it then, it comes back after a pause, which is by chance.


@pytest.mark.slow
def test_a_million_fires_take_as_long_as_the_quota_of_the_bus_says() -> None:
    """us-east-1: 10,000 calls a second, ten events each."""
    made = burst(all_at_once(), quota=10_000 / SCALE)

    assert 9 < made.latest_s < 15
    assert made.latest_small_s < 2
    assert made.refused < 1 / 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_million_fires_take_as_long_if_the_quota_is_given(seed: int) -> None:
    made = burst(all_at_once(), quota=10_000 / SCALE, known=10_000 // SCALE, seed=seed)

    assert 9 < made.latest_s < 15
    assert made.half_small_s < 1 / 2
    assert made.latest_small_s < made.latest_s
    assert made.refused < 1 / 3


@pytest.mark.slow
def test_a_million_fires_take_two_seconds_on_the_newer_bus() -> None:
    """500,000 events a second, a hundred a call."""
    made = burst(all_at_once(), quota=5_000 / SCALE, max_entries=100)

    assert made.latest_s < 3
    assert made.latest_small_s < 1
    assert made.refused < 1 / 2


@pytest.mark.slow
def test_a_million_fires_in_a_flexible_window_of_five_minutes_fit_the_smallest_quota() -> None:
    """Its first five seconds. The smallest Regions take 400 calls a second."""
    made = burst(in_a_window(1_000_000 // 300, 5), quota=400)

    assert made.latest_s < 5
    assert made.latest_small_s < 1
    assert made.refused < 1 / 10
