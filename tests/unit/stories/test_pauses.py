"""What a pause keeps from firing, and what a resume does about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from eventcron.model.names import Key
from eventcron.model.records import State
from eventcron.testing import World
from eventcron.timing.instant import rfc3339
from tests.simulation.test_crashes import Killed, Killer

ACME = {"tenant": "acme", "name": "report"}


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with World("2026-12-01T08:00:00Z") as world:
        yield world
        assert world.failures == []


def pause_for_ten_minutes(world: World, expression: str = "* * * * *", *, resume: dict[str, Any], **more: Any) -> None:
    world.emit("Put Schedule", {**ACME, "expression": expression, **more})
    world.run(minutes=2, seconds=30)
    world.emit("Pause Schedule", ACME)
    world.run(minutes=10)
    world.emit("Resume Schedule", {**ACME, **resume})
    world.run(minutes=3)


def published(world: World) -> list[tuple[str, str]]:
    return [(fire.due[11:16], rfc3339(fire.published, millis=False)[11:19]) for fire in world.fired]


ORDINARY = [("08:01", "08:01:00"), ("08:02", "08:02:00")]
AFTER = [(f"08:{minute}", f"08:{minute}:00") for minute in (13, 14, 15)]


@pytest.mark.parametrize(
    ("missed", "fired", "reported"),
    [
        pytest.param(None, [], ("08:03", "08:12", 10), id="skip-by-default"),
        pytest.param("skip", [], ("08:03", "08:12", 10), id="skip"),
        pytest.param("fire_once", [12], ("08:03", "08:11", 9), id="fire_once"),
        pytest.param("fire_all", range(3, 13), None, id="fire_all"),
    ],
)
def test_a_resume_says_what_becomes_of_what_was_missed(
    world: World, missed: str | None, fired: list[int], reported: tuple[str, str, int] | None
) -> None:
    pause_for_ten_minutes(world, resume={} if missed is None else {"missed": missed})

    at_once = [(f"08:{minute:02}", "08:12:30") for minute in fired]
    assert published(world) == ORDINARY + at_once + AFTER
    assert {fire.detail["cause"] for fire in world.fired} == {"schedule"}
    skips = [(s["reason"], s["first_due"][11:16], s["last_due"][11:16], s["count"]) for s in world.events_of("Schedule Skipped")]  # fmt: skip  # noqa: E501
    assert skips == ([] if reported is None else [("paused", *reported)])


def test_a_late_put_that_pauses_does_not_hold_back_what_has_fired(world: World) -> None:
    world.emit("Put Schedule", {**ACME, "expression": "* * * * *"})
    world.run(seconds=50)
    world.emit("Put Schedule", {**ACME, "expression": "* * * * *", "state": "PAUSED"}, delay_seconds=30)
    world.run(seconds=40)
    world.emit("Resume Schedule", {**ACME, "missed": "fire_all"})
    world.run(seconds=40)

    assert [fire.due[11:19] for fire in world.fired] == ["08:01:00", "08:02:00"]


@pytest.mark.parametrize("state", ["ENABLED", "PAUSED"])
def test_a_put_tells_what_the_pause_before_it_kept_from_firing(world: World, state: str) -> None:
    world.emit("Put Schedule", {**ACME, "expression": "*/2 * * * *"})
    world.run(minutes=1)
    world.emit("Pause Schedule", ACME)
    world.run(minutes=8)
    world.emit("Put Schedule", {**ACME, "expression": "* * * * *", "state": state})
    world.run(minutes=2, seconds=30)

    (skipped,) = world.events_of("Schedule Skipped")
    assert (skipped["reason"], skipped["count"]) == ("paused", 4)
    assert (skipped["first_due"], skipped["last_due"]) == ("2026-12-01T08:02:00.000Z", "2026-12-01T08:08:00.000Z")
    assert len(world.fired) == (2 if state == "ENABLED" else 0)


def test_paused_twice_it_is_paused_since_the_first_time(world: World) -> None:
    world.emit("Put Schedule", {**ACME, "expression": "* * * * *"})
    world.run(minutes=2, seconds=30)
    world.emit("Pause Schedule", ACME)
    world.run(minutes=5)
    world.emit("Pause Schedule", ACME)
    world.run(minutes=5)
    world.emit("Resume Schedule", {**ACME, "missed": "fire_all"})
    world.run(seconds=5)

    assert [due for due, _ in published(world)] == [f"08:{minute:02}" for minute in range(1, 13)]


def test_what_is_due_as_the_pause_arrives_fires_once(world: World) -> None:
    """The executor may be holding it already: it is the old revision's, and the resume does not repeat it."""
    world.emit("Put Schedule", {**ACME, "expression": "* * * * * *"})
    world.run(seconds=10.8)
    world.emit("Pause Schedule", ACME)
    world.run(seconds=5)
    world.emit("Resume Schedule", {**ACME, "missed": "fire_all"})
    world.run(seconds=5)

    dues = [fire.due for fire in world.fired]
    assert dues == sorted(set(dues))
    assert len(dues) == 20


def test_a_resume_that_was_emitted_before_the_pause_was_handled_repeats_nothing(world: World) -> None:
    world.emit("Put Schedule", {**ACME, "expression": "* * * * *"})
    world.run(minutes=1)
    world.emit("Pause Schedule", ACME, delay_seconds=300)
    world.run(seconds=5)
    world.emit("Resume Schedule", ACME, delay_seconds=300)
    world.run(minutes=10)

    dues = [due for due, _ in published(world)]
    assert dues == [f"08:{minute:02}" for minute in range(1, 12)]


def test_a_one_shot_missed_by_a_pause_fires_on_resume_and_completes(world: World) -> None:
    pause_for_ten_minutes(world, "at(2026-12-01T08:05:00)", resume={"missed": "fire_once"})

    assert published(world) == [("08:05", "08:12:30")]
    assert world.store.records[Key("acme", "report")].state is State.COMPLETED
    assert sorted(event["detail-type"] for event in world.events)[:1] == ["Schedule Completed"]


def test_a_one_shot_missed_by_a_pause_may_be_skipped(world: World) -> None:
    pause_for_ten_minutes(world, "at(2026-12-01T08:05:00)", resume={})

    assert published(world) == []
    assert [(s["reason"], s["count"]) for s in world.events_of("Schedule Skipped")] == [("paused", 1)]
    assert world.events_of("Schedule Resumed")[0]["state"] == "COMPLETED"


@pytest.mark.parametrize(
    ("missed", "dues"),
    [
        pytest.param("skip", [1, 2, 13, 14], id="what-did-not-fire-is-not-counted"),
        pytest.param("fire_once", [1, 2, 12, 13], id="what-fired-late-is-counted"),
        pytest.param("fire_all", [1, 2, 3, 4], id="what-fired-late-uses-it-up"),
    ],
)
def test_max_fires_counts_what_fires(world: World, missed: str, dues: list[int]) -> None:
    pause_for_ten_minutes(world, resume={"missed": missed}, max_fires=4)
    world.run(minutes=10)

    assert [due for due, _ in published(world)] == [f"08:{minute:02}" for minute in dues]
    assert world.store.records[Key("acme", "report")].state is State.COMPLETED


def test_a_registrar_that_dies_anywhere_while_resuming_loses_nothing() -> None:
    """Redelivered after the visibility timeout, the resume hands over what is still pending."""

    def live(killer: Killer) -> set[str]:
        with World("2026-12-01T08:00:00Z", pause=killer) as world:
            pause_for_ten_minutes(world, resume={"missed": "fire_all"})
            assert all(isinstance(failure, Killed) for failure in world.failures)
            return {due for due, _ in published(world)}

    calm = Killer()
    dues = live(calm)
    assert len(dues) == 15
    for step in range(1, calm.steps["registrar"] + 1):
        assert live(Killer("registrar", step)) == dues, f"registrar killed at step {step}"
