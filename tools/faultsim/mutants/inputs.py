"""Faults in what is stored apart, and in what is done in portions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from eventcron.app import executor, reconcile
from eventcron.model.messages import Fire
from eventcron.rules import handover, inputs, ordering
from eventcron.rules.portions import PagePlan
from tools.faultsim.mutants.planting import Change, Function, Mutant, changes


def _first_only(original: Any) -> Function:
    def first(*args: Any, **options: Any) -> Iterator[Any]:
        return islice(original(*args, **options), 1)

    return first


def _always(*, answer: object) -> Change:
    return lambda _original: lambda *_given, **_options: answer


def _forget_what_followed(_original: Any) -> Function:
    def portions(fires: Sequence[Fire]) -> Iterator[list[Fire]]:
        yield list(fires[: executor.READ_AT_ONCE])

    return portions


MUTANTS = (
    Mutant("the place of an input does not say what it holds", changes(inputs, "_digest", _always(answer="0" * 32))),
    Mutant("a put of another input is taken for unchanged", changes(ordering, "has_input", _always(answer=True))),
    Mutant("the reconciler removes inputs that are in use", changes(reconcile, "is_abandoned", _always(answer=True))),
    Mutant("the executor publishes one portion of a pack", changes(executor, "_portions", _forget_what_followed)),
    Mutant("the planner sends one portion of a page", changes(PagePlan, "portions", _first_only)),
    Mutant("the registrar hands over one slice of what it has", changes(handover, "_in_slices", _first_only)),
)
