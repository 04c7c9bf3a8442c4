"""Each reason for which a schedule does not fire is provoked on the deployed code, and ``why`` names it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryDeadLetterQueue
from eventcron.app.redrive import Redrive
from eventcron.app.why import MAX_DEAD_LETTERS, Why
from eventcron.errors import Unavailable
from eventcron.model.history import KeepHistory
from eventcron.model.messages import Fire
from eventcron.model.names import Key, Occurrence, Window
from eventcron.model.why import Because, Verdict
from eventcron.ports import DeadLetter, DeadLetterSource, Refusal
from eventcron.rules.packing import make_pack
from eventcron.rules.why import due_instants
from eventcron.testing import Fired, World
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import from_rfc3339
from eventcron.timing.trigger import Trigger, walk
from eventcron.wire.encode import encode_pack

KEEPING = replace(SETTINGS, keep_history=KeepHistory.ALL, history_table="history")
START = "2026-12-01T00:00:00Z"
START_AT = from_rfc3339(START)
KEY = Key("acme", "tea")


def put(world: World, expression: str = "0 * * * *", **fields: Any) -> None:
    world.emit("Put Schedule", {"tenant": "acme", "name": "tea", "expression": expression, **fields})


def ask(world: World, at: str | None = None, *, key: Key = KEY) -> Verdict:
    """``why`` as the command asks: with the dead letters that wait."""
    queues = {}
    for name in ("fires", "commands"):
        queue = MemoryDeadLetterQueue(world.clock)
        for one in world.dead.sent:
            if one.queue == name:
                queue.send_to_dlq(one.body, code=one.code, reason=one.reason)
        for message in (world.fires if name == "fires" else world.commands).dead:
            queue.send_to_dlq(message.body, code="received_too_often", reason="its handler failed each time")
        queues[name] = Redrive(clock=world.clock, queue=queue, name=name)
    asker = Why(world.ports.use_cases(world.settings))
    return world.call(asker.at(key, None if at is None else from_rfc3339(at), **queues))


@contextmanager
def nobody_plans(world: World) -> Iterator[None]:
    """No planner gets a lease."""
    acquire = world.leases.acquire

    async def refused(*_: object, **__: object) -> None:
        return None

    world.leases.acquire = refused  # type: ignore[method-assign]
    yield
    world.leases.acquire = acquire  # type: ignore[method-assign]


def answer(verdict: Verdict) -> tuple[Because, bool | None, bool | None]:
    return verdict.because, verdict.due, verdict.fired


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with World(START, settings=KEEPING) as world:
        yield world


def test_it_did_fire(world: World) -> None:
    put(world)
    world.run(hours=3)

    verdict = ask(world, "2026-12-01T02:00:00Z")

    assert answer(verdict) == (Because.FIRED, True, True)
    assert verdict.says == "it fired, at 2026-12-01T02:00:00Z"
    assert [entry.kind for entry in verdict.entries] == ["fired"]
    assert ask(world).at == from_rfc3339("2026-12-01T03:00:00Z")


def test_it_is_to_come(world: World) -> None:
    put(world)
    world.run(minutes=5)

    assert answer(ask(world, "2026-12-01T09:00:00Z")) == (Because.TO_COME, True, None)


def test_the_expression_has_no_such_instant(world: World) -> None:
    put(world, "0 2,3 * * *", timezone="Europe/Oslo")
    world.run(hours=30)

    verdict = ask(world, "2026-12-02T01:30:00Z")

    assert answer(verdict) == (Because.EXPRESSION, False, False)
    assert verdict.says.endswith("it is due at 2026-12-02T02:00:00+01:00 and 2026-12-02T03:00:00+01:00")
    assert (verdict.before, verdict.after) == (
        from_rfc3339("2026-12-02T01:00:00Z"),
        from_rfc3339("2026-12-02T02:00:00Z"),
    )


def test_the_zone_is_another(world: World) -> None:
    put(world, "0 2 * * *", timezone="Europe/Oslo")
    world.run(hours=30)

    verdict = ask(world, "2026-12-02T02:00:00Z")

    assert answer(verdict) == (Because.ZONE, False, False)
    assert (
        "its zone is Europe/Oslo: it is due at 2026-12-02T02:00:00+01:00, which is 2026-12-02T01:00:00Z" in verdict.says
    )


@pytest.mark.parametrize(("gap", "fires"), [("shift", "fires once at 03:00"), ("skip", "skipped, with reason")])
def test_the_clocks_skipped_that_time(gap: str, fires: str) -> None:
    with World("2027-03-27T00:00:00Z", settings=KEEPING) as world:
        put(world, "30 2 * * *", timezone="Europe/Oslo", daylight_saving={"gap": gap})
        world.run(hours=40)

        verdict = ask(world, "2027-03-28T01:30:00Z")

        assert answer(verdict) == (Because.CLOCK_CHANGE, False, False)
        assert "clocks go forward 1 hour, from 02:00 to 03:00; 02:30 does not exist" in verdict.says
        assert fires in verdict.says


def test_what_the_clocks_skipped_was_reported() -> None:
    with World("2027-03-27T00:00:00Z", settings=KEEPING) as world:
        put(world, "30 2 * * *", timezone="Europe/Oslo", daylight_saving={"gap": "skip"})
        world.run(hours=40)
        [skip] = world.events_of("Schedule Skipped")

        verdict = ask(world, skip["first_due"])

        assert answer(verdict) == (Because.CLOCK_CHANGE, False, False)
        assert [entry.kind for entry in verdict.entries] == ["skipped"]


@pytest.mark.parametrize("keep", [KeepHistory.ALL, KeepHistory.NONE])
def test_an_exclusion(keep: KeepHistory) -> None:
    with World(START, settings=replace(KEEPING, keep_history=keep)) as world:
        put(world, "0 9 * * *", exclude=["2026-12-02"])
        world.run(hours=40)

        verdict = ask(world, "2026-12-02T09:00:00Z")

        assert answer(verdict) == (Because.EXCLUSION, False, False)
        assert "2026-12-02 excludes it" in verdict.says


@pytest.mark.parametrize(
    ("fields", "at", "says"),
    [
        ({"start": "2026-12-01T05:00:00Z"}, "2026-12-01T04:00:00Z", "it begins at 2026-12-01T05:00:00Z, its `start`"),
        ({"end": "2026-12-01T05:00:00Z"}, "2026-12-01T05:00:00Z", "it ended at 2026-12-01T05:00:00Z, its `end`"),
        ({}, "2026-11-30T23:00:00Z", "it was created at 2026-12-01T00:00:00Z, after that"),
    ],
)
def test_bounds(world: World, fields: dict[str, Any], at: str, says: str) -> None:
    put(world, **fields)
    world.run(hours=10)

    verdict = ask(world, at)

    assert (answer(verdict), verdict.says) == ((Because.BOUNDS, False, False), says)


def test_max_fires(world: World) -> None:
    put(world, max_fires=2)
    world.run(hours=5)

    verdict = ask(world, "2026-12-01T03:00:00Z")

    assert answer(verdict) == (Because.MAX_FIRES, False, False)
    assert verdict.says == "its `max_fires`, 2, were used up, the last one due at 2026-12-01T02:00:00Z"
    assert ask(world, "2026-12-01T02:00:00Z").because is Because.FIRED


@pytest.mark.parametrize("keep", [KeepHistory.ALL, KeepHistory.NONE])
def test_a_pause(keep: KeepHistory) -> None:
    with World(START, settings=replace(KEEPING, keep_history=keep)) as world:
        put(world)
        world.run(minutes=90)
        world.emit("Pause Schedule", {"tenant": "acme", "name": "tea"})
        world.run(hours=5)

        paused = ask(world, "2026-12-01T05:00:00Z")
        assert answer(paused) == (Because.PAUSE, True, False)
        assert "is paused, since 2026-12-01T01:30:01Z" in paused.says

        world.emit("Resume Schedule", {"tenant": "acme", "name": "tea"})
        world.run(hours=2)

        resumed = ask(world, "2026-12-01T05:00:00Z")
        kept = keep is KeepHistory.ALL
        assert answer(resumed) == (Because.PAUSE, True, False if kept else None)
        assert bool(resumed.unknown) != kept
        assert ask(world, "2026-12-01T01:00:00Z").because is (Because.FIRED if kept else Because.NOT_KEPT)


def test_what_a_resume_caught_up_on_fired(world: World) -> None:
    put(world)
    world.run(minutes=90)
    world.emit("Pause Schedule", {"tenant": "acme", "name": "tea"})
    world.run(hours=2)
    world.emit("Resume Schedule", {"tenant": "acme", "name": "tea", "missed": "fire_all"})
    world.run(hours=1)

    verdict = ask(world, "2026-12-01T03:00:00Z")

    assert answer(verdict) == (Because.FIRED, True, True)
    assert "s later" in verdict.says


def test_another_definition_was_in_force(world: World) -> None:
    put(world, "0 * * * *")
    world.run(minutes=150)
    put(world, "45 * * * *")
    world.run(hours=2)

    before, after = ask(world, "2026-12-01T01:45:00Z"), ask(world, "2026-12-01T03:00:00Z")

    assert answer(before) == answer(after) == (Because.SUPERSESSION, False, False)
    assert "the definition that has it counts from 2026-12-01T02:30" in before.says
    assert "the definition before had it" in after.says


def test_a_misfire(world: World) -> None:
    put(world, misfire={"policy": "skip"})
    world.run(minutes=2)
    with nobody_plans(world):
        world.run(hours=3)
    world.run(hours=1)

    assert answer(ask(world, "2026-12-01T02:00:00Z")) == (Because.MISFIRE, True, False)


def test_the_quota() -> None:
    with World(START, settings=replace(KEEPING, tenant_fires_per_minute=1)) as world:
        put(world)
        world.emit("Put Schedule", {"tenant": "acme", "name": "other", "expression": "0 * * * *"})
        world.run(hours=1, minutes=5)
        [skip] = world.events_of("Schedule Skipped")

        asker = Why(world.ports.use_cases(world.settings))
        verdict = world.call(asker.at(Key("acme", skip["name"]), from_rfc3339("2026-12-01T01:00:00Z")))

        assert answer(verdict) == (Because.QUOTA, True, False)


@pytest.mark.parametrize("keep", [KeepHistory.ALL, KeepHistory.NONE])
def test_a_dead_letter(keep: KeepHistory) -> None:
    with World(START, settings=replace(KEEPING, keep_history=keep)) as world:
        put(world)
        world.run(minutes=50)
        world.bus._refuse = lambda index, event: (
            Refusal(index=index, code="NotAuthorized", message="no", retryable=False)
            if event.detail_type == "Schedule Fired"
            else None
        )
        world.run(minutes=20)

        verdict = ask(world, "2026-12-01T01:00:00Z")

        assert answer(verdict) == (Because.DEAD_LETTER, True, False)
        assert "NotAuthorized" in verdict.says
        assert "`eventcron redrive send fires`" in verdict.says


def test_a_tracked_fire_that_the_bus_refuses_for_good_is_no_run_that_failed() -> None:
    """Nothing is kept, and nobody looks at the dead letters: its lane tells."""
    with World(START) as world:
        put(world, runs={"track": True})
        world.run(minutes=50)
        world.bus._refuse = lambda index, event: (
            Refusal(index=index, code="NotAuthorized", message="no", retryable=False)
            if event.detail_type == "Schedule Fired"
            else None
        )
        world.run(minutes=20)

        key = Key("acme", "tea")
        verdict = world.call(Why(world.ports.use_cases(world.settings)).at(key, from_rfc3339("2026-12-01T01:00:00Z")))
        assert answer(verdict) == (Because.DEAD_LETTER, True, False)
        assert "the bus refused it for good, at 2026-12-01T01:00:00Z" in verdict.says


def test_a_fire_that_was_sent_back_has_the_end_of_the_run_that_followed(world: World) -> None:
    put(world, runs={"track": True})
    world.run(minutes=50)
    hopeless = Refusal(index=0, code="NotAuthorized", message="no", retryable=False)
    world.bus._refuse = lambda _index, event: hopeless if event.detail_type == "Schedule Fired" else None
    world.run(minutes=20)
    world.bus._refuse = lambda _index, _event: None
    world.fires.put(world.dead.sent[0].body)
    world.run(minutes=1)
    report(world, world.fired[0], "succeeded")
    world.run(minutes=1)

    verdict = ask(world, "2026-12-01T01:00:00Z")
    assert answer(verdict) == (Because.FIRED, True, True)
    assert "the run succeeded after" in verdict.says
    assert len(verdict.entries) == 3


def test_a_command_that_is_a_dead_letter(world: World) -> None:
    world.run(minutes=1)
    assert ask(world, "2026-12-01T01:00:00Z").because is Because.NOT_FOUND

    world.call(
        world.dead.send_to_dlq(
            "commands", '{"detail": {"tenant": "acme", "name": "tea"}}', reason="it was received too often", code="x"
        )
    )

    verdict = ask(world, "2026-12-01T01:00:00Z")
    assert verdict.says == (
        "no schedule of this name is stored; a command for it is a dead letter: it was received too often"
    )


def test_among_dead_letters_those_of_others_and_those_that_nobody_can_read_say_nothing(world: World) -> None:
    put(world)
    world.run(hours=2)
    others = make_pack([Fire("acme", "coffee", 1, (one := from_rfc3339("2026-12-01T01:00:00Z")), one)])
    found: list[tuple[DeadLetterSource, str]] = [
        ("fires", "poison"),
        ("fires", encode_pack(others)),
        ("commands", "poison"),
        ("commands", '{"detail": {"tenant": "acme", "name": "coffee"}}'),
    ]
    for queue, body in found:
        world.call(world.dead.send_to_dlq(queue, body, reason="of another", code="x"))

    verdict = ask(world, "2026-12-01T01:00:00Z")
    unknown = ask(world, "2026-12-01T01:00:00Z", key=Key("acme", "milk"))

    assert answer(verdict) == (Because.FIRED, True, True)
    assert "of another" not in verdict.says + unknown.says
    assert verdict.unknown == unknown.unknown == []


def test_dead_letters_that_cannot_be_looked_at_leave_the_answer_and_are_named_in_it(world: World) -> None:
    class Down(MemoryDeadLetterQueue):
        async def take(self, limit: int, *, seconds: int) -> list[DeadLetter]:
            raise Unavailable("sqs", "ThrottlingException")

    put(world)
    world.run(hours=2)
    fires = Redrive(clock=world.clock, queue=Down(world.clock), name="fires")
    asker = Why(world.ports.use_cases(world.settings))

    verdict = world.call(asker.at(KEY, from_rfc3339("2026-12-01T01:00:00Z"), fires=fires))

    assert verdict.because is Because.FIRED
    assert verdict.unknown == [
        "the dead letters of fires could not be looked at: sqs is unavailable: ThrottlingException"
    ]


@pytest.mark.parametrize(("many", "are_left"), [(MAX_DEAD_LETTERS - 1, False), (MAX_DEAD_LETTERS + 50, True)])
def test_of_very_many_dead_letters_it_says_that_some_were_not_looked_at(
    world: World, many: int, are_left: bool
) -> None:
    queue = MemoryDeadLetterQueue(world.clock)
    for _ in range(many):
        queue.send_to_dlq("poison")
    asker = Why(world.ports.use_cases(world.settings))
    commands = Redrive(clock=world.clock, queue=queue, name="commands")

    verdict = world.call(asker.at(KEY, START_AT, commands=commands))

    assert verdict.because is Because.NOT_FOUND
    assert ["only 200 dead letters of commands were looked at" in text for text in verdict.unknown] == [True] * are_left
    assert len(queue) == many, "they stay where they are"


def test_a_fire_that_the_bus_refuses_is_tried_for_an_hour_and_a_half_and_then_a_dead_letter(world: World) -> None:
    put(world)
    world.run(minutes=50)
    world.bus._refuse = lambda index, _event: Refusal(index=index, code="ThrottlingException")
    world.run(hours=1)

    trying = ask(world, "2026-12-01T01:00:00Z")
    world.run(hours=3)

    assert answer(trying) == (Because.ON_ITS_WAY, True, None)
    assert "again for 90 minutes" in trying.says
    assert answer(ask(world, "2026-12-01T01:00:00Z")) == (Because.DEAD_LETTER, True, False)


def test_the_planner_is_behind(world: World) -> None:
    put(world)
    world.run(minutes=2)
    with nobody_plans(world):
        world.run(hours=3)

        verdict = ask(world, "2026-12-01T02:00:00Z")

    assert answer(verdict) == (Because.PLANNER_BEHIND, True, None)
    assert "planned through 2026-12-01T00:" in verdict.says


def test_it_was_deleted(world: World) -> None:
    put(world)
    world.run(minutes=90)
    world.emit("Delete Schedule", {"tenant": "acme", "name": "tea"})
    world.run(hours=3)

    assert ask(world, "2026-12-01T03:00:00Z").because is Because.DELETED
    assert ask(world, "2026-12-01T01:00:00Z").because is Because.FIRED


def test_a_run_and_a_backfill_are_said_to_be_that(world: World) -> None:
    put(world, "0 9 * * *")
    world.run(hours=10)
    world.emit("Run Schedule", {"tenant": "acme", "name": "tea", "run_id": "by-hand"})
    world.run(minutes=1)
    [_, run] = world.fired

    assert ask(world, run.due).says.startswith("it fired by the run by-hand, at ")


def test_without_a_history_it_says_what_is_not_known_and_how_to_know_it() -> None:
    with World(START) as world:
        put(world)
        world.run(hours=3)

        verdict = ask(world, "2026-12-01T02:00:00Z")

        assert answer(verdict) == (Because.NOT_KEPT, True, None)
        assert "KeepHistory=ALL" in verdict.unknown[0]
        # A fire of the last minute may be on its way.
        assert ask(world, "2026-12-01T03:00:00Z").because is Because.ON_ITS_WAY


def test_what_was_kept_too_long_ago_or_only_of_tracked_fires_is_said_to_be_that() -> None:
    tracked = replace(KEEPING, keep_history=KeepHistory.TRACKED)
    for settings, days, said in (
        (tracked, 0, "tracked fires only"),
        (replace(KEEPING, history_days=1), 3, "HistoryDays"),
    ):
        with World(START, settings=settings) as world:
            put(world)
            world.run(hours=3, days=days)
            world.history._kept.clear()

            verdict = ask(world, "2026-12-01T02:00:00Z")

            assert verdict.because is Because.NOT_KEPT
            assert said in verdict.unknown[0]


def test_nothing_is_kept_although_it_would_be(world: World) -> None:
    put(world)
    world.run(hours=4)
    world.history._kept.clear()

    assert ask(world, "2026-12-01T02:00:00Z").because is Because.UNKNOWN


def test_since_answers_for_each_instant_at_which_it_was_due(world: World) -> None:
    put(world, "0 * * * *", exclude=["* 3 * * *"])
    world.run(hours=5)
    asker = Why(world.ports.use_cases(world.settings))

    verdicts = world.call(asker.since(KEY, from_rfc3339("2026-12-01T01:30:00Z"), limit=10))
    last = world.call(asker.since(KEY, from_rfc3339("2026-12-01T01:30:00Z"), limit=1))
    never = world.call(asker.since(KEY, from_rfc3339("2026-12-01T04:30:00Z"), limit=10))

    assert [verdict.because for verdict in verdicts] == [
        Because.FIRED, Because.EXCLUSION, Because.FIRED, Because.FIRED,
    ]  # fmt: skip
    assert [verdict.at for verdict in last] == [from_rfc3339("2026-12-01T05:00:00Z")]
    assert len(never) == 1


def test_a_notice_of_many_is_found_from_any_instant_within(world: World) -> None:
    put(world)
    world.run(minutes=90)
    world.emit("Pause Schedule", {"tenant": "acme", "name": "tea"})
    world.run(hours=8)
    world.emit("Run Schedule", {"tenant": "acme", "name": "tea", "run_id": "meanwhile"})
    world.emit("Resume Schedule", {"tenant": "acme", "name": "tea"})
    world.run(hours=1)
    [skip] = world.events_of("Schedule Skipped")

    assert skip["count"] > 5
    assert ask(world, "2026-12-01T05:00:00Z").entries[0].detail["reason"] == "paused"
    assert ask(world, "2026-12-01T05:30:00Z").because is Because.EXPRESSION


def test_of_a_schedule_that_fires_each_second_only_the_end_is_computed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world, "* * * * * *")
    world.run(seconds=10)
    record = world.store.records[KEY]
    looked: list[Window] = []

    def walked(trigger: Trigger, window: Window) -> Iterator[Occurrence]:
        looked.append(window)
        return walk(trigger, window)

    monkeypatch.setattr("eventcron.rules.why.walk", walked)
    end = from_rfc3339("2027-06-01T00:00:00Z")

    assert due_instants(record, Window(0, end), limit=20) == [end - second * 1_000 for second in range(20, 0, -1)]
    assert [window.end - window.start for window in looked] == [3_600_000]


def report(world: World, fire: Fired, status: str, **more: Any) -> None:
    """Say how the run of *fire* went, as a target does."""
    named = {name: fire.detail[name] for name in ("tenant", "name", "fire_id", "run_token")}
    world.emit("Report Run", named | {"status": status, **more})


@pytest.mark.parametrize("keep", [KeepHistory.ALL, KeepHistory.TRACKED])
def test_an_open_run_keeps_the_next_one_away_and_each_end_is_told(keep: KeepHistory) -> None:
    with World(START, settings=replace(KEEPING, keep_history=keep)) as world:
        put(world, runs={"track": True, "timeout_seconds": 2 * 3_600, "overlap": "skip"})
        world.run(hours=1, minutes=5)
        assert "nothing has said yet how the run ended" in ask(world, "2026-12-01T01:00:00Z").says
        world.run(hours=1)

        overlap = ask(world, "2026-12-01T02:00:00Z")
        assert answer(overlap) == (Because.OVERLAP, True, False)

        report(world, world.fired[0], "failed", message="no disk", result={"secret": 1})
        world.run(hours=1)
        failed = ask(world, "2026-12-01T01:00:00Z")
        assert answer(failed) == (Because.FIRED, True, True)
        # Each question takes a second, and so does what it looks at.
        assert re.search(r"; the run failed after 3,90\d\.0 s: no disk$", failed.says)
        assert [entry.kind for entry in failed.entries] == ["fired", "run"]

        report(world, world.fired[1], "succeeded")
        world.run(hours=3)
        assert "; the run succeeded after 30" in ask(world, "2026-12-01T03:00:00Z").says
        assert "; the run did not end in time after 7,20" in ask(world, "2026-12-01T04:00:00Z").says
        kept = str(world.history._kept)
        assert "secret" not in kept
        assert world.fired[0].detail["run_token"] not in kept


def test_without_a_history_the_runs_themselves_tell_what_is_open_waits_was_skipped_and_ended() -> None:
    with World(START) as world:
        put(world, runs={"track": True, "timeout_seconds": 5 * 3_600, "overlap": "queue_one"})
        world.run(hours=3, minutes=5)

        open_, waiting, skipped = (ask(world, f"2026-12-01T0{hour}:00:00Z") for hour in (1, 2, 3))
        report(world, world.fired[0], "succeeded")
        world.run(minutes=5)
        ended, next_ = (ask(world, f"2026-12-01T0{hour}:00:00Z") for hour in (1, 2))

    assert answer(open_) == (Because.FIRED, True, True)
    assert "its run is open since 2026-12-01T01:00:00Z, and overdue at 2026-12-01T06:00:00Z" in open_.says
    assert answer(waiting) == (Because.OVERLAP, True, None)
    assert "it waits for the open run to end, overdue at 2026-12-01T06:00:00Z" in waiting.says
    assert answer(skipped) == (Because.OVERLAP, True, False)
    assert "its run succeeded, at 2026-12-01T03:05:" in ended.says
    assert "its run is open since 2026-12-01T03:05:" in next_.says


def test_a_run_that_may_overlap_has_a_lane_of_its_own() -> None:
    with World(START) as world:
        put(world, runs={"track": True, "timeout_seconds": 5 * 3_600})
        world.run(hours=2, minutes=5)
        report(world, world.fired[0], "failed")
        world.run(minutes=5)

        assert "its run failed, at 2026-12-01T02:05:" in ask(world, "2026-12-01T01:00:00Z").says
        assert "its run is open since 2026-12-01T02:00:00Z" in ask(world, "2026-12-01T02:00:00Z").says


def test_failures_in_a_row_pause_it(world: World) -> None:
    put(world, runs={"track": True, "overlap": "skip", "pause_after_failures": 1})
    world.run(hours=1, minutes=1)
    report(world, world.fired[0], "failed")
    world.run(hours=2)

    assert answer(ask(world, "2026-12-01T03:00:00Z")) == (Because.PAUSE, True, False)


def test_a_schedule_that_expects_reports_fires_nothing_and_says_what_came(world: World) -> None:
    put(world, expect={"within_seconds": 600})
    world.run(hours=1, minutes=5)
    world.emit("Report Run", {"tenant": "acme", "name": "tea", "status": "succeeded"})
    world.run(hours=2, minutes=10)
    heard, silent, lasting = (ask(world, f"2026-12-01T0{hour}:00:00Z") for hour in (1, 2, 3))
    assert {answer(one) for one in (heard, silent, lasting)} == {(Because.EXPECTS, True, False)}
    assert "none came" in silent.says
    assert "since 2026-12-01T02:00:00Z" in lasting.says
    assert ask(world, "2026-12-01T02:30:00Z").because is Because.EXPRESSION
