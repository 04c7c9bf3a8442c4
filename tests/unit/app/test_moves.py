"""Waves: many timed schedules of one instant. They are moved at a pace, in parts, over as many ticks as that takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from eventcron.adapters.memory import MemoryFireQueue, MemoryLeases, MemoryQueue, MemoryScheduleStore
from eventcron.app import moves
from eventcron.app.planner import SAVE_BEFORE_MS, SegmentOutcome, SegmentReport
from eventcron.errors import Unavailable
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key
from eventcron.model.records import IndexEntry
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.trigger import parse
from eventcron.wire.encode import decode_pack
from tests.records import record_of

NOW = 1_798_761_300_000  # 2026-12-31T23:55:00Z
NEW_YEAR = NOW + 300_000
WAVE = 240


class Watched(MemoryScheduleStore):
    """Notes when each move is made, and refuses some."""

    def __init__(self, clock: JumpingClock, **options: Any) -> None:
        super().__init__(clock, **options)
        self.clock = clock
        self.moved: list[Instant] = []
        self.refused_until: Instant = 0
        #: The name of a schedule whose moves are always refused.
        self.stuck = ""

    async def move_wake(self, entry: IndexEntry, wake: Instant | None, *, handoff: Instant | None = None) -> bool:
        if self.clock.now() < self.refused_until or entry.name == self.stuck:
            raise Unavailable("dynamodb", "ThrottlingException", "the index takes no more")
        self.moved.append(self.clock.now())
        return await super().move_wake(entry, wake, handoff=handoff)


class Stage:
    """A planner over one segment with a wave in it."""

    def __init__(self, *, page_size: int = 1_000, **settings: Any) -> None:
        self.clock = JumpingClock(NOW)
        self.store = Watched(self.clock, page_size=page_size)
        self.queue = MemoryQueue(self.clock)
        ports = memory_ports(
            self.clock, store=self.store, leases=MemoryLeases(), fire_queue=MemoryFireQueue(self.queue)
        )
        self.planner = ports.use_cases(msgspec.structs.replace(SETTINGS, **settings)).planner

    async def put(self, name: str, expression: str, *, wake: Instant) -> None:
        schedule = Schedule(tenant="acme", name=name, expression=expression)
        trigger = parse(expression, anchor=NOW).canonical
        assert await self.store.put(
            record_of(schedule, trigger=trigger, start=NOW, created=NOW - 1, segment=0, wake=wake), replacing=None
        )

    async def wave(self, count: int = WAVE) -> None:
        """So many schedules that are due at New Year, and one that fires every minute."""
        for number in range(count):
            await self.put(f"yearly-{number:03}", "0 0 1 1 *", wake=NEW_YEAR)
        await self.put("minutely", "* * * * *", wake=0)

    async def plan(self, *, seconds: int = 60) -> SegmentReport:
        (report,) = await self.planner.run([0], deadline=self.clock.now() + seconds * 1000)
        return report

    def fires(self) -> Counter[tuple[str, Instant]]:
        self.clock.instant += 1_000_000
        found: Counter[tuple[str, Instant]] = Counter()
        while messages := self.queue.receive():
            found.update((fire.name, fire.due) for m in messages for fire in decode_pack(m.body).fires)
        return found

    def left(self) -> int:
        """How many of the wave still wake at New Year."""
        return sum(record.wake == NEW_YEAR for record in self.store.records.values())


async def test_a_wave_is_moved_at_the_pace_and_no_faster() -> None:
    stage = Stage(moves_per_second=20)
    await stage.wave()

    report = await stage.plan()

    assert (report.ended, stage.left()) == (SegmentOutcome.PLANNED, 0)
    took = stage.store.moved[-1] - stage.store.moved[0]
    # As many at once as are in flight.
    assert (WAVE - moves.MOVES_AT_ONCE) / 20 * 1_000 - 1_000 <= took <= WAVE / 20 * 1_000


async def test_planners_share_the_pace() -> None:
    stage = Stage(moves_per_second=80, planner_workers=4, segment_queue_url="segments", segment_dlq_url="segment-dlq")
    await stage.wave()

    await stage.plan()

    assert stage.store.moved[-1] - stage.store.moved[0] > 10_000


async def test_few_moves_wait_for_nothing() -> None:
    stage = Stage()
    await stage.wave(moves.MOVES_AT_ONCE)

    await stage.plan()

    assert set(stage.store.moved) == {NOW}


@pytest.mark.parametrize("page_size", [1_000, 100, 7])
async def test_a_wave_that_takes_several_ticks_fires_once_and_so_does_what_is_dense(page_size: int) -> None:
    stage = Stage(moves_per_second=10, page_size=page_size)
    await stage.wave()

    ended = []
    while SegmentOutcome.PLANNED not in ended:
        ended.append((await stage.plan(seconds=10)).ended)
        stage.clock.instant += 10_000

    # Each has eight seconds: its deadline but two. None leaves anything for the next window.
    assert (ended, stage.left()) == ([SegmentOutcome.SAVED] * 2 + [SegmentOutcome.PLANNED], 0)
    fires = stage.fires()
    assert sum(due == NEW_YEAR for name, due in fires.elements() if name != "minutely") == WAVE
    assert set(fires.values()) == {1}
    assert ("minutely", NEW_YEAR) in fires


async def test_nothing_is_sent_that_there_is_no_time_to_move() -> None:
    stage = Stage(moves_per_second=10)
    await stage.wave()

    report = await stage.plan(seconds=10)

    assert (report.ended, report.visited) == (SegmentOutcome.SAVED, len(stage.store.moved))
    assert 70 <= report.visited <= 80
    assert stage.clock.now() <= NOW + 10_000 - SAVE_BEFORE_MS
    assert sum(stage.fires().values()) == report.visited


async def test_what_the_index_still_shows_of_the_parts_before_is_not_planned_again() -> None:
    stage = Stage(moves_per_second=10)
    await stage.wave()
    shown, show = dict(stage.store.records), stage.store._shown
    await stage.plan(seconds=10)
    moved = {key for key, record in stage.store.records.items() if record.wake != shown[key].wake}
    stage.clock.instant += 10_000
    # The index as it was before anything was moved.
    stage.store._shown = lambda key: shown[key] if key in moved else show(key)  # type: ignore[method-assign]

    await stage.plan()

    assert len(moved) > 70
    assert set(stage.fires().values()) == {1}


async def test_throttled_moves_are_tried_until_the_planner_s_time_is_over() -> None:
    stage = Stage()
    await stage.wave()
    stage.store.refused_until = NOW + 40_000

    report = await stage.plan()

    assert (report.ended, stage.left()) == (SegmentOutcome.PLANNED, 0)
    assert set(stage.fires().values()) == {1}


async def test_moves_that_are_throttled_to_the_end_fail_the_segment_in_time() -> None:
    stage = Stage()
    await stage.wave()
    stage.store.refused_until = NOW + 10_000_000

    report = await stage.plan()

    assert (report.ended, "the index takes no more" in report.reason) == (SegmentOutcome.FAILED, True)
    assert NOW + 58_000 < stage.clock.now() < NOW + 60_000


async def test_a_move_that_is_always_refused_holds_up_no_other() -> None:
    """The window is planned again for what was not moved: that should be one schedule, not all that come after it."""
    stage = Stage()
    await stage.wave()
    stage.store.stuck = f"yearly-{WAVE - 3:03}"  # among those that are read first

    report = await stage.plan()

    assert (report.ended, stage.left()) == (SegmentOutcome.FAILED, 1)


@pytest.mark.parametrize(
    ("change", "named"),
    [(lambda key: key.name < "yearly-100", 100), (lambda _key: False, 0)],
)
async def test_what_was_changed_meanwhile_keeps_its_own_wake(change: Callable[[Key], bool], named: int) -> None:
    stage = Stage(moves_per_second=20)
    await stage.wave()
    other = NEW_YEAR + 86_400_000
    for key, record in list(stage.store.records.items()):
        if change(key) and record.wake == NEW_YEAR:
            stage.store._records[key] = msgspec.structs.replace(record, revision=record.revision + 1, wake=other)
    await stage.plan()

    assert sum(record.wake == other for record in stage.store.records.values()) == named
