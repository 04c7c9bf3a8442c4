"""The largest of everything at once, measured: memory stays bounded, and other tenants' fires are in time."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Sequence

import msgspec
import pytest

from eventcron.adapters.memory import MemoryFireQueue, MemoryQueue, MemoryScheduleStore
from eventcron.app.executor import LARGEST_AT_ONCE, MAX_RECORD_BYTES, RECORD_BYTES
from eventcron.app.planner import SegmentOutcome
from eventcron.model.commands import Misfire, MisfirePolicy, ResumeSchedule, Schedule
from eventcron.model.events import Event
from eventcron.model.messages import Fire, Pack
from eventcron.model.names import MAX_INPUT_BYTES, Instant, Key
from eventcron.model.records import FireRecord, InputRef, Record, State
from eventcron.ports import Refusal
from eventcron.rules.packing import make_pack
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.trigger import parse
from eventcron.wire.decode import Received
from tests.records import record_of

NOW: Instant = 1_796_112_000_000  # 2026-12-01T08:00:00Z
DUE = NOW + 2_000
MEGABYTE = 1_000_000
SECONDLY = parse("* * * * * *", anchor=NOW).canonical


class LargeStore(MemoryScheduleStore):
    """Every schedule of ``acme`` has the largest input, which exists only once it is read."""

    def __init__(self, clock: JumpingClock) -> None:
        super().__init__(clock)
        self.inputs_read = 0

    async def get(self, keys: Sequence[Key]) -> dict[Key, Record]:
        await asyncio.sleep(0)
        return {key: large(key) if key.tenant == "acme" else small(key) for key in keys}

    async def read_inputs(self, records: Sequence[FireRecord]) -> dict[Key, msgspec.Raw]:
        await asyncio.sleep(0)
        self.inputs_read += len(records)
        return {record.key: msgspec.Raw(b'"%s"' % (b"x" * (MAX_INPUT_BYTES - 2))) for record in records if record.input}


class CountingBus:
    """Takes a while for each call, and keeps nothing but how much it was given when."""

    max_entries = 10

    def __init__(self) -> None:
        self.order: list[str] = []

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        for _ in range(20):
            await asyncio.sleep(0)
        self.order += [event.resources[0] for event in events]
        return []


class CountingQueue(MemoryFireQueue):
    """Counts the fires that it is sent at ``NOW``, and keeps none."""

    sent = 0

    async def send(self, packs: Sequence[Pack], *, visible_at: Sequence[Instant], now: Instant) -> list[Refusal]:
        await asyncio.sleep(0)
        assert len(visible_at) == len(packs)
        assert now == NOW
        self.sent += sum(len(pack.fires) for pack in packs)
        return []


def small(key: Key) -> Record:
    schedule = Schedule(tenant=key.tenant, name=key.name, expression="* * * * * *", input=msgspec.Raw(b'"small"'))
    return record_of(schedule, trigger=SECONDLY)


def large(key: Key) -> Record:
    return msgspec.structs.replace(small(key), input=InputRef(1, "d" * 32, MAX_INPUT_BYTES))


def pack_of(tenant: str, number: int) -> Pack:
    return make_pack([Fire(tenant, f"n{number}-{fire}", 1, DUE, DUE) for fire in range(200)])


async def peak_of_ten_packs(clock: JumpingClock, store: LargeStore, bus: CountingBus) -> int:
    """The most bytes that are held while nine packs of ``acme`` and one of another tenant are published at once."""
    executor = memory_ports(clock, store=store, bus=bus).use_cases(SETTINGS).executor
    packs = [*(pack_of("acme", number) for number in range(9)), pack_of("other", 9)]
    tracemalloc.start()
    try:
        reports = await asyncio.gather(*map(executor.execute, packs))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [len(report.published) for report in reports] == [200] * 10
    return peak


@pytest.mark.slow
async def test_ten_packs_of_the_largest_inputs_are_published_in_bounded_memory_and_others_first() -> None:
    """2,000 fires of 200 KB are 400 MB; every one of them is there eight times on its way out."""
    clock, bus = JumpingClock(NOW), CountingBus()
    store = LargeStore(clock)
    peak = await peak_of_ten_packs(clock, store, bus)

    assert store.inputs_read == 1_800
    assert peak < 60 * MEGABYTE
    others = [place for place, key in enumerate(bus.order) if key.startswith("other/")]
    assert max(others) < 200 + 100, "a hundred of the large ones go out beside them at most"


class LargestRecords(LargeStore):
    """Every schedule of ``acme`` is as large as an item can be, by what no event has. An answer has 16 MB of them."""

    async def get_to_fire(self, keys: Sequence[Key]) -> tuple[dict[Key, Record], frozenset[Key]]:
        await asyncio.sleep(0)
        now, left = keys[:LARGEST_AT_ONCE], frozenset(keys[LARGEST_AT_ONCE:])
        return {key: longest(key) if key.tenant == "acme" else small(key) for key in now}, left


def longest(key: Key) -> Record:
    record = small(key)
    assert record.schedule is not None
    text = "x" * (MAX_RECORD_BYTES - 2_000)
    return msgspec.structs.replace(record, schedule=msgspec.structs.replace(record.schedule, expression=text))


@pytest.mark.slow
async def test_ten_packs_of_the_largest_schedules_are_published_in_bounded_memory() -> None:
    """2,000 schedules of 400 KB are 800 MB; as many are held as four answers have."""
    clock = JumpingClock(NOW)

    assert await peak_of_ten_packs(clock, LargestRecords(clock), CountingBus()) < RECORD_BYTES + 10 * MEGABYTE


@pytest.mark.slow
async def test_a_planner_three_hours_behind_holds_few_fires_and_leaves_none_out() -> None:
    """Ten schedules of every second that fire all they missed: 115,000 fires."""
    clock = JumpingClock(NOW)
    store, fires = MemoryScheduleStore(clock), CountingQueue(MemoryQueue(clock))
    ports = memory_ports(clock, store=store, fire_queue=fires)
    everything = Misfire(policy=MisfirePolicy.FIRE_ALL)
    for number in range(10):
        schedule = Schedule(tenant="acme", name=f"n{number}", expression="* * * * * *", misfire=everything)
        await store.put(record_of(schedule, trigger=SECONDLY, segment=0, wake=0), replacing=None)
    start = NOW - 3 * 3_600_000
    lease = await ports.leases.acquire(0, end=start, now=1, lease_until=2)
    assert lease is not None
    await ports.leases.commit(lease)

    tracemalloc.start()
    try:
        planner = ports.use_cases(SETTINGS).planner
        reports = [report for _ in range(4) for report in await planner.run([0], deadline=NOW + 60_000)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    horizon = SETTINGS.horizon_seconds
    assert [(report.ended, report.fires) for report in reports] == [
        *[(SegmentOutcome.SAVED, 10 * 3_600)] * 3,
        (SegmentOutcome.PLANNED, 10 * horizon),
    ]
    assert fires.sent == 10 * (3 * 3_600 + horizon)
    assert await ports.leases.planned_through(0) == NOW + horizon * 1000
    assert peak < 25 * MEGABYTE


@pytest.mark.slow
async def test_a_registrar_that_catches_up_on_three_long_pauses_at_once_holds_few_fires() -> None:
    """Three schedules of every second with the largest input, paused for ten hours: 108,000 fires, sent at once."""
    clock = JumpingClock(NOW)
    store, fires = MemoryScheduleStore(clock), CountingQueue(MemoryQueue(clock))
    registrar = memory_ports(clock, store=store, fire_queue=fires).use_cases(SETTINGS).registrar
    largest = msgspec.Raw(b'"%s"' % (b"x" * (MAX_INPUT_BYTES - 2)))
    started = NOW - 10 * 3_600_000
    for name in "abc":
        schedule = Schedule(
            tenant="acme", name=name, expression="* * * * * *", input=largest, misfire=Misfire(grace_seconds=86_400)
        )
        paused = record_of(schedule, state=State.PAUSED, trigger=SECONDLY, start=started, created=started)
        await store.put(paused, replacing=None)

    def resume(name: str) -> Received:
        command = ResumeSchedule(tenant="acme", name=name, missed=MisfirePolicy.FIRE_ALL, per_minute=6_000)
        source = "eventcron.tenant.acme"
        return Received(command=command, detail_type="Resume Schedule", event_id=name, source=source, time=NOW)

    tracemalloc.start()
    try:
        await asyncio.gather(*(registrar.apply(resume(name)) for name in "abc"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert fires.sent >= 3 * (10 * 3_600 + SETTINGS.horizon_seconds)
    assert peak < 12 * MEGABYTE
