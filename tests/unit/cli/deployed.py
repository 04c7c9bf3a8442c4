"""A deployment in memory for commands: what is put is applied at once, on the loop of the command."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from eventcron.adapters.memory import MemoryAnswers, MemoryEventBus, MemoryFireQueue, MemoryHistory, MemoryQueue
from eventcron.app.commander import Commander
from eventcron.client.schedules import Schedule
from eventcron.client.verbs import Verbs
from eventcron.entrypoints.cli.main import cli
from eventcron.errors import EventcronError
from eventcron.model.commands import Command
from eventcron.model.events import Event
from eventcron.ports import Refusal
from eventcron.ports.answers import Answers
from eventcron.settings import Settings
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import rfc3339

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z


class Deployed:
    """The deployment. ``refuse`` says of an event whether the bus refuses it, or nobody handles it ("lost")."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.clock = JumpingClock(NOW)
        self.fires = MemoryQueue(self.clock)
        self.bus = MemoryEventBus(self.clock)
        self.history = MemoryHistory()
        ports = memory_ports(self.clock, bus=self.bus, fire_queue=MemoryFireQueue(self.fires), history=self.history)
        self.cases = ports.use_cases(settings)
        self.refuse: Callable[[dict[str, Any]], Refusal | str | None] = lambda _detail: None
        self.put_details: list[dict[str, Any]] = []

    async def put(self, events: Sequence[Event]) -> list[str | Refusal]:
        return [await self._put(index, event) for index, event in enumerate(events)]

    async def _put(self, index: int, event: Event) -> str | Refusal:
        detail = msgspec.json.decode(event.detail)
        self.put_details.append(detail)
        refused = self.refuse(detail)
        if isinstance(refused, Refusal):
            return msgspec.structs.replace(refused, index=index)
        event_id = f"event-{len(self.put_details)}"
        if refused is None:
            envelope = {
                "id": event_id,
                "detail-type": event.detail_type,
                "source": event.source,
                "time": rfc3339(event.time // 1000 * 1000),
                "detail": detail,
            }
            await self.cases.handlers.on_command(msgspec.json.encode(envelope).decode())
            await self._execute()
        return event_id

    async def _execute(self) -> None:
        """Publish what the fire queue shows."""
        for message in self.fires.receive():
            await self.cases.handlers.on_pack(message.body)
            self.fires.delete(message.id)

    @asynccontextmanager
    async def connected(self, _stack: str, *, source: str = "") -> AsyncIterator[Verbs]:
        @asynccontextmanager
        async def listen(tenants: Sequence[str], *, everything: bool = False) -> AsyncIterator[Answers]:
            yield MemoryAnswers(self.bus, self.clock)

        commander = Commander(clock=self.clock, bus=self, jitter=lambda: 0.5, source=source)
        client = Verbs(self.cases, commander, listen, patience_ms=5_000)
        try:
            yield client
        finally:
            await client.close()

    def seed(self, *commands: Command) -> None:
        """Apply *commands*."""

        async def work() -> None:
            async with self.connected("") as client:
                for one in commands:
                    (result,) = await client.send([one], wait=True)
                    assert not isinstance(result, Exception), result
                    self.clock.instant += 1_000

        asyncio.run(work())

    def run(self, monkeypatch: pytest.MonkeyPatch, *arguments: str, **options: Any) -> Result:
        """The command with those *arguments*, as the group runs it."""
        module = importlib.import_module(f"eventcron.entrypoints.cli.{arguments[0]}")
        monkeypatch.setattr(module, "connected", self.connected, raising=False)
        return CliRunner().invoke(cli, arguments, **options)


def schedule(name: str, expression: str = "0 9 * * *", tenant: str = "acme", **fields: Any) -> Any:
    return Schedule(tenant=tenant, name=name, expression=expression, **fields)


class Runs:
    """Runs commands on *deployed*."""

    def __init__(self, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
        self._deployed = deployed
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, status: int = 0, **options: Any) -> Result:
        result = self._deployed.run(self._monkeypatch, *arguments, **options)
        assert result.exit_code == status, (result.output, result.exception)
        return result

    def error(self, *arguments: str) -> EventcronError:
        """The error that ``main`` makes a sentence and an exit status of."""
        result = self._deployed.run(self._monkeypatch, *arguments)
        assert isinstance(result.exception, EventcronError), (result.output, result.exception)
        return result.exception
