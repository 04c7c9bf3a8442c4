"""The mutants: each one plants, none changes nothing, and a hunt says how it ended."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from eventcron.app import executor
from eventcron.rules import misfire, planning
from eventcron.rules.misfire import sort_late
from tools.faultsim import hunting
from tools.faultsim.__main__ import main
from tools.faultsim.hunting import SEEDS, Hunt, hunt, hunt_here
from tools.faultsim.mutants import MUTANTS
from tools.faultsim.mutants.planting import (
    Mutant,
    NothingToPlant,
    changes,
    changes_everywhere,
    planted,
    replace,
)


class _Owner:
    value = 1

    def method(self) -> str:
        return "right"


class _Heir(_Owner):
    pass


def _numbered(name: str) -> int:
    return next(number for number, mutant in enumerate(MUTANTS) if mutant.name == name)


def test_there_are_mutants_and_each_has_a_name_of_its_own() -> None:
    assert len(MUTANTS) >= 60
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_plants_and_can_be_taken_back(mutant: Mutant) -> None:
    before = dict(vars(executor))

    with planted(mutant):
        pass

    assert dict(vars(executor)) == before


def test_a_planted_fault_lasts_as_long_as_the_block() -> None:
    mutant = Mutant("it is wrong", changes(_Owner, "method", lambda _original: lambda _self: "wrong"))

    with planted(mutant):
        assert _Owner().method() == "wrong"

    assert _Owner().method() == "right"


def test_a_function_is_replaced_wherever_it_was_imported() -> None:
    mutant = Mutant("it sorts nothing", changes_everywhere(sort_late, lambda _original: None))

    with planted(mutant):
        assert vars(misfire)["sort_late"] is None
        assert vars(planning)["sort_late"] is None

    assert vars(planning)["sort_late"] is sort_late


@pytest.mark.parametrize(
    ("plant", "why"),
    [
        (lambda: replace(_Owner, "other", 2), "has no 'other' of its own"),
        (lambda: replace(_Heir, "value", 2), "has no 'value' of its own"),
        (lambda: replace(_Owner, "value", 1), "value is 1 already"),
        (changes(_Owner, "method", lambda original: original), "already"),
        (changes_everywhere(_numbered, lambda _original: None), "no module has _numbered"),
    ],
)
def test_a_mutant_that_changes_nothing_is_an_error(plant: Callable[[], None], why: str) -> None:
    with pytest.raises(NothingToPlant, match=why), planted(Mutant("", plant)):
        pytest.fail("it was planted")

    assert _Owner.value == 1


def test_a_fault_in_the_protocol_is_noticed() -> None:
    found = hunt(_numbered("a fire is not held to its instant"))

    assert found.guarantee == 2
    assert found.seeds <= SEEDS
    assert found.error == ""


def test_a_mutant_that_does_not_fit_the_source_is_no_catch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    misfit = Mutant("it takes no argument", changes(executor.Executor, "execute", lambda _original: lambda: None))
    monkeypatch.setattr(hunting, "MUTANTS", (misfit,))

    with planted(Mutant("", lambda: None)):
        assert hunt_here(0, range(5)) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert "'it takes no argument' does not fit the source: TypeError" in printed.err


def test_a_hunt_that_dies_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    found = hunt(0)

    assert found.guarantee is None
    assert str(found) == f"| {MUTANTS[0].name} | **the hunt failed**: exit code 1: nothing was printed | 0 |"


def test_a_hunt_without_an_end_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(hunting, "TIMEOUT_S", 0)

    assert hunting.main(jobs=1, chosen=MUTANTS[0].name) == 1

    printed = capsys.readouterr().out
    assert "**the hunt failed**: no end after 0 s" in printed
    assert "0 of 1 noticed" in printed


def test_hunting_a_mutant_that_does_not_exist_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--mutants", "--only", "no such mutant"]) == 2

    assert "no mutant's name contains 'no such mutant'" in capsys.readouterr().err


def test_a_hunt_is_a_row_of_a_table() -> None:
    mutant = Mutant("a fault", lambda: None)

    assert str(Hunt(mutant, 4, 7)) == "| a fault | 4 | 7 |"
    assert str(Hunt(mutant, None, 300)) == "| a fault | **not noticed** | 300 |"


def test_a_hunt_that_finds_nothing_says_how_many_seeds_it_ran(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hunting, "MUTANTS", (Mutant("no fault", lambda: None),))
    held = SimpleNamespace(misfit="", broken=())
    monkeypatch.setattr(hunting, "run_seeds", lambda seeds, jobs: [held for _ in seeds][: len(seeds) * jobs])

    assert hunt_here(0, range(3)) == 0

    assert capsys.readouterr().out == "0 3\n"
