"""``python -m tools.faultsim``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from tools.faultsim import hunting
from tools.faultsim.checker import violations
from tools.faultsim.promises import GUARANTEES
from tools.faultsim.report import explain, trace
from tools.faultsim.simulation import simulate
from tools.faultsim.sweep import verdicts

#: Failing seeds after which a run has seen enough.
ENOUGH = 5


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 if every guarantee held."""
    options = _parser().parse_args(arguments)
    if options.mutants:
        return hunting.main(jobs=options.jobs, chosen=options.only)
    if options.seed is not None:
        return _replay(options.seed)
    if options.hunt:
        return hunting.hunt_here(options.mutant, range(options.first, options.first + options.seeds))
    return _sweep(range(options.first, options.first + options.seeds), jobs=options.jobs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.faultsim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many worlds (200)")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="N", help="the first seed (0)")
    parser.add_argument("--seed", type=int, metavar="N", help="replay one and print every step")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)")
    parser.add_argument("--mutants", action="store_true", help="plant faults in the protocol: each must be noticed")
    parser.add_argument("--hunt", action="store_true", help="plant one mutant; print what it broke and the seeds it took")
    parser.add_argument("--mutant", type=int, default=0, metavar="N", help="the number of the mutant to hunt (0)")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose name contains it")
    return parser


def _replay(seed: int) -> int:
    simulated = simulate(seed)
    found = violations(simulated)
    _say("\n".join(trace(simulated)))
    _say(explain(simulated, found) if found else f"{simulated}\n  every guarantee held")
    _say(f"digest {simulated.history.digest()}")
    return 1 if found else 0


def _sweep(seeds: range, *, jobs: int) -> int:
    began = time.perf_counter()
    fires = done = failed = 0
    for verdict in verdicts(seeds, jobs=jobs):
        done += 1
        fires += verdict.fires
        if verdict.broken:
            failed += 1
            _say(verdict.text + "\n")
        if failed == ENOUGH:
            break
    took = time.perf_counter() - began
    held = f"all {len(GUARANTEES)} guarantees held" if not failed else f"{failed} seeds broke a guarantee"
    _say(f"{done} seeds from {seeds.start}, {fires:,} fires, {took:.0f} s: {held}")
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _run() -> int:
    try:
        return main()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read has seen enough. Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(_run())
