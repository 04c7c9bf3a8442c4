"""``eventcron simulate`` answers soon enough to be tried out with: a day of thousands of schedules, a year of a few.

Processor time. Exits with 1 if a case takes longer than is required, or costs too much of what the same fires cost when
all of eventcron runs in virtual time. A busy machine may be slower than is required; the ratio stays.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from eventcron.preview.simulate import UNLIMITED, simulate
from eventcron.testing import World

EXAMPLES = Path(__file__).parents[1] / "examples" / "prow-periodics.jsonl"
START = 1_796_083_200_000  # 2026-12-01T00:00:00Z
HOUR_MS = 3_600_000


def _real(count: int) -> list[dict[str, Any]]:
    """So many schedules with the expressions of the real ones."""
    real = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    return [{**real[n % len(real)], "name": f"job-{n}"} for n in range(count)]


def _frequent() -> list[dict[str, Any]]:
    """31 schedules that fire every minute to every hour."""
    expressions = ["* * * * *", *["*/5 * * * *"] * 5, *["*/15 * * * *"] * 10, *(f"{n} * * * *" for n in range(15))]
    return [{"tenant": "acme", "name": f"job-{n}", "expression": one} for n, one in enumerate(expressions)]


#: Name → schedules, hours, seconds at most.
CASES = {
    "1,305 real schedules, a day": (_real(1_307), 24, 3.0),
    "5,000 real schedules, a day": (_real(5_000), 24, 15.0),
    "31 schedules of a minute to an hour, a year": (_frequent(), 8_760, 60.0),
}


#: How many times as much a fire costs in a ``World``, at least. Measured: 25.
LEAST_RATIO = 8.0
#: Hours of frequent schedules for which both sides run: enough for 4,000 fires.
RATIO_HOURS = 24


def _ratio() -> float:
    """The processor time of a fire in a ``World``, over that of a fire in a simulation, which compares it too."""
    end = START + RATIO_HOURS * HOUR_MS
    began = time.process_time()
    with World(START - 1_000, settings=UNLIMITED) as world:
        for schedule in _frequent():
            world.emit("Put Schedule", schedule)
        world.run(until=end)
        fires = len(world.fired)
    all_of_it = (time.process_time() - began) / fires
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write("\n".join(map(json.dumps, _frequent())))
        file.flush()
        # Thirty times as long, so that what reading and storing take does not count.
        began = time.process_time()
        found = simulate([Path(file.name)], start=START, end=START + 30 * RATIO_HOURS * HOUR_MS)
    return all_of_it / ((time.process_time() - began) / found.published)


def main() -> int:
    """Print each case and its time next to what is required."""
    failed = False
    for name, (schedules, hours, most) in CASES.items():
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.write("\n".join(map(json.dumps, schedules)))
            file.flush()
            began = time.process_time()
            found = simulate([Path(file.name)], start=START, end=START + hours * HOUR_MS)
            took = time.process_time() - began
        failed |= took > most or bool(found.differences)
        print(f"simulate, {name}: {took:.1f} s for {found.published:,} fires (at most {most:.0f} s)")
    ratio = _ratio()
    print(f"simulate, a fire: 1/{ratio:.1f} of what it costs in a World (at most 1/{LEAST_RATIO:.0f})")
    return int(failed or ratio < LEAST_RATIO)


if __name__ == "__main__":
    sys.exit(main())
