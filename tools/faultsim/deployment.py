"""The real handlers and use cases, on simulated services that promise what AWS promises and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from itertools import count
from typing import Any

from msgspec.structs import replace

from eventcron.adapters.memory import (
    MemoryCalendars,
    MemoryFireQueue,
    MemoryRegistrarQueue,
    MemoryRuns,
    MemoryScheduleStore,
    MemorySegmentQueue,
)
from eventcron.app.handlers import MARGIN_MS, Handled
from eventcron.app.planner import INDEX_LAG_MS, SAVE_BEFORE_MS, SegmentOutcome, SegmentReport
from eventcron.app.redrive import Redrive
from eventcron.app.use_cases import UseCases
from eventcron.errors import EventcronError
from eventcron.model.messages import SegmentRange
from eventcron.model.names import BackfillKey, CalendarKey, Instant, Key
from eventcron.model.records import Backfill, Calendar, IndexEntry, Record
from eventcron.model.runs import Lane, LaneKey
from eventcron.ports import Clock, IsQuiet, Page, Refusal
from eventcron.rules.quiet import is_left_out
from eventcron.testing.ports import memory_ports
from tools.faultsim.faults import FaultPlan
from tools.faultsim.history import History, IndexRead, RangeDone, Step, Written
from tools.faultsim.loop import LoopClock, SeededLoop
from tools.faultsim.network import Killed, Network, Process, SimulatedBus, process
from tools.faultsim.queues import Message, SimulatedQueue
from tools.faultsim.rollback import Older, taken_back
from tools.faultsim.seeded_random import SeededRandom
from tools.faultsim.spell import Condition
from tools.faultsim.targets import Report, Targets
from tools.faultsim.watched import SimulatedDeadLetters, WatchedBackfills, WatchedLeases
from tools.faultsim.workload import Scenario

#: Seconds: timeouts of the functions, and visibility timeouts of the queues, as in the template.
TIMEOUT_S = {"dispatcher": 30, "registrar": 30, "executor": 60, "reconciler": 120, "redrive": 600}
VISIBILITY_S = {"commands": 180, "grouped commands": 180, "fires": 360, "segments": 720}
#: Seconds between two redrives by the operator.
ROUND_S = 120


class WatchedStore(MemoryScheduleStore):
    """A store in memory that adds to the history what is written and what the planner reads."""

    def __init__(self, clock: Clock, history: History, network: Network, older: Older, *, page_size: int) -> None:
        super().__init__(clock, page_size=page_size, visible=network.visible, pause=network)
        self._history = history
        self._network = network
        self._older = older

    def _write(self, record: Record) -> None:
        if self._network.is_unreadable(record.key):
            self._older.wrote(record, before=self.records.get(record.key))
        record = taken_back(record)
        super()._write(record)
        self._history.written.append(Written(self._clock.now(), process.get().began, record))
        state = f"{record.state} revision {record.revision} wake {record.wake} pending {record.pending}"
        self._network.note("stored", f"{record.key} {state}")

    async def get(self, keys: Sequence[Key]) -> dict[Key, Record]:
        """As BatchGetItem: unprocessed keys are read a moment later, so the records may be of different moments."""
        left = keys[len(keys) // 2 :] if self._network.unprocessed() else []
        found = await super().get(keys[: len(keys) - len(left)])
        if left:
            self._network.note("unprocessed", f"{len(left)} of {len(keys)} keys")
            found |= await super().get(left)
        return {key: self._read(record) for key, record in found.items()}

    async def scan(self, part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
        page = await super().scan(part, parts, cursor=cursor)
        return replace(page, items=[self._read(record) for record in page.items])

    def _read(self, record: Record) -> Record:
        return self._older.shown(record) if self._network.is_unreadable(record.key) else record

    async def read_index(
        self, segment: int, *, before: Instant, cursor: str | None = None, is_quiet: IsQuiet | None = None
    ) -> Page[IndexEntry]:
        page = await super().read_index(segment, before=before, cursor=cursor)
        now = self._clock.now()
        self._history.index_reads += [IndexRead(now, entry.key, entry.wake) for entry in page.items]
        for entry in page.items:
            self._network.note("read", f"{entry.key} revision {entry.revision} wake {entry.wake} before {before}")
        unreadable, shown = self._network.is_unreadable, self._older.shown_entry
        entries = [shown(one) if unreadable(one.key) else one for one in page.items]
        items = [entry for entry in entries if is_quiet is None or not is_left_out(entry, is_quiet)]
        return replace(page, items=items, left_out=len(entries) - len(items))


class Deployment:
    """One deployment: its services, its functions and its ticks. Commands enter by ``commands.put``."""

    def __init__(
        self, loop: SeededLoop, random: SeededRandom, *, scenario: Scenario, faults: FaultPlan, page_size: int
    ) -> None:
        self.history = History()
        self._loop = loop
        self._random = random
        start, settings = scenario.start, scenario.settings
        self._start = start
        self._settings = settings
        self._scenario = scenario
        self._faults = faults
        self._invocations: Counter[str] = Counter()
        self._was_ahead = False
        self.running = 0  # invocations
        true = LoopClock(loop, start)
        self._true = true
        network = Network(loop, random, self.history, faults, true)
        self._network = network
        older = Older(faults.unknown_zones)
        self.store = WatchedStore(true, self.history, network, older, page_size=page_size)
        self.commands = self._queue("commands")
        self.grouped_commands = self._queue("grouped commands")
        self.grouped_commands.dead = self.commands.dead  # as in the template
        self.fires = self._queue("fires")
        self.segments = self._queue("segments")
        self.dead = SimulatedDeadLetters(network, self.fires.dead)
        self._map_queues()
        self._memory_backfills = WatchedBackfills(network, older)
        self._memory_calendars = MemoryCalendars(pause=network)
        self._leases = WatchedLeases(self.history, network)
        self._bus = SimulatedBus(network, self.history, true)
        self._memory_runs = MemoryRuns(pause=network, secret=map("{:064x}".format, count(1)).__next__)
        self._ports = memory_ports(
            true,
            pause=network,
            store=self.store,
            leases=self._leases,
            registrar_queue=MemoryRegistrarQueue(
                self.grouped_commands.as_memory, refuse=network.refuse_pack, pause=network
            ),
            fire_queue=MemoryFireQueue(self.fires.as_memory, refuse=network.refuse_pack, pause=network),
            bus=self._bus,
            runs=self._memory_runs,
            dead_letters=self.dead,
            backfills=self._memory_backfills,
            calendars=self._memory_calendars,
            segment_queue=MemorySegmentQueue(self.segments.as_memory, refuse=self._refuse_range, pause=network),
            jitter=random.fraction,
        )
        self._targets: Targets | None = None
        self._start_timers()

    def _map_queues(self) -> None:
        """Let each queue invoke its function."""
        self.commands.deliver = lambda batch: self._invoke("dispatcher", lambda: self._on_sent_commands(batch))
        self.grouped_commands.deliver = lambda batch: self._invoke("registrar", lambda: self._on_commands(batch))
        self.fires.deliver = lambda batch: self._invoke("executor", lambda: self._on_packs(batch))
        self.segments.deliver = lambda batch: self._invoke("planner", lambda: self._on_segment_ranges(batch))

    def receive(self, targets: Targets) -> None:
        """Let *targets* receive what the bus takes from now on."""
        self._targets = targets
        self._bus.target = targets.take

    def _start_timers(self) -> None:
        loop, random, faults_end_us = self._loop, self._random, self._faults.faults_end_s * 1_000_000
        loop.timer(self._scenario.first_tick_ms * 1000, self._tick)
        loop.timer(faults_end_us, self._redrive_regularly)
        # Once also during the faults: an operator may not wait for their end.
        loop.timer(random.between(0, faults_end_us), self._redrive_once)
        # The reconciler runs daily in a deployment, and once in a simulation.
        at_us = random.between(0, 2 * faults_end_us)
        loop.timer(at_us, self._invoke, "reconciler", self._reconciler)

    def _queue(self, name: str) -> SimulatedQueue:
        return SimulatedQueue(
            name,
            self._loop,
            self._random,
            self._network,
            self._true,
            visibility_s=VISIBILITY_S[name],
            out=lambda: self._faults.out("executors" if name == "fires" else "lambda", self._loop.now_us),
        )

    def _cases(self) -> UseCases:
        """The use cases of the running invocation, with its own clock."""
        return self._ports._replace(clock=process.get().clock).use_cases(self._settings)

    @property
    def backfills(self) -> Mapping[BackfillKey, Backfill]:
        """All that are stored now, by key."""
        return self._memory_backfills.stored

    @property
    def open_backfills(self) -> Collection[BackfillKey]:
        """Those that the planner carries on."""
        return self._memory_backfills.entered

    @property
    def lanes(self) -> Mapping[LaneKey, Lane]:
        """All lanes of runs that are stored now, by key."""
        return self._memory_runs.stored

    @property
    def reports(self) -> Sequence[Report]:
        """What targets reported."""
        return () if self._targets is None else self._targets.reports

    @property
    def planned_through(self) -> Instant:
        """The instant through which every segment is planned."""
        return min(self._leases.planned(SegmentRange(tick=0, first=0, end=self._settings.segments)).values())

    @property
    def calendars(self) -> Mapping[CalendarKey, Calendar]:
        """All that are stored now, by key."""
        return self._memory_calendars.stored

    @property
    def commands_left(self) -> int:
        """How many commands are neither applied nor dead letters."""
        return len(self.commands.stored) + len(self.grouped_commands.stored)

    @property
    def queues(self) -> Sequence[SimulatedQueue]:
        """Those with a dead-letter queue of their own."""
        return (self.commands, self.fires, self.segments)

    def _refuse_range(self, index: int, asked: SegmentRange) -> Refusal | None:
        refusal = self._network.refuse_pack(index, asked)
        if refusal is None:
            self.history.ranges_refused.discard((process.get().name, asked))
        else:
            self.history.ranges_refused.add((process.get().name, asked))
        return refusal

    # --- Functions ---------------------------------------------------------------------------------------------------

    async def _on_sent_commands(self, batch: Sequence[Message]) -> None:
        self._delete_done(self.commands, batch, await self._cases().handlers.on_sent_commands(batch))

    async def _on_commands(self, batch: Sequence[Message]) -> None:
        handled = await self._cases().handlers.on_commands(batch)
        for message, how in zip(batch, handled, strict=True):
            if how.result is not None:
                self._network.note(f"{how.result.outcome} {message.id}", f"{how.result.key} {how.result.reason}")
        self._delete_done(self.grouped_commands, batch, handled)

    async def _on_packs(self, batch: Sequence[Message]) -> None:
        for message in batch:
            self._network.note(f"pack of {message.id}", message.body)
        handled = await self._cases().handlers.on_packs(batch)
        for message, how in zip(batch, handled, strict=True):
            self._network.note(f"executed {message.id}", f"{how.result}")
        self._delete_done(self.fires, batch, handled)

    async def _on_segment_ranges(self, batch: Sequence[Message]) -> None:
        began = self._true.now()
        handled = await self._cases().handlers.on_segment_ranges(batch, deadline=self._deadline())
        for message, how in zip(batch, handled, strict=True):
            self._note_planned(f"planned {message.id}", () if how.result is None else how.result.segments)
            if how.result is not None and not how.comes_back:
                asked = how.result.asked
                done = RangeDone(began, process.get().name, asked, self._leases.planned(asked))
                self.history.ranges_done.append(done)
        self._delete_done(self.segments, batch, handled)

    async def _on_tick(self) -> None:
        report = await self._cases().handlers.on_tick(deadline=self._deadline())
        self._note_planned("planned", report.segments)
        if report.error is not None:
            self._failed("the tick", report.error)
        elif process.get().clock.now() <= self._deadline() - MARGIN_MS - SAVE_BEFORE_MS:
            self.history.timely_ticks.add(process.get().name)

    def _note_planned(self, what: str, reports: Sequence[SegmentReport]) -> None:
        self._network.note(what, " ".join(f"{report.segment} {report.ended}" for report in reports))
        saved = (report.segment for report in reports if report.ended is SegmentOutcome.SAVED)
        self.history.out_of_time += [(segment, self._true.now()) for segment in saved]

    def _delete_done(self, queue: SimulatedQueue, batch: Sequence[Message], handled: Sequence[Handled[Any]]) -> None:
        """Delete the messages that are done, as the event source mapping does; the others become visible again."""
        for message, how in zip(batch, handled, strict=True):
            if not how.comes_back:
                queue.delete(message)
            elif how.error is None:
                self._network.note(f"comes back {message.id}", how.reason)
            else:
                self._failed(message.id, how.error)

    def _failed(self, what: str, error: Exception) -> None:
        if isinstance(error, EventcronError):
            self._network.note(f"failed {what}", str(error))
        else:
            self.history.crashes.append(Step(self._loop.now_us, process.get().name, "crashed", repr(error)))

    def _deadline(self) -> Instant:
        """When the running function is killed, by its own clock."""
        running = process.get()
        left_ms = running.ends_us // 1000 - self._loop.now_us // 1000
        return running.clock.now() + left_ms

    async def _reconciler(self) -> None:
        report = await self._cases().handlers.on_check(deadline=self._deadline(), rules="now")
        if report.error is not None:
            self._failed("check", report.error)
        self._network.note("reconciled", f"{report.result}")

    # --- Lambda ------------------------------------------------------------------------------------------------------

    @property
    def _planner_timeout_ms(self) -> int:
        if self._loop.now_us >= self._faults.faults_end_s * 1_000_000:
            return self._scenario.planner_timeout_ms
        # Every other planner has the time to let an index catch up. What is left then is as short as for the others.
        return self._scenario.busy_timeout_ms + self._invocations["planner"] % 2 * INDEX_LAG_MS

    def _ahead_ms(self, function: str) -> int:
        """By how much the clock of this invocation is ahead: once, that of a planner, if that is the spell."""
        spell = self._faults.spell
        if function != "planner" or self._was_ahead or not spell.during(Condition.CLOCK_AHEAD, self._loop.now_us):
            return 0
        self._was_ahead = True
        self.history.ahead_at = self._true.now()
        return spell.ahead_ms

    def _invoke(self, function: str, work: Callable[[], Awaitable[None]]) -> None:
        self._invocations[function] += 1
        timeout_ms = self._planner_timeout_ms if function == "planner" else TIMEOUT_S[function] * 1000
        profile = self._network.profile
        off_ms = profile.clock_skew_ms
        running = Process(
            f"{function}-{self._invocations[function]}",
            LoopClock(self._loop, self._start, off_ms=self._random.between(-off_ms, off_ms) + self._ahead_ms(function)),
            began=self._true.now(),
            ends_us=self._loop.now_us + timeout_ms * 1000,
            cpu_starved_ms=100 + self._random.mostly_small(profile.cpu_starved_ms)
            if self._random.chance(profile.cpu_starved)
            else 0,
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
        except Exception as error:  # noqa: BLE001  # the checker reports it
            self.history.crashes.append(Step(self._loop.now_us, running.name, "crashed", repr(error)))
        finally:
            self.running -= 1

    def _tick(self) -> None:
        profile = self._network.profile
        self._loop.timer(self._loop.now_us + self._settings.tick_seconds * 1_000_000, self._tick)
        if self._faults.out("lambda", self._loop.now_us) or self._random.chance(profile.miss_tick):
            return
        self._loop.timer(
            self._loop.now_us + self._random.mostly_small(1_000_000), self._invoke, "planner", self._on_tick
        )
        if self._random.chance(profile.repeat_tick):
            late_us = self._random.mostly_small(self._settings.tick_seconds * 1_000_000)
            self._loop.timer(self._loop.now_us + late_us, self._invoke, "planner", self._on_tick)

    def _redrive_once(self) -> None:
        """Send dead letters back, if there are any."""
        if any(len(queue.dead) for queue in self.queues):
            self._invoke("redrive", self._redrive)

    def _redrive_regularly(self) -> None:
        """The faults have ended: send dead letters back now, and every ``ROUND_S``."""
        self._redrive_once()
        self._loop.timer(self._loop.now_us + ROUND_S * 1_000_000, self._redrive_regularly)

    async def _redrive(self) -> None:
        for queue in self.queues:
            redrive = Redrive(clock=process.get().clock, queue=queue.dead, name=queue.name)
            try:
                report = await redrive.send(limit=1_000, per_second=10)
            except EventcronError as error:
                self._network.note("ended", f"{queue.name} {error!r}")  # the next queue is another command
            else:
                self._network.note("sent back", f"{queue.name} {report}")
