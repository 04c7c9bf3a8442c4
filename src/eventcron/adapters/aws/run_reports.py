"""``RunReports`` by the command ``Report Run``, on the bus of commands."""

from __future__ import annotations

from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.aws.failures import explained
from eventcron.app.command_events import report_run
from eventcron.app.retry import Retry
from eventcron.ports import Clock
from eventcron.ports.work import NotReported, RunReport


class EventBridgeReports:
    """Puts reports on *bus*, each with its tenant's source, or with *source*."""

    def __init__(self, bus: EventBridgeBus, *, clock: Clock, retry: Retry, source: str = "") -> None:
        self._bus = bus
        self._clock = clock
        self._retry = retry
        self._source = source

    async def report(self, report: RunReport) -> None:
        event = report_run(report, now=self._clock.now(), source=self._source)
        with explained("events", NotReported):
            refused = await self._retry.deliver([event], self._bus.publish)
        if refused:
            raise NotReported(f"{refused[0].code}: {refused[0].message}")
