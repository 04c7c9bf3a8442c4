"""What the reconciler finds wrong, what it leaves alone, and that it may run beside everything else."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryEventBus, MemoryLeases, MemoryScheduleStore, MemorySweeps
from eventcron.app.reconcile import LEASE_MS, ReconcileReport
from eventcron.errors import Unavailable
from eventcron.model.commands import Schedule
from eventcron.model.names import Key
from eventcron.model.records import Record, State
from eventcron.ports import Page
from eventcron.rules.inputs import KEPT_MS
from eventcron.rules.lifecycle import worked_out_anew
from eventcron.rules.planning import index_entry_of
from eventcron.rules.reconcile import Fault, Setting, find
from eventcron.rules.sweeps import EVERY_MS
from eventcron.testing import JumpingClock, World, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.hashing import segment_of
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
TOMBSTONE_S = SETTINGS.tombstone_days * 86_400
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
REACH = (SETTINGS.horizon_seconds + SETTINGS.guard_seconds) * 1000
PLANNED = NOW + 10 * MINUTE
SETTING = Setting(NOW, REACH, 4, dict.fromkeys(range(64), PLANNED))


def enabled(expression: str = "* * * * *", *, name: str = "report", **more: Any) -> Record:
    schedule = Schedule(tenant="acme", name=name, expression=expression, **more.pop("schedule", {}))
    values: dict[str, Any] = {
        "state": State.ENABLED,
        "segment": segment_of(Key("acme", name), 4),
        "wake": 0,
        "handoff": NOW - 9 * DAY + REACH,
        **more,
    }
    end = values.pop("end", None)
    record = record_of(schedule, start=NOW - 9 * DAY, revision=7, created=NOW - 9 * DAY, **values)
    return with_era(worked_out_anew(record), end=end)


def with_era(record: Record, **changed: Any) -> Record:
    """*record* with the era in force *changed*."""
    return replace(record, eras=(*record.eras[:-1], replace(record.era, **changed)))


RARE = "0 9 * * MON"  # next on 7 December
MONDAY = NOW + 6 * DAY + HOUR


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(enabled(), id="dense"),
        pytest.param(enabled(RARE, wake=MONDAY), id="timed"),
        pytest.param(enabled(RARE, wake=NOW), id="awake-too-early-costs-one-look"),
        pytest.param(enabled(wake=NOW + 11 * MINUTE), id="the-occurrences-before-may-be-planned-already"),
        pytest.param(enabled("5 8 1 12 *", end=NOW + HOUR, wake=None), id="the-last-fire-is-on-its-way"),
        pytest.param(enabled("0 7 1 12 *", end=NOW, wake=None), id="the-last-fire-may-still-be-tried"),
        pytest.param(enabled(wake=None, handoff=NOW + HOUR, end=NOW + HOUR), id="the-registrar-sent-all"),
        pytest.param(enabled(state=State.PAUSED, segment=None, wake=None), id="paused"),
        pytest.param(enabled(state=State.COMPLETED, segment=None, wake=None), id="completed"),
        pytest.param(enabled(state=State.COMPLETED), id="completed-and-a-pass-left-fires-of-it"),
        pytest.param(
            replace(enabled(), schedule=None, state=State.DELETED, segment=None, wake=None, expires=NOW // 1000 + 1),
            id="tombstone",
        ),
    ],
)
def test_what_is_well_is_left_alone(record: Record) -> None:
    assert find(record, SETTING) is None


@pytest.mark.parametrize(
    ("record", "fault", "repaired"),
    [
        pytest.param(
            enabled(segment=3 - segment_of(Key("acme", "report"), 4)),
            Fault.SEGMENT,
            {"segment": segment_of(Key("acme", "report"), 4), "wake": PLANNED},
            id="a-dense-one-elsewhere-is-timed-from-where-it-was-planned-to",
        ),
        pytest.param(
            enabled(RARE, wake=MONDAY, segment=3 - segment_of(Key("acme", "report"), 4)),
            Fault.SEGMENT,
            {"segment": segment_of(Key("acme", "report"), 4), "wake": MONDAY},
            id="a-timed-one-elsewhere",
        ),
        pytest.param(
            enabled(wake=None, segment=None),
            Fault.WAKE,
            {"segment": segment_of(Key("acme", "report"), 4), "wake": NOW},
            id="out-of-the-index-with-occurrences-left",
        ),
        pytest.param(enabled(RARE, wake=MONDAY + 7 * DAY), Fault.WAKE, {"wake": MONDAY}, id="asleep-beyond-the-next"),
        pytest.param(
            enabled(RARE, wake=MONDAY + 7 * DAY, handoff=MONDAY + 1),
            None,
            {},
            id="what-the-registrar-sent-is-not-passed-by",
        ),
        pytest.param(
            enabled(state=State.PAUSED), Fault.INDEXED, {"segment": None, "wake": None}, id="paused-and-in-the-index"
        ),
        pytest.param(
            enabled(state=State.COMPLETED, wake=MONDAY, segment=3 - segment_of(Key("acme", "report"), 4)),
            Fault.SEGMENT,
            {"segment": segment_of(Key("acme", "report"), 4)},
            id="a-completed-one-elsewhere-of-which-a-pass-left-fires",
        ),
        pytest.param(
            replace(enabled(), schedule=None, state=State.DELETED, segment=None, wake=None, expires=NOW // 1000),
            Fault.EXPIRED,
            {},
            id="an-expired-tombstone",
        ),
        pytest.param(enabled("0 7 30 11 *", end=NOW - DAY, wake=None), Fault.OVER, {}, id="over-and-not-completed"),
    ],
)
def test_what_is_wrong_is_found(record: Record, fault: Fault | None, repaired: dict[str, Any]) -> None:
    finding = find(record, SETTING)

    if fault is None:
        assert finding is None
        return
    assert finding is not None
    assert (finding.fault, finding.record) == (fault, replace(record, **repaired))


def test_new_zone_rules_reach_what_is_paused() -> None:
    right = enabled("0 9 * * MON", state=State.PAUSED, segment=None, wake=None, schedule={"timezone": "Europe/Oslo"})
    stale = with_era(right, trigger=enabled("0 9 * * TUE").era.trigger)

    assert find(stale, SETTING) is None, "without new rules triggers are not looked at"
    assert find(right, SETTING._replace(work_out=True)) is None
    assert find(stale, SETTING._replace(work_out=True)) == (Fault.TRIGGER, right)


def test_new_zone_rules_move_what_sleeps_and_where_it_ends() -> None:
    record = enabled("0 9 * * MON", schedule={"timezone": "Europe/Oslo", "max_fires": 3})
    right = worked_out_anew(record)
    stale = with_era(replace(right, wake=MONDAY + 8 * DAY), trigger=enabled("0 9 * * TUE").era.trigger, end=5)

    assert find(right, SETTING._replace(work_out=True)) is None
    finding = find(stale, SETTING._replace(work_out=True))

    assert finding is not None
    assert (finding.fault, finding.record.era) == (Fault.TRIGGER, right.era)
    assert finding.record.wake in {MONDAY - HOUR, None}


def test_a_flexible_window_is_reckoned_with() -> None:
    record = enabled(RARE, schedule={"flexible_window_seconds": 600})
    plan = index_entry_of(record)
    assert plan is not None
    finding = find(replace(record, wake=MONDAY + 7 * DAY), SETTING)

    assert finding is not None
    assert finding.record.wake is not None
    assert MONDAY <= finding.record.wake < MONDAY + 600_000


# --- The walk --------------------------------------------------------------------------------------------------------


class Stage:
    """A reconciler on a table of small pages."""

    def __init__(self) -> None:
        self.clock = JumpingClock(NOW)
        self.store = MemoryScheduleStore(self.clock, page_size=3)
        self.leases = MemoryLeases()
        self.sweeps = MemorySweeps()
        self.bus = MemoryEventBus(self.clock)
        ports = memory_ports(self.clock, store=self.store, leases=self.leases, sweeps=self.sweeps, bus=self.bus)
        self.reconciler = ports.use_cases(SETTINGS).reconciler

    async def put(self, *records: Record) -> None:
        for record in records:
            assert await self.store.put(record, replacing=None)

    async def run(self, *, seconds: int = 900, rules: str = "2026a", **more: Any) -> ReconcileReport:
        return await self.reconciler.run(deadline=self.clock.instant + seconds * 1000, rules=rules, **more)

    async def resize(self, segments: int, *, seconds: int = 900, **more: Any) -> ReconcileReport:
        return await self.reconciler.resize(deadline=self.clock.instant + seconds * 1000, segments=segments, **more)

    def slow_page(self, _report: ReconcileReport) -> None:
        """A page takes a second."""
        self.clock.instant += 1_000

    def count_scanned(self) -> Counter[Key]:
        """Count from now on how often each record is read."""
        scanned: Counter[Key] = Counter()
        scan = self.store.scan

        async def counted(part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
            page = await scan(part, parts, cursor=cursor)
            scanned.update(record.key for record in page.items)
            return page

        self.store.scan = counted  # type: ignore[method-assign]  # the real one, counted
        return scanned


@pytest.fixture(name="stage")
def _stage() -> Stage:
    return Stage()


async def test_every_record_is_seen_once_and_counted(stage: Stage) -> None:
    await stage.put(*(enabled(name=f"n{number}") for number in range(100)))
    await stage.put(*(enabled(name=f"p{n}", state=State.PAUSED, segment=None, wake=None) for n in range(7)))

    report = await stage.run()

    assert (report.states, report.records) == ({State.ENABLED: 100, State.PAUSED: 7}, 107)
    assert (report.repaired.total(), report.contested, report.finished) == (0, 0, True)


async def test_what_is_wrong_is_put_right_and_the_second_run_finds_nothing(stage: Stage) -> None:
    gone = replace(enabled(name="gone"), schedule=None, state=State.DELETED, segment=None, wake=None, expires=1)
    over = enabled("0 7 30 11 *", name="over", end=NOW - DAY, wake=None, schedule={"after_completion": "DELETE"})
    await stage.put(enabled(name="lost", wake=None, segment=None), gone, over, enabled(name="well"))

    report = await stage.run()

    assert report.repaired == {Fault.WAKE: 1, Fault.EXPIRED: 1, Fault.OVER: 1}
    assert gone.key not in stage.store.records
    completed = stage.store.records[over.key]
    assert (completed.state, completed.expires) == (State.COMPLETED, NOW // 1000 + TOMBSTONE_S)
    assert [event.detail_type for _, event in stage.bus.published] == ["Schedule Completed"]
    assert stage.store.records[Key("acme", "lost")].wake == NOW
    stage.clock.instant += EVERY_MS
    again = await stage.run()
    assert (again.finished, again.repaired.total()) == (True, 0)


async def test_what_changed_meanwhile_is_left_to_who_changed_it(stage: Stage) -> None:
    lost = enabled(name="lost", wake=None, segment=None)
    await stage.put(lost)

    async def repair(record: Record, *, was: Record) -> bool:
        await stage.store.put(replace(was, revision=8), replacing=7)
        return await MemoryScheduleStore.repair(stage.store, record, was=was)

    stage.store.repair = repair  # type: ignore[method-assign]  # a command comes in between
    report = await stage.run()

    assert (report.contested, report.repaired.total()) == (1, 0)
    assert stage.store.records[lost.key] == replace(lost, revision=8)


async def test_what_this_release_cannot_read_is_named_and_stays(stage: Stage) -> None:
    odd = replace(enabled(name="odd"), schedule=Schedule(tenant="acme", name="odd", expression="every full moon"))
    await stage.put(odd, enabled(name="well"))

    report = await stage.run()

    (line,) = report.unreadable
    assert line.startswith("acme/odd: ")
    assert stage.store.records[odd.key] == odd


async def test_triggers_are_worked_out_anew_once_for_each_set_of_rules(stage: Stage) -> None:
    stale = with_era(enabled(name="stale"), trigger=enabled("0 * * * *").era.trigger)
    await stage.put(stale)

    assert (await stage.run(rules="2026a")).repaired == {Fault.TRIGGER: 1}
    await stage.store.repair(stale, was=stage.store.records[stale.key])
    stage.clock.instant += DAY
    assert (await stage.run(rules="2026a")).repaired.total() == 0
    assert (await stage.run(rules="2026b")).repaired == {Fault.TRIGGER: 1}


async def test_near_the_deadline_it_stops_and_does_not_say_it_is_done(stage: Stage) -> None:
    await stage.put(*(enabled(name=f"n{number}") for number in range(100)))
    seen: list[int] = []

    def late(report: ReconcileReport) -> None:
        seen.append(report.records)
        stage.slow_page(report)

    report = await stage.run(seconds=10, on_progress=late)

    assert not report.finished
    assert 0 < report.records < 100
    assert seen[-1] == report.records
    latest = await stage.sweeps.latest()
    assert latest is not None
    assert (latest.ended, latest.computed_by) == (None, ""), "triggers count as computed when all of them are"


# --- A table that no run can finish ----------------------------------------------------------------------------------


async def test_runs_that_are_too_short_read_every_record_once_together(stage: Stage) -> None:
    await stage.put(*(enabled(name=f"n{number}") for number in range(200)))
    await stage.put(enabled(name="lost", wake=None, segment=None), enabled(name="p", state=State.PAUSED, wake=None))
    scanned = stage.count_scanned()
    reports: list[ReconcileReport] = []

    while not reports or not reports[-1].finished:
        reports.append(await stage.run(seconds=10, on_progress=stage.slow_page))
        stage.clock.instant += HOUR

    assert len(reports) > 3
    assert set(scanned.values()) == {1}
    assert len(scanned) == 202
    percents = [report.percent for report in reports]
    assert percents == sorted(percents)
    assert (percents[0] < 100, percents[-1]) == (True, 100)
    assert reports[-1].total_states == {State.ENABLED: 201, State.PAUSED: 1}, "of the whole sweep"
    assert sum(report.repaired[Fault.WAKE] for report in reports) == 1


async def test_one_share_that_outlasts_a_run_is_carried_on_at_its_next_page(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All records of a large tenant may be in one share."""
    monkeypatch.setattr("eventcron.rules.sweeps.SHARES", 1)
    await stage.put(*(enabled(name=f"n{number:03}") for number in range(100)))
    scanned = stage.count_scanned()

    runs = [await stage.run(seconds=10, on_progress=stage.slow_page) for _ in range(7)]

    assert [run.records for run in runs] == [18, 18, 18, 18, 18, 10, 0]
    assert set(scanned.values()) == {1}
    assert [run.finished for run in runs[-2:]] == [True, False]
    assert runs[-1].sweep is None, "the next sweep begins tomorrow"


async def test_a_run_that_dies_leaves_its_shares_to_the_next_one_after_the_lease(stage: Stage) -> None:
    await stage.put(*(enabled(name=f"n{number}") for number in range(100)))
    scan = stage.store.scan
    calls = 0

    async def dies(part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
        nonlocal calls
        calls += 1
        if calls > 10:
            raise Unavailable("dynamodb", "ThrottlingException")
        return await scan(part, parts, cursor=cursor)

    stage.store.scan = dies  # type: ignore[method-assign]  # the table fails in the middle
    with pytest.raises(Unavailable):
        await stage.run()
    stage.store.scan = scan  # type: ignore[method-assign]  # it works again
    began = stage.clock.instant
    scanned = stage.count_scanned()
    report = await stage.run()

    assert (report.finished, report.total_states.total()) == (True, 100)
    assert 0 < len(scanned) < 100, "what the first run saved is not read again"
    assert LEASE_MS <= stage.clock.instant - began < LEASE_MS + 2_000


async def test_a_run_that_is_stopped_gives_its_shares_up_at_once(stage: Stage) -> None:
    """Ctrl-C during a resize."""
    await stage.put(*(enabled(name=f"n{number}") for number in range(100)))
    scan, reading = stage.store.scan, asyncio.Event()

    async def hangs(part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
        if part < 30:
            reading.set()
            await asyncio.Event().wait()
        return await scan(part, parts, cursor=cursor)

    stage.store.scan = hangs  # type: ignore[method-assign]  # a slow table
    running = asyncio.create_task(stage.resize(2))
    await reading.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    stage.store.scan = scan  # type: ignore[method-assign]  # as it was
    began = stage.clock.instant
    scanned = stage.count_scanned()
    report = await stage.resize(2)

    assert (report.finished, report.total_states.total()) == (True, 100)
    assert 0 < len(scanned) < 100
    assert stage.clock.instant == began, "nobody waited for a lease"
    assert {record.segment for record in stage.store.records.values()} == {0, 1}


async def test_a_stopped_resize_is_carried_on_by_the_next_daily_run(stage: Stage) -> None:
    await stage.run()
    await stage.put(*(enabled(name=f"n{number}") for number in range(100)))

    stopped = await stage.resize(2, seconds=7, on_progress=stage.slow_page)
    report = await stage.run()

    assert (stopped.finished, report.finished) == (False, True)
    assert {record.segment for record in stage.store.records.values()} == {0, 1}


async def test_a_resize_replaces_another_and_the_other_one_says_so(stage: Stage) -> None:
    await stage.put(*(enabled(name=f"n{number}") for number in range(200)))
    other: list[ReconcileReport] = []

    async def scan(part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
        if not other:
            other.append(ReconcileReport())
            other[0] = await stage.resize(1)
        return await MemoryScheduleStore.scan(stage.store, part, parts, cursor=cursor)

    stage.store.scan = scan  # type: ignore[method-assign]  # an operator comes in between
    report = await stage.resize(2)

    assert (report.replaced, report.finished) == (True, False)
    assert (other[0].finished, other[0].repaired[Fault.SEGMENT] > 0) == (True, True)


async def test_two_runs_at_once_share_the_work(stage: Stage) -> None:
    await stage.put(*(enabled(name=f"n{number}", wake=None, segment=None) for number in range(200)))
    scanned = stage.count_scanned()

    one, other = await asyncio.gather(stage.run(), stage.run())

    assert set(scanned.values()) == {1}
    assert min(one.records, other.records) > 0
    assert one.repaired[Fault.WAKE] + other.repaired[Fault.WAKE] == 200
    assert one.contested + other.contested == 0


async def test_a_dense_schedule_moves_to_where_its_segment_is_planned_now(stage: Stage) -> None:
    """Not to where it was planned when the run began: the fires in between would be sent twice."""
    key = next(key for number in range(9) if segment_of(key := Key("acme", f"n{number}"), 4) > 0)
    old = segment_of(key, 4)
    await stage.put(enabled(name=key.name, segment=old))
    scan = stage.store.scan

    async def later(part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
        if stage.clock.instant == NOW:
            stage.clock.instant += HOUR
            lease = await stage.leases.acquire(old, end=NOW + HOUR, now=NOW, lease_until=NOW + 1)
            assert lease is not None
            assert await stage.leases.commit(lease)
        return await scan(part, parts, cursor=cursor)

    stage.store.scan = later  # type: ignore[method-assign]  # a long resize, and the planner goes on
    await stage.resize(1, seconds=7_200)

    assert (stage.store.records[key].segment, stage.store.records[key].wake) == (0, NOW + HOUR)


def test_every_schedule_fires_on_while_the_segments_change() -> None:
    """Shrunk by the reconciler from 4 to 2 while planners still work on all 4: nothing is missed."""
    with World("2026-12-01T08:00:00Z") as world:
        for number in range(24):
            world.emit("Put Schedule", {"tenant": "acme", "name": f"n{number}", "expression": "* * * * *"})
        world.run(minutes=12)
        reconciler = world.ports.use_cases(world.settings).reconciler
        world.run(seconds=30)
        report = world._runner.run(reconciler.resize(deadline=world.now + 900_000, segments=2))
        world.run(minutes=30)

        assert report.repaired[Fault.SEGMENT] > 0
        fired = {(fire.schedule, fire.due) for fire in world.fired}
        assert len(fired) == 24 * 42
        assert {record.segment for record in world.store.records.values()} == {0, 1}


def test_a_pending_record_is_never_taken_for_over() -> None:
    record = enabled("0 7 30 11 *", end=NOW - DAY, wake=None, pending=1)

    assert find(record, SETTING) is None


# --- Inputs ----------------------------------------------------------------------------------------------------------


async def test_an_input_to_which_no_record_refers_is_removed_after_a_day() -> None:
    clock = JumpingClock(NOW)
    store = MemoryScheduleStore(clock)
    reconciler = memory_ports(clock, store=store).use_cases(SETTINGS).reconciler
    schedule = Schedule(tenant="acme", name="large", expression="@daily", input=msgspec.Raw(b'"' + b"x" * 2_000 + b'"'))
    await store.put(record_of(schedule, revision=1, state=State.PAUSED), replacing=None)
    await store.put(record_of(schedule, revision=2, state=State.PAUSED), replacing=1)

    async def run() -> tuple[int, int]:
        report = await reconciler.run(deadline=clock.now() + 60_000, rules="2026a")
        return report.inputs_removed, len((await store.scan(0, 1)).inputs)

    assert await run() == (0, 2), "whoever has read the record before may still read its input"
    clock.instant += KEPT_MS
    assert await run() == (1, 1)
    (kept,) = (await store.scan(0, 1)).inputs
    assert kept.id.startswith("2-")


# --- Counts of schedules ---------------------------------------------------------------------------------------------


async def test_a_count_that_a_dead_writer_left_too_high_is_made_anew_once_for_each_tenant() -> None:
    clock = JumpingClock(NOW)
    store = MemoryScheduleStore(clock)
    reconciler = memory_ports(clock, store=store).use_cases(SETTINGS).reconciler
    tombstone = Record(schedule=None, tenant="dead", name="d", revision=1, state=State.DELETED, created=1, expires=1)
    await store.put(enabled(), replacing=None, added=1)
    await store.put(enabled(name="uncounted"), replacing=None)
    await store.put(tombstone, replacing=None, added=1)
    await store.delete_expired(tombstone)

    async def run() -> tuple[int, int, int]:
        report = await reconciler.run(deadline=clock.now() + 60_000, rules="2026a")
        return report.recounted, await store.count("acme"), await store.count("dead")

    assert await run() == (0, 1, 1), "a writer may be between the count and the schedule"
    clock.instant += EVERY_MS
    assert await run() == (2, 2, 0)
    clock.instant += EVERY_MS
    assert await run() == (0, 2, 0)
