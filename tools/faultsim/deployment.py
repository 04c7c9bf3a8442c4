"""The real registrar, planner and executor, on services that keep AWS's promises and no others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from eventcron.adapters.memory import (
    MemoryBackfills,
    MemoryCalendars,
    MemoryDeadLetters,
    MemoryFireQueue,
    MemoryLedger,
    MemoryScheduleStore,
    MemorySegmentQueue,
)
from eventcron.app.backfill import Backfiller
from eventcron.app.concurrency import settle
from eventcron.app.executor import Executor
from eventcron.app.fanout import LEFT, FanOut
from eventcron.app.planner import Planner
from eventcron.app.reconcile import Reconciler
from eventcron.app.redrive import Redrive
from eventcron.app.registrar import Registrar
from eventcron.errors import EventcronError, Undecodable, Unfinished
from eventcron.model.names import BackfillKey, CalendarKey, Instant, Key
from eventcron.model.records import Backfill, Calendar, IndexEntry, Record
from eventcron.ports import Clock, Page, Ports
from eventcron.wire.encode import decode_pack
from eventcron.wire.segment_ranges import decode_range
from tools.faultsim.faults import FaultPlan
from tools.faultsim.history import History, Line, Visit, Written
from tools.faultsim.loop import LoopClock, SeededLoop
from tools.faultsim.network import Killed, Network, Process, SimulatedBus, process
from tools.faultsim.queues import Message, SimulatedQueue
from tools.faultsim.seeded_random import SeededRandom
from tools.faultsim.workload import Setting

#: Seconds a function may run, and a queue hides what it handed out: as in the template.
TIMEOUT_S = {"registrar": 30, "executor": 60, "reconciler": 120, "redrive": 600}
VISIBILITY_S = {"commands": 180, "fires": 360, "plans": 720}
#: Seconds between two rounds of an operator who sends back dead letters.
ROUND_S = 120
#: Milliseconds that the planner's entry point keeps back from Lambda's deadline.
MARGIN_MS = 1_000


class WatchedStore(MemoryScheduleStore):
    """A store in memory that tells the history what is written and what the planner reads."""

    def __init__(self, clock: Clock, history: History, network: Network, *, page_size: int) -> None:
        super().__init__(clock, page_size=page_size, visible=network.visible, pause=network)
        self._history = history
        self._network = network

    def _write(self, record: Record) -> None:
        super()._write(record)
        self._history.written.append(Written(self._clock.now(), process.get().began, record))
        state = f"{record.state} revision {record.revision} wake {record.wake} pending {record.pending}"
        self._network.note("stored", f"{record.key} {state}")

    async def get(self, keys: Sequence[Key]) -> dict[Key, Record]:
        """As BatchGetItem: what is left unprocessed is read a moment later, so records may be of different moments."""
        left = keys[len(keys) // 2 :] if self._network.unprocessed() else []
        found = await super().get(keys[: len(keys) - len(left)])
        if left:
            self._network.note("unprocessed", f"{len(left)} of {len(keys)} keys")
            found |= await super().get(left)
        return found

    async def plans(self, segment: int, *, before: Instant, cursor: str | None = None) -> Page[IndexEntry]:
        page = await super().plans(segment, before=before, cursor=cursor)
        now = self._clock.now()
        self._history.visits += [Visit(now, plan.key, plan.wake) for plan in page.items]
        for plan in page.items:
            self._network.note("read", f"{plan.key} revision {plan.revision} wake {plan.wake} before {before}")
        return page


class Deployment:
    """One deployment: its services, its functions, its ticks. ``commands.put`` is how work comes in."""

    def __init__(
        self,
        loop: SeededLoop,
        dice: SeededRandom,
        *,
        where: Setting,
        forecast: FaultPlan,
        page_size: int,
        cursed: frozenset[str],
    ) -> None:
        self.history = History()
        self._loop = loop
        self._dice = dice
        start, settings = where.start, where.settings
        self._start = start
        self._settings = settings
        self._where = where
        self._forecast = forecast
        self._invocations: Counter[str] = Counter()
        #: Invocations that are running.
        self.running = 0
        true = LoopClock(loop, start)
        self._true = true
        network = Network(loop, dice, self.history, forecast, true)
        self._network = network
        self.store = WatchedStore(true, self.history, network, page_size=page_size)
        self.dead = MemoryDeadLetters(pause=network)
        self.commands = self._queue("commands")
        self.fires = self._queue("fires")
        self.plans = self._queue("plans")
        self.commands.deliver = lambda batch: self._invoke("registrar", self._registrar(batch))
        self.fires.deliver = lambda batch: self._invoke("executor", self._executor(batch))
        self.plans.deliver = lambda batch: self._invoke("planner", self._plan_ranges(batch))
        self._memory_backfills = MemoryBackfills(pause=network)
        self._memory_calendars = MemoryCalendars(pause=network)
        self._ports = Ports(
            clock=true,
            store=self.store,
            ledger=MemoryLedger(pause=network),
            queue=MemoryFireQueue(self.fires, refuse=network.refuse_pack, pause=network),  # type: ignore[arg-type]
            bus=SimulatedBus(network, self.history, true, cursed=cursed),
            dead=self.dead,
            backfills=self._memory_backfills,
            calendars=self._memory_calendars,
            plans=MemorySegmentQueue(self.plans, refuse=network.refuse_pack, pause=network),  # type: ignore[arg-type]
            jitter=dice.fraction,
        )
        loop.timer(where.first_tick_ms * 1000, self._tick)
        loop.timer(forecast.clears_s * 1_000_000, self._keep_operating)
        # Also in the midst of it, by an operator who does not wait.
        loop.timer(dice.between(0, forecast.clears_s * 1_000_000), self._operate)
        # Daily in a deployment; at some moment of a simulation, in the midst of everything.
        at_us = dice.between(0, forecast.clears_s * 2_000_000)
        loop.timer(at_us, self._invoke, "reconciler", self._reconciler)

    def _queue(self, name: str) -> SimulatedQueue:
        return SimulatedQueue(
            name,
            self._loop,
            self._dice,
            self._network,
            self._true,
            visibility_s=VISIBILITY_S[name],
            out=lambda: self._forecast.out("lambda", self._loop.now_us),
        )

    def _own_ports(self) -> Ports:
        """The ports of the invocation that is running: each has a clock of its own."""
        return self._ports._replace(clock=process.get().clock)

    @property
    def backfills(self) -> Mapping[BackfillKey, Backfill]:
        """As stored now."""
        return self._memory_backfills.stored

    @property
    def open_backfills(self) -> Collection[BackfillKey]:
        """Those that the planner knows of."""
        return self._memory_backfills.entered

    @property
    def calendars(self) -> Mapping[CalendarKey, Calendar]:
        """As stored now."""
        return self._memory_calendars.stored

    # --- Functions ---------------------------------------------------------------------------------------------------

    def _registrar(self, batch: Sequence[Message]) -> Callable[[], Awaitable[None]]:
        async def handle() -> None:
            registrar = Registrar(self._own_ports(), self._settings)

            async def one(message: Message) -> None:
                result = await registrar.handle(message.body, redelivered=message.receives > 1)
                self._network.note(f"{result.outcome} {message.id}", f"{result.key} {result.reason}")

            await self._each(self.commands, batch, one)

        return handle

    def _executor(self, batch: Sequence[Message]) -> Callable[[], Awaitable[None]]:
        async def handle() -> None:
            executor = Executor(self._own_ports(), self._settings)

            async def one(message: Message) -> None:
                try:
                    pack = decode_pack(message.body)
                except Undecodable as error:
                    await self.dead.send_to_dlq("fires", message.body, reason=error.reason, code="undecodable")
                    return
                self._network.note(f"pack of {message.id}", message.body)
                report = await executor.execute(pack)
                self._network.note(f"done {message.id}", f"{report}")

            await self._each(self.fires, batch, one)

        return handle

    async def _planner(self) -> None:
        deadline = self._deadline()
        planner = Planner(self._own_ports(), self._settings)
        handed = await FanOut(self._own_ports(), self._settings).run()
        reports = await planner.run(handed.left, deadline=deadline)
        self._network.note("planned", " ".join(f"{report.segment} {report.ended}" for report in reports))
        backfiller = Backfiller(self._own_ports(), self._settings)
        await backfiller.run(deadline=deadline)

    def _plan_ranges(self, batch: Sequence[Message]) -> Callable[[], Awaitable[None]]:
        async def handle() -> None:
            planner = Planner(self._own_ports(), self._settings)

            async def one(message: Message) -> None:
                asked = decode_range(message.body)
                reports = await planner.run(range(asked.first, asked.end), deadline=self._deadline(), tick=asked.tick)
                self._network.note(f"planned {message.id}", " ".join(f"{one.segment} {one.ended}" for one in reports))
                if any(report.ended in LEFT for report in reports):
                    raise Unfinished(message.id)

            await self._each(self.plans, batch, one)

        return handle

    def _deadline(self) -> Instant:
        """When the planner that is running has to end, by its own clock."""
        running = process.get()
        left_ms = running.ends_us // 1000 - self._loop.now_us // 1000
        return running.clock.now() + left_ms - MARGIN_MS

    async def _reconciler(self) -> None:
        running = process.get()
        reconciler = Reconciler(self._own_ports(), self._settings)
        survey = await reconciler.run(deadline=running.clock.now() + TIMEOUT_S["reconciler"] * 1000, rules="now")
        self._network.note("surveyed", f"{survey}")

    async def _each(
        self, queue: SimulatedQueue, batch: Sequence[Message], handle: Callable[[Message], Awaitable[None]]
    ) -> None:
        """As ``entrypoints.records``: each message by itself; those that fail are received again."""

        async def one(message: Message) -> bool:
            try:
                await handle(message)
            except EventcronError as error:
                self._network.note(f"failed {message.id}", str(error))
                return False
            return True

        done = await settle(*(one(message) for message in batch))
        for message, good in zip(batch, done, strict=True):
            if good:
                queue.delete(message)

    # --- Lambda ------------------------------------------------------------------------------------------------------

    @property
    def _planner_timeout_ms(self) -> int:
        busy = self._loop.now_us < self._forecast.clears_s * 1_000_000
        return self._where.busy_timeout_ms if busy else self._where.planner_timeout_ms

    def _invoke(self, function: str, work: Callable[[], Awaitable[None]]) -> None:
        self._invocations[function] += 1
        timeout_ms = self._planner_timeout_ms if function == "planner" else TIMEOUT_S[function] * 1000
        weather = self._network.weather
        off_ms = weather.clock_ms
        running = Process(
            f"{function}-{self._invocations[function]}",
            LoopClock(self._loop, self._start, off_ms=self._dice.between(-off_ms, off_ms)),
            began=self._true.now(),
            ends_us=self._loop.now_us + timeout_ms * 1000,
            drag_ms=100 + self._dice.mostly_small(weather.drag_ms) if self._dice.chance(weather.drag) else 0,
        )
        token = process.set(running)
        self._loop.create_task(self._run(running, work))
        process.reset(token)

    async def _run(self, running: Process, work: Callable[[], Awaitable[None]]) -> None:
        self.running += 1
        try:
            await work()
        except (Killed, EventcronError) as error:
            self._network.note("ended", repr(error))
        except Exception as error:  # noqa: BLE001  # a handler that raises anything else is what is looked for
            self.history.crashes.append(Line(self._loop.now_us, running.name, "crashed", repr(error)))
        finally:
            self.running -= 1

    def _tick(self) -> None:
        weather = self._network.weather
        self._loop.timer(self._loop.now_us + self._settings.tick_seconds * 1_000_000, self._tick)
        if self._forecast.out("lambda", self._loop.now_us) or self._dice.chance(weather.miss_tick):
            return
        self._loop.timer(self._loop.now_us + self._dice.mostly_small(1_000_000), self._invoke, "planner", self._planner)
        if self._dice.chance(weather.twin_tick):
            late_us = self._dice.mostly_small(self._settings.tick_seconds * 1_000_000)
            self._loop.timer(self._loop.now_us + late_us, self._invoke, "planner", self._planner)

    def _operate(self) -> None:
        """Send back what was given up on, as the runbook says."""
        if len(self.commands.dead) or len(self.fires.dead):
            self._invoke("redrive", self._redrive)

    def _keep_operating(self) -> None:
        """The weather has cleared."""
        self._operate()
        self._loop.timer(self._loop.now_us + ROUND_S * 1_000_000, self._keep_operating)

    async def _redrive(self) -> None:
        for queue in (self.commands, self.fires):
            redrive = Redrive(clock=process.get().clock, box=queue.dead, queue=queue.name)
            dealt = await redrive.send(limit=1_000, per_second=10)
            self._network.note("sent back", f"{queue.name} {dealt}")
