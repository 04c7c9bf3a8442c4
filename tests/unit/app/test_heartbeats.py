"""Schedules that fire nothing and expect reports, told from outside: silence, failure, return, and no false alarm."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryFireQueue, MemoryQueue, MemoryScheduleStore
from eventcron.app.heartbeats import Heartbeats
from eventcron.app.runs import Tracker
from eventcron.model.commands import Schedule
from eventcron.model.messages import Fire, Pack
from eventcron.model.names import Key
from eventcron.model.records import Record
from eventcron.model.runs import LaneKey
from eventcron.model.tracking import Expect, RunEnd
from eventcron.ports import Refusal
from eventcron.rules.heartbeats import at_deadline, report
from eventcron.rules.judging import Timed
from eventcron.rules.runs import changed
from eventcron.rules.upcoming import next_fires
from eventcron.testing import JumpingClock, World, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import from_rfc3339
from eventcron.timing.trigger import parse
from eventcron.wire.encode import decode_pack
from tests.records import record_of

START = "2026-12-01T08:00:00Z"
ALARMS = ("Run Overdue", "Run Failed", "Run Succeeded")


def put(world: World, expression: str = "0 * * * *", *, within: int = 600, name: str = "backup", **more: Any) -> None:
    detail = {"tenant": "acme", "name": name, "expression": expression, "expect": {"within_seconds": within}}
    world.emit("Put Schedule", detail | more)
    world.run(seconds=1)


def beat(world: World, status: str = "succeeded", *, source: str | None = None, **more: Any) -> str:
    detail = {"tenant": "acme", "name": "backup", "status": status} | more
    asked = world.emit("Report Run", detail, source=source)
    world.run(seconds=1)
    return asked


def reported(world: World) -> list[str]:
    return [event["detail-type"] for event in world.events if event["detail-type"] in ALARMS]


def test_a_schedule_that_is_heard_in_time_says_nothing_and_fires_nothing() -> None:
    with World(START) as world:
        put(world)
        for _ in range(5):
            world.run(minutes=60)
            beat(world)

        assert reported(world) == []
        assert world.fired == []


def test_silence_is_told_once_and_so_is_the_return() -> None:
    with World(START) as world:
        put(world)
        world.run(minutes=69)
        assert reported(world) == []
        world.run(minutes=1)
        (overdue,) = world.events_of("Run Overdue")
        assert (overdue["due"], overdue["deadline"]) == ("2026-12-01T09:00:00.000Z", "2026-12-01T09:10:00.000Z")
        world.run(hours=3)
        assert reported(world) == ["Run Overdue"]

        asked = beat(world, message="here again", result=3)
        (back,) = world.events_of("Run Succeeded")
        assert (back["started"], back["event_id"], back["message"]) == (overdue["due"], asked, "here again")
        assert 11_400_000 <= back["duration_ms"] <= 11_410_000
        assert back["fire_id"] != overdue["fire_id"]
        world.run(hours=1)
        assert reported(world) == ["Run Overdue", "Run Succeeded", "Run Overdue"]


def test_a_failure_is_told_at_once_and_silence_after_it_once() -> None:
    with World(START) as world:
        put(world)
        world.run(minutes=61)
        beat(world, "failed", message="disk full")
        (failed,) = world.events_of("Run Failed")
        assert failed["message"] == "disk full"
        world.run(hours=3)
        beat(world, "failed")
        beat(world)
        assert reported(world) == ["Run Failed", "Run Overdue", "Run Failed", "Run Succeeded"]
        assert world.events_of("Run Succeeded")[0]["duration_ms"] >= 3 * 3_600_000


@pytest.mark.parametrize(
    ("minutes", "seconds", "is_heard"), [(59, 57, True), (69, 50, True), (59, 50, False), (70, 5, False)]
)
def test_a_report_counts_from_its_instant_until_its_deadline(minutes: int, seconds: int, is_heard: bool) -> None:
    """Up to five seconds early, as clocks differ. Earlier it stands for the instant before."""
    with World(START) as world:
        put(world)
        world.run(minutes=minutes, seconds=seconds - 1)
        beat(world)
        world.run(minutes=15)
        assert (reported(world)[:1] == []) is is_heard


def test_an_allowance_longer_than_the_interval_lets_one_report_stand_for_several_instants() -> None:
    with World(START) as world:
        put(world, "* * * * *", within=600)
        for _ in range(6):
            world.run(minutes=9)
            beat(world)
        assert reported(world) == []
        world.run(minutes=12)
        assert reported(world) == ["Run Overdue"]


def test_an_allowance_beyond_the_longest_delay_of_the_queue_ends_in_time() -> None:
    with World(START) as world:
        put(world, "0 9 1 12 *", within=7_200)
        world.run(hours=3, seconds=-3)
        assert reported(world) == []
        world.run(seconds=4)
        assert reported(world) == ["Run Overdue"]


@pytest.mark.parametrize("command", ["Pause Schedule", "Delete Schedule", "Put Schedule"])
def test_a_schedule_that_is_stopped_or_changed_raises_no_false_alarm(command: str) -> None:
    with World(START) as world:
        put(world)
        world.run(minutes=65)
        change = {"expression": "30 23 * * *", "expect": {"within_seconds": 60}} if command == "Put Schedule" else {}
        world.emit(command, {"tenant": "acme", "name": "backup"} | change)
        world.run(hours=3)
        assert reported(world) == []
        assert world.fired == []


def test_a_schedule_that_begins_to_fire_instead_does_not_fire_what_was_expected() -> None:
    with World(START) as world:
        put(world)
        world.run(minutes=65)
        world.emit("Put Schedule", {"tenant": "acme", "name": "backup", "expression": "30 23 * * *"})
        world.run(hours=3)
        assert (reported(world), world.fired) == ([], [])


def test_silence_after_a_resume_is_told_again_and_a_new_schedule_knows_no_outage() -> None:
    with World(START) as world:
        put(world)
        world.run(minutes=75)
        for command in ("Pause Schedule", "Resume Schedule"):
            world.emit(command, {"tenant": "acme", "name": "backup"})
            world.run(seconds=5)
        world.run(hours=1)
        assert reported(world) == ["Run Overdue"] * 2
        world.emit("Delete Schedule", {"tenant": "acme", "name": "backup"})
        world.run(seconds=5)
        put(world)
        beat(world)
        assert reported(world) == ["Run Overdue"] * 2


def test_what_is_caught_up_on_is_expected_of_nobody() -> None:
    with World(START) as world:
        put(world, state="PAUSED")
        world.run(hours=5)
        world.emit("Resume Schedule", {"tenant": "acme", "name": "backup", "missed": "fire_all"})
        world.run(minutes=30)
        assert (reported(world), world.fired) == ([], [])


def test_reports_that_come_twice_or_are_overtaken_change_nothing() -> None:
    with World(START) as world:
        put(world)
        world.run(minutes=75)
        for _ in range(3):
            beat(world)
        assert reported(world) == ["Run Overdue", "Run Succeeded"]


def test_a_report_by_a_clock_far_ahead_hides_no_silence() -> None:
    with World(START) as world:
        put(world)
        world.emit(
            "Report Run", {"tenant": "acme", "name": "backup", "status": "succeeded"}, time=world.now + 4_000_000
        )
        world.run(minutes=75)
        assert reported(world) == ["Run Overdue"]


def test_strangers_are_no_heartbeat_and_learn_nothing_of_the_schedule() -> None:
    with World(START) as world:
        put(world)
        world.run(minutes=75)
        beat(world, source="eventcron.tenant.evil")
        beat(world, source="somebody.else")
        assert reported(world) == ["Run Overdue"]
        rejections = world.events_of("Schedule Rejected")
        assert [(one["code"], one.get("tenant"), one.get("name")) for one in rejections] == [
            ("not_allowed", "evil", None),
            ("not_allowed", None, None),
        ]


@pytest.mark.parametrize(
    ("detail", "code", "field"),
    [
        ({"name": "unknown"}, "not_found", "name"),
        ({"name": "plain"}, "missing_field", "run_token"),
        ({"status": "started"}, "out_of_range", "status"),
    ],
)
def test_a_report_that_is_no_heartbeat_says_why(detail: dict[str, Any], code: str, field: str) -> None:
    with World(START) as world:
        put(world)
        world.emit("Put Schedule", {"tenant": "acme", "name": "plain", "expression": "0 9 * * *"})
        world.run(seconds=1)
        beat(world, **detail)
        (rejected,) = world.events_of("Schedule Rejected")
        assert (rejected["code"], rejected["field"]) == (code, field)


@pytest.mark.parametrize("command", ["Run Schedule", "Backfill Schedule"])
def test_nothing_can_be_fired_by_hand(command: str) -> None:
    with World(START) as world:
        put(world)
        span = {"from": "2026-12-01T07:00:00Z", "until": "2026-12-01T08:00:00Z"}
        world.emit(command, {"tenant": "acme", "name": "backup"} | (span if "Back" in command else {}))
        world.run(minutes=2)
        (rejected,) = world.events_of("Schedule Rejected")
        assert "expect" in rejected["allowed"]
        assert world.fired == []


def test_the_last_instant_completes_the_schedule_and_is_still_expected() -> None:
    with World(START) as world:
        put(world, "at(2026-12-01T09:00:00)")
        world.run(minutes=61)
        assert len(world.events_of("Schedule Completed")) == 1
        world.run(minutes=10)
        beat(world)
        assert reported(world) == ["Run Overdue", "Run Succeeded"]


def test_no_fires_of_it_are_to_come() -> None:
    with World(START) as world:
        put(world)
        record = world.call(world.ports.store.get([Key("acme", "backup")]))[Key("acme", "backup")]
        assert isinstance(record, Record)
        assert next_fires(record, since=world.now, count=3) == []


def test_a_put_that_changes_no_instant_keeps_what_is_expected() -> None:
    with World(START) as world:
        put(world)
        world.run(minutes=65)
        put(world, description="of the night")
        world.run(minutes=6)
        assert reported(world) == ["Run Overdue"]


def test_a_check_that_is_late_finds_that_the_report_came_too_late() -> None:
    """Nobody handles the deadline until two reports have come after it: silence is said once, and so is the return."""
    with World(START) as world:
        put(world, "* * * * *", within=10)
        world.run(seconds=70)
        lane = world.call(world.runs.get([LaneKey("acme", "backup")]))[LaneKey("acme", "backup")]
        first, second = (Fire("acme", "backup", 1, world.now + ms, world.now + ms) for ms in (60_000, 120_000))
        well = changed(lane, world.now, outage=None, past=(), beats=(world.now, world.now + 200_000))
        late = at_deadline(well, first, deadline=first.due + 10_000, now=world.now)
        assert late.past is not None
        assert late.back is not None
        assert (late.past.end, late.back.end, late.lane.outage) == (RunEnd.OVERDUE, RunEnd.SUCCEEDED, None)
        assert at_deadline(late.lane, first, deadline=first.due + 10_000, now=world.now) == late
        assert at_deadline(late.lane, second, deadline=second.due + 10_000, now=world.now).past is None


def test_a_success_from_before_the_silence_ends_nothing_when_it_comes_after_it() -> None:
    with World(START) as world:
        put(world, "* * * * *", within=10)
        world.run(seconds=70)
        lane = world.call(world.runs.get([LaneKey("acme", "backup")]))[LaneKey("acme", "backup")]
        at = {name: world.now + ms for name, ms in (("failure", 1_000), ("success", 2_000), ("due", 60_000))}
        fires = {name: Fire("acme", "backup", 1, due, due, cause="run", cause_id=name) for name, due in at.items()}
        silent = replace(fires["due"], cause="schedule", cause_id="")
        failed = report(lane, fires["failure"], RunEnd.FAILED, created=0, now=at["due"]).lane
        silence = at_deadline(failed, silent, deadline=silent.due + 10_000, now=silent.due + 10_000).lane
        assert silence.outage is not None

        late = report(silence, fires["success"], RunEnd.SUCCEEDED, created=0, now=silent.due + 20_000)

        assert (late.past, late.lane.outage) == (None, silence.outage)


def test_a_limit_on_fires_neither_counts_nor_skips_what_is_expected() -> None:
    with World(START, settings=replace(SETTINGS, tenant_fires_per_minute=1)) as world:
        for name in ("a", "b", "c"):
            put(world, "0 9 * * *", within=60, name=name)
        world.emit("Put Schedule", {"tenant": "acme", "name": "plain", "expression": "0 9 * * *"})
        world.run(minutes=65)
        assert reported(world) == ["Run Overdue"] * 3
        assert len(world.fired) == 1
        assert world.events_of("Schedule Skipped") == []


# --- The use case by itself ------------------------------------------------------------------------------------------


class Stage:
    """Heartbeats over a store, and a fire queue that takes nothing while ``refuses`` is set."""

    def __init__(self) -> None:
        self.refuses = False
        self.clock = JumpingClock(from_rfc3339(START))
        self.store = MemoryScheduleStore(self.clock)
        self.queue = MemoryQueue(self.clock)
        queue = MemoryFireQueue(self.queue, refuse=self._refuse)
        ports = memory_ports(self.clock, store=self.store, fire_queue=queue)
        tracker = Tracker(
            clock=self.clock,
            runs=ports.runs,
            registrar_queue=ports.registrar_queue,
            fire_queue=ports.fire_queue,
            dead_letters=ports.dead_letters,
            bus=ports.bus,
            jitter=ports.jitter,
        )
        self.heartbeats = Heartbeats(clock=self.clock, store=self.store, tracker=tracker)

    def _refuse(self, index: int, _pack: Pack) -> Refusal | None:
        return Refusal(index=index, code="ThrottlingException") if self.refuses else None

    async def due(self, name: str, *, within: int = 600) -> Timed:
        """An instant of a stored schedule, which is due now."""
        schedule = Schedule(tenant="acme", name=name, expression="0 * * * *", expect=Expect(within_seconds=within))
        now = self.clock.now()
        record = record_of(schedule, trigger=parse("0 * * * *", anchor=now).canonical, start=now)
        assert await self.store.put(record, replacing=None)
        return Fire("acme", name, 1, now, now), record, START

    def sent(self) -> list[Pack]:
        """The packs in the fire queue that are visible."""
        return [decode_pack(message.body) for message in self.queue.receive()]


async def test_while_the_queue_refuses_every_instant_is_to_be_tried_again_under_the_same_id() -> None:
    stage = Stage()
    timed = [await stage.due("backup"), await stage.due("sync")]
    stage.refuses = True

    refused = await stage.heartbeats.expect(timed)

    assert {index: refusal.retryable for index, refusal in refused.items()} == {0: True, 1: True}
    stage.refuses = False
    assert await stage.heartbeats.expect(timed) == await stage.heartbeats.expect(timed) == {}
    stage.clock.instant += 600_000
    assert len({pack.id for pack in stage.sent()}) == 2


async def test_a_deadline_that_appears_long_before_it_is_goes_back_as_it_is() -> None:
    stage = Stage()
    timed = await stage.due("backup", within=7_200)
    await stage.heartbeats.expect([timed])
    stage.clock.instant += 900_000
    (pack,) = stage.sent()

    said = await stage.heartbeats.at_deadline(pack)
    stage.clock.instant += 900_000

    assert (said, stage.clock.slept_to) == (None, [])
    assert pack in stage.sent()


async def test_a_deadline_just_ahead_is_waited_for_and_silence_is_said_to_whoever_asks() -> None:
    stage = Stage()
    timed = await stage.due("backup")
    await stage.heartbeats.expect([timed])
    stage.clock.instant += 600_000
    (pack,) = stage.sent()
    stage.clock.instant -= 3_000  # the clock of this process is behind

    past = await stage.heartbeats.at_deadline(pack)

    assert past is not None
    assert (past.end, past.fire, past.ended) == (RunEnd.OVERDUE, timed[0], pack.at)
    assert stage.clock.now() == pack.at == from_rfc3339("2026-12-01T08:10:00Z")


async def test_one_that_cannot_be_read_is_to_be_tried_again_and_the_others_are_sent() -> None:
    stage = Stage()
    fire, record, at = await stage.due("newer")
    assert isinstance(record, Record)
    newer = replace(record, eras=(replace(record.era, revision=2, trigger="9 of a later release"),))

    refused = await stage.heartbeats.expect([(fire, newer, at), await stage.due("backup")])

    assert {index: (refusal.code, refusal.retryable) for index, refusal in refused.items()} == {0: ("Unreadable", True)}
    stage.clock.instant += 600_000
    assert [pack.fires[0].name for pack in stage.sent()] == ["backup"]
