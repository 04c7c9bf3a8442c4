"""Many seeds, on all cores."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from tools.faultsim.checker import violations
from tools.faultsim.report import explain
from tools.faultsim.simulation import simulate

#: Seeds handed to a process at once.
CHUNK = 8


class Verdict(NamedTuple):
    """One seed: the digest of its steps, how many fires it saw, and what was broken."""

    seed: int
    digest: str
    fires: int
    weather: str
    broken: tuple[int, ...]
    text: str


def judge(seed: int) -> Verdict:
    """Run a seed and hold it against the guarantees."""
    simulated = simulate(seed)
    found = violations(simulated)
    fires = sum("fire_id" in line.about and line.what == "Schedule Fired" for line in simulated.history.lines)
    text = explain(simulated, found) if found else ""
    name = simulated.forecast.weather.name + (" and an outage" if simulated.forecast.outage else "")
    return Verdict(seed, simulated.history.digest(), fires, name, tuple(v.guarantee for v in found), text)


def verdicts(seeds: range, *, jobs: int) -> Iterator[Verdict]:
    """Of each seed, in order; *jobs* processes at once."""
    if jobs == 1:
        yield from map(judge, seeds)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_leave_interrupts) as pool:
        try:
            yield from pool.map(judge, seeds, chunksize=CHUNK)
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C reaches every process of the terminal; the one that was started deals with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
