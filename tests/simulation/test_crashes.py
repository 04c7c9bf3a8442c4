"""A function may die between any two of its steps. It runs again, nothing is lost, and nothing fires early.

Each case kills one invocation before one call of a port, or after it, when the call has had its effect.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple

import pytest

from eventcron.rules.limits import QUIET_MS
from eventcron.testing import World, invocation
from eventcron.testing.world import SETTINGS

START = "2026-12-01T08:00:00Z"
SCHEDULES = {"minutely": "* * * * *", "once": "at(2026-12-01T08:11:30)", "daily": "20 8 * * *"}


class Killed(Exception):
    """The process died."""


class Killer:
    """Kills an invocation of *function* at its *step*-th pause, counted over all invocations of that function."""

    def __init__(self, function: str = "", step: int = 0) -> None:
        self._function = function
        self._step = step
        self._dead: set[str] = set()
        self.steps: Counter[str] = Counter()

    async def __call__(self, _point: str) -> None:
        await asyncio.sleep(0)
        running = invocation.get()
        if running in self._dead:
            raise Killed
        function = running.split("-")[0]
        self.steps[function] += 1
        if (function, self.steps[function]) == (self._function, self._step):
            self._dead.add(running)
            raise Killed


class History(NamedTuple):
    """What was published: schedule, due and fire id of each fire; how many repeated another; how many were early."""

    fired: set[tuple[str, str, str]]
    repeats: int
    early: int
    steps: Counter[str]


def run_half_an_hour(killer: Killer) -> History:
    """Half an hour with three schedules."""
    settings = SETTINGS.__class__(
        **{name: getattr(SETTINGS, name) for name in SETTINGS.__struct_fields__} | {"segments": 1}
    )
    with World(START, settings=settings, pause=killer) as world:
        world.run(seconds=30)
        for name, expression in SCHEDULES.items():
            world.emit("Put Schedule", {"tenant": "acme", "name": name, "expression": expression})
        world.run(minutes=26)
        fired = [(fire.schedule, fire.due, fire.detail["fire_id"]) for fire in world.fired]
        early = sum(fire.lateness_ms < 0 for fire in world.fired)
        assert all(isinstance(failure, Killed) for failure in world.failures)
    return History(set(fired), len(fired) - len(set(fired)), early, killer.steps)


@pytest.fixture(name="undisturbed", scope="module")
def _undisturbed() -> History:
    return run_half_an_hour(Killer())


def test_without_a_crash_every_occurrence_is_published_exactly_once(undisturbed: History) -> None:
    assert Counter(schedule for schedule, _, _ in undisturbed.fired) == {
        "acme/minutely": 26,
        "acme/once": 1,
        "acme/daily": 1,
    }
    assert undisturbed.repeats == 0


@pytest.mark.slow
@pytest.mark.parametrize("function", ["registrar", "planner", "executor"])
def test_a_crash_between_any_two_steps_loses_nothing(undisturbed: History, function: str) -> None:
    steps = undisturbed.steps[function]
    assert steps > 20, "the scenario must exercise the function"
    for step in range(1, steps + 1):
        history = run_half_an_hour(Killer(function, step))

        assert history.fired == undisturbed.fired, f"{function} killed at step {step} of {steps}"
        assert history.early == 0


def put_and_delete(killer: Killer) -> tuple[int, int, int, Counter[str]]:
    """Eight schedules are put and half of them deleted. Return the count, what is there, and the count made anew."""
    invocation.set("reader")
    with World(START, pause=killer) as world:
        for number in range(8):
            world.emit("Put Schedule", {"tenant": "acme", "name": f"n{number}", "expression": "@daily"})
        world.run(seconds=1)
        for number in range(4):
            world.emit("Delete Schedule", {"tenant": "acme", "name": f"n{number}"})
        world.run(minutes=10)
        steps = killer.steps.copy()
        counted = asyncio.run(world.store.count("acme"))
        world.run(milliseconds=QUIET_MS)
        asyncio.run(world.store.recount("acme"))
        there = sum(record.schedule is not None for record in world.store.records.values())
        return counted, there, asyncio.run(world.store.count("acme")), steps


@pytest.mark.slow
def test_a_crash_never_leaves_a_tenant_s_count_too_low_and_the_reconciler_rights_it() -> None:
    assert put_and_delete(Killer())[:3] == (4, 4, 4)
    steps = put_and_delete(Killer())[3]["registrar"]
    too_high = 0
    for step in range(1, steps + 1):
        counted, there, anew, _ = put_and_delete(Killer("registrar", step))

        assert there == anew == 4, f"registrar killed at step {step} of {steps}"
        assert counted >= there, f"registrar killed at step {step} of {steps}"
        too_high += counted > there
    assert too_high, "no crash came between the count and the schedule"


class Followed(NamedTuple):
    """What became of runs: the events that say how each ended, whether one is left, and which schedules are paused."""

    ends: dict[str, set[str]]
    fired: set[str]
    is_left: bool
    paused: set[str]
    steps: Counter[str]


def follow_runs(killer: Killer) -> Followed:
    """Twelve minutes of three schedules that track their runs, which succeed, fail, hang, and fail again."""
    with World(START, pause=killer) as world:
        for overlap in ("allow", "skip", "queue_one"):
            runs = {"track": True, "overlap": overlap, "timeout_seconds": 50, "pause_after_failures": 2}
            world.emit(
                "Put Schedule", {"tenant": "acme", "name": overlap, "expression": "*/30 * * * * *", "runs": runs}
            )
        reported: set[str] = set()
        for _ in range(72):
            world.run(seconds=10)
            for fire in (fired.detail for fired in world.fired):
                status = {0: "succeeded", 1: "failed", 2: None, 3: "failed"}[int(fire["due"][14:16]) % 4]
                if status is not None and fire["fire_id"] not in reported:
                    reported.add(fire["fire_id"])
                    detail = {name: fire[name] for name in ("tenant", "name", "fire_id", "run_token")}
                    world.emit("Report Run", detail | {"status": status}, delay_seconds=25)
        world.run(minutes=40)
        ends: dict[str, set[str]] = {}
        for what in ("Run Succeeded", "Run Failed", "Run Overdue"):
            for detail in world.events_of(what):
                ends.setdefault(detail["fire_id"], set()).add(what)
        return Followed(
            ends,
            {fired.detail["fire_id"] for fired in world.fired},
            any(lane.open is not None or lane.waiting is not None for lane in world.runs.stored.values()),
            {paused["name"] for paused in world.events_of("Schedule Paused") if paused.get("reason") == "failures"},
            killer.steps.copy(),
        )


@pytest.mark.slow
@pytest.mark.parametrize("function", ["registrar", "executor"])
def test_a_crash_between_any_two_steps_leaves_no_run_open_and_gives_none_two_ends(function: str) -> None:
    undisturbed = follow_runs(Killer())
    assert undisturbed.paused == {"allow", "skip", "queue_one"}
    for step in range(1, undisturbed.steps[function] + 1, 3):
        followed = follow_runs(Killer(function, step))
        where = f"{function} killed at step {step} of {undisturbed.steps[function]}"

        assert followed.fired <= followed.ends.keys(), where
        assert all(len(ends) == 1 for ends in followed.ends.values()), where
        assert not followed.is_left, where
        assert followed.paused == undisturbed.paused, where
