"""Serves the console."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager

import uvicorn

from eventcron.adapters.clock import SystemClock
from eventcron.console.app import application
from eventcron.console.listener import ANYWHERE
from eventcron.console.live import Live
from eventcron.console.security import LOOPBACK_NAMES
from eventcron.console.site import Site, Stack
from eventcron.errors import EventcronError
from eventcron.model.events import Answer

#: Seconds that requests may take to end when the console ends.
GRACE_SECONDS = 2


class _Server(uvicorn.Server):
    """A server that leaves signals to the command."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    listener: socket.socket,
    opening: AbstractAsyncContextManager[Stack | str],
    live: Live,
    *,
    allow_changes: bool,
    listen: bool,
    on_ready: Callable[[Stack | str], object] = lambda _stack: None,
) -> None:
    """Serve the console on *listener* until cancelled. *on_ready* is called once the deployment is open.

    *listen*: the console itself listens to what is published; otherwise somebody else adds it to *live*.
    """
    host, port = listener.getsockname()[:2]
    names = {*LOOPBACK_NAMES, f"[{host}]" if ":" in host else host} - ANYWHERE
    async with opening as stack, AsyncExitStack() as exits:
        site = Site(stack, live, allow_changes=allow_changes)
        exits.push_async_callback(site.forecast.close)
        app = application(
            site, hosts={f"{name}:{port}" for name in names}, port=port, any_address=host in ANYWHERE
        )  # fmt: skip
        if listen and isinstance(stack, Stack):
            hearing = asyncio.create_task(_hear(stack.client.events(), live), name="console-events")
            exits.push_async_callback(_end, hearing)
        server = _Server(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False,
                           timeout_graceful_shutdown=GRACE_SECONDS)
        )  # fmt: skip
        on_ready(stack)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="console")
        try:
            await asyncio.shield(serving)
        finally:
            live.close()
            server.should_exit = True
            await asyncio.gather(serving, return_exceptions=True)


async def _hear(events: AsyncIterator[Answer], live: Live) -> None:
    """Add *events* to *live*. What ends them stands on every page."""
    clock = SystemClock()
    try:
        async for event in events:
            live.add(event, clock.now())
    except EventcronError as error:
        live.silent = str(error)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
