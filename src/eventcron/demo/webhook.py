"""The HTTP receiver behind the API destination: takes what comes with the right key, on loopback."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import web

from eventcron.local.embedded import LOOPBACK
from eventcron.model.names import Instant
from eventcron.ports import Clock


class Webhook:
    """A server for as long as the context lasts. *receive* is given each body and when it arrived.

    A request without the key is answered 401.
    """

    def __init__(self, *, key_header: str, key: str, clock: Clock, receive: Callable[[bytes, Instant], None]) -> None:
        self._key_header = key_header
        self._key = key
        self._clock = clock
        self._receive = receive
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, 0).start()
        self.url = f"http://{LOOPBACK}:{self._runner.addresses[0][1]}"
        return self

    async def _take(self, request: web.Request) -> web.Response:
        arrived = self._clock.now()
        if request.headers.get(self._key_header) != self._key:
            return web.Response(status=401)
        self._receive(await request.read(), arrived)
        return web.Response(status=204)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
