"""Works as it is asked to: ``python -m benchmarks.sides.worker SIDE FD``.

What counts is the processor time of this process around the work alone. Nothing else that is measured runs in it.
"""

from __future__ import annotations

import importlib
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.pipes import Pipe
from benchmarks.sides.process import SIDES, Spent


def _measured(work: Any, arguments: tuple[Any, ...], output: int) -> Spent:
    os.lseek(output, 0, os.SEEK_SET)
    os.ftruncate(output, 0)
    wall, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    answer = work(*arguments)
    after, took = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - wall
    sys.stdout.flush()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(cpu, took, os.fstat(output).st_size, memory() or after.ru_maxrss * 1024, answer)


def memory() -> int:
    """The most bytes that this process has held so far; 0 = the system does not say.

    ``ru_maxrss`` begins with what the process held that started this one, which has all schedules in memory.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def main(name: str, pipe: Pipe) -> None:
    """Work until the other end of *pipe* is closed."""
    with tempfile.TemporaryFile() as printed:
        # What the handlers print goes into a file that is emptied before each work: its size is what was printed.
        os.dup2(printed.fileno(), 1)
        module, class_name = SIDES[name]
        one = getattr(importlib.import_module(module), class_name)()
        while True:
            try:
                work, arguments = pipe.receive()
            except EOFError:
                break
            pipe.answer(_measured(getattr(one, work), arguments, printed.fileno()))
        one.close()


if __name__ == "__main__":
    main(sys.argv[1], Pipe.of_argument(sys.argv[2]))
