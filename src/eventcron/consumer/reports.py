"""Opens what reports are sent by, with the first of them: a program that tracks no run opens nothing."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from eventcron.adapters.aws.clients import aws_clients
from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.aws.failures import explained
from eventcron.adapters.aws.run_reports import EventBridgeReports
from eventcron.adapters.clock import SystemClock
from eventcron.app.retry import Retry
from eventcron.ports.work import NotReported, RunReport

if TYPE_CHECKING:
    from eventcron.adapters.aws.accounts import Session

#: Connections to EventBridge.
CONNECTIONS = 8


class ReportsTo:
    """``RunReports`` on the bus of that name or ARN, in the account of *session*, by default the environment's.

    It belongs to the event loop on which the first report is sent.
    """

    def __init__(self, bus: str, *, source: str = "", session: Session | None = None) -> None:
        self._bus = bus
        self._source = source
        self._session = session
        self._exits = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._opened: EventBridgeReports | None = None

    async def report(self, report: RunReport) -> None:
        async with self._opening:
            if self._opened is None:
                with explained("events", NotReported):
                    self._opened = await self._open()
        await self._opened.report(report)

    async def close(self) -> None:
        """Close the connections."""
        await self._exits.aclose()
        self._opened = None

    async def _open(self) -> EventBridgeReports:
        clients = await self._exits.enter_async_context(aws_clients(concurrency=CONNECTIONS, session=self._session))
        clock = SystemClock()
        bus = EventBridgeBus(clients.events, self._bus)
        retry = Retry(clock=clock, jitter=random.random)
        return EventBridgeReports(bus, clock=clock, retry=retry, source=self._source)
