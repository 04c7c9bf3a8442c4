"""Commands as people send them: the same from every pod, again with the next deploy, or long after it was handled."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryDeadLetterQueue, MemoryEventBus
from eventcron.app.redrive import Redrive
from eventcron.model.names import Key
from eventcron.model.records import Record, State
from eventcron.ports import Refusal
from eventcron.rules.reconcile import Setting, find
from eventcron.testing import World
from eventcron.testing.world import SETTINGS

START = "2026-12-01T00:00:00Z"
KEY = Key("acme", "report")
ACME = {"tenant": "acme", "name": "report"}
MINUTELY, YEARLY, ONCE = "* * * * *", "0 0 1 1 *", "at(2026-12-01T00:05:00)"
#: How a later release might store a trigger: in a form that this one cannot read.
UNREADABLE = "2;UTC;shift,once;s sunrise"
TOMBSTONE_S = SETTINGS.tombstone_days * 86_400


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with World(START) as world:
        yield world
        assert world.failures == []
        assert world.commands.dead == []


def put(world: World, expression: str = MINUTELY, **more: Any) -> str:
    return world.emit("Put Schedule", {**ACME, "expression": expression, **more})


def reported(world: World, *ignored: str) -> list[str]:
    """The detail-types of all events but fires."""
    ignored = ("Schedule Fired", *ignored)
    return [event["detail-type"] for event in world.events if event["detail-type"] not in ignored]


def codes(world: World) -> list[str]:
    return [event["code"] for event in world.events_of("Schedule Rejected")]


def stored(world: World) -> Record:
    return world.store.records[KEY]


def minutes(world: World) -> list[str]:
    return [fire.due[14:16] for fire in world.fired]


# --- Puts of what is stored ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "revision",
    [
        pytest.param(lambda _pod: {}, id="without-revisions"),
        pytest.param(lambda _pod: {"revision": 7}, id="with-one-revision"),
        pytest.param(lambda pod: {"revision": 1_000 + pod}, id="with-revisions-by-their-clocks"),
        pytest.param(lambda pod: {"revision": 2_000 - pod}, id="with-revisions-that-overtake-each-other"),
    ],
)
def test_a_hundred_pods_that_put_the_same_schedule_at_once_change_it_once(world: World, revision: Any) -> None:
    for pod in range(100):
        put(world, YEARLY, **revision(pod))
    world.run(hours=1)

    assert Counter(reported(world)) == {"Schedule Created": 1, "Schedule Unchanged": 99}
    assert world.events_of("Schedule Created")[0]["revision"] == stored(world).revision


def test_a_put_of_what_is_stored_writes_no_revision_and_plans_nothing_again(world: World) -> None:
    put(world)
    world.run(minutes=2, seconds=30)
    before = stored(world)
    put(world, timezone="UTC", labels={}, state="ENABLED")  # the defaults, spelt out
    world.run(minutes=1)

    assert minutes(world) == ["01", "02", "03"]
    assert replace(stored(world), last_commands=before.last_commands) == before
    assert reported(world) == ["Schedule Created", "Schedule Unchanged"]


def test_puts_of_one_second_cost_one_read_each_once_one_is_stored(world: World) -> None:
    steps: list[str] = []

    async def count(step: str) -> None:
        steps.append(step)
        await asyncio.sleep(0)

    put(world, YEARLY)
    world.run(seconds=0.5)
    world.store._pause = count  # the port's effects, by name
    put(world, YEARLY)
    world.run(seconds=0.4)

    assert [step for step in steps if step.endswith(".before") and step != "read_index.before"] == ["get.before"]


def test_a_put_that_waits_for_another_registrar_finds_what_that_one_has_stored_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world)
    world.run(seconds=2)
    before = stored(world)
    put(world, YEARLY)
    world.run(seconds=2)
    applied = stored(world)
    get = world.store.get
    world.store._records[KEY] = replace(before, pending=before.revision)

    async def read(keys: Sequence[Key]) -> dict[Key, Record]:
        found = dict(await get(keys))
        world.store._records[KEY] = applied  # by the other registrar, after it delivered what was pending
        return found

    monkeypatch.setattr(world.store, "get", read)
    put(world, YEARLY)
    world.run(seconds=2)

    assert stored(world).revision == applied.revision
    assert reported(world)[-1] == "Schedule Unchanged"


@pytest.mark.parametrize("revisions", [(1, 3, 2), (None, None, None)], ids=["numbered", "timed"])
@pytest.mark.parametrize("late", ["Delete Schedule", "Put Schedule"])
def test_a_put_of_what_is_stored_wins_over_an_older_command_that_comes_later(
    world: World, late: str, revisions: Sequence[int | None]
) -> None:
    first, again, between = ({} if revision is None else {"revision": revision} for revision in revisions)
    put(world, YEARLY, **first)
    world.run(seconds=5)
    older = world.now
    world.run(seconds=5)
    put(world, YEARLY, **again)
    world.run(seconds=5)
    detail = ACME | between | ({"expression": MINUTELY} if late == "Put Schedule" else {})
    world.emit(late, detail, time=older)
    world.run(minutes=2)

    assert codes(world) == ["stale_revision"]
    assert stored(world).state is State.ENABLED
    assert world.fired == []


def test_a_one_shot_that_fired_is_put_again_with_every_deploy(world: World) -> None:
    put(world, ONCE)
    world.run(minutes=6)
    put(world, ONCE)
    put(world, ONCE, description="of a later deploy")
    world.run(days=2)
    put(world, ONCE, description="of a later deploy")
    world.run(minutes=1)

    assert reported(world) == [
        "Schedule Created", "Schedule Completed", "Schedule Unchanged", "Schedule Updated", "Schedule Unchanged",
    ]  # fmt: skip
    assert len(world.fired) == 1
    assert stored(world).state is State.COMPLETED


def test_a_one_shot_whose_time_is_past_is_still_refused_under_another_expression(world: World) -> None:
    put(world, ONCE)
    world.run(minutes=6)
    put(world, "at(2026-12-01T00:04:00)")
    world.run(minutes=1)

    assert codes(world) == ["in_the_past"]


def test_a_put_takes_over_a_calendar_that_changed_since(world: World) -> None:
    world.emit("Put Calendar", {"tenant": "acme", "name": "norway", "dates": ["2026-12-24"]})
    world.run(seconds=2)
    for _ in range(2):
        put(world, exclude=["calendar:norway"])
        world.run(seconds=2)
    world.emit("Put Calendar", {"tenant": "acme", "name": "norway", "dates": ["2026-12-01"]})
    world.run(seconds=2)
    put(world, exclude=["calendar:norway"])
    world.run(minutes=3)

    changes = [what for what in reported(world, "Schedule Skipped") if not what.startswith("Calendar")]
    assert changes == ["Schedule Created", "Schedule Unchanged", "Schedule Updated"]
    assert world.fired == []


def test_a_hundred_puts_of_the_same_calendar_change_it_once(world: World) -> None:
    for _ in range(100):
        world.emit("Put Calendar", {"tenant": "acme", "name": "norway", "dates": ["2026-12-24"]})
    world.run(minutes=10)

    assert Counter(reported(world)) == {"Calendar Updated": 1, "Calendar Unchanged": 99}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(("Put Schedule", {"expression": YEARLY}), ("Put Schedule", {"expression": MINUTELY}), id="put"),
        pytest.param(("Pause Schedule", {}), ("Resume Schedule", {}), id="pause"),
        pytest.param(("Put Calendar", {"dates": []}), ("Put Calendar", {"dates": ["2026-12-24"]}), id="calendar"),
    ],
)
def test_another_command_under_the_same_revision_is_refused(
    world: World, first: tuple[str, dict[str, Any]], second: tuple[str, dict[str, Any]]
) -> None:
    put(world, YEARLY, revision=1)
    world.run(seconds=3)
    for command, detail in (first, second):
        world.emit(command, {**ACME, **detail, "revision": 7})
        world.run(seconds=3)

    assert codes(world) == ["stale_revision"]
    assert world.fired == []


# --- Pauses and max_fires over a deploy ------------------------------------------------------------------------------


def test_a_deploy_leaves_an_operators_pause(world: World) -> None:
    put(world)
    world.run(minutes=2, seconds=10)
    world.emit("Pause Schedule", ACME)
    world.run(minutes=2)
    put(world, description="deploy")
    world.run(minutes=2)
    assert (minutes(world), stored(world).state) == (["01", "02"], State.PAUSED)

    world.emit("Resume Schedule", ACME)
    world.run(minutes=2)
    assert minutes(world) == ["01", "02", "07", "08"]


@pytest.mark.parametrize(("state", "expected"), [("ENABLED", State.ENABLED), ("PAUSED", State.PAUSED)])
def test_a_put_with_a_state_decides(world: World, state: str, expected: State) -> None:
    put(world, revision=1)
    world.emit("Pause Schedule" if state == "ENABLED" else "Resume Schedule", {**ACME, "revision": 2})
    world.run(minutes=1)
    put(world, state=state, revision=3)
    world.run(seconds=5)
    assert stored(world).state is expected

    # Older than the put that decided, and than the puts that did not.
    put(world, revision=9, description="deploy")
    world.run(seconds=5)
    world.emit("Pause Schedule" if state == "ENABLED" else "Resume Schedule", {**ACME, "revision": 2})
    world.run(seconds=5)
    assert stored(world).state is expected


def test_a_pause_that_a_deploy_overtook_still_pauses(world: World) -> None:
    put(world, revision=1)
    world.run(seconds=5)
    put(world, description="deploy", revision=3)
    world.run(seconds=5)
    world.emit("Pause Schedule", {**ACME, "revision": 2})
    world.run(minutes=2)

    assert stored(world).state is State.PAUSED
    assert codes(world) == []


def test_a_refused_pause_does_not_pause_a_schedule_that_is_made_later(world: World) -> None:
    world.emit("Pause Schedule", {**ACME, "revision": 1})
    world.run(seconds=5)
    put(world, revision=2)
    world.run(minutes=1)

    assert (codes(world), stored(world).state) == (["not_found"], State.ENABLED)


@pytest.mark.parametrize("again", [{}, {"description": "deploy 2"}, {"exclude": ["2026-12-24"]}])
def test_max_fires_counts_on_over_a_deploy(world: World, again: dict[str, Any]) -> None:
    put(world, max_fires=3)
    world.run(minutes=2, seconds=30)
    put(world, max_fires=3, **again)
    world.run(minutes=5)
    put(world, max_fires=3, **again)
    put(world, max_fires=3, description="deploy 3")
    world.run(minutes=5)

    assert minutes(world) == ["01", "02", "03"]
    assert stored(world).state is State.COMPLETED
    assert codes(world) == []
    assert reported(world).count("Schedule Completed") == 1


def test_a_larger_max_fires_adds_what_is_more(world: World) -> None:
    put(world, max_fires=2)
    world.run(minutes=5)
    put(world, max_fires=3)
    world.run(minutes=5)

    assert minutes(world) == ["01", "02", "06"]


def test_another_expression_counts_anew(world: World) -> None:
    put(world, max_fires=2)
    world.run(minutes=5)
    put(world, "*/2 * * * *", max_fires=2)
    world.run(minutes=9)

    assert minutes(world) == ["01", "02", "06", "08"]


# --- Runs ------------------------------------------------------------------------------------------------------------


def test_a_run_sent_again_is_the_same_fire(world: World) -> None:
    put(world, YEARLY)
    world.run(seconds=5)
    for wait in ({"seconds": 2}, {"seconds": 30}, {"hours": 2}):
        world.emit("Run Schedule", {**ACME, "run_id": "retry-1"})
        world.run(**wait)
    put(world, "0 0 2 2 *")
    world.run(seconds=5)
    world.emit("Run Schedule", {**ACME, "run_id": "retry-1"})
    world.emit("Run Schedule", {**ACME, "run_id": "retry-2"})
    world.run(days=SETTINGS.ledger_days + 1)
    assert [fire.detail["cause_id"] for fire in world.fired] == ["retry-1", "retry-2"]

    # The ledger has forgotten the run: it is published once more, under its own id.
    world.packs._ids.clear()  # no time passes for it
    world.emit("Run Schedule", {**ACME, "run_id": "retry-1"})
    world.run(minutes=1)
    assert world.fired[-1].detail["fire_id"] == world.fired[0].detail["fire_id"]


# --- Answers ---------------------------------------------------------------------------------------------------------


class Refusing(MemoryEventBus):
    """A bus that refuses everything until it is told otherwise."""

    refuses = True

    async def publish(self, events: Sequence[Any]) -> list[Refusal]:
        if not self.refuses:
            return await super().publish(events)
        return [Refusal(index=index, code="InternalFailure") for index in range(len(events))]


@pytest.mark.parametrize(
    ("command", "detail", "answer"),
    [
        ("Put Schedule", {"expression": MINUTELY}, "Schedule Updated"),
        ("Pause Schedule", {}, "Schedule Paused"),
        ("Delete Schedule", {}, "Schedule Deleted"),
    ],
)
def test_a_command_that_went_through_the_dead_letters_is_answered(
    command: str, detail: dict[str, Any], answer: str
) -> None:
    with World(START) as world:
        world.bus = bus = Refusing(world.clock)
        bus.refuses = False
        put(world, YEARLY)
        world.run(seconds=5)
        bus.refuses = True
        world.emit(command, {**ACME, **detail})
        world.run(minutes=10)
        (dead,) = world.commands.dead
        assert (reported(world), len(world.commands)) == (["Schedule Created"], 0)

        bus.refuses = False
        dead_letters = MemoryDeadLetterQueue(world.clock, deliver=world.commands.put)
        dead_letters.send_to_dlq(dead.body)
        asyncio.run(Redrive(clock=world.clock, queue=dead_letters, name="commands").send(limit=1, per_second=100))
        world.run(minutes=1)
        # Fires that became late meanwhile are skipped.
        assert reported(world, "Schedule Skipped") == ["Schedule Created", answer]


@pytest.mark.parametrize("state", ["ENABLED", "PAUSED"])
@pytest.mark.parametrize(
    ("command", "detail", "answer"),
    [
        ("Delete Schedule", {}, "Schedule Deleted"),
        ("Put Schedule", {"expression": MINUTELY, "state": "ENABLED"}, "Schedule Updated"),
        ("Put Schedule", {"expression": "*/2 * * * *", "state": "ENABLED", "max_fires": 3}, "Schedule Updated"),
        ("Pause Schedule", {}, "Schedule Paused"),
        ("Resume Schedule", {"missed": "fire_all"}, "Schedule Resumed"),
    ],
)
def test_a_command_works_whatever_trigger_is_stored(
    world: World, state: str, command: str, detail: dict[str, Any], answer: str
) -> None:
    put(world, "*/2 * * * *", state=state, max_fires=3)
    world.run(minutes=1)
    record = stored(world)
    eras = tuple(replace(era, trigger=UNREADABLE) for era in record.eras)
    asyncio.run(world.store.put(replace(record, eras=eras, revision=record.revision), replacing=record.revision))
    world.emit(command, {**ACME, **detail})
    world.run(minutes=1)

    assert reported(world, "Schedule Skipped", "Schedule Created") == [answer]


@pytest.mark.parametrize("after_completion", ["KEEP", "DELETE"])
def test_what_is_deleted_after_completion_is_remembered_as_long_as_what_is_deleted(
    world: World, after_completion: str
) -> None:
    put(world, ONCE, after_completion=after_completion)
    world.run(minutes=6)
    fired = world.fired[0]

    remembered = stored(world).expires
    assert (remembered is None) == (after_completion == "KEEP")
    assert remembered is None or 0 <= remembered - fired.due_at // 1000 - TOMBSTONE_S <= 1
    put(world, ONCE, after_completion=after_completion)
    world.run(days=10)
    assert reported(world)[-1] == "Schedule Unchanged"


# --- By hand ---------------------------------------------------------------------------------------------------------


def test_a_manual_schedule_fires_by_run_schedule_alone(world: World) -> None:
    put(world, MINUTELY)
    world.run(minutes=1, seconds=30)
    put(world, "manual", input={"by": "hand"}, max_fires=1)
    world.run(days=3)
    reach = (SETTINGS.horizon_seconds + SETTINGS.guard_seconds) * 1000
    assert find(stored(world), Setting(world.now, reach, SETTINGS.segments, {}, work_out=True)) is None
    assert (minutes(world), stored(world).state, stored(world).wake) == (["01"], State.ENABLED, None)

    world.emit("Run Schedule", ACME)
    world.run(minutes=1)
    assert [fire.detail["input"] for fire in world.fired] == [None, {"by": "hand"}]
    world.emit("Pause Schedule", ACME)
    world.run(seconds=5)
    world.emit("Resume Schedule", ACME)
    world.run(days=3)
    assert stored(world).state is State.ENABLED
    changes = ["Schedule Created", "Schedule Updated", "Schedule Paused", "Schedule Resumed"]
    assert reported(world, "Schedule Skipped") == changes


def test_a_manual_schedule_stands_alone(world: World) -> None:
    world.emit("Put Schedule", {**ACME, "expression": ["manual", MINUTELY]})
    world.run(seconds=5)

    assert codes(world) == ["invalid_expression"]


@pytest.mark.parametrize(
    ("source", "detail_type", "code", "hint"),
    [
        ("eventcron.tenant.acme", "PutSchedule", "unknown_command", "did you mean 'Put Schedule'?"),
        ("eventcron.tenant.acme", "put schedule", "unknown_command", "did you mean 'Put Schedule'?"),
        ("eventcron.tenant.acme", "Run Schedul", "unknown_command", "did you mean 'Run Schedule'?"),
        ("eventcron.tenant.acme", "List Schedules", "unknown_command", "Put Schedule, Delete Schedule"),
        ("acme", "Put Schedule", "not_allowed", "did you mean 'eventcron.tenant.acme'?"),
        ("acme", "put-schedule", "not_allowed", "did you mean 'eventcron.tenant.acme'?"),
        ("eventcron", "Put Schedule", "not_allowed", "'eventcron.tenant.<tenant>'"),
        ("eventcron", "List Schedules", "not_allowed", "'eventcron.tenant.<tenant>'"),
    ],
)
def test_what_is_meant_for_eventcron_is_answered(
    world: World, source: str, detail_type: str, code: str, hint: str
) -> None:
    event_id = world.emit(detail_type, {**ACME, "expression": MINUTELY}, source=source)
    world.run(minutes=2)

    (answer,) = world.events_of("Schedule Rejected")
    assert (answer["code"], answer["event_id"], answer["command"]) == (code, event_id, detail_type)
    assert hint in answer["allowed"]
    assert world.dead.sent == []
