"""``eventcron simulate`` answers soon enough to be tried out with: a day of thousands of schedules, a year of a few.

Processor time. Exits with 1 if a case takes longer than is required. A busy machine may be slower than that.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from eventcron.preview.simulate import simulate

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
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
