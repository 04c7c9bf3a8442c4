"""The process of the embedded AWS: serves ministack on an inherited socket, for as long as its parent lives.

``python -m eventcron.local.host FD DIRECTORY [SNAPSHOT]`` serves on the listening socket FD and stores its files in
DIRECTORY. Standard input is the parent pipe, whose other end only the parent holds. However the parent ends, SIGKILL
included, the pipe closes. This process then saves its state in the directory SNAPSHOT, if there is one, kills all
Lambda workers, and removes DIRECTORY (``removal``). It writes each invocation's output to standard output, as one line
of JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from eventcron.local.snapshot import SnapshotWriter

#: Seconds that an idle connection stays open: longer than any client keeps one, so that the client closes it.
#: hypercorn's default of 5 seconds is the planner's tick. A request that meets the closing connection fails, perhaps
#: after ministack has carried it out. Then botocore repeats it, and packs are in the queue twice.
KEEP_ALIVE_SECONDS = 3_600
#: Seconds after which a thread that computes lets another one run. After each write to a socket the event loop waits
#: for the threads of invocations and pollers; with Python's 5 ms, a burst of requests waits a tenth of a second.
SWITCH_SECONDS = 0.0005


def _end_with_parent(directory: str, writer: SnapshotWriter | None) -> None:
    """Wait until the parent pipe closes. Then save the snapshot, if there is one, and become ``removal``."""
    sys.stdin.buffer.read()
    try:
        if writer is not None:
            writer.save()
    finally:
        # Started as a process of its own, it would not end these threads.
        os.execv(sys.executable, [sys.executable, "-P", "-m", "eventcron.local.removal", directory])  # noqa: S606


def send_responses_whole() -> None:
    """Let hypercorn send the head of a response together with what follows it.

    hypercorn writes twice for each response. The head alone wakes the client, which has to wait for the rest. On few
    cores that takes the time of this process.
    """
    import h11  # noqa: PLC0415  # as hypercorn below
    from hypercorn.events import RawData  # noqa: PLC0415
    from hypercorn.protocol.h11 import H11Protocol  # noqa: PLC0415

    heads: WeakKeyDictionary[H11Protocol, bytes] = WeakKeyDictionary()

    async def send_whole(protocol: Any, event: Any) -> None:
        try:
            data = protocol.connection.send(event) or b""
        except h11.LocalProtocolError:
            if protocol.connection.their_state != h11.ERROR:
                raise
            return
        data = heads.pop(protocol, b"") + data
        if isinstance(event, h11.Response):
            heads[protocol] = data
        elif data:
            await protocol.send(RawData(data=data))

    patched: Any = H11Protocol
    patched._send_h11_event = send_whole


def main(descriptor: str, directory: str, snapshot: str = "") -> None:
    """Serve ministack on the inherited listening socket until the parent pipe closes."""
    writer = SnapshotWriter(Path(snapshot)) if snapshot else None
    threading.Thread(target=_end_with_parent, args=(directory, writer), daemon=True, name="parent-pipe").start()
    # Imported only now: loading ministack takes a while, and the parent may end meanwhile.
    from hypercorn.asyncio import serve  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415
    from ministack.app import app  # noqa: PLC0415

    from eventcron.local import ministack_patches  # noqa: PLC0415

    sys.setswitchinterval(SWITCH_SECONDS)
    send_responses_whole()
    ministack_patches.apply()
    if writer is not None:
        writer.install()
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.loglevel = "WARNING"
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main(*sys.argv[1:])
