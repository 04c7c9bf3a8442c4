"""The process of the embedded AWS: ministack behind a socket it was handed, on a leash.

``python -m eventcron.local.host FD DIRECTORY [KEEP]`` serves on the listening socket FD and keeps its files in
DIRECTORY. Its standard input is the leash: a pipe whose other end only the parent holds. However the parent
ends, SIGKILL included, the pipe closes and this process removes DIRECTORY and ends its whole process group,
Lambda workers and all. With KEEP, a directory, it first saves there what the next process goes on with.
Each invocation's output leaves as one line of JSON on standard output.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

from eventcron.local.embedded import remove
from eventcron.local.snapshot_writer import SnapshotWriter

#: How long an idle connection stays open: longer than any client keeps one, so that the client is who closes it.
#: hypercorn's own 5 seconds are the planner's tick. A request that meets the closing fails, perhaps after it was
#: carried out; botocore makes it again, and packs are in the queue twice.
KEEP_ALIVE_SECONDS = 3_600


def _end_with_parent(directory: str, keeper: SnapshotWriter | None) -> None:
    """Block until the leash is let go, then save if something is to be kept, and end the process group."""
    sys.stdin.buffer.read()
    try:
        if keeper is not None:
            keeper.save()
    finally:
        remove(Path(directory))
        os.killpg(0, signal.SIGKILL)


def main(descriptor: str, directory: str, keep: str = "") -> None:
    """Serve ministack on the inherited listening socket until the leash is let go."""
    keeper = SnapshotWriter(Path(keep)) if keep else None
    threading.Thread(target=_end_with_parent, args=(directory, keeper), daemon=True, name="leash").start()
    # Imported behind the leash: loading ministack takes a while, and the parent may end meanwhile.
    from hypercorn.asyncio import serve  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415
    from ministack.app import app  # noqa: PLC0415

    from eventcron.local import ministack_patches  # noqa: PLC0415

    ministack_patches.apply()
    if keeper is not None:
        keeper.install()
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.loglevel = "WARNING"
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main(*sys.argv[1:])
