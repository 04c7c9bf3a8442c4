"""Finds the processes that tests started, and their descendants, in /proc."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from tests.waiting import HANG_SECONDS


def descendants(pid: int) -> set[int]:
    """Every descendant of the process *pid*."""
    parents = _parents()
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def children(pid: int) -> set[int]:
    """The processes whose parent is the process *pid*."""
    return {child for child, parent in _parents().items() if parent == pid}


def _parents() -> dict[int, int]:
    """The parent of every process."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        parents[int(stat.parent.name)] = int(fields[1])
    return parents


def gone(pids: set[int]) -> bool:
    """Whether no process of *pids* is alive. A zombie is not alive."""
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                return False
        except OSError:
            continue
    return True


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_gone(pids: set[int], port: int | None = None) -> None:
    """Wait until no process of *pids* is left and no process listens on *port*.

    A worker that was just being started when we looked has no number among them, and holds the socket until it ends.
    """
    deadline = time.monotonic() + HANG_SECONDS
    while not gone(pids) or (port is not None and listens(port)):
        assert time.monotonic() < deadline, f"still there: {pids}, or who listens on {port}"
        time.sleep(0.02)  # an end is not announced to strangers
