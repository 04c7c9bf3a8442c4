"""Run the system in simulations with faults, and check its guarantees."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from tools.faultsim import hunting
from tools.faultsim.checker import violations
from tools.faultsim.progress import Progress
from tools.faultsim.promises import GUARANTEES
from tools.faultsim.report import explain, trace
from tools.faultsim.simulation import simulate
from tools.faultsim.sweep import run_seeds

#: Failing seeds after which a sweep stops.
ENOUGH = 5


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns the exit code: 0 if every guarantee held, or every mutant was noticed."""
    options = _parser().parse_args(arguments)
    seeds = range(options.first, options.first + options.seeds)
    if options.mutants:
        return hunting.main(jobs=options.jobs, chosen=options.only)
    if options.seed is not None:
        return _replay(options.seed)
    if options.hunt:
        return hunting.hunt_here(options.mutant, seeds)
    return _sweep(seeds, jobs=options.jobs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.faultsim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many seeds to run (200)")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="N", help="the first seed (0)")
    parser.add_argument("--seed", type=int, metavar="N", help="run one seed and print every step")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)")
    parser.add_argument("--mutants", action="store_true", help="hunt every mutant: each must be noticed")
    parser.add_argument("--only", default="", metavar="TEXT", help="with --mutants: those whose name contains TEXT")
    parser.add_argument("--hunt", action="store_true", help="plant one mutant; print what it broke")
    parser.add_argument("--mutant", type=int, default=0, metavar="N", help="with --hunt: the mutant's number (0)")
    return parser


def _replay(seed: int) -> int:
    simulation = simulate(seed)
    found = violations(simulation)
    _print("\n".join(trace(simulation)))
    _print(explain(simulation, found) if found else f"{simulation}\n  every guarantee held")
    _print(f"digest {simulation.history.digest()}")
    return 1 if found else 0


def _sweep(seeds: range, *, jobs: int) -> int:
    began = time.perf_counter()
    fires = done = failed = 0
    progress = Progress(len(seeds), "seeds")
    for result in run_seeds(seeds, jobs=jobs):
        done += 1
        fires += result.fires
        if result.broken:
            failed += 1
            progress.clear()
            _print(result.text + "\n")
        if failed == ENOUGH:
            break
        progress.show(done, failed=failed)
    progress.clear()
    took = time.perf_counter() - began
    held = f"all {len(GUARANTEES)} guarantees held" if not failed else f"{failed} seeds broke a guarantee"
    _print(f"{done} seeds from {seeds.start}, {fires:,} fires, {took:.0f} s: {held}")
    return 1 if failed else 0


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _run() -> int:
    try:
        return main()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader has closed the pipe. Python would report that a second time when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(_run())
