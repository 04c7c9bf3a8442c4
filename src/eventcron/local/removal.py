"""End the embedded AWS and remove its files.

``python -m eventcron.local.removal DIRECTORY`` is the last that the host's process does: it becomes this program, which
ends all its threads. So nothing of ministack makes the directory again. It imports little, to be quick.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path


def remove(directory: Path) -> None:
    """Remove *directory*, or what is left of it, even while Lambda workers start in it.

    It is renamed first, so that the workers fail to start and leave nothing there.
    """
    going = directory.with_suffix(".going")
    with suppress(OSError):
        directory.rename(going)
    shutil.rmtree(going, ignore_errors=True)


def main(directory: str) -> None:
    """Kill the rest of this process group, which is all Lambda workers, and wait for them. Then remove *directory*.

    A worker that still imports would make the directory again, for its bytecode.
    """
    group = os.getpgid(0)
    child = _join_another_group()
    try:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-group, 0)
        remove(Path(directory))
    finally:
        os.kill(child, signal.SIGKILL)


def _join_another_group() -> int:
    """Leave this process group for a child's, because whoever kills the group would kill this process too."""
    child = os.fork()
    if not child:
        signal.pause()
    os.setpgid(child, child)
    os.setpgid(0, child)
    return child


if __name__ == "__main__":
    main(*sys.argv[1:])
