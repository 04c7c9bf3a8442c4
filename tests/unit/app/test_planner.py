"""The planner's protocol: what it does when a service refuses, a claim is held or lost, or time runs out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import pytest

from eventcron.adapters.memory import (
    MemoryDeadLetters,
    MemoryEventBus,
    MemoryFireQueue,
    MemoryLeases,
    MemoryQueue,
    MemoryScheduleStore,
    Version,
)
from eventcron.app.planner import AHEAD_MS, INDEX_LAG_MS, SegmentOutcome, SegmentReport
from eventcron.errors import Unavailable
from eventcron.model.commands import Schedule
from eventcron.model.events import Event
from eventcron.model.messages import Pack
from eventcron.model.names import Instant, Key, Unreadable
from eventcron.model.records import IndexEntry, Record, State
from eventcron.ports import Lease, Page, Refusal
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.instant import rfc3339
from eventcron.timing.trigger import parse
from eventcron.wire.encode import decode_pack
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
TOMBSTONE_S = SETTINGS.tombstone_days * 86_400
MINUTE = 60_000
DAY = 86_400_000


class Stage:
    """A planner over one segment, with ports that can be told to misbehave."""

    def __init__(self, *, page_size: int = 1_000, **store: Any) -> None:
        self.clock = JumpingClock(NOW)
        self.store = MemoryScheduleStore(self.clock, page_size=page_size, **store)
        self.leases = MemoryLeases()
        self.queue = MemoryQueue(self.clock)
        self.refuse_pack: Refusal | None = None
        self.refuse_event: Refusal | None = None
        self.bus = MemoryEventBus(self.clock, refuse=lambda index, _event: _at(index, self.refuse_event))
        self.dead = MemoryDeadLetters()
        #: Only packs of that instant are refused; None = all.
        self.refuse_at: Instant | None = None
        fires = MemoryFireQueue(self.queue, refuse=self._refuse_pack)
        ports = memory_ports(
            self.clock,
            store=self.store,
            leases=self.leases,
            fire_queue=fires,
            bus=self.bus,
            dead_letters=self.dead,
        )
        self.planner = ports.use_cases(SETTINGS).planner

    def _refuse_pack(self, index: int, pack: Pack) -> Refusal | None:
        return _at(index, self.refuse_pack) if self.refuse_at in {None, pack.at} else None

    async def put(
        self,
        name: str,
        expression: str = "* * * * *",
        *,
        wake: Instant = 0,
        until: Instant | None = None,
        after_completion: Literal["KEEP", "DELETE"] = "KEEP",
        **more: Any,
    ) -> Record:
        trigger = parse(expression, anchor=NOW, **more)
        schedule = Schedule(tenant="acme", name=name, expression=expression, after_completion=after_completion)
        record = record_of(
            schedule,
            trigger=trigger.canonical,
            start=NOW - MINUTE + 1,
            end=until,
            created=NOW - MINUTE,
            segment=0,
            wake=wake,
        )
        assert await self.store.put(record, replacing=None)
        return record

    async def plan(self, *, seconds: int = 60) -> SegmentReport:
        (report,) = await self.planner.run([0], deadline=self.clock.now() + seconds * 1000)
        return report

    def packed(self) -> list[Pack]:
        self.clock.instant += 1_000_000
        packs = []
        while messages := self.queue.receive():
            packs += [decode_pack(message.body) for message in messages]
        return packs

    def dues(self) -> list[Instant]:
        return sorted(fire.due for pack in self.packed() for fire in pack.fires)


def _at(index: int, refusal: Refusal | None) -> Refusal | None:
    return None if refusal is None else Refusal(index=index, code=refusal.code, retryable=refusal.retryable)


async def test_a_window_is_planned_to_its_end_and_the_cursor_follows() -> None:
    stage = Stage()
    await stage.put("minutely")

    report = await stage.plan()

    (state,) = await stage.leases.segments(1)
    assert (report.ended, report.visited, report.fires) == (SegmentOutcome.PLANNED, 1, 12)
    assert state.planned_through == NOW + SETTINGS.horizon_seconds * 1000
    assert stage.dues() == [NOW + minute * MINUTE for minute in range(12)]


async def test_windows_meet_without_gap_or_overlap() -> None:
    stage = Stage()
    await stage.put("minutely")

    for _ in range(5):
        await stage.plan()
        stage.clock.instant += 300_000

    assert stage.dues() == [NOW + minute * MINUTE for minute in range(32)]


async def test_a_segment_whose_packs_were_not_all_taken_does_not_advance() -> None:
    stage = Stage()
    await stage.put("minutely")
    stage.refuse_pack = Refusal(index=0, code="InternalError")

    report = await stage.plan()

    (state,) = await stage.leases.segments(1)
    assert report.ended is SegmentOutcome.FAILED
    assert "packs refused" in report.reason
    assert (state.planned_through, state.lease_until) == (0, 0)

    stage.refuse_pack = None
    assert (await stage.plan()).ended is SegmentOutcome.PLANNED
    assert len(stage.dues()) == 12


async def test_a_skip_that_could_not_be_told_stops_the_cursor_too() -> None:
    stage = Stage()
    await stage.put("excluded", "0 9 * * *", exclude=["2026-12-01"], wake=NOW + 60 * MINUTE)
    stage.clock.instant += 55 * MINUTE
    stage.refuse_event = Refusal(index=0, code="ThrottlingException")

    assert (await stage.plan()).ended is SegmentOutcome.FAILED

    stage.refuse_event = None
    report = await stage.plan()
    assert (report.ended, report.skipped) == (SegmentOutcome.PLANNED, 1)
    assert [event.detail_type for _, event in stage.bus.published] == ["Schedule Skipped"]


async def test_a_live_claim_is_left_alone() -> None:
    stage = Stage()
    await stage.put("minutely")
    await stage.leases.acquire(0, end=NOW + MINUTE, now=NOW, lease_until=NOW + 30_000)

    assert (await stage.plan()).ended is SegmentOutcome.HELD
    assert stage.dues() == []


async def test_a_slow_twin_is_fenced_off() -> None:
    """Its lease ran out while it was sending; a second planner has claimed the segment since."""
    stage = Stage()
    await stage.put("minutely")
    claimed: list[Lease | None] = []

    async def overtake(_events: Sequence[Event]) -> list[Refusal]:
        return []

    async def slow_page(segment: int, **how: Any) -> Page[IndexEntry]:
        page = await MemoryScheduleStore.read_index(stage.store, segment, **how)
        stage.clock.instant += 61_000
        now = stage.clock.now()
        claimed.append(await stage.leases.acquire(0, end=now + MINUTE, now=now, lease_until=now + MINUTE))
        return page

    stage.store.read_index = slow_page  # type: ignore[method-assign]  # this store is slow

    report = await stage.plan()

    assert claimed[0] is not None
    assert report.ended is SegmentOutcome.FENCED
    assert await stage.leases.commit(claimed[0]), "the later claim is untouched"


async def test_a_planner_whose_lease_a_clock_ahead_took_makes_nothing_dense() -> None:
    """The other one has waited for the index already, and would find the schedule neither as it was nor as it is."""
    stage = Stage()
    await stage.put("minutely", wake=NOW + MINUTE)
    read, ahead = stage.store.read_index, NOW + 10 * MINUTE

    async def overtaken(segment: int, **how: Any) -> Page[IndexEntry]:
        page = await read(segment, **how)
        assert await stage.leases.acquire(0, end=ahead + MINUTE, now=ahead, lease_until=ahead + MINUTE)
        return page

    stage.store.read_index = overtaken  # type: ignore[method-assign]  # meanwhile another planner acts

    assert (await stage.plan()).ended is SegmentOutcome.FENCED
    assert stage.store.records[Key("acme", "minutely")].wake == NOW + MINUTE


async def test_near_its_deadline_a_pass_saves_its_page_and_the_next_goes_on_from_there() -> None:
    stage = Stage(page_size=3)
    for number in range(10):
        await stage.put(f"n{number}", "5 * * * *")
    pages = 0

    async def slow_page(segment: int, **how: Any) -> Page[IndexEntry]:
        nonlocal pages
        pages += 1
        page = await MemoryScheduleStore.read_index(stage.store, segment, **how)
        stage.clock.instant += 4_000
        return page

    stage.store.read_index = slow_page  # type: ignore[method-assign]  # this store is slow

    ends = [await stage.plan(seconds=5) for _ in range(4)]

    assert [report.ended for report in ends] == [
        SegmentOutcome.SAVED,
        SegmentOutcome.SAVED,
        SegmentOutcome.SAVED,
        SegmentOutcome.PLANNED,
    ]
    assert sum(report.visited for report in ends) == 10
    assert stage.dues() == [NOW + 5 * MINUTE] * 10


async def test_no_time_left_means_nothing_is_claimed() -> None:
    stage = Stage()
    await stage.put("minutely")

    assert (await stage.plan(seconds=1)).ended is SegmentOutcome.SAVED
    assert [state.fence for state in await stage.leases.segments(1)] == [0]


@pytest.mark.parametrize("port", ["acquire", "commit"])
async def test_one_segment_that_fails_does_not_stop_the_others(port: str) -> None:
    stage = Stage()
    await stage.put("minutely")
    working = getattr(stage.leases, port)

    async def failing(first: Any, **more: Any) -> Any:
        if first == 1 or getattr(first, "segment", 0) == 1:
            raise Unavailable("dynamodb", "ThrottlingException")
        return await working(first, **more)

    setattr(stage.leases, port, failing)

    reports = await stage.planner.run([1, 0], deadline=NOW + 60_000)

    assert [report.ended for report in reports] == [SegmentOutcome.FAILED, SegmentOutcome.PLANNED]
    assert len(stage.dues()) == 12


async def test_a_claim_that_cannot_be_released_runs_out_by_itself() -> None:
    stage = Stage()
    await stage.put("minutely")
    stage.refuse_pack = Refusal(index=0, code="InternalError")

    async def unavailable(lease: Lease) -> bool:
        raise Unavailable("dynamodb", "ThrottlingException")

    stage.leases.release = unavailable  # type: ignore[method-assign]  # this table throttles

    assert (await stage.plan(seconds=30)).ended is SegmentOutcome.FAILED
    stage.refuse_pack = None
    stage.clock.instant = NOW + 30_000
    assert (await stage.plan()).ended is SegmentOutcome.PLANNED
    assert stage.dues() == [NOW + minute * MINUTE for minute in range(13)]


async def test_an_item_the_index_did_not_show_in_time_is_late_and_not_lost() -> None:
    hidden = True

    def lagging(versions: Sequence[Version]) -> Version:
        return versions[0] if hidden else versions[-1]

    stage = Stage(visible=lagging)
    await stage.put("once", "at(2026-12-01T08:05:00)", wake=NOW + 5 * MINUTE)
    assert (await stage.plan()).fires == 0
    stage.clock.instant += 300_000
    hidden = False

    assert (await stage.plan()).fires == 1
    assert stage.dues() == [NOW + 5 * MINUTE]


async def test_a_clock_that_was_ahead_silences_nothing_that_is_put_later() -> None:
    """A planner a day ahead planned a day too far. What is put afterwards fires at its time all the same."""
    stage = Stage()
    await stage.put("before", "0 * * * *")
    stage.clock.instant += DAY
    await stage.plan()
    stage.clock.instant -= DAY
    await stage.put("minutely", wake=NOW + 13 * MINUTE)
    await stage.put("once", "at(2026-12-01T08:30:00)", wake=NOW + 30 * MINUTE)
    reports = []
    for _ in range(6):
        stage.clock.instant += 5 * MINUTE
        reports.append(await stage.plan())

    packed = [fire for pack in stage.packed() for fire in pack.fires]
    dues = {name: sorted(fire.due for fire in packed if fire.name == name) for name in ("minutely", "once")}
    assert {report.ended for report in reports} == {SegmentOutcome.AHEAD}
    assert [report.ahead_ms for report in reports] == [DAY - minute * MINUTE for minute in range(5, 35, 5)]
    assert dues["minutely"] == [NOW + minute * MINUTE for minute in range(13, 42)], "up to a horizon from now"
    assert dues["once"] == [NOW + 30 * MINUTE]


async def test_once_the_horizon_reaches_what_was_planned_too_far_each_window_is_planned_as_ever() -> None:
    stage = Stage()
    await stage.put("before", "*/30 * * * *")
    stage.clock.instant += 3_600_000
    await stage.plan()
    stage.clock.instant -= 3_600_000
    await stage.put("minutely", wake=NOW + 13 * MINUTE)
    for tick in range(1, 25):
        stage.clock.instant = NOW + tick * 5 * MINUTE
        await stage.plan()

    packed = [fire for pack in stage.packed() for fire in pack.fires]
    end = NOW + 120 * MINUTE + SETTINGS.horizon_seconds * 1000
    assert sorted(fire.due for fire in packed if fire.name == "minutely") == list(range(NOW + 13 * MINUTE, end, MINUTE))


async def test_a_range_that_a_clock_ahead_has_planned_is_looked_at_all_the_same() -> None:
    stage = Stage()
    stage.clock.instant += DAY
    await stage.plan()
    stage.clock.instant -= DAY
    await stage.put("once", "at(2026-12-01T08:10:00)", wake=NOW + 10 * MINUTE)

    (report,) = await stage.planner.run([0], deadline=NOW + MINUTE, tick=NOW)

    assert (report.ended, report.fires) == (SegmentOutcome.AHEAD, 1)


async def test_what_a_clock_ahead_passed_by_is_saved_for_the_next_planner_where_time_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    stage.clock.instant += DAY
    await stage.plan()
    stage.clock.instant -= DAY
    await stage.put("once", "at(2026-12-01T08:10:00)", wake=NOW + 10 * MINUTE)
    release = stage.leases.release

    async def slow(lease: Lease) -> bool:
        stage.clock.instant += MINUTE
        return await release(lease)

    monkeypatch.setattr(stage.leases, "release", slow)
    (report,) = await stage.planner.run([0], deadline=NOW + MINUTE)

    assert (report.ended, report.fires) == (SegmentOutcome.SAVED, 0)


async def test_a_window_that_a_clock_ahead_began_and_left_is_planned_to_its_end() -> None:
    """The planner of that clock died. The queue delays no message for that long, so packs appear early and wait."""
    stage = Stage()
    await stage.put("hourly", "0 * * * *")
    assert await stage.leases.acquire(0, end=NOW + 10_800_000, now=NOW, lease_until=NOW + MINUTE) is not None
    stage.clock.instant += MINUTE

    assert (await stage.plan()).ended is SegmentOutcome.PLANNED
    assert stage.dues() == [NOW, NOW + 3_600_000, NOW + 7_200_000]


async def test_what_ends_while_a_dead_planner_of_a_clock_ahead_holds_its_segment_fires_once_and_is_reported() -> None:
    """Its lease seems alive for a quarter of an hour. Then the whole window is planned, however late."""
    stage = Stage()
    await stage.put("ending", exclude=["*/2 * * * *"], until=NOW + 6 * MINUTE)
    ahead = NOW + 12 * MINUTE
    assert await stage.leases.acquire(0, end=ahead, now=ahead, lease_until=NOW + 14 * MINUTE) is not None
    stage.clock.instant += 13 * MINUTE
    held = await stage.plan()
    stage.clock.instant += MINUTE
    planned = await stage.plan()

    (fire,) = [fire for pack in stage.packed() for fire in pack.fires]
    assert (held.ended, planned.ended) == (SegmentOutcome.HELD, SegmentOutcome.PLANNED)
    assert (fire.due, fire.last) == (NOW + 5 * MINUTE, True)
    skips = [msgspec.json.decode(event.detail) for _, event in stage.bus.published]
    assert [(skip["reason"], skip["count"]) for skip in skips] == [("excluded", 3), ("misfire", 2)]


async def test_clocks_that_differ_a_little_cost_no_reading() -> None:
    stage = Stage()
    stage.clock.instant += AHEAD_MS
    await stage.plan()
    stage.clock.instant -= AHEAD_MS
    await stage.put("minutely")

    report = await stage.plan()

    assert (report.ended, report.visited, report.ahead_ms) == (SegmentOutcome.PLANNED, 0, 0)


async def test_an_item_the_index_still_shows_as_it_was_is_not_planned_again() -> None:
    stale = False

    def lagging(versions: Sequence[Version]) -> Version:
        return versions[1] if stale else versions[-1]

    stage = Stage(visible=lagging)
    await stage.put("minutely", wake=NOW + 5 * MINUTE)
    assert (await stage.plan()).fires == 7
    stale = True
    stage.clock.instant += 720_000

    assert (await stage.plan()).fires == 12
    assert stage.dues() == [NOW + minute * MINUTE for minute in range(5, 24)]


async def test_an_index_that_catches_up_between_two_pages_hides_nothing() -> None:
    """Two passes at once after another: the second meets what the first made dense, some of it where it was before."""
    stale = False

    def lagging(versions: Sequence[Version]) -> Version:
        return versions[1] if stale else versions[-1]

    stage = Stage(page_size=1, visible=lagging)
    for name in ("a", "b", "c"):
        await stage.put(name, wake=NOW + 5 * MINUTE)
    assert (await stage.plan()).fires == 3 * 7
    read, stale = stage.store.read_index, True

    async def read_index(segment: int, **how: Any) -> Page[IndexEntry]:
        nonlocal stale
        page = await read(segment, **how)
        stale = False
        return page

    stage.store.read_index = read_index  # type: ignore[method-assign]
    stage.clock.instant = NOW + 720_000

    assert (await stage.plan()).ended is SegmentOutcome.PLANNED
    assert stage.dues() == sorted(3 * [NOW + minute * MINUTE for minute in range(5, 24)])


async def test_after_a_schedule_became_dense_the_next_pass_waits_until_the_whole_index_shows_that() -> None:
    """One page of the next pass would show the schedule as dense, the other one as it was before: neither has it."""
    stage = Stage()
    await stage.put("a", wake=NOW + 5 * MINUTE)

    assert (await stage.plan()).fires == 7
    started = stage.clock.instant = NOW + MINUTE
    assert (await stage.plan()).fires == 1
    assert stage.clock.instant == started + INDEX_LAG_MS, "by its own clock, whatever the clock of the pass before"
    started = stage.clock.instant = NOW + 2 * MINUTE
    assert (await stage.plan()).fires == 1
    assert stage.clock.instant == started, "nothing became dense in the pass before"


async def test_a_pass_without_the_time_to_let_the_index_catch_up_leaves_the_segment_to_the_next() -> None:
    stage = Stage()
    await stage.put("a", wake=NOW + 5 * MINUTE)
    await stage.plan()

    stage.clock.instant = NOW + MINUTE
    report = await stage.plan(seconds=6)
    assert (report.ended, report.visited) == (SegmentOutcome.SAVED, 0)
    started = stage.clock.instant
    assert (await stage.plan()).fires == 1
    assert stage.clock.instant == started + INDEX_LAG_MS


async def test_what_a_pass_made_dense_before_it_stopped_at_a_page_is_waited_for_by_the_pass_after_the_resumed_one() -> (
    None
):
    stage = await _stopped_at_a_page()
    resumed = stage.clock.instant
    assert (await stage.plan()).ended is SegmentOutcome.PLANNED
    assert stage.clock.instant == resumed, "the pages that are left come after what became dense"

    started = stage.clock.instant = NOW + MINUTE
    assert (await stage.plan()).ended is SegmentOutcome.PLANNED
    assert stage.clock.instant == started + INDEX_LAG_MS


async def test_a_pass_that_is_resumed_does_not_plan_again_what_its_first_half_made_dense() -> None:
    stage = await _stopped_at_a_page()
    assert (await stage.plan()).ended is SegmentOutcome.PLANNED

    assert stage.dues() == sorted(2 * [NOW + minute * MINUTE for minute in range(5, 12)])


async def test_a_trigger_of_another_release_is_skipped_in_the_open_and_stays() -> None:
    stage = Stage()
    await stage.put("minutely")
    await stage.store.put(
        record_of(
            Schedule(tenant="acme", name="strange", expression="* * * * *"),
            trigger="lunar|new-moon",
            created=NOW,
            segment=0,
            wake=0,
        ),
        replacing=None,
    )

    report = await stage.plan()

    assert (report.ended, report.fires) == (SegmentOutcome.PLANNED, 12)
    (reported,) = [event.detail for _, event in stage.bus.published]
    assert b'"reason":"unreadable_trigger"' in reported
    assert (await stage.plan()).ended is SegmentOutcome.PLANNED
    assert stage.store.records[("acme", "strange")].wake == 0  # type: ignore[index]  # a Key is a tuple


@pytest.mark.parametrize(
    ("flexible_s", "start", "windows"),
    [
        pytest.param(0, NOW - DAY, [(-MINUTE, 12 * MINUTE), (12 * MINUTE, 17 * MINUTE)], id="at-once"),
        pytest.param(
            600, NOW - DAY, [(-MINUTE, 12 * MINUTE), (12 * MINUTE, 17 * MINUTE)], id="up-to-ten-minutes-later"
        ),
        pytest.param(0, NOW + 14 * MINUTE, [(14 * MINUTE, 17 * MINUTE)], id="from-its-start-on"),
    ],
)
async def test_what_cannot_be_read_is_reported_for_when_it_is_due(
    flexible_s: int, start: Instant, windows: list[tuple[int, int]]
) -> None:
    """A window holds what is published in it. With a flexible window that is due earlier."""
    stage = Stage()
    await stage.leases.commit(await _leased(stage, NOW - MINUTE))
    schedule = Schedule(tenant="acme", name="strange", expression="* * * * *", flexible_window_seconds=flexible_s)
    strange = record_of(schedule, trigger="lunar|new-moon", start=start, created=NOW, segment=0, wake=0)
    await stage.store.put(strange, replacing=None)
    offset = flexible_offset_ms(schedule.key, flexible_s)

    await stage.plan()
    stage.clock.instant += 5 * MINUTE
    await stage.plan()

    reported = [msgspec.json.decode(event.detail) for _, event in stage.bus.published]
    assert [(one["first_due"], one["last_due"]) for one in reported] == [
        (rfc3339(NOW + first - offset), rfc3339(NOW + end - offset - 1)) for first, end in windows
    ]


async def _stopped_at_a_page() -> Stage:
    """A stage whose first pass made one of two schedules dense, and then ran out of time."""
    stage = Stage(page_size=1)
    for name in ("a", "b"):
        await stage.put(name, wake=NOW + 5 * MINUTE)
    read = stage.store.read_index

    async def slow_page(segment: int, **how: Any) -> Page[IndexEntry]:
        stage.clock.instant += 4_000
        return await read(segment, **how)

    # The store has no way to be slow.
    stage.store.read_index = slow_page  # type: ignore[method-assign]
    assert (await stage.plan(seconds=9)).ended is SegmentOutcome.SAVED
    stage.store.read_index = read  # type: ignore[method-assign]
    return stage


async def _leased(stage: Stage, end: Instant) -> Lease:
    """A lease of the segment through *end*."""
    lease = await stage.leases.acquire(0, end=end, now=NOW - 2 * MINUTE, lease_until=NOW)
    assert lease is not None
    return lease


class HalfReadable(MemoryScheduleStore):
    """An index with one schedule that cannot be read."""

    async def read_index(self, segment: int, **how: Any) -> Page[IndexEntry]:
        page = await super().read_index(segment, **how)
        return Page(page.items, page.cursor, [Unreadable(Key("acme", "newer"), "stored in format 2")])


async def test_a_schedule_that_cannot_be_read_is_told_and_stops_no_other() -> None:
    stage = Stage()
    store = HalfReadable(stage.clock)
    planner = memory_ports(stage.clock, store=store, bus=stage.bus).use_cases(SETTINGS).planner
    stage.store = store
    await stage.put("minutely")

    (report,) = await planner.run([0], deadline=NOW + 60_000)

    assert (report.ended, report.fires) == (SegmentOutcome.PLANNED, 12)
    (reported,) = [msgspec.json.decode(event.detail) for _, event in stage.bus.published]
    assert (reported["name"], reported["reason"], reported["by"]) == ("newer", "unreadable", "stored in format 2")


async def test_a_schedule_whose_last_occurrence_is_skipped_ends_all_the_same() -> None:
    stage = Stage()
    await stage.put("once", "at(2026-12-01T08:05:00)", exclude=["2026-12-01"], wake=NOW + 5 * MINUTE)

    await stage.plan()
    assert [event.detail_type for _, event in stage.bus.published] == ["Schedule Skipped"]
    stage.clock.instant += 300_000
    await stage.plan()
    assert len(stage.bus.published) == 1, "a fire of the window before may still be on its way"
    stage.clock.instant += 420_000
    await stage.plan()

    assert [event.detail_type for _, event in stage.bus.published] == ["Schedule Skipped", "Schedule Completed"]
    assert stage.store.records[("acme", "once")].state is State.COMPLETED  # type: ignore[index]  # a Key is a tuple


async def test_a_last_fire_that_ends_its_schedule_does_not_lose_what_a_failed_pass_left() -> None:
    """The pass sends the last fire and fails at another; the last fire is published before the segment's next pass."""
    stage = Stage()
    record = await stage.put("twice", until=NOW + 2 * MINUTE)
    stage.refuse_pack, stage.refuse_at = Refusal(index=0, code="InternalError"), NOW
    assert (await stage.plan()).ended is SegmentOutcome.FAILED
    assert stage.dues() == [NOW + MINUTE]
    assert await stage.store.complete(record.key, revision=record.revision, expires=None)

    stage.refuse_pack = None
    stage.clock.instant = NOW
    assert (await stage.plan()).ended is SegmentOutcome.PLANNED

    assert NOW in stage.dues()
    stored = stage.store.records[record.key]
    assert (stored.state, stored.segment, stored.wake) == (State.COMPLETED, None, None)


async def test_a_schedule_that_the_planner_ends_is_deleted_if_it_asked_for_that() -> None:
    stage = Stage()
    record = await stage.put("once", until=NOW + 1, exclude=["2026-12-01"], after_completion="DELETE")

    assert (await stage.plan()).ended is SegmentOutcome.PLANNED
    stage.clock.instant += 720_000
    assert (await stage.plan()).ended is SegmentOutcome.PLANNED

    stored = stage.store.records[record.key]
    assert (stored.state, stored.expires) == (State.COMPLETED, stage.clock.instant // 1000 + TOMBSTONE_S)


class Watched(MemoryLeases):
    """Leases that remember which segments were asked for, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.claimed: list[int] = []

    async def acquire(self, segment: int, *, end: Instant, now: Instant, lease_until: Instant) -> Lease | None:
        self.claimed.append(segment)
        return await super().acquire(segment, end=end, now=now, lease_until=lease_until)


@pytest.mark.parametrize(("jitter", "order"), [(0.0, [0, 1, 2, 3]), (0.3, [1, 2, 3, 0]), (0.99, [3, 0, 1, 2])])
async def test_another_segment_is_first_each_time_so_that_none_waits_for_ever(jitter: float, order: list[int]) -> None:
    leases = Watched()
    ports = memory_ports(JumpingClock(NOW), leases=leases, jitter=lambda: jitter)
    planner = ports.use_cases(msgspec.structs.replace(SETTINGS, concurrency=1)).planner

    reports = await planner.run(range(4), deadline=NOW + 60_000)

    assert leases.claimed == order
    assert [report.segment for report in reports] == [0, 1, 2, 3]


async def test_segments_are_planned_at_once() -> None:
    stage = Stage()
    under_way = most = 0
    read = stage.store.read_index

    async def watched(segment: int, **how: Any) -> Page[IndexEntry]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        page = await read(segment, **how)
        under_way -= 1
        return page

    stage.store.read_index = watched  # type: ignore[method-assign]  # counted

    await stage.planner.run(range(40), deadline=NOW + 60_000)

    assert most == SETTINGS.concurrency
