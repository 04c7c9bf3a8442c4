"""What users are promised, told as stories on the whole system in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import msgspec
import pytest

from eventcron.adapters.memory import MemoryEventBus
from eventcron.app.results import Outcome
from eventcron.model.names import Key
from eventcron.model.records import State
from eventcron.ports import Refusal
from eventcron.testing import FakeClock, JumpingClock, World, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import from_rfc3339, rfc3339

START = "2026-12-01T08:00:00Z"
ACME = {"tenant": "acme", "name": "report"}


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with World(START) as world:
        yield world
        assert world.failures == []


def message(command: str, detail: dict[str, Any], event_id: str) -> str:
    """An event as the rule hands it to the command queue."""
    return json.dumps({
        "id": event_id, "detail-type": command, "source": f"eventcron.tenant.{detail['tenant']}", "time": START,
        "detail": detail,
    })  # fmt: skip


def put(world: World, expression: str, **more: Any) -> str:
    return world.emit("Put Schedule", {**ACME, "expression": expression, **more})


def dues(world: World) -> list[str]:
    return [fire.due for fire in world.fired]


def clock_times(world: World) -> list[str]:
    return [due.removeprefix("2026-12-01T").removesuffix(".000Z") for due in dues(world)]


def test_a_schedule_fires_at_its_instant_with_its_input(world: World) -> None:
    put(world, "30 9 * * *", timezone="Europe/Oslo", input={"report": "leads"}, labels={"team": "crm"}, revision=7)
    world.run(hours=1)

    (fire,) = world.fired
    expected = {
        **ACME,
        "fire_id": fire.detail["fire_id"],
        "due": "2026-12-01T08:30:00.000Z",
        "local_time": "2026-12-01T09:30:00.000+01:00",
        "timezone": "Europe/Oslo",
        "cause": "schedule",
        "attempt": 1,
        "revision": 7,
        "labels": {"team": "crm"},
        "input": {"report": "leads"},
    }

    assert fire.detail | expected == fire.detail


def test_a_schedule_put_three_seconds_before_its_only_occurrence_fires_on_time(world: World) -> None:
    world.run(minutes=7)
    put(world, "at(2026-12-01T08:07:03.250)")
    world.run(minutes=20)

    assert [(fire.due, fire.lateness_ms) for fire in world.fired] == [("2026-12-01T08:07:03.250Z", 0)]
    assert [event["detail-type"] for event in world.events] == [
        "Schedule Created",
        "Schedule Fired",
        "Schedule Completed",
    ]
    assert world.store.records[Key("acme", "report")].state is State.COMPLETED


def test_a_schedule_put_inside_a_planned_window_loses_nothing_and_repeats_nothing(world: World) -> None:
    world.run(minutes=6, seconds=30)
    put(world, "* * * * *")
    world.run(minutes=40)

    assert clock_times(world) == [f"08:{minute:02}:00" for minute in range(7, 47)]
    assert {fire.lateness_ms for fire in world.fired} == {0}


def test_a_rare_schedule_is_timed_and_a_frequent_one_becomes_dense(world: World) -> None:
    put(world, "* * * * *")
    world.emit("Put Schedule", {"tenant": "acme", "name": "rare", "expression": "0 0 1 * *"})
    world.run(minutes=30)

    assert world.store.records[Key("acme", "report")].wake == 0
    assert world.store.records[Key("acme", "rare")].wake == from_rfc3339("2027-01-01T00:00:00+00:00")


def test_a_rare_schedule_moves_on_after_it_fired(world: World) -> None:
    put(world, "0 9 2 * *")
    world.run(hours=30)

    assert dues(world) == ["2026-12-02T09:00:00.000Z"]
    assert world.store.records[Key("acme", "report")].wake == from_rfc3339("2027-01-02T09:00:00+00:00")


@pytest.mark.parametrize("command", ["Delete Schedule", "Pause Schedule"])
def test_nothing_fires_after_it_was_deleted_or_paused(world: World, command: str) -> None:
    put(world, "*/10 * * * * *")
    world.run(minutes=3, seconds=5)
    world.emit(command, ACME)
    world.run(minutes=30)

    assert clock_times(world)[-1] == "08:03:00"
    assert len(world.fired) == 18
    assert len(world.fires) == 0, "what was planned already has been dropped, not left behind"


def test_a_resumed_schedule_goes_on_from_then(world: World) -> None:
    put(world, "* * * * *")
    world.run(minutes=2, seconds=30)
    world.emit("Pause Schedule", ACME)
    world.run(minutes=20)
    world.emit("Resume Schedule", ACME)
    world.run(minutes=20)

    assert clock_times(world) == ["08:01:00", "08:02:00"] + [f"08:{minute}:00" for minute in range(23, 43)]


def test_an_updated_schedule_fires_only_by_its_new_trigger(world: World) -> None:
    put(world, "*/10 * * * * *")
    world.run(minutes=5, seconds=5)
    put(world, "30 * * * * *")
    world.run(minutes=20)

    assert clock_times(world)[:30] == [f"08:{s // 60:02}:{s % 60:02}" for s in range(10, 310, 10)]
    assert clock_times(world)[30:] == [f"08:{minute:02}:30" for minute in range(5, 25)]


def test_an_update_of_the_input_neither_loses_nor_repeats_a_fire(world: World) -> None:
    put(world, "* * * * * *", input=1)
    world.run(seconds=100.4)
    put(world, "* * * * * *", input=2)
    world.run(seconds=100)

    assert clock_times(world) == [f"08:{s // 60:02}:{s % 60:02}" for s in range(1, 201)]
    assert sorted({fire.detail["input"] for fire in world.fired}) == [1, 2]


def test_a_late_update_of_a_completed_schedule_does_not_fire_again_what_it_fired(world: World) -> None:
    """It was sent before the only fire and arrives after it: that occurrence is both revisions', and was published."""
    put(world, "at(2026-12-01T08:00:10)")
    world.run(seconds=5)
    world.emit("Put Schedule", {**ACME, "expression": "at(2026-12-01T08:00:10)", "input": 2}, delay_seconds=20)
    world.run(minutes=1)

    assert clock_times(world) == ["08:00:10"]


def test_a_late_update_that_finds_its_schedule_resumed_does_not_fire_again_what_it_fired(world: World) -> None:
    put(world, "* * * * *")
    world.run(seconds=59)
    world.emit("Put Schedule", {**ACME, "expression": "* * * * *", "input": 2}, delay_seconds=30)
    world.run(seconds=11)
    world.emit("Resume Schedule", ACME)
    world.run(minutes=1)

    assert clock_times(world) == ["08:01:00", "08:02:00"]


@pytest.mark.parametrize(
    ("command", "state"), [("Pause Schedule", {"state": "ENABLED"}), ("Delete Schedule", {})], ids=["pause", "delete"]
)
def test_a_put_overtaken_by_a_command_of_its_second_does_not_fire_again_what_was_fired(
    world: World, command: str, state: dict[str, str]
) -> None:
    put(world, "* * * * *")
    world.run(seconds=59.5)
    world.emit("Put Schedule", {**ACME, "expression": "* * * * *", "input": 2, **state}, delay_seconds=5)
    world.emit(command, ACME, delay_seconds=1)
    world.run(minutes=2)

    assert clock_times(world) == ["08:01:00", "08:02:00"]


def test_a_schedule_whose_last_occurrence_is_excluded_completes_after_its_last_fire(world: World) -> None:
    """It is known a horizon ahead that nothing follows; until the last fire it can still be paused."""
    put(world, "*/5 * * * *", start="2026-12-01T08:20:00Z", end="2026-12-01T08:31:00Z", exclude=["30 8 * * *"])
    world.run(minutes=24)
    assert world.events_of("Schedule Skipped")
    assert not world.events_of("Schedule Completed")
    world.run(minutes=20)

    assert clock_times(world) == ["08:20:00", "08:25:00"]
    assert len(world.events_of("Schedule Completed")) == 1
    assert world.store.records[Key("acme", "report")].segment is None


def test_the_same_command_twice_changes_nothing(world: World) -> None:
    put(world, "* * * * *", revision=5)
    put(world, "* * * * *", revision=5)
    world.run(minutes=10, seconds=30)

    assert len(world.fired) == 10
    reported = sorted(event["detail-type"] for event in world.events if "Fired" not in event["detail-type"])
    assert reported == ["Schedule Created", "Schedule Unchanged"]


def test_a_stale_command_changes_nothing_and_is_told_so(world: World) -> None:
    put(world, "* * * * *", revision=5)
    world.run(seconds=1)
    put(world, "*/2 * * * *", revision=4)
    world.run(minutes=10)

    assert len(world.fired) == 10
    (rejected,) = world.events_of("Schedule Rejected")
    assert (rejected["code"], rejected["field"], rejected["given"]) == ("stale_revision", "revision", "4")


def test_two_commands_of_one_second_without_revisions_act_in_the_order_of_arrival(world: World) -> None:
    put(world, "* * * * *")
    world.run(milliseconds=200)
    world.emit("Delete Schedule", ACME)
    world.run(minutes=5)

    assert world.fired == []
    assert world.store.records[Key("acme", "report")].state is State.DELETED


def test_a_late_put_does_not_raise_the_dead(world: World) -> None:
    world.emit("Delete Schedule", {**ACME, "revision": 10})
    world.run(seconds=1)
    put(world, "* * * * *", revision=9)
    world.run(minutes=5)

    assert world.fired == []


def test_a_deleted_schedule_can_be_put_again(world: World) -> None:
    put(world, "* * * * *", revision=1)
    world.run(seconds=90)
    world.emit("Delete Schedule", {**ACME, "revision": 2})
    world.run(seconds=60)
    put(world, "* * * * *", revision=3)
    world.run(seconds=60)

    assert clock_times(world) == ["08:01:00", "08:03:00"]
    assert len(world.events_of("Schedule Created")) == 2


def test_a_paused_schedule_waits_for_its_resume(world: World) -> None:
    put(world, "* * * * *", state="PAUSED")
    world.run(minutes=5, seconds=30)
    assert world.fired == []

    world.emit("Resume Schedule", ACME)
    world.run(minutes=2)
    assert clock_times(world) == ["08:06:00", "08:07:00"]


@pytest.mark.parametrize("command", ["Delete Schedule", "Pause Schedule", "Resume Schedule", "Run Schedule"])
def test_a_command_for_a_schedule_that_is_not_there_is_rejected(world: World, command: str) -> None:
    world.emit(command, ACME)
    world.run(seconds=5)

    (rejected,) = world.events_of("Schedule Rejected")
    assert (rejected["code"], rejected["given"], rejected["command"]) == ("not_found", "'acme/report'", command)


@pytest.mark.parametrize("command", ["Delete Schedule", "Pause Schedule", "Resume Schedule"])
@pytest.mark.parametrize("completed", [False, True])
async def test_a_refused_command_that_is_handed_out_again_is_refused_again(command: str, completed: bool) -> None:
    """Its first handling may have died before the answer; the answer to the second must not be that it acted."""
    clock = FakeClock(from_rfc3339(START))
    ports = memory_ports(clock)
    handlers = ports.use_cases(SETTINGS).handlers
    if completed:
        await handlers.on_command(message("Put Schedule", {**ACME, "expression": "at(2026-12-01T08:00:05)"}, "e-1"))
        assert await ports.store.complete(Key("acme", "report"), revision=clock.now(), expires=None)

    body = message(command, ACME, "e-2")
    first = (await handlers.on_command(body)).result
    again = (await handlers.on_command(body)).result

    assert first is not None
    assert again is not None
    if completed and command == "Delete Schedule":
        assert (first.outcome, again.outcome) == (Outcome.ACCEPTED, Outcome.DUPLICATE)
    else:
        assert (first.outcome, again.outcome, again.reason) == (Outcome.REJECTED, Outcome.REJECTED, first.reason)


async def test_a_command_sent_back_from_the_dead_letters_is_reported_though_it_was_applied_before() -> None:
    """The bus was out for as long as the queue tried. Sent back, the command is a new message to the queue."""
    clock = JumpingClock(from_rfc3339(START))
    outage = [Refusal(index=0, code="InternalFailure")]
    bus = MemoryEventBus(clock, refuse=lambda _index, _event: outage[0] if outage else None)
    handlers = memory_ports(clock, bus=bus).use_cases(SETTINGS).handlers
    body = message("Put Schedule", {**ACME, "expression": "@daily"}, "e-1")

    assert (await handlers.on_command(body)).comes_back
    outage.clear()
    clock.instant += 900_000
    handled = await handlers.on_command(body)

    assert handled.result is not None
    assert handled.result.outcome is Outcome.DUPLICATE
    assert [event.detail_type for _, event in bus.published] == ["Schedule Created"]


def test_run_fires_once_now_whatever_the_trigger_says(world: World) -> None:
    put(world, "0 0 1 1 *", input="x")
    world.run(seconds=10)
    world.emit("Run Schedule", ACME)
    world.run(minutes=10)

    (fire,) = world.fired
    assert (fire.detail["cause"], fire.due, fire.detail["input"]) == ("run", "2026-12-01T08:00:10.000Z", "x")


def test_a_one_shot_in_the_past_is_rejected(world: World) -> None:
    put(world, "at(2026-12-01T07:59:59)")
    world.run(seconds=5)

    (rejected,) = world.events_of("Schedule Rejected")
    assert (rejected["code"], rejected["field"]) == ("in_the_past", "expression")
    assert "2026-12-01T08:00:00.000Z" in rejected["allowed"]


def test_a_rate_is_anchored_at_creation_and_keeps_its_beat_through_updates(world: World) -> None:
    put(world, "rate(7 minutes)")
    world.run(minutes=10)
    put(world, "rate(7 minutes)", input="changed")
    world.run(minutes=20)

    assert clock_times(world) == ["08:07:00", "08:14:00", "08:21:00", "08:28:00"]


def test_a_rate_with_a_start_fires_at_it(world: World) -> None:
    put(world, "rate(10 minutes)", start="2026-12-01T08:05:00Z", end="2026-12-01T08:35:00Z")
    world.run(hours=1)

    assert clock_times(world) == ["08:05:00", "08:15:00", "08:25:00"]
    assert len(world.events_of("Schedule Completed")) == 1


def test_max_fires_counts_across_a_pause(world: World) -> None:
    put(world, "* * * * *", max_fires=5)
    world.run(minutes=2, seconds=30)
    world.emit("Pause Schedule", ACME)
    world.run(minutes=30)
    world.emit("Resume Schedule", ACME)
    world.run(minutes=30)

    assert clock_times(world) == ["08:01:00", "08:02:00", "08:33:00", "08:34:00", "08:35:00"]
    assert len(world.events_of("Schedule Completed")) == 1


def test_max_fires_counts_once_what_fell_due_before_a_late_resume(world: World) -> None:
    """Of what is enabled it changes nothing: neither what has fired since it was sent, nor how many fires there are."""
    put(world, "* * * * *", max_fires=6)
    world.run(seconds=70)
    world.emit("Resume Schedule", ACME, delay_seconds=150)
    world.run(minutes=12)

    assert clock_times(world) == [f"08:0{minute}:00" for minute in range(1, 7)]


def test_a_flexible_window_spreads_by_name_and_keeps_every_fire(world: World) -> None:
    for number in range(40):
        detail = {"tenant": "acme", "name": f"n{number}", "expression": "0 * * * *", "flexible_window_seconds": 600}
        world.emit("Put Schedule", detail)
    world.run(hours=3, minutes=30)

    delays = {fire.schedule: fire.lateness_ms for fire in world.fired}
    assert len(world.fired) == 3 * 40
    assert all(0 <= delay < 600_000 for delay in delays.values())
    assert len(set(delays.values())) > 30


@pytest.mark.parametrize(
    ("policy", "fired", "skipped"),
    [("fire_once", ["08:10", "08:15"], 1), ("fire_all", ["08:05", "08:10", "08:15"], 0), ("skip", ["08:15"], 2)],
)
def test_what_was_missed_is_caught_up_by_the_misfire_policy(
    world: World, policy: str, fired: list[str], skipped: int
) -> None:
    """The command lies in the queue for a quarter of an hour, as in an outage."""
    detail = {**ACME, "expression": "*/5 * * * *", "misfire": {"policy": policy}}
    world.emit("Put Schedule", detail, delay_seconds=845)
    world.run(minutes=16)

    assert [fire.due[11:16] for fire in world.fired] == fired
    assert (
        sum(event["count"] for event in world.events_of("Schedule Skipped") if event["reason"] == "misfire") == skipped
    )


def test_a_poison_message_in_each_queue_is_dead_lettered_and_everything_beside_it_proceeds(world: World) -> None:
    for queue in (world.commands, world.fires, world.segment_ranges):
        queue.put("\x00 poison")
    put(world, "* * * * *")
    world.run(seconds=90)

    assert clock_times(world) == ["08:01:00"]
    dead_letters = [(dead_letter.queue, dead_letter.body) for dead_letter in world.dead.sent]
    assert sorted(dead_letters) == [(queue, "\x00 poison") for queue in ("commands", "fires", "segments")]


def test_several_planners_fire_what_one_planner_fires() -> None:
    several = msgspec.structs.replace(
        SETTINGS, planner_workers=2, concurrency=2, segment_queue_url="segments", segment_dlq_url="segment-dlq"
    )
    fired = []
    for settings in (SETTINGS, several):
        with World(START, settings=settings) as world:
            put(world, "*/10 * * * *")
            world.run(hours=2)
            assert world.failures == []
            fired.append([fire.due for fire in world.fired])

    assert len(fired[0]) == 12
    assert fired[1] == fired[0]


def test_another_tenants_schedule_is_out_of_reach(world: World) -> None:
    put(world, "* * * * *", revision=1)
    world.run(seconds=1)
    world.emit("Delete Schedule", {**ACME, "revision": 2}, source="eventcron.tenant.evil")
    world.run(seconds=90)

    assert clock_times(world) == ["08:01:00"]
    (rejected,) = world.events_of("Schedule Rejected")
    assert rejected["code"] == "not_allowed"


def test_a_noisy_tenant_keeps_to_its_limit_and_others_fire_unhindered() -> None:
    """Guarantee 1: what does not fire says why, each occurrence once. Guarantee 6: nobody else notices."""
    limited = msgspec.structs.replace(SETTINGS, tenant_fires_per_minute=10)
    with World(START, settings=limited) as world:
        for number in range(15):
            world.emit("Put Schedule", {"tenant": "noisy", "name": f"n{number:02}", "expression": "* * * * *"})
        for number in range(10):
            world.emit("Put Schedule", {"tenant": "quiet", "name": f"q{number:02}", "expression": "* * * * *"})
        world.run(minutes=3, seconds=30)
        fired = Counter((fire.due[11:16], fire.detail["tenant"]) for fire in world.fired)
        skips = world.events_of("Schedule Skipped")
        reported = [fire.detail["fire_id"] for fire in world.fired] + [skip["fire_id"] for skip in skips]

    minutes = ["08:01", "08:02", "08:03"]
    assert fired == {(minute, tenant): 10 for minute in minutes for tenant in ("noisy", "quiet")}
    assert Counter(skip["first_due"][11:16] for skip in skips) == dict.fromkeys(minutes, 5)
    assert {(skip["tenant"], skip["reason"], skip["by"]) for skip in skips} == {("noisy", "quota", "10 fires a minute")}
    assert len(set(reported)) == len(reported) == 3 * 25
    assert {fire.lateness_ms for fire in world.fired} == {0}
    assert world.failures == []


def test_commands_in_any_order_end_in_the_state_of_the_highest_revision() -> None:
    """Guarantee 5, for every order of four commands, each delivered twice."""
    commands = [
        ("Put Schedule", {**ACME, "expression": "0 * * * *", "revision": 1}),
        ("Pause Schedule", {**ACME, "revision": 2}),
        ("Put Schedule", {**ACME, "expression": "5 * * * *", "revision": 3}),
        ("Pause Schedule", {**ACME, "revision": 4}),
        ("Resume Schedule", {**ACME, "revision": 5}),
    ]
    ends = set()
    for order in permutations(commands):
        with World(START) as world:
            for detail_type, detail in order:
                world.emit(detail_type, detail)
                world.emit(detail_type, detail)
                world.run(milliseconds=10)
            record = world.store.records[Key("acme", "report")]
            ends.add((record.state, record.schedule.expression if record.schedule else None))

    assert ends == {(State.ENABLED, "5 * * * *")}


def test_rfc3339_is_what_the_stories_compare() -> None:
    assert rfc3339(from_rfc3339("2026-12-01T08:00:00+00:00")) == "2026-12-01T08:00:00.000Z"
