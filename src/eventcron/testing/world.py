"""A whole eventcron in memory: the real registrar, planner and executor, with queues, ticks and virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

import msgspec

from eventcron.adapters.memory import (
    MemoryBackfills,
    MemoryCalendars,
    MemoryDeadLetters,
    MemoryEventBus,
    MemoryFireQueue,
    MemoryLeases,
    MemoryPublishedPacks,
    MemoryQueue,
    MemoryQuota,
    MemoryRulesVersion,
    MemoryScheduleStore,
    Message,
    Pause,
    yield_once,
)
from eventcron.app.backfill import Backfiller
from eventcron.app.planner import Planner
from eventcron.model.commands import TENANT_SOURCE_PREFIX
from eventcron.model.events import EVENT_SOURCE
from eventcron.model.names import Instant
from eventcron.settings import Settings
from eventcron.testing.clock import VirtualClock, VirtualLoop
from eventcron.testing.ports import MemoryPorts, memory_ports
from eventcron.timing.instant import from_datetime, rfc3339
from eventcron.wire.encode import decode_pack

#: A deployment with the template's defaults, but fewer segments: each costs a query a tick.
SETTINGS = Settings(
    schedules_table="schedules",
    ledger_table="ledger",
    bus_name="eventcron",
    fire_queue_url="fires",
    command_dlq_url="command-dlq",
    fire_dlq_url="fire-dlq",
    segments=4,
)

#: Milliseconds. The planner function's timeout.
PLANNER_TIMEOUT_MS = 60_000


#: The invocation that is running, such as ``planner-3``.
invocation: ContextVar[str] = ContextVar("invocation")


class Fired(NamedTuple):
    """One ``Schedule Fired`` on the bus: whose, when it was due, when it was published, and its whole detail."""

    schedule: str
    due: str
    due_at: Instant
    published: Instant
    lateness_ms: int
    detail: dict[str, Any]


class World:
    """Everything from PutEvents to the bus, without AWS, in virtual time. A context manager.

    *start* is RFC 3339 text or an instant. ``emit`` queues commands, ``run`` lets time pass, ``fired`` and ``facts``
    tell what came out. The ports are attributes, to look into or to replace before the first ``run``.

    *pause* is awaited before and after each effect of a port; ``invocation`` tells it on whose behalf. What it raises
    ends that invocation there, as a crash would.
    """

    def __init__(self, start: str | Instant, *, settings: Settings = SETTINGS, pause: Pause = yield_once) -> None:
        self._runner = asyncio.Runner(loop_factory=VirtualLoop)
        zero = start if isinstance(start, int) else from_datetime(datetime.fromisoformat(start))
        self.clock = VirtualClock(zero, self._runner.get_loop())
        self.settings = settings
        self._ids = itertools.count(1)
        self._invocations = itertools.count(1)
        self._work: list[asyncio.Task[None]] = []
        self.commands = SignallingQueue(self.clock)
        self.fires = SignallingQueue(self.clock)
        self._pause = pause
        self.store = MemoryScheduleStore(self.clock, pause=pause)
        self.leases = MemoryLeases(pause=pause)
        self.packs = MemoryPublishedPacks(pause=pause)
        self.quota = MemoryQuota(pause=pause)
        self.rules_version = MemoryRulesVersion(pause=pause)
        self.backfills = MemoryBackfills(pause=pause)
        self.calendars = MemoryCalendars(pause=pause)
        self.bus = MemoryEventBus(self.clock, pause=pause)
        self.dead = MemoryDeadLetters(pause=pause)
        #: What handlers raised; the message then came back, as from SQS.
        self.failures: list[Exception] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._runner.close()

    @property
    def ports(self) -> MemoryPorts:
        """The ports as they are now."""
        return memory_ports(
            self.clock,
            pause=self._pause,
            store=self.store,
            leases=self.leases,
            packs=self.packs,
            quota=self.quota,
            rules_version=self.rules_version,
            fire_queue=MemoryFireQueue(self.fires, pause=self._pause),
            bus=self.bus,
            dead_letters=self.dead,
            backfills=self.backfills,
            calendars=self.calendars,
            # Jitter only spreads retries; a fixed seed makes every run the same.
            jitter=random.Random(0).random,  # noqa: S311  # nothing secret about it
        )

    @property
    def now(self) -> Instant:
        return self.clock.now()

    def emit(
        self,
        detail_type: str,
        detail: Mapping[str, Any] | str,
        *,
        source: str | None = None,
        time: Instant | None = None,
        event_id: str | None = None,
        delay_seconds: int = 0,
    ) -> str:
        """Put a command on the bus; *source* is the tenant's own if not given. Returns the event's id.

        The event's time is cut to whole seconds, as EventBridge does. It reaches the registrar *delay_seconds* later.
        """
        event_id = event_id or f"00000000-0000-0000-0000-{next(self._ids):012d}"
        tenant = detail.get("tenant", "") if isinstance(detail, Mapping) else ""
        at = self.now if time is None else time
        envelope: dict[str, Any] = {
            "version": "0",
            "id": event_id,
            "detail-type": detail_type,
            "source": source or f"{TENANT_SOURCE_PREFIX}{tenant}",
            "account": "000000000000",
            "time": rfc3339(at // 1000 * 1000, millis=False),
            "region": "us-east-1",
            "resources": [],
            "detail": detail,
        }
        self.commands.put(msgspec.json.encode(envelope).decode(), delay_seconds=delay_seconds)
        return event_id

    def run(self, *, until: Instant | None = None, **span: float) -> None:
        """Let time pass until the instant *until*, or for a span such as ``hours=24``."""
        end = until if until is not None else self.now + round(timedelta(**span).total_seconds() * 1000)
        self._runner.run(self._until(end))

    @property
    def facts(self) -> list[dict[str, Any]]:
        """Every event published, in order, as a rule would see it."""
        return [
            {
                "detail-type": event.detail_type,
                "source": event.source,
                "resources": list(event.resources),
                "detail": msgspec.json.decode(event.detail),
            }
            for _, event in self.bus.published
        ]

    @property
    def fired(self) -> list[Fired]:
        """Every fire published, in order of publication."""
        fires = []
        for at, event in self.bus.published:
            detail = msgspec.json.decode(event.detail)
            if event.source == EVENT_SOURCE and "fire_id" in detail and "attempt" in detail and "local_time" in detail:
                due = from_datetime(datetime.fromisoformat(detail["due"]))
                fires.append(Fired(f"{detail['tenant']}/{detail['name']}", detail["due"], due, at, at - due, detail))
        return fires

    def facts_of(self, detail_type: str) -> list[dict[str, Any]]:
        """The details of the facts of one kind, in order."""
        return [fact["detail"] for fact in self.facts if fact["detail-type"] == detail_type]

    async def _until(self, end: Instant) -> None:
        if not self._work:
            self._work = [asyncio.create_task(work) for work in self._start()]
        passing = asyncio.create_task(self.clock.sleep_until(end))
        await asyncio.wait([passing, *self._work], return_when=asyncio.FIRST_COMPLETED)
        passing.cancel()
        for work in self._work:
            if work.done():
                work.result()

    def _start(self) -> list[Coroutine[Any, Any, None]]:
        """What Lambda would run: the two queues' event source mappings, and the tick."""
        cases = self.ports.use_cases(self.settings)

        async def command(message: Message) -> None:
            self._invoke("registrar")
            await cases.registrar.handle(message.body, redelivered=message.receives > 1)

        async def fire(message: Message) -> None:
            self._invoke("executor")
            await cases.executor.execute(decode_pack(message.body))

        return [
            self._poll(self.commands, command),
            self._poll(self.fires, fire),
            self._tick(cases.planner, cases.backfiller),
        ]

    async def _poll(self, queue: SignallingQueue, handle: Callable[[Message], Coroutine[Any, Any, None]]) -> None:
        """Hand out what is visible, each message to a task of its own; one that fails comes back."""
        async with asyncio.TaskGroup() as group:
            while True:
                for message in queue.receive():
                    group.create_task(self._attempt(queue, message, handle(message)))
                await queue.wait()

    async def _attempt(self, queue: MemoryQueue, message: Message, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  # whatever it is, the message comes back
            self.failures.append(error)
        else:
            queue.delete(message.id)

    async def _tick(self, planner: Planner, backfiller: Backfiller) -> None:
        every = self.settings.tick_seconds * 1000
        while True:
            now = self.clock.now()
            self._invoke("planner")
            try:
                await planner.run(range(self.settings.segments), deadline=now + PLANNER_TIMEOUT_MS)
                await backfiller.run(deadline=now + PLANNER_TIMEOUT_MS)
            except Exception as error:  # noqa: BLE001  # whatever it is, the next tick comes
                self.failures.append(error)
            await self.clock.sleep_until(now - now % every + every)

    def _invoke(self, function: str) -> None:
        invocation.set(f"{function}-{next(self._invocations)}")


class SignallingQueue(MemoryQueue):
    """A queue that can be waited for."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self._clock = clock
        self._arrived = asyncio.Event()

    def put(self, body: str, *, delay_seconds: int = 0) -> str:
        self._arrived.set()
        return super().put(body, delay_seconds=delay_seconds)

    async def wait(self) -> None:
        """Return when a message is visible, or may be."""
        self._arrived.clear()
        visible = self.next_visible()
        timeout = None if visible is None else max(0, visible - self._clock.now()) / 1000
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._arrived.wait()
