"""Run many seeds, on all cores."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from tools.faultsim.checker import violations
from tools.faultsim.report import explain
from tools.faultsim.simulation import simulate

#: Seeds that a process is handed at once.
CHUNK = 8
#: Exceptions by which a mutant shows that it no longer fits the source.
MISFITS = ("TypeError", "AttributeError", "NameError")


class SeedResult(NamedTuple):
    """The result of one seed: the digest of its steps, the number of its fires, the guarantees that it broke."""

    seed: int
    digest: str
    fires: int
    broken: tuple[int, ...]
    #: What broke them, for a person; "" if nothing did.
    text: str
    #: What a handler raised that is no ``EventcronError``: the text of each exception.
    crashes: tuple[str, ...]

    @property
    def misfit(self) -> str:
        """The crash that says that a mutant does not fit the source; "" if there is none."""
        return next((crash for crash in self.crashes if crash.startswith(MISFITS)), "")


def run_seed(seed: int) -> SeedResult:
    """Run a seed and check the guarantees."""
    simulation = simulate(seed)
    found = violations(simulation)
    history = simulation.history
    return SeedResult(
        seed,
        history.digest(),
        sum(step.what == "Schedule Fired" and "fire_id" in step.about for step in history.steps),
        tuple(violation.guarantee for violation in found),
        explain(simulation, found) if found else "",
        tuple(crash.about for crash in history.crashes),
    )


def run_seeds(seeds: range, *, jobs: int) -> Iterator[SeedResult]:
    """Run *seeds* in *jobs* processes; results in order."""
    if jobs == 1:
        yield from map(run_seed, seeds)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_ignore_interrupts) as pool:
        try:
            yield from pool.map(run_seed, seeds, chunksize=CHUNK)
        finally:
            pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """A terminal sends Ctrl-C to every process; the first one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
