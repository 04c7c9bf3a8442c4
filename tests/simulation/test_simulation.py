"""The simulator itself: it replays, it holds on a slice of seeds, and it can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import eventcron
from tools.faultsim import GUARANTEES, simulate, violations
from tools.faultsim.__main__ import main
from tools.faultsim.faults import SERVICES, faults
from tools.faultsim.loop import LoopClock, SeededLoop
from tools.faultsim.mutants import MUTANTS, SEEDS, hunt, plant
from tools.faultsim.report import explain
from tools.faultsim.seeded_random import SeededRandom
from tools.faultsim.sweep import run_seed
from tools.faultsim.workload import draw_scenario

#: Seeds in the ordinary suite; ``make simulate`` runs more.
SLICE = 150
#: The first draws of seed 7, on any machine and any Python.
SEVEN = [0.32383276483316237, 0.15084917392450192, 0.6509344730398537]


@pytest.mark.parametrize("first", range(0, SLICE, 25))
def test_every_guarantee_holds(first: int) -> None:
    broken = [result.text for result in map(run_seed, range(first, first + 25)) if result.broken]

    assert broken == []


def test_in_fine_weather_every_occurrence_is_published_exactly_once() -> None:
    fine = [simulation for simulation in map(simulate, range(60)) if simulation.faults.faultless]

    assert len(fine) > 10
    assert [violation for simulation in fine for violation in violations(simulation)] == []


def test_a_seed_replays_step_for_step_whatever_the_hash_seed() -> None:
    script = "from tools.faultsim import simulate; print(simulate(17).history.digest())"
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4711")
    }

    assert digests == {simulate(17).history.digest()}


def test_two_seeds_are_two_worlds() -> None:
    assert simulate(1).history.digest() != simulate(2).history.digest()


def test_dice_fall_alike_on_every_python() -> None:
    random = SeededRandom(7)

    assert [random.fraction() for _ in SEVEN] == SEVEN


def test_the_loop_serves_what_is_due_first_and_chance_decides_ties() -> None:
    orders = set()
    for seed in range(20):
        loop = SeededLoop(SeededRandom(seed))  # type: ignore[abstract]
        order: list[str] = []
        for name, at in (("late", 20), ("a", 10), ("b", 10)):
            loop.timer(at, order.append, name)
        loop.run_until(100)
        orders.add(tuple(order))

    assert orders == {("a", "b", "late"), ("b", "a", "late")}


async def _watch(clock: LoopClock, instants: list[int]) -> None:
    await clock.sleep_until(1_250)
    instants.append(clock.now())


def test_a_clock_that_is_off_sleeps_until_it_shows_the_instant() -> None:
    loop, instants = SeededLoop(SeededRandom(0)), []  # type: ignore[abstract, var-annotated]
    loop.create_task(_watch(LoopClock(loop, 1_000, off_ms=200), instants))

    loop.run_until(1_000_000)

    assert instants == [1_250]


def test_mutants_are_at_least_25_and_still_fit_the_source() -> None:
    package = Path(eventcron.__file__).parent

    assert len(MUTANTS) >= 25
    assert [m.name for m in MUTANTS if (package / m.module).read_text().count(m.old) != 1] == []
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_mutant_that_no_longer_fits_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / MUTANTS[0].module).write_text("something else")

    with pytest.raises(ValueError, match="has 0 times"):
        plant(MUTANTS[0], tmp_path)


def test_a_fault_in_the_protocol_is_noticed() -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "a fire is not held to its instant")

    found = hunt(mutant)

    assert found.guarantee == 2
    assert found.seeds <= SEEDS


def test_a_failure_is_told_with_its_seed_its_guarantee_and_what_touched_the_schedule() -> None:
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


def test_the_command_tells_how_many_seeds_held(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "3", "--from", "10", "--jobs", "1"]) == 0

    assert "3 seeds from 10" in capsys.readouterr().out


def _worlds_without(service: str, count: int) -> list[int]:
    """The first seeds in which that service is out for a while."""
    found: list[int] = []
    for seed in range(1_000):
        random = SeededRandom(seed)
        outage = faults(random, span_s=draw_scenario(random).span_s).outage
        if outage is not None and outage.service == service:
            found.append(seed)
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_an_outage_loses_nothing(service: str) -> None:
    run_seeds = [run_seed(seed) for seed in _worlds_without(service, 8)]

    assert len(run_seeds) == 8
    assert [result.text for result in run_seeds if result.broken] == []
