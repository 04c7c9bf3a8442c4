"""The simulator: a seed replays, every guarantee holds on a slice of seeds, and a violation is reported."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.model.commands import Schedule
from eventcron.model.records import Era
from eventcron.wire.encode import decode_pack
from tests.records import record_of
from tools.faultsim import GUARANTEES, rollback, simulate, violations
from tools.faultsim.__main__ import main
from tools.faultsim.faults import SERVICES, draw_fault_plan
from tools.faultsim.hunting import ROOT
from tools.faultsim.loop import LoopClock, SeededLoop
from tools.faultsim.progress import Progress
from tools.faultsim.report import explain
from tools.faultsim.seeded_random import SeededRandom
from tools.faultsim.simulation import Simulation, _at_rest
from tools.faultsim.spell import Condition, condition_of, draw_spell
from tools.faultsim.sweep import run_seed
from tools.faultsim.workload import STUBBORN, draw_scenario

#: Seeds in the test suite; ``make simulate`` runs more.
SLICE = 100
#: The first numbers that seed 7 draws, on any machine and any Python.
SEVEN = [0.32383276483316237, 0.15084917392450192, 0.6509344730398537]


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SLICE, 25))
def test_every_guarantee_holds(first: int) -> None:
    broken = [result.text for result in map(run_seed, range(first, first + 25)) if result.broken]

    assert broken == []


@pytest.mark.slow
def test_without_faults_every_occurrence_is_published_exactly_once() -> None:
    faultless = [simulation for simulation in map(simulate, range(60)) if simulation.faults.faultless]

    assert len(faultless) > 3
    assert [violation for simulation in faultless for violation in violations(simulation)] == []


@pytest.mark.slow
def test_a_seed_replays_step_for_step_whatever_the_hash_seed() -> None:
    script = "from tools.faultsim import simulate; print(simulate(17).history.digest())"
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout.strip()
        for seed in ("0", "1", "4711")
    }

    assert digests == {simulate(17).history.digest()}


def test_two_seeds_are_two_simulations() -> None:
    assert simulate(1).history.digest() != simulate(2).history.digest()


def test_a_seed_draws_the_same_numbers_on_every_python() -> None:
    random = SeededRandom(7)

    assert [random.fraction() for _ in SEVEN] == SEVEN


def test_the_loop_runs_what_is_due_first_and_draws_the_order_of_ties() -> None:
    orders = set()
    for seed in range(20):
        loop = SeededLoop(SeededRandom(seed))  # type: ignore[abstract]
        order: list[str] = []
        for name, at in (("late", 20), ("a", 10), ("b", 10)):
            loop.timer(at, order.append, name)
        loop.run_until(100)
        orders.add(tuple(order))

    assert orders == {("a", "b", "late"), ("b", "a", "late")}


def test_the_loop_raises_what_a_callback_raises() -> None:
    def fail() -> None:
        raise LookupError("from a callback")

    loop = SeededLoop(SeededRandom(0))  # type: ignore[abstract]
    loop.timer(10, fail)

    with pytest.raises(LookupError, match="from a callback"):
        loop.run_until(100)


async def _watch(clock: LoopClock, instants: list[int]) -> None:
    await clock.sleep_until(1_250)
    instants.append(clock.now())


def test_a_clock_that_is_off_sleeps_until_it_shows_the_instant() -> None:
    loop, instants = SeededLoop(SeededRandom(0)), []  # type: ignore[abstract, var-annotated]
    loop.create_task(_watch(LoopClock(loop, 1_000, off_ms=200), instants))

    loop.run_until(1_000_000)

    assert instants == [1_250]


def test_a_failure_is_reported_with_its_seed_its_guarantee_and_the_steps_of_its_schedule() -> None:
    simulation = simulate(3)
    fired = next(step for step in simulation.history.steps if step.what == "Schedule Fired")
    simulation.history.publications[:] = [
        published
        for published in simulation.history.publications
        if published.event.detail_type not in {"Schedule Fired", "Schedule Skipped"}
    ]

    text = explain(simulation, violations(simulation))

    assert f"guarantee 1 ({GUARANTEES[1]}) broken for {fired.about.split()[0].split('/')[0]}" in text
    assert "Put Schedule" in text
    assert "again: python -m tools.faultsim --seed 3" in text


def test_the_command_replays_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "5"]) == 0

    printed = capsys.readouterr().out
    assert "every guarantee held" in printed
    assert f"digest {simulate(5).history.digest()}" in printed


def test_the_command_says_how_many_seeds_held(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "3", "--from", "10", "--jobs", "1"]) == 0

    printed = capsys.readouterr()
    assert "3 seeds from 10" in printed.out
    assert printed.err == ""


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, now = _Terminal(), [0.0]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    shown = Progress(2_000, "seeds")

    for done, at in ((100, 1.0), (500, 10.0), (550, 11.0)):
        now[0] = at
        shown.show(done, failed=1)

    assert terminal.getvalue() == "\r500 of 2,000 seeds, 1 failed, 10 s, about 30 s left\x1b[K"


def _seeds_with_an_outage(service: str, count: int) -> list[int]:
    """The first *count* seeds in which *service* has an outage."""
    found: list[int] = []
    for seed in range(1_000):
        random = SeededRandom(seed)
        span_s = draw_scenario(random, condition_of(seed)).span_s
        outage = draw_fault_plan(random, span_s=span_s, spell=draw_spell(seed, span_s=span_s)).outage
        if outage is not None and outage.service == service:
            found.append(seed)
        if len(found) == count:
            break
    return found


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_an_outage_loses_nothing(service: str) -> None:
    results = [run_seed(seed) for seed in _seeds_with_an_outage(service, 8)]

    assert len(results) == 8
    assert [result.text for result in results if result.broken] == []


def test_each_condition_comes_in_any_32_seeds() -> None:
    assert {condition_of(seed) for seed in range(100, 132)} == set(Condition)


def _given_up(simulation: Simulation) -> list[dict[str, object]]:
    """What was given up of the schedule that a stubborn bus refuses."""
    events = [one.event for one in simulation.history.publications if one.event.detail_type == "Schedule Failed"]
    details = [msgspec.json.decode(event.detail) for event in events]
    return [detail for detail in details if (detail["tenant"], detail["name"]) == STUBBORN]


@pytest.mark.slow
def test_an_ordinary_fire_goes_thirty_rounds_is_given_up_sent_back_and_refused_and_is_published_in_the_end() -> None:
    stubborn = (simulate(seed) for seed in range(200) if condition_of(seed) is Condition.STUBBORN_BUS)
    # One in which it was sent back, and refused once more.
    simulation = next(one for one in stubborn if _given_up(one) and 2 in _attempts_from(one, 30))

    assert {detail["attempts"] for detail in _given_up(simulation)} == {30}
    assert violations(simulation) == []


def _attempts_from(simulation: Simulation, attempt: int) -> list[int]:
    """The attempts at the stubborn fire, in order, from the first *attempt* on."""
    packs = [step for step in simulation.history.about(STUBBORN) if step.what.startswith("pack of")]
    attempts = [decode_pack(step.about).attempt for step in packs]
    return attempts[attempts.index(attempt) :]


def test_a_simulation_is_at_rest_only_when_every_segment_is_planned_through_its_end() -> None:
    """A dead planner whose clock is ahead may hold a segment for longer than the simulation lasts."""
    simulation = simulate(1)
    deployment = simulation.deployment
    deployment.fires.stored.clear()  # what is due after the end

    assert _at_rest(deployment, simulation.end)
    assert _at_rest(deployment, deployment.planned_through)
    assert not _at_rest(deployment, deployment.planned_through + 1)


def test_only_a_planner_that_ran_out_of_time_may_make_a_fire_late_where_nothing_else_is_wrong() -> None:
    """In seed 4557 nothing is wrong, but planners have no time for one segment three times in a row."""
    simulation = simulate(4557)
    assert violations(simulation) == []

    simulation.history.out_of_time.clear()

    late = violations(simulation)
    assert {violation.guarantee for violation in late} == {6}, "another workload needs another seed"
    assert all("late, for no reason" in violation.what for violation in late)


def test_what_a_rolled_back_release_writes_is_stored_as_the_newer_one_wrote_it() -> None:
    schedule = Schedule(tenant="acme", name="s", expression="* * * * *", timezone="Europe/Oslo")
    record = record_of(schedule, trigger="1;UTC", earlier=[Era(0, "", 0, 1)])

    old = rollback.Older({record.key}).shown(record)

    assert old.schedule is not None
    assert (old.era.trigger, old.schedule.timezone) == ("newer!1;UTC", "newer!Europe/Oslo")
    assert rollback.taken_back(old) == record


def test_what_a_rolled_back_release_has_put_it_can_read() -> None:
    schedule = Schedule(tenant="acme", name="s", expression="* * * * *")
    before, older = record_of(schedule, revision=1, trigger="1;UTC"), rollback.Older(set())
    old_eras = older.shown(before).eras
    put = record_of(schedule, revision=2, trigger="1;UTC")
    put = replace(put, eras=(*old_eras, put.era))

    older.wrote(put, before=before)
    old = older.shown(rollback.taken_back(put))

    assert [era.trigger for era in old.eras] == ["newer!1;UTC", "1;UTC"]
    assert old.schedule == schedule
