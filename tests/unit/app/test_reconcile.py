"""What the reconciler finds wrong, what it leaves alone, and that it may run beside everything else."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryEventBus, MemoryLeases, MemoryRulesVersion, MemoryScheduleStore
from eventcron.app.delivery import REMEMBER_S
from eventcron.app.reconcile import ReconcileReport
from eventcron.model.commands import Schedule
from eventcron.model.names import Key
from eventcron.model.records import Record, State
from eventcron.rules.inputs import KEPT_MS
from eventcron.rules.lifecycle import worked_out_anew
from eventcron.rules.planning import index_entry_of
from eventcron.rules.reconcile import Fault, Setting, find
from eventcron.testing import JumpingClock, World, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.hashing import segment_of
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
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
        pytest.param(enabled(state=State.COMPLETED), id="completed-and-a-pass-owes-fires-of-it"),
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
            id="a-completed-one-elsewhere-that-a-pass-owes-fires-of",
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
        self.rules_version = MemoryRulesVersion()
        self.bus = MemoryEventBus(self.clock)
        ports = memory_ports(
            self.clock, store=self.store, leases=self.leases, rules_version=self.rules_version, bus=self.bus
        )
        self.reconciler = ports.use_cases(SETTINGS).reconciler

    async def put(self, *records: Record) -> None:
        for record in records:
            assert await self.store.put(record, replacing=None)

    async def run(self, *, seconds: int = 900, rules: str = "2026a", **more: Any) -> ReconcileReport:
        return await self.reconciler.run(deadline=self.clock.instant + seconds * 1000, rules=rules, **more)


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
    assert (completed.state, completed.expires) == (State.COMPLETED, NOW // 1000 + REMEMBER_S)
    assert [event.detail_type for _, event in stage.bus.published] == ["Schedule Completed"]
    assert stage.store.records[Key("acme", "lost")].wake == NOW
    assert (await stage.run()).repaired.total() == 0


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
    assert (await stage.run(rules="2026a")).repaired.total() == 0
    assert (await stage.run(rules="2026b")).repaired == {Fault.TRIGGER: 1}


async def test_near_the_deadline_it_stops_and_does_not_say_it_is_done(stage: Stage) -> None:
    await stage.put(*(enabled(name=f"n{number}") for number in range(100)))
    seen: list[int] = []

    def late(report: ReconcileReport) -> None:
        seen.append(report.records)
        stage.clock.instant += 1_000

    report = await stage.run(seconds=10, on_progress=late)

    assert not report.finished
    assert 0 < report.records < 100
    assert seen[-1] == report.records
    assert await stage.rules_version.read() == "", "the next run starts with the triggers again"


def test_every_schedule_fires_on_while_the_segments_change() -> None:
    """Shrunk by the reconciler from 4 to 2 while planners still work on all 4: nothing is missed."""
    with World("2026-12-01T08:00:00Z") as world:
        for number in range(24):
            world.emit("Put Schedule", {"tenant": "acme", "name": f"n{number}", "expression": "* * * * *"})
        world.run(minutes=12)
        reconciler = world.ports.use_cases(world.settings).reconciler
        world.run(seconds=30)
        report = world._runner.run(reconciler.run(deadline=world.now + 900_000, rules="x", segments=2))
        world.run(minutes=30)

        assert report.repaired[Fault.SEGMENT] > 0
        fired = {(fire.schedule, fire.due) for fire in world.fired}
        assert len(fired) == 24 * 42
        assert {record.segment for record in world.store.records.values()} == {0, 1}


async def test_two_reconcilers_at_once_mend_once(stage: Stage) -> None:
    await stage.put(*(enabled(name=f"n{number}", wake=None, segment=None) for number in range(20)))

    one, other = await asyncio.gather(stage.run(), stage.run())

    assert one.repaired[Fault.WAKE] + other.repaired[Fault.WAKE] == 20
    assert one.contested + other.contested + 20 <= 40


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
        report = await reconciler.run(deadline=clock.now() + 60_000, rules=None)
        return report.inputs_removed, len((await store.scan(0, 1)).inputs)

    assert await run() == (0, 2), "whoever has read the record before may still read its input"
    clock.instant += KEPT_MS
    assert await run() == (1, 1)
    (kept,) = (await store.scan(0, 1)).inputs
    assert kept.id.startswith("2-")
