"""Processes that are asked by name and answer by value: the rig, and each side that is measured."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[1]


class ChildFailed(Exception):
    """A process that was asked has ended instead of answering, or says what went wrong."""


class Pipe:
    """One end of a connection between two processes."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection

    @classmethod
    def of_argument(cls, text: str) -> Self:
        """The child's end, by the number on its command line."""
        return cls(Connection(int(text)))

    def fileno(self) -> int:
        return self._connection.fileno()

    def ask(self, name: str, *arguments: object) -> Any:
        """What the other end answers.

        Raises:
            ChildFailed: it failed.
        """
        self._connection.send((name, arguments))
        try:
            answer = self._connection.recv()
        except EOFError as error:
            raise ChildFailed(f"the process ended while it was asked for {name}") from error
        if isinstance(answer, ChildFailed):
            raise answer
        return answer

    def receive(self) -> tuple[str, tuple[Any, ...]]:
        """What the other end asks for.

        Raises:
            EOFError: it has closed the connection.
        """
        asked: tuple[str, tuple[Any, ...]] = self._connection.recv()
        return asked

    def answer(self, value: object) -> None:
        self._connection.send(value)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def child(module: str, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[Pipe]:
    """Run *module* in a process of its own, which gets the number of its end of the pipe as its last argument.

    The process starts afresh: nothing that this one has imported or computed is in its memory.
    """
    ours, theirs = socket.socketpair()
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EVENTCRON_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments, str(theirs.fileno())],
        cwd=ROOT,
        env={**inherited, "PYTHONPATH": path, **(environ or {})},
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    pipe = Pipe(Connection(ours.detach()))
    try:
        yield pipe
    finally:
        pipe.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
