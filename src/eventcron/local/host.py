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
import socket
import sys
import threading
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from eventcron.local.snapshot import SnapshotWriter

#: Seconds that an idle connection stays open: longer than any client keeps one, so that the client closes it.
#: uvicorn's default of 5 seconds is the planner's tick. A request that meets the closing connection fails, perhaps
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
    """Let uvicorn send the head of a response together with what follows it.

    uvicorn writes twice for each response. The head alone wakes the client, which has to wait for the rest. On few
    cores that takes the time of this process.
    """
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle  # noqa: PLC0415  # as uvicorn below

    heads: WeakKeyDictionary[RequestResponseCycle, bytes] = WeakKeyDictionary()
    send = RequestResponseCycle.send

    async def send_whole(cycle: Any, message: Any) -> None:
        if cycle.scope["method"] == "HEAD":  # nothing follows
            await send(cycle, message)
            return
        if cycle.flow.write_paused:
            await cycle.flow.drain()  # here, so that nothing else runs until the transport is back
        transport = cycle.transport
        cycle.transport = written = _Written()
        try:
            await send(cycle, message)
        finally:
            cycle.transport = transport
            data = heads.pop(cycle, b"") + written.data
            if message["type"] == "http.response.start":
                heads[cycle] = data
            elif data:
                transport.write(data)
            if written.is_closed:
                transport.close()

    patched: Any = RequestResponseCycle
    patched.send = send_whole


class _Written:
    """What uvicorn writes of a response at a time, and whether it closes the connection afterwards."""

    def __init__(self) -> None:
        self.data = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self.is_closed = True


def main(descriptor: str, directory: str, snapshot: str = "") -> None:
    """Serve ministack on the inherited listening socket until the parent pipe closes."""
    writer = SnapshotWriter(Path(snapshot)) if snapshot else None
    threading.Thread(target=_end_with_parent, args=(directory, writer), daemon=True, name="parent-pipe").start()
    # Imported only now: loading ministack takes a while, and the parent may end meanwhile.
    import uvicorn  # noqa: PLC0415
    from ministack.app import app  # noqa: PLC0415

    from eventcron.local import ministack_patches  # noqa: PLC0415

    sys.setswitchinterval(SWITCH_SECONDS)
    send_responses_whole()
    ministack_patches.apply()
    if writer is not None:
        writer.install()
    config = uvicorn.Config(
        app, log_config=None, access_log=False, http="httptools", ws="wsproto", lifespan="on",
        server_header=False, date_header=False,  # ministack adds what AWS sends
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        reset_contextvars=True,  # an account and a Region are those of one request
    )  # fmt: skip
    # ministack is made for hypercorn, whose parser and tasks take longer than most requests themselves.
    asyncio.run(uvicorn.Server(config).serve(sockets=[socket.socket(fileno=int(descriptor))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
