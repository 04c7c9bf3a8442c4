"""What a simulation says of files, from outside."""

from __future__ import annotations

import json
from pathlib import Path

from eventcron.preview.simulate import simulate

START = 1_796_112_000_000  # 2026-12-01T08:00:00Z
MINUTE = 60_000


def test_the_limits_of_a_deployment_are_not_those_of_a_simulation(tmp_path: Path) -> None:
    schedule = {"tenant": "acme", "name": "large", "expression": "* * * * *", "input": "x" * 40_000}
    file = tmp_path / "schedules.jsonl"
    file.write_text(json.dumps(schedule) + "\n", encoding="utf-8")

    simulation = simulate([file], start=START, end=START + 3 * MINUTE)

    assert (simulation.rejected, simulation.published) == ([], 3)
