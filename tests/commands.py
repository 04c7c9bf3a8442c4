"""Runs commands of ``eventcron``, each in a process forked from one that has imported them all.

Most of a command's time is its start, so tests of what commands do share one start. How a process starts and ends is
tested by ``tests/unit/cli/test_ending.py`` and ``tests/acceptance/test_installed.py``.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from eventcron.entrypoints.cli import start
from eventcron.entrypoints.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]


class Done(NamedTuple):
    """A finished command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, given: str | None = None
) -> Done:
    """Run ``eventcron`` with *arguments* and with *given* as its input. It must not end in a traceback.

    *env* is all of its environment, by default that of this process; *cwd* likewise.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").write_text(given or "", encoding="utf-8")
        order = {
            "arguments": arguments,
            "env": dict(os.environ if env is None else env),
            "cwd": str(cwd or Path.cwd()),
            "folder": name,
        }
        status = _server().ask(json.dumps(order))
        out, err = ((folder / stream).read_text(encoding="utf-8") for stream in ("out", "err"))
    assert "Traceback" not in err, err
    return Done(status, out, err)


class _Server:
    """The process that forks. It ends with the process that started it."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.commands"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
        )  # fmt: skip
        atexit.register(self._process.communicate)  # which ends its orders

    def ask(self, order: str) -> int:
        """The exit status of the command in *order*."""
        orders, answers = self._process.stdin, self._process.stdout
        assert orders is not None
        assert answers is not None
        with self._one_at_a_time:
            orders.write(order + "\n")
            orders.flush()
            return int(answers.readline())


@functools.cache
def _server() -> _Server:
    return _Server()


def _serve() -> None:
    """Fork for each order, and answer with the exit status of what it asked for.

    Returns in each forked process, which is to carry out the order.
    """
    for module in COMMANDS.values():
        importlib.import_module(f"eventcron.entrypoints.cli.{module}")
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()
    sys.exit()


def _become(order: dict[str, Any]) -> None:
    """Take on the arguments, environment, directory and streams of *order*."""
    sys.argv[1:] = order["arguments"]
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    for number, (stream, flags) in enumerate(
        [("in", os.O_RDONLY), ("out", os.O_WRONLY | os.O_CREAT), ("err", os.O_WRONLY | os.O_CREAT)]
    ):
        os.dup2(os.open(f"{order['folder']}/{stream}", flags), number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)


if __name__ == "__main__":
    _serve()
    start.main()
