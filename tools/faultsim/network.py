"""Between a process and a service: time passes, calls are refused, answers are lost, processes die."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from zlib import crc32

from eventcron.adapters.memory import Version
from eventcron.errors import Unavailable
from eventcron.model.events import EVENT_DETAILS, Event
from eventcron.model.names import Instant
from eventcron.ports import Refusal
from tools.faultsim.faults import OPERATOR, FaultPlan, FaultProfile
from tools.faultsim.history import History, Line, Publication
from tools.faultsim.loop import LoopClock, SeededLoop
from tools.faultsim.seeded_random import SeededRandom

#: Milliseconds by which a read of the index may be behind. DynamoDB promises nothing; seconds are rare.
INDEX_LAG_MS = 5_000
#: PutEvents takes at most ten.
BATCH = 10

#: First part of a pause's name → the service that is called; what is not here is DynamoDB.
SERVICE = {
    "send": "sqs", "send_to_dlq": "sqs", "take": "sqs", "send_back": "sqs", "remove": "sqs", "put_back": "sqs",
    "publish": "events",
}  # fmt: skip


class Killed(BaseException):
    """The process is gone, so no handler of its may catch this. The call it made last may still take effect."""


class Process:
    """One invocation of a function: its clock, and until when it may run."""

    def __init__(self, name: str, clock: LoopClock, *, began: Instant, ends_us: int, drag_ms: int) -> None:
        self.name = name
        self.clock = clock
        self.began = began
        self.ends_us = ends_us
        self.drag_ms = drag_ms
        self.dead = False


process: ContextVar[Process] = ContextVar("process")


class Network:
    """The ``Pause`` of every port in memory, and the index's lag."""

    def __init__(
        self, loop: SeededLoop, dice: SeededRandom, history: History, forecast: FaultPlan, clock: LoopClock
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._dice = dice
        self._history = history
        self._forecast = forecast
        self._query = 0

    async def __call__(self, point: str) -> None:
        method, _, side = point.partition(".")
        service = SERVICE.get(method, "dynamodb")
        if side == "before":
            self.live(point)
            await self.travel()
            self._refuse(service, point)
        else:
            self._lose(service, point)
            await self.travel()
            self.live(point)
        self._query += method == "plans"

    @property
    def weather(self) -> FaultProfile:
        running = process.get(None)
        if running is not None and running.name.startswith("redrive") and not self._forecast.faultless:
            return OPERATOR
        return self._forecast.at(self._loop.now_us)

    def note(self, what: str, about: str = "") -> None:
        running = process.get(None)
        who = running.name if running is not None else "aws"
        self._history.lines.append(Line(self._loop.now_us, who, what, about))

    def live(self, point: str) -> None:
        """Go on, unless this process is dead, dies here, or has run out of its time."""
        running = process.get()
        if not running.dead and self._loop.now_us >= running.ends_us:
            self.note("timed out", point)
            running.dead = True
        if not running.dead and self._dice.chance(self.weather.kill):
            self.note("killed", point)
            running.dead = True
        if running.dead:
            raise Killed(point)

    async def travel(self) -> None:
        """Let a call take its time; others run meanwhile."""
        weather = self.weather
        longest = weather.slow_ms if self._dice.chance(weather.slow) else weather.travel_ms
        took_us = 200 + self._dice.mostly_small(longest * 1000) + process.get().drag_ms * 1000
        await self._loop.sleep_until_us(self._loop.now_us + took_us)

    def refused(self, service: str) -> bool:
        return self._forecast.out(service, self._loop.now_us) or self._dice.chance(self.weather.refuse)

    def unprocessed(self) -> bool:
        return self._dice.chance(self.weather.unprocessed)

    def lost(self) -> bool:
        return self._dice.chance(self.weather.lose)

    def _refuse(self, service: str, point: str) -> None:
        # A batch that SQS refuses as a whole is one of which each entry is refused: see ``refuse_pack``.
        if point != "send.before" and self.refused(service):
            self.note("refused", point)
            raise Unavailable(service, "ThrottlingException", point)

    def _lose(self, service: str, point: str) -> None:
        if self.lost():
            self.note("answer lost", point)
            raise Unavailable(service, "TimeoutError", point)

    def refuse_entry(self, _index: int, _entry: object) -> Refusal | None:
        """Refuse one entry of a batch, for now."""
        if self._dice.chance(self.weather.refuse_entry):
            self.note("entry refused")
            return Refusal(index=_index, code="InternalFailure", message="try again")
        return None

    def refuse_pack(self, index: int, pack: object) -> Refusal | None:
        if self._forecast.out("sqs", self._loop.now_us):
            return Refusal(index=index, code="ServiceUnavailable", message="try again")
        return self.refuse_entry(index, pack)

    def visible(self, versions: Sequence[Version]) -> Version:
        """What the index shows of a record: it lags, for each record and query by another time.

        Worked out without dice: the order in which a set of records is asked for differs between machines.
        """
        record = versions[-1].record
        drawn = crc32(f"{self._query} {record.tenant} {record.name}".encode()) / 2**32 if record else 0
        seen = self._clock.now() - int(INDEX_LAG_MS * drawn**2)
        return next((version for version in reversed(versions) if version.written <= seen), versions[0])


class SimulatedBus:
    """``EventBus``: a call may fail as a whole, with or without effect, or for some entries."""

    def __init__(self, network: Network, history: History, clock: LoopClock, *, cursed: frozenset[str]) -> None:
        self._network = network
        self._history = history
        self._clock = clock
        #: Schedules whose fires the bus refuses for ever, as it does a malformed detail.
        self._cursed = cursed

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        refusals: list[Refusal] = []
        for start in range(0, len(events), BATCH):
            refusals += await self._put(events[start : start + BATCH], start)
        return refusals

    async def _put(self, events: Sequence[Event], start: int) -> list[Refusal]:
        network = self._network
        network.live("publish.before")
        await network.travel()
        places = range(start, start + len(events))
        if network.refused("events"):
            network.note("refused", "publish")
            return [Refusal(index=place, code="ThrottlingException") for place in places]
        refusals = [self._take(place, event) for place, event in zip(places, events, strict=True)]
        if network.lost():
            network.note("answer lost", "publish")
            return [Refusal(index=place, code="TimeoutError") for place in places]
        await network.travel()
        network.live("publish.after")
        return [refusal for refusal in refusals if refusal is not None]

    def _take(self, place: int, event: Event) -> Refusal | None:
        is_fire = event.detail_type not in FACT_NAMES
        if is_fire and event.resources[0] in self._cursed:
            return Refusal(index=place, code="MalformedDetail", message="never", retryable=False)
        refusal = self._network.refuse_entry(place, event)
        if refusal is None:
            self._history.publications.append(Publication(self._clock.now(), process.get().clock.now(), event))
            self._network.note(event.detail_type, f"{' '.join(event.resources)} {event.detail.decode()}")
        return refusal


#: What eventcron says that is not a fire.
FACT_NAMES = frozenset(EVENT_DETAILS) - {"Schedule Fired"}
