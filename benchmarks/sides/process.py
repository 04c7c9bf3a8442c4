"""One side in a process of its own, see ``benchmarks.sides.worker``, and what a piece of work took there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from benchmarks.pipes import Pipe, child
from benchmarks.rig.refused import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY

#: Side → its module and class.
SIDES = {
    "eventcron": ("benchmarks.sides.project", "Project"),
    "sequential": ("benchmarks.sides.sequential", "Sequential"),
    "gathered": ("benchmarks.sides.gathered", "Gathered"),
    "apscheduler": ("benchmarks.sides.apscheduler_jobs", "ApScheduler"),
}


#: As in a Lambda function, there is no configuration file. An empty one is one that a client has to read.
NO_FILE = "/nonexistent/aws"


class Spent(NamedTuple):
    """What one piece of work took."""

    #: Seconds of a processor, user and system.
    cpu: float
    wall: float
    #: Bytes printed: logs and metrics.
    logged: int
    #: Bytes of memory that the process had at most so far.
    memory: int
    answer: Any


class Side(Protocol):
    """What is measured."""

    def close(self) -> None: ...


class SideProcess:
    """The process of one side, as the one that started it sees it."""

    def __init__(self, name: str, pipe: Pipe) -> None:
        self.name = name
        self._pipe = pipe

    def do(self, work: str, *arguments: object) -> Spent:
        """Let the side do *work*."""
        spent: Spent = self._pipe.ask(work, *arguments)
        return spent


def aws_environ(url: str) -> dict[str, str]:
    """What every side knows of AWS: where the rig is, and its credentials."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_CONFIG_FILE": NO_FILE,
        "AWS_SHARED_CREDENTIALS_FILE": NO_FILE,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def side(name: str, url: str, more: Mapping[str, str] | None = None) -> Iterator[SideProcess]:
    """Start the process of side *name*, with AWS at *url*, and stop it in the end."""
    with child("benchmarks.sides.worker", name, environ={**aws_environ(url), **(more or {})}) as pipe:
        yield SideProcess(name, pipe)
