"""eventcron in memory: every function of a deployment, on queues, ticks and checks in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar

import msgspec

from eventcron.adapters.memory import (
    MemoryAnswers,
    MemoryBackfills,
    MemoryCalendars,
    MemoryDeadLetters,
    MemoryEventBus,
    MemoryFireQueue,
    MemoryHistory,
    MemoryLeases,
    MemoryPublishedPacks,
    MemoryQueue,
    MemoryQuota,
    MemoryRegistrarQueue,
    MemoryRuns,
    MemoryScheduleStore,
    MemorySegmentQueue,
    MemorySweeps,
    Message,
    Pause,
    Published,
    yield_once,
)
from eventcron.app.handlers import Handled, Handlers
from eventcron.app.use_cases import Ports
from eventcron.model.commands import TENANT_SOURCE_PREFIX
from eventcron.model.events import EVENT_SOURCE, Event, is_fire
from eventcron.model.history import KeepHistory
from eventcron.model.names import Instant
from eventcron.ports import Refusal
from eventcron.rules.history import is_kept
from eventcron.settings import Settings
from eventcron.testing.clock import VirtualClock, VirtualLoop
from eventcron.testing.ports import memory_ports
from eventcron.timing.instant import from_rfc3339, rfc3339

T = TypeVar("T")

#: The template's defaults, with fewer segments: each segment costs one query a tick.
SETTINGS = Settings(
    schedules_table="schedules",
    ledger_table="ledger",
    bus_name="eventcron",
    registrar_queue_url="registrar",
    fire_queue_url="fires",
    command_dlq_url="command-dlq",
    fire_dlq_url="fire-dlq",
    segments=4,
)

#: Milliseconds. The functions' timeouts.
PLANNER_TIMEOUT_MS, RECONCILER_TIMEOUT_MS = 120_000, 900_000
#: Milliseconds between two runs of the reconciler.
CHECK_MS = 3_600_000
#: Seconds of virtual time, far less than a millisecond.
MOMENT_S = 1e-6


#: Handles a batch.
Handle: TypeAlias = Callable[[Sequence[Message]], Awaitable[Sequence[Handled[Any]]]]

#: The invocation that runs in the current task, such as ``planner-3``.
invocation: ContextVar[str] = ContextVar("invocation")


class Fired(NamedTuple):
    """One ``Schedule Fired`` on the bus. ``schedule`` is ``tenant/name``; ``due_at`` is the instant of ``due``."""

    schedule: str
    due: str
    due_at: Instant
    published: Instant
    lateness_ms: int
    detail: dict[str, Any]


class World:
    """One deployment, from PutEvents to the bus, without AWS and in virtual time. A context manager.

    *start* is RFC 3339 text or an instant. ``emit`` queues a command, ``run`` lets time pass, ``fired`` and ``events``
    show what was published, ``dead.sent`` the dead letters. The ports are attributes: look into them, or replace
    them before the first ``run``. With ``planner_workers`` above 1, ticks hand segments out through ``segment_ranges``.

    Each port awaits *pause* before and after each of its effects; ``invocation`` names the invocation that called the
    port. An exception that *pause* raises ends that invocation there, as a crash would.
    """

    def __init__(self, start: str | Instant, *, settings: Settings = SETTINGS, pause: Pause = yield_once) -> None:
        self._runner = asyncio.Runner(loop_factory=VirtualLoop)
        zero = start if isinstance(start, int) else from_rfc3339(start)
        self.clock = VirtualClock(zero, self._runner.get_loop())
        self.settings = settings
        self._ids = itertools.count(1)
        self._invocations = itertools.count(1)
        self._work: list[asyncio.Task[None]] = []
        self.commands = SignallingQueue(self.clock)
        self.grouped_commands = SignallingQueue(self.clock)
        self.grouped_commands.dead = self.commands.dead  # as in the template
        self.fires = SignallingQueue(self.clock)
        self.segment_ranges = SignallingQueue(self.clock)
        self.history_events = SignallingQueue(self.clock)
        self._pause = pause
        self.store = MemoryScheduleStore(self.clock, pause=pause)
        self.leases = MemoryLeases(pause=pause)
        self.packs = MemoryPublishedPacks(pause=pause)
        self.quota = MemoryQuota(pause=pause)
        self.sweeps = MemorySweeps(pause=pause)
        self.backfills = MemoryBackfills(pause=pause)
        self.runs = MemoryRuns(pause=pause)
        self.calendars = MemoryCalendars(pause=pause)
        self.history = MemoryHistory(pause=pause)
        self.bus = MemoryEventBus(self.clock, pause=pause)
        self.dead = MemoryDeadLetters(pause=pause)
        #: The exceptions that let a message come back or stopped a tick, in order.
        self.failures: list[Exception] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._runner.close()

    @property
    def ports(self) -> Ports:
        """All ports, those that were replaced included."""
        return memory_ports(
            self.clock,
            pause=self._pause,
            store=self.store,
            leases=self.leases,
            packs=self.packs,
            quota=self.quota,
            sweeps=self.sweeps,
            registrar_queue=MemoryRegistrarQueue(self.grouped_commands, pause=self._pause),
            fire_queue=MemoryFireQueue(self.fires, pause=self._pause),
            bus=self.bus,
            dead_letters=self.dead,
            backfills=self.backfills,
            runs=self.runs,
            calendars=self.calendars,
            history=self.history,
            segment_queue=MemorySegmentQueue(self.segment_ranges, pause=self._pause),
            # Jitter only spreads retries; with a fixed seed two runs are alike.
            jitter=random.Random(0).random,  # noqa: S311  # no secret depends on it
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
        """Put a command on the bus and return the event's id. Without *source*, the tenant's own source sends it.

        The event carries *time*, or now, cut to whole seconds as EventBridge cuts it. It reaches the registrar
        *delay_seconds* later.
        """
        event_id = event_id or self._id()
        tenant = detail.get("tenant", "") if isinstance(detail, Mapping) else ""
        at = self.now if time is None else time
        sender = source or f"{TENANT_SOURCE_PREFIX}{tenant}"
        body = _envelope(detail_type, detail, event_id=event_id, source=sender, time=at)
        self.commands.put(body, delay_seconds=delay_seconds)
        return event_id

    def _id(self) -> str:
        return f"00000000-0000-0000-0000-{next(self._ids):012d}"

    async def put(self, events: Sequence[Event]) -> list[str | Refusal]:
        """Put commands as events, as a ``CommandBus`` does."""
        return [
            self.emit(event.detail_type, msgspec.json.decode(event.detail), source=event.source) for event in events
        ]

    def answers(self) -> MemoryAnswers:
        """What is published from now on."""
        return MemoryAnswers(self.bus, self.clock)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of *work*, which goes on as time passes."""

        async def run() -> T:
            working = asyncio.create_task(work)
            while not working.done():
                await self._until(self.now + 1_000)
            return working.result()

        return self._runner.run(run())

    def run(self, *, until: Instant | None = None, **span: float) -> None:
        """Let time pass until the instant *until*, or for a span such as ``hours=24``; what is due then happens too."""
        end = until if until is not None else self.now + round(timedelta(**span).total_seconds() * 1000)
        self._runner.run(self._until(end))

    @property
    def events(self) -> list[dict[str, Any]]:
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
            if event.source == EVENT_SOURCE and is_fire(detail):
                due = from_rfc3339(detail["due"])
                fires.append(Fired(f"{detail['tenant']}/{detail['name']}", detail["due"], due, at, at - due, detail))
        return fires

    def events_of(self, detail_type: str) -> list[dict[str, Any]]:
        """The details of the events of one detail type, in order."""
        return [event["detail"] for event in self.events if event["detail-type"] == detail_type]

    async def _until(self, end: Instant) -> None:
        if not self._work:
            self._work = [asyncio.create_task(work) for work in self._start()]
        passing = asyncio.create_task(self._pass(end))
        await asyncio.wait([passing, *self._work], return_when=asyncio.FIRST_COMPLETED)
        passing.cancel()
        for work in self._work:
            if work.done():
                work.result()

    async def _pass(self, end: Instant) -> None:
        await self.clock.sleep_until(end)
        # The loop's time moves on once nothing is left to do at that instant.
        await asyncio.sleep(MOMENT_S)

    def _start(self) -> list[Coroutine[Any, Any, None]]:
        """Everything that Lambda would run: the event source mappings of all queues, the tick and the hourly check."""
        handlers = self.ports.use_cases(self.settings).handlers
        self.bus.listeners.append(self._on_published)
        return [
            self._poll(self.commands, "dispatcher", handlers.on_sent_commands),
            self._poll(self.grouped_commands, "registrar", handlers.on_commands),
            self._poll(self.fires, "executor", handlers.on_packs),
            self._poll(
                self.segment_ranges,
                "planner",
                lambda messages: handlers.on_segment_ranges(messages, deadline=self.now + PLANNER_TIMEOUT_MS),
            ),
            self._poll(self.history_events, "history", handlers.on_history),
            self._tick(handlers),
            self._check(handlers),
        ]

    def _on_published(self, published: Published) -> None:
        """What the rules of the template do with an event."""
        event = published.event
        detail = msgspec.json.decode(event.detail) if self.settings.keep_history is not KeepHistory.NONE else {}
        if is_kept(self.settings.keep_history, event.detail_type, detail):
            self.history_events.put(
                _envelope(event.detail_type, detail, event_id=self._id(), source=event.source, time=event.time)
            )

    async def _poll(self, queue: SignallingQueue, function: str, handle: Handle) -> None:
        """Hand each visible message to an invocation of its own."""
        async with asyncio.TaskGroup() as group:
            while True:
                for message in queue.receive():
                    group.create_task(self._attempt(queue, message, function, handle))
                await queue.wait()

    async def _attempt(self, queue: MemoryQueue, message: Message, function: str, handle: Handle) -> None:
        self._invoke(function)
        (handled,) = await handle([message])
        if not handled.comes_back:
            queue.delete(message.id)
        elif handled.error is not None:
            self.failures.append(handled.error)

    async def _tick(self, handlers: Handlers) -> None:
        every = self.settings.tick_seconds * 1000
        while True:
            now = self.clock.now()
            self._invoke("planner")
            report = await handlers.on_tick(deadline=now + PLANNER_TIMEOUT_MS)
            if report.error is not None:
                self.failures.append(report.error)
            await self.clock.sleep_until(now - now % every + every)

    async def _check(self, handlers: Handlers) -> None:
        while True:
            await self.clock.sleep_until(self.now - self.now % CHECK_MS + CHECK_MS)
            self._invoke("reconciler")
            report = await handlers.on_check(deadline=self.now + RECONCILER_TIMEOUT_MS, rules="this release")
            if report.error is not None:
                self.failures.append(report.error)

    def _invoke(self, function: str) -> None:
        invocation.set(f"{function}-{next(self._invocations)}")


def _envelope(detail_type: str, detail: Mapping[str, Any] | str, *, event_id: str, source: str, time: Instant) -> str:
    """An event as a rule delivers it, its *time* cut to whole seconds."""
    envelope: dict[str, Any] = {
        "version": "0",
        "id": event_id,
        "detail-type": detail_type,
        "source": source,
        "account": "000000000000",
        "time": rfc3339(time // 1000 * 1000, millis=False),
        "region": "us-east-1",
        "resources": [],
        "detail": detail,
    }
    return msgspec.json.encode(envelope).decode()


class SignallingQueue(MemoryQueue):
    """A queue whose reader can wait for the next message."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self._clock = clock
        self._arrived = asyncio.Event()

    def put(self, body: str, *, delay_seconds: int = 0) -> str:
        self._arrived.set()
        return super().put(body, delay_seconds=delay_seconds)

    async def wait(self) -> None:
        """Return when a message becomes visible; at times earlier."""
        self._arrived.clear()
        visible = self.next_visible()
        timeout = None if visible is None else max(0, visible - self._clock.now()) / 1000
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._arrived.wait()
