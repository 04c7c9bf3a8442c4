"""The port of the console, and a thread that serves it once somebody visits it. Needs no extra."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from eventcron.errors import EventcronError

LOOPBACK = "127.0.0.1"
#: Addresses that stand for all of a machine.
ANYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  they are compared
#: What the pages import and only the extra ``console`` brings.
_OF_CONSOLE = ("jinja2", "starlette", "uvicorn")


class NoConsole(EventcronError):
    """The console cannot be served. The message says why, and what to do."""


def require_extra() -> None:
    """Return if the extra ``console`` is installed.

    Raises:
        NoConsole: it is not.
    """
    missing = [name for name in _OF_CONSOLE if find_spec(name) is None]
    if missing:
        raise NoConsole(
            f"the console needs {', '.join(missing)}, which this Python does not have: run"
            " `pip install 'eventcron[console]'`"
        )


def listener_on(host: str, port: int, *, known: bool) -> socket.socket:
    """A socket that listens at *host*, an IP address; *port* 0 picks a free one.

    Raises:
        NoConsole: the port is taken, *host* is no address, or others can reach it and it is not *known* that they can.
    """
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise NoConsole(f"{host!r} is no IP address; give one, such as {LOOPBACK}") from None
    if not address.is_loopback and not known:
        raise NoConsole(
            f"whoever reaches {host} could read what this console shows, without a password; add --i-know if that is"
            f" as it should be, or leave --host at {LOOPBACK}"
        )
    listener = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)  # noqa: PLR2004  IPv6
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise NoConsole(f"port {port} on {host} is in use; choose another with --port (0 = any)") from error
        raise NoConsole(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL of the console at *listener*, as this machine names it."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104  they are compared
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"


class Visited:
    """Runs *serve* in a thread and on a loop of its own, from the first visit to *listener* on until it is closed.

    Until then it costs nothing but the open port, and after that it does not hold up the loop on which it was made.
    *on_failure* gets the sentence if *serve* fails.
    """

    def __init__(
        self,
        listener: socket.socket,
        serve: Callable[[], Coroutine[Any, Any, None]],
        *,
        on_failure: Callable[[str], object],
    ) -> None:
        self._listener = listener
        self._serve = serve
        self._on_failure = on_failure
        self._thread: threading.Thread | None = None
        self._begun = threading.Event()
        self._stop: Callable[[], object] = lambda: None
        asyncio.get_running_loop().add_reader(listener, self._begin)

    async def close(self) -> None:
        """End the thread and close the port."""
        asyncio.get_running_loop().remove_reader(self._listener)
        if self._thread is not None:
            await asyncio.to_thread(self._end)
        self._listener.close()

    def _end(self) -> None:
        assert self._thread is not None  # noqa: S101  ``close`` has looked
        self._begun.wait()
        with suppress(RuntimeError):  # the loop has ended already
            self._stop()
        self._thread.join()

    def _begin(self) -> None:
        asyncio.get_running_loop().remove_reader(self._listener)
        self._thread = threading.Thread(target=self._run, daemon=True, name="eventcron-console")
        self._thread.start()

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._serving())

    async def _serving(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101  ``asyncio.run`` makes one
        self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
        self._begun.set()
        try:
            await self._serve()
        except Exception as error:  # noqa: BLE001  nobody awaits this thread
            self._on_failure(f"the console ended: {error}")
