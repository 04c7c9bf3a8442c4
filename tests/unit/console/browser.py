"""Asks the console as a browser would, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.types import ASGIApp, Message

from eventcron.adapters.memory.dead_letter_queue import MemoryDeadLetterQueue
from eventcron.app.redrive import Redrive
from eventcron.console.app import application
from eventcron.console.live import Live
from eventcron.console.site import Site, Stack
from tests.unit.cli.deployed import Deployed

PORT = 8700
HOST = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{HOST}"


class Page(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return unescape(self.body.decode())


class Browser:
    """A page of the console is open, so requests come from there unless *headers* say otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def get(self, path: str, **headers: str) -> Page:
        return await self.ask("GET", path, {"host": HOST} | headers)

    async def post(self, path: str, form: dict[str, str], **headers: str) -> Page:
        sent = {
            "host": HOST,
            "origin": ORIGIN,
            "sec-fetch-site": "same-origin",
            "content-type": "application/x-www-form-urlencoded",
        }
        return await self.ask("POST", path, sent | headers, urlencode(form).encode())

    async def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Page:
        """Ask with these *headers* and no others; one that is "" is left out."""
        address, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": address,
            "raw_path": address.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), text.encode()) for name, text in headers.items() if text],
            "server": ("127.0.0.1", PORT),
            "client": ("127.0.0.1", 50000),
        }
        sent: list[Message] = []
        asked = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if not asked:
                await asyncio.Event().wait()  # the browser stays
            return asked.pop()

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return Page(
            sent[0]["status"],
            {name.decode(): text.decode() for name, text in sent[0]["headers"]},
            b"".join(message.get("body", b"") for message in sent[1:]),
        )


class Shown(NamedTuple):
    """A console over a deployment in memory."""

    browser: Browser
    site: Site
    queue: MemoryDeadLetterQueue


@asynccontextmanager
async def shown(deployed: Deployed, folder: Path, *, allow_changes: bool = False) -> AsyncIterator[Shown]:
    queue = MemoryDeadLetterQueue(deployed.clock)

    async def redrive(name: str, _instead: str | None) -> Redrive:
        return Redrive(clock=deployed.clock, queue=queue, name=name)

    async with deployed.connected("") as client:
        stack = Stack("eventcron", "in memory", client, redrive, ["commands"])
        site = Site(stack, Live(began=deployed.clock.now()), allow_changes=allow_changes)
        yield Shown(Browser(application(site, hosts=[HOST], port=PORT, dropped=folder)), site, queue)
        await site.forecast.close()


def alone(reason: str) -> Browser:
    """A console without a deployment."""
    site = Site(reason, Live(began=0), allow_changes=True)
    return Browser(application(site, hosts=[HOST], port=PORT))


def fire(tenant: str = "acme", name: str = "nightly", **detail: Any) -> dict[str, Any]:
    """The detail of a fire."""
    due = "2026-12-01T08:00:00.000Z"
    return {
        "tenant": tenant,
        "name": name,
        "fire_id": "0",
        "due": due,
        "local_time": due,
        "cause": "schedule",
        "input": None,
    } | detail
