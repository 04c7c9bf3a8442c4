"""Many planners on one tick: what comes twice, late or not at all leaves each window planned once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import msgspec
import pytest

from eventcron import config
from eventcron.adapters.memory import (
    MemoryFireQueue,
    MemoryLeases,
    MemoryQueue,
    MemoryScheduleStore,
    MemorySegmentQueue,
)
from eventcron.app.fanout import Behind
from eventcron.app.planner import SegmentOutcome, SegmentReport
from eventcron.model.commands import Schedule
from eventcron.model.messages import SegmentRange
from eventcron.model.names import Instant, Key
from eventcron.ports import Refusal
from eventcron.settings import InvalidSettings
from eventcron.testing.ports import memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.hashing import segment_of
from eventcron.timing.trigger import parse
from eventcron.wire.encode import decode_pack
from eventcron.wire.segment_ranges import decode_range
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
TICK_MS = SETTINGS.tick_seconds * 1000
HORIZON_MS = SETTINGS.horizon_seconds * 1000
SEGMENTS = 24
MANY = msgspec.structs.replace(
    SETTINGS,
    segments=SEGMENTS,
    planner_workers=4,
    concurrency=4,
    segment_queue_url="segments",
    segment_dlq_url="segment-dlq",
)


class SteppingClock:
    """A clock that others move. Sleeping moves it as well."""

    def __init__(self) -> None:
        self.instant: Instant = NOW

    def now(self) -> Instant:
        return self.instant

    async def sleep_until(self, instant: Instant) -> None:
        self.instant = max(self.instant, instant)


class Stage:
    """Four planners and a tick over twenty-four segments, with a schedule of each minute in every one."""

    def __init__(self) -> None:
        self.clock = SteppingClock()
        self.store = MemoryScheduleStore(self.clock)
        self.leases = MemoryLeases()
        self.fires = MemoryQueue(self.clock)
        self.messages = MemoryQueue(self.clock, visibility_seconds=720)
        #: First segments of the ranges that the queue refuses.
        self.refuse: set[int] = set()
        self.ports = memory_ports(
            self.clock,
            store=self.store,
            leases=self.leases,
            fire_queue=MemoryFireQueue(self.fires),
            segment_queue=MemorySegmentQueue(self.messages, refuse=self._refuse),
        )
        self.fanout = self.ports.use_cases(MANY).fanout
        self.names: set[str] = set()

    def _refuse(self, index: int, asked: SegmentRange) -> Refusal | None:
        return Refusal(index=index, code="InternalError") if asked.first in self.refuse else None

    async def fill(self) -> None:
        """Put a schedule into each segment."""
        numbers = iter(range(10_000))
        trigger = parse("* * * * *", anchor=NOW).canonical
        for segment in range(SEGMENTS):
            name = next(
                name for name in map("s{}".format, numbers) if segment_of(Key("acme", name), SEGMENTS) == segment
            )
            self.names.add(name)
            schedule = Schedule(tenant="acme", name=name, expression="* * * * *")
            record = record_of(
                schedule, trigger=trigger, start=NOW - 59_999, created=NOW - 60_000, segment=segment, wake=0
            )
            assert await self.store.put(record, replacing=None)

    async def plan(self, asked: SegmentRange, *, seconds: int = 60) -> list[SegmentReport]:
        return await self.ports.use_cases(MANY).planner.run(
            range(asked.first, asked.end), deadline=self.clock.now() + seconds * 1000, tick=asked.tick
        )

    def waiting(self) -> list[SegmentRange]:
        return [decode_range(message.body) for message in self.messages.receive(1_000)]

    def fired(self) -> Counter[tuple[str, Instant]]:
        """How often each fire was sent."""
        self.clock.instant += 1_000_000
        packs = [decode_pack(message.body) for message in self.fires.receive(100_000)]
        return Counter((fire.name, fire.due) for pack in packs for fire in pack.fires)

    def due(self, until: Instant) -> set[tuple[str, Instant]]:
        return {(name, due) for name in self.names for due in range(NOW, until, 60_000)}


@pytest.fixture(name="stage")
async def _stage() -> Stage:
    stage = Stage()
    await stage.fill()
    return stage


async def test_a_tick_hands_out_every_segment_and_keeps_none(stage: Stage) -> None:
    handed = await stage.fanout.run()

    assert (list(handed.left), handed.refusals) == ([], [])
    assert stage.waiting() == list(handed.sent)
    assert [(asked.tick, asked.first, asked.end) for asked in handed.sent] == [
        (NOW, first, first + 4) for first in range(0, SEGMENTS, 4)
    ]


async def test_with_one_planner_a_tick_keeps_every_segment_and_sends_nothing(stage: Stage) -> None:
    alone = msgspec.structs.replace(MANY, planner_workers=1)
    fanout = stage.ports.use_cases(alone).fanout

    handed = await fanout.run()

    assert (list(handed.left), list(handed.sent), len(stage.messages)) == (list(range(SEGMENTS)), [], 0)


async def test_what_the_queue_refuses_is_left_to_the_tick_itself(stage: Stage) -> None:
    stage.refuse = {4, 20}

    handed = await stage.fanout.run()

    assert list(handed.left) == [4, 5, 6, 7, 20, 21, 22, 23]
    assert [refusal.index for refusal in handed.refusals] == [1, 5]
    assert [asked.first for asked in handed.sent] == [0, 8, 12, 16]
    assert len(stage.messages) == 4


async def test_a_message_that_comes_twice_reads_and_sends_nothing_the_second_time(stage: Stage) -> None:
    await stage.fanout.run()
    asked = stage.waiting()[0]
    await stage.plan(asked)
    stage.clock.instant += 5_000

    again = await stage.plan(asked)

    assert [(report.ended, report.visited, report.packs) for report in again] == [(SegmentOutcome.PLANNED, 0, 0)] * 4


async def test_a_message_of_a_tick_long_past_finds_its_work_done(stage: Stage) -> None:
    await stage.fanout.run()
    stale = stage.waiting()
    for asked in stale:
        await stage.plan(asked)
    stage.clock.instant += TICK_MS
    await stage.fanout.run()
    for asked in stage.waiting():
        await stage.plan(asked)
    states = await stage.leases.segments(SEGMENTS)

    reports = [report for asked in stale for report in await stage.plan(asked)]

    assert {(report.ended, report.visited, report.lag_ms) for report in reports} == {(SegmentOutcome.PLANNED, 0, None)}
    assert await stage.leases.segments(SEGMENTS) == states
    assert stage.fired() == dict.fromkeys(stage.due(NOW + TICK_MS + HORIZON_MS), 1)


async def test_messages_that_waited_out_an_outage_fire_the_latest_of_what_was_missed_and_once(stage: Stage) -> None:
    """Were each planned through a horizon from its own tick, each would find a latest of its own."""
    await stage.fanout.run()
    for asked in stage.waiting():
        await stage.plan(asked)
    waited = []
    for _ in range(12):  # ticks that no planner heard
        stage.clock.instant += TICK_MS
        await stage.fanout.run()
        waited += stage.waiting()
    now = stage.clock.now()
    random.Random(0).shuffle(waited)
    for asked in waited:
        await stage.plan(asked)

    states = await stage.leases.segments(SEGMENTS)
    sent = stage.fired()
    late = {fire for fire in sent if NOW + HORIZON_MS <= fire[1] < now - 60_000}
    assert {state.planned_through for state in states} == {now + HORIZON_MS}
    assert set(sent.values()) == {1}
    assert late == set()  # what is up to a minute late is still to fire, and is the latest
    assert {fire for fire in sent if fire[1] >= now} == {fire for fire in stage.due(now + HORIZON_MS) if fire[1] >= now}


async def test_a_tick_of_a_clock_ahead_is_planned_no_further_than_a_horizon_from_here(stage: Stage) -> None:
    await stage.plan(SegmentRange(tick=NOW + 3_600_000, first=0, end=1))

    assert await stage.leases.planned_through(0) == NOW + HORIZON_MS


@pytest.mark.parametrize("seed", range(20))
async def test_planners_at_once_on_messages_twice_and_in_any_order_send_each_fire_once(stage: Stage, seed: int) -> None:
    seeded = random.Random(seed)
    for _ in range(3):
        await stage.fanout.run()
        messages = [asked for asked in stage.waiting() for _ in range(2)]
        seeded.shuffle(messages)
        reports = await asyncio.gather(*(stage.plan(asked) for asked in messages))
        assert {report.ended for some in reports for report in some} <= {SegmentOutcome.PLANNED, SegmentOutcome.HELD}
        stage.clock.instant += TICK_MS

    assert stage.fired() == dict.fromkeys(stage.due(NOW + 2 * TICK_MS + HORIZON_MS), 1)


async def test_a_planner_that_is_killed_holds_its_segments_for_its_lease_and_loses_nothing(stage: Stage) -> None:
    await stage.fanout.run()
    killed, *others = stage.waiting()
    tasks = [asyncio.ensure_future(stage.plan(killed, seconds=30))]
    held = 0
    while held < 4:  # until all its segments are claimed and none is done
        await asyncio.sleep(0)
        held = sum(state.lease_until > 0 for state in await stage.leases.segments(SEGMENTS))
    tasks[0].cancel()
    await asyncio.wait(tasks)
    for asked in others:
        await stage.plan(asked)

    assert {report.ended for report in await stage.plan(killed)} == {SegmentOutcome.HELD}
    stage.clock.instant += 30_000  # the lease
    assert {report.ended for report in await stage.plan(killed)} == {SegmentOutcome.PLANNED}
    assert stage.due(NOW + HORIZON_MS) <= set(stage.fired())


async def test_a_segment_that_nobody_claims_is_seen_to_fall_behind(stage: Stage) -> None:
    assert await stage.fanout.furthest_behind() is None
    await stage.fanout.run()
    for asked in stage.waiting():
        await stage.plan(asked)
    assert await stage.fanout.furthest_behind() == Behind(0, 0)

    for tick in range(1, 4):
        stage.clock.instant += TICK_MS
        await stage.plan(SegmentRange(tick=stage.clock.now(), first=0, end=20))
        behind = await stage.fanout.furthest_behind()
        # After one tick nothing is late; then the last four fall behind by a tick each time.
        assert behind == Behind(20 if tick > 1 else 0, (tick - 1) * TICK_MS)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        pytest.param({"PLANNER_WORKERS": "2"}, "segment_queue_url", id="no-queue"),
        pytest.param({"PLANNER_WORKERS": "2", "SEGMENT_QUEUE_URL": "x"}, "segment_dlq_url", id="no-dead-letters"),
        pytest.param({"PLANNER_WORKERS": "257", "SEGMENT_QUEUE_URL": "x"}, "planner_workers", id="too-many"),
        pytest.param({"PLANNER_WORKERS": "0"}, "planner_workers", id="none"),
    ],
)
def test_several_planners_without_what_they_need_are_refused(given: dict[str, str], names: str) -> None:
    needed = (
        "SCHEDULES_TABLE",
        "LEDGER_TABLE",
        "BUS_NAME",
        "REGISTRAR_QUEUE_URL",
        "FIRE_QUEUE_URL",
        "COMMAND_DLQ_URL",
        "FIRE_DLQ_URL",
    )
    environ = {f"EVENTCRON_{name}": "x" for name in needed}
    assert config.read(environ).planner_workers == 1

    with pytest.raises(InvalidSettings, match=names):
        config.read(environ | {f"EVENTCRON_{name}": value for name, value in given.items()})
