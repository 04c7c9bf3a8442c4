"""Processes that tests started, and what those started, as /proc has them."""

from __future__ import annotations

import time
from pathlib import Path

#: Seconds within which processes that were ended are gone.
PATIENCE = 30.0


def descendants(pid: int) -> set[int]:
    """Every process below *pid*, from /proc."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        parents[int(stat.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def gone(pids: set[int]) -> bool:
    """No process of *pids* is alive; one that nobody has collected yet is not."""
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                return False
        except OSError:
            continue
    return True


def wait_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not gone(pids):
        assert time.monotonic() < deadline, f"still there: {pids}"
        time.sleep(0.02)  # an end is not announced to strangers
