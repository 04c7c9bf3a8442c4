"""``python -m benchmarks``: what eventcron costs on the wire, beside what is required, and beside what one would write.

``--quick`` measures the core in less than a minute, and requires ratios only, which hold on a busy machine too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import coldstart, embedded, parts
from benchmarks.parts import FULL, QUICK, Bench, bench
from benchmarks.pipes import ROOT
from benchmarks.runs import JobNotDone, percentile
from benchmarks.table import Row, short, text

RESULTS = ROOT / "benchmarks" / "results"
#: Processes that want a core, on average over the last minute. Above it, seconds say little and only ratios count.
IDLE_LOAD = 0.5
EMBEDDED_SECONDS = 60
PARTS: tuple[Callable[[Bench], list[Row]], ...] = (
    parts.planner, parts.distinct, parts.minutely, parts.waking, parts.waves, parts.executor, parts.tracked,
    parts.bursts, parts.costs,
)  # fmt: skip
#: What the quick run requires, by row: ratios, half of what is reached on a busy machine, or less. (required, at most)
GENEROUS = {
    "planner against (b) gathered": (20.0, False),
    "executor against (b) gathered": (10.0, False),
    "planner, 10 x the dense schedules": (13.0, True),
    "planner, 100,000 sleeping schedules added": (2.0, True),
    "cold start of planner_lambda": (1.0, True),
    "cold start of executor_lambda": (1.0, True),
}


def machine() -> dict[str, Any]:
    """Where and when the figures were measured."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "commit": _commit(),
        "load": os.getloadavg()[0],
    }


def _commit() -> str:
    """The commit that is checked out; nothing where there is no git, or no clone."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def cold_starts(*, rounds: int, handlers: tuple[str, ...]) -> list[Row]:
    """What a cold start of each handler takes, against that of the clients alone."""
    took = coldstart.measure(rounds=rounds, handlers=handlers)
    clients = took.pop("clients")
    rows = []
    for name, seconds in took.items():
        what = "import of core and use cases alone" if name == "core" else f"cold start of {name}"
        # Of what delays no fire, only that it does not grow is required.
        required = coldstart.REQUIRED.get(name, coldstart.CEILING)
        rows.append(Row(what=what, measured=seconds / clients, unit="x clients", required=required, at_most=True))
    return rows


def on_embedded(b: Bench) -> list[Row]:
    """Lateness on the embedded AWS. On a busy machine it may not keep up; then there are no figures."""
    late: list[float] = []
    note = ""
    try:
        late = embedded.measure(seconds=EMBEDDED_SECONDS)
    except JobNotDone as error:
        note = str(error)
    b.figures["embedded lateness"] = late
    what = f"embedded AWS, {embedded.SCHEDULES} fires/s for {EMBEDDED_SECONDS} s"
    early = float(sum(one < 0 for one in late)) if late else None
    return [
        *(
            Row(what=f"{what}, {name}", measured=percentile(late, percent) if late else None, unit="ms late",
                required=required, at_most=True, note=note)
            for name, percent, required in (("p50", 50, 15), ("p99", 99, 60))
        ),
        Row(what=f"{what}, early", measured=early, unit="fires", required=0, at_most=True, note=note),
    ]  # fmt: skip


def full(b: Bench) -> list[Row]:
    """Every row of the table."""
    rows = []
    for part in (*PARTS, on_embedded):
        began = time.monotonic()
        rows += part(b)
        print(f"{part.__name__}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return rows + cold_starts(rounds=5, handlers=coldstart.URGENT + coldstart.OTHERS)


def quick(b: Bench) -> list[Row]:
    """The core, with generous bounds on ratios only."""
    rows = parts.planner(b) + parts.executor(b) + cold_starts(rounds=3, handlers=coldstart.URGENT)
    bounded = []
    for row in rows:
        required, at_most = GENEROUS.get(row.what, (None, False))
        bounded.append(msgspec.structs.replace(row, required=required, at_most=at_most))
    missing = GENEROUS.keys() - {row.what for row in bounded}
    if missing:
        raise JobNotDone(f"the quick run has no figures for {sorted(missing)}")
    return bounded


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, write the results. Returns the exit status: 1 if something falls short."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the core in less than a minute, ratios only")
    asked = parser.parse_args(arguments)
    where = machine()
    with bench(QUICK if asked.quick else FULL) as b:
        rows = quick(b) if asked.quick else full(b)
        figures = b.figures
    where["load_after"] = os.getloadavg()[0]
    print(text(rows))
    _write(where, rows, figures, "quick" if asked.quick else "bench")
    if where["load"] > IDLE_LOAD:
        print(f"the machine was not idle (load {where['load']:.1f}): seconds are provisional, ratios hold")
    fallen = short(rows)
    print(
        f"{len(fallen)} of {sum(row.required is not None for row in rows)} rows fall short" if fallen else "all reached"
    )
    return 1 if fallen else 0


def _write(where: dict[str, Any], rows: list[Row], figures: dict[str, Any], name: str) -> None:
    from benchmarks import plots  # noqa: PLC0415  # matplotlib takes longer to import than everything else

    RESULTS.mkdir(exist_ok=True)
    result = {"machine": where, "rows": msgspec.to_builtins(rows), "figures": figures}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    drawn = plots.draw(figures, RESULTS)
    print("written:", *(one.relative_to(ROOT) for one in (path, *drawn)))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except JobNotDone as error:
        sys.exit(f"no figures: {error}")
