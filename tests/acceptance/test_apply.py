"""``eventcron apply`` of the real schedules to the stack on this machine: only what was changed by hand is put."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running_dev import dev, until

pytestmark = [pytest.mark.embedded, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples" / "prow-periodics.jsonl"


def eventcron(folder: Path, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """The command in *folder*, where it finds what runs there."""
    command = [sys.executable, "-m", "eventcron", *arguments]
    return subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, check=False)


def plan(folder: Path, command: str, *arguments: str) -> dict[str, Any]:
    done = eventcron(folder, command, *arguments, "--json")
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def changed(entries: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], set[str]]:
    """*entries* with five changed by hand, and the names of those."""
    hourly = [n for n, entry in enumerate(entries) if entry["expression"].split()[1:] == ["*", "*", "*", "*"]][:3]
    entries = [dict(entry) for entry in entries]
    for n in hourly:
        entries[n]["expression"] = "59 */2 * * *"
    entries[hourly[2]]["timezone"] = "Asia/Kolkata"
    more = [n for n in range(len(entries)) if n not in hourly][:2]
    entries[more[0]]["state"] = "PAUSED"
    entries[more[1]]["labels"] = {"by": "hand"}
    return entries, {f"{entries[n]['tenant']}/{entries[n]['name']}" for n in (*hourly, *more)}


def write(path: Path, entries: list[dict[str, Any]]) -> None:
    path.write_text("\n".join(map(json.dumps, entries)) + "\n", encoding="utf-8")


@pytest.mark.timeout(900)
def test_the_real_schedules_are_applied_and_then_only_what_was_changed_by_hand(tmp_path: Path) -> None:
    entries = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    file = tmp_path / "schedules.jsonl"
    write(file, entries)
    with dev(tmp_path, "--port", "0") as running:
        until((tmp_path / ".eventcron" / "dev.json").exists, running)

        first = plan(tmp_path, "apply", "-f", str(file), "--yes")
        assert (first["applied"], len(first["rejected"]), first["failed"]) == (1_305, 2, [])
        again = plan(tmp_path, "apply", "-f", str(file), "--yes")
        assert (again["changes"], again["applied"], again["unchanged"]) == ([], 0, 1_305)

        other, names = changed(entries)
        write(file, other)
        different = plan(tmp_path, "diff", "-f", str(file))
        assert {change["name"] for change in different["changes"]} == names
        assert sum(change["fires_removed"] > 0 for change in different["changes"]) >= 4
        assert plan(tmp_path, "apply", "-f", str(file), "--yes")["applied"] == 5

        exported = eventcron(tmp_path, "export", "-")
        assert exported.returncode == 0, exported.stderr
        same = eventcron(tmp_path, "apply", "-f", "-", "--prune", "--dry-run", "--json", text=exported.stdout)
        assert json.loads(same.stdout)["changes"] == [], same.stderr
