"""Runs ``eventcron dev`` from the command line."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.waiting import HANG_SECONDS

T = TypeVar("T")


class Dev:
    """A running ``eventcron dev`` and its output."""

    def __init__(self, process: subprocess.Popen[str], directory: Path) -> None:
        self.process = process
        self._directory = directory

    @property
    def stdout(self) -> str:
        return (self._directory / "stdout").read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return (self._directory / "stderr").read_text(encoding="utf-8")

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(HANG_SECONDS)


@contextmanager
def dev(directory: Path, *arguments: str) -> Iterator[Dev]:
    """Start the command. Kill it at the end."""
    with (directory / "stdout").open("w") as stdout, (directory / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "eventcron", "dev", *arguments],
            stdout=stdout,
            stderr=stderr,
            text=True,
            cwd=directory,  # where it says that it runs
            start_new_session=True,
        )
    try:
        yield Dev(process, directory)
    finally:
        process.kill()
        process.wait()


def until(condition: Callable[[], T], running: Dev) -> T:
    deadline = time.monotonic() + HANG_SECONDS
    while not (found := condition()):
        assert running.process.poll() is None, running.stderr
        assert time.monotonic() < deadline, f"not within {HANG_SECONDS} s; {running.stdout} {running.stderr}"
        time.sleep(0.05)
    return found


def exports(text: str) -> dict[str, str]:
    """The variables that the three lines set."""
    lines = re.findall(r"^export (.+)$", text, flags=re.MULTILINE)
    assert len(lines) == 3
    return dict(word.split("=", 1) for line in lines for word in shlex.split(line))
