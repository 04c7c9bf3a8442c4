"""Remove the files of the embedded AWS.

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
    """Remove *directory*, then kill the process group with all Lambda workers."""
    try:
        remove(Path(directory))
    finally:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
