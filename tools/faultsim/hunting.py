"""Hunt mutants: for each, run seeds in a process with that fault planted until a guarantee breaks."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tools.faultsim.mutants import MUTANTS
from tools.faultsim.mutants.planting import Mutant
from tools.faultsim.progress import Progress
from tools.faultsim.sweep import run_seeds

#: Where Python finds ``tools``.
ROOT = Path(__file__).parents[2]
#: Seeds within which each mutant has to be noticed.
SEEDS = 2_000
#: Seconds after which a hunt is given up: a fault may bring the simulation to a standstill.
TIMEOUT_S = 900


class Hunt(NamedTuple):
    """The end of a hunt: which guarantee broke, after how many seeds.

    *guarantee* is None if none broke. *error* says why the hunt itself failed; "" if it did not.
    """

    mutant: Mutant
    guarantee: int | None
    seeds: int
    error: str = ""

    def __str__(self) -> str:
        outcome = f"**the hunt failed**: {self.error}" if self.error else str(self.guarantee or "**not noticed**")
        return f"| {self.mutant.name} | {outcome} | {self.seeds} |"


def main(*, jobs: int, chosen: str) -> int:
    """Hunt every mutant whose name contains *chosen* and print a table.

    Returns 0 if every one was noticed, 1 if not, 2 if there is no such mutant.
    """
    numbers = [number for number, mutant in enumerate(MUTANTS) if chosen in mutant.name]
    if not numbers:
        sys.stderr.write(f"no mutant's name contains {chosen!r}\n")
        return 2
    began = time.perf_counter()
    _print("| fault | guarantee | seeds |", "| --- | --- | --- |")
    noticed = 0
    progress = Progress(len(numbers), "mutants")
    for done, found in enumerate(hunts(numbers, jobs=jobs), 1):
        noticed += found.guarantee is not None
        progress.clear()
        _print(str(found))
        progress.show(done, failed=done - noticed)
    progress.clear()
    _print("", f"{noticed} of {len(numbers)} noticed, {time.perf_counter() - began:.0f} s")
    return 0 if noticed == len(numbers) else 1


def hunts(numbers: Sequence[int], *, jobs: int) -> Iterator[Hunt]:
    """Hunt the mutants with these numbers, *jobs* at once; results in the given order."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(hunt, numbers)


def hunt(number: int) -> Hunt:
    """Hunt one mutant in a process of its own."""
    mutant = MUTANTS[number]
    these = ["--seeds", str(SEEDS), "--from", str(mutant.first_seed)]
    command = [sys.executable, "-m", "tools.faultsim", "--hunt", "--mutant", str(number), *these]
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter and arguments
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=ROOT
        )
    except subprocess.TimeoutExpired:
        return Hunt(mutant, None, 0, f"no end after {TIMEOUT_S} s")
    if done.returncode not in {0, 1} or not done.stdout:
        return Hunt(mutant, None, 0, f"exit code {done.returncode}: {_last_line(done.stderr)}")
    guarantee, seeds = done.stdout.split()
    return Hunt(mutant, int(guarantee) or None, int(seeds))


def hunt_here(number: int, seeds: range) -> int:
    """Plant a mutant in this process and run *seeds* until a guarantee breaks.

    Prints the guarantee (0: none broke) and the number of seeds it took. Returns 1 if one broke, 0 if none did, and 2
    if the mutant does not fit the source.
    """
    mutant = MUTANTS[number]
    mutant.plant()
    for count, result in enumerate(run_seeds(seeds, jobs=1), 1):
        if result.misfit:
            sys.stderr.write(f"the mutant {mutant.name!r} does not fit the source: {result.misfit}\n")
            return 2
        if result.broken:
            _print(f"{result.broken[0]} {count}")
            return 1
    _print(f"0 {len(seeds)}")
    return 0


def _last_line(text: str) -> str:
    return (text.splitlines() or ["nothing was printed"])[-1]


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
