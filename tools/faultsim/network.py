"""The network between a process and a service: calls take time and fail, answers are lost, processes die."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from zlib import crc32

from eventcron.adapters.memory import Version
from eventcron.errors import Unavailable
from eventcron.model.events import EVENT_DETAILS, Event
from eventcron.model.names import Instant, Key
from eventcron.ports import Refusal
from tools.faultsim.faults import OPERATOR, FaultPlan, FaultProfile
from tools.faultsim.history import History, Publication, Step
from tools.faultsim.loop import LoopClock, SeededLoop
from tools.faultsim.seeded_random import SeededRandom
from tools.faultsim.spell import Condition
from tools.faultsim.targets import refuses
from tools.faultsim.workload import STUBBORN, UNPUBLISHABLE

#: Milliseconds by which a read of the index may lag. DynamoDB promises no bound; seconds are rare.
INDEX_LAG_MS = 5_000
#: The code by which the bus refuses a fire for good, as it refuses a malformed detail.
HOPELESS = "MalformedDetail"
#: Seconds after the faults and the spell for which the operator's own machine is in trouble still.
OPERATOR_S = 1_200
#: PutEvents takes at most ten.
BATCH = 10

#: Method of a port → the service that it calls. A method that is not listed calls DynamoDB.
SERVICE = {
    "send": "sqs", "send_to_dlq": "sqs", "take": "sqs", "send_back": "sqs", "remove": "sqs", "put_back": "sqs",
    "publish": "events",
}  # fmt: skip


class Killed(BaseException):
    """The process died. A ``BaseException``, so that no handler catches it. Its last call may still take effect."""


class Process:
    """One invocation of a function: its clock, and when Lambda ends it."""

    def __init__(self, name: str, clock: LoopClock, *, began: Instant, ends_us: int, cpu_starved_ms: int) -> None:
        self.name = name
        self.clock = clock
        self.began = began
        self.ends_us = ends_us
        self.cpu_starved_ms = cpu_starved_ms
        self.dead = False
        #: An operator runs this process on another machine, with another fault profile.
        self.is_operator = name.startswith("redrive")


process: ContextVar[Process] = ContextVar("process")


class Network:
    """The ``Pause`` of every port in memory, and the lag of the index."""

    def __init__(
        self, loop: SeededLoop, random: SeededRandom, history: History, faults: FaultPlan, clock: LoopClock
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._random = random
        self._history = history
        self._faults = faults
        self._faults_end_us = faults.faults_end_s * 1_000_000
        self._later_profile = faults.later_profile
        self._operator_calm_us = (max(faults.faults_end_s, faults.spell.end_s) + OPERATOR_S) * 1_000_000
        self._operator_profile = faults.profile if faults.faultless else OPERATOR
        self._query = 0

    async def __call__(self, point: str) -> None:
        method, _, side = point.partition(".")
        service = SERVICE.get(method, "dynamodb")
        if side == "before":
            self.check_alive(point)
            await self.delay()
            self._refuse(service, point)
        else:
            self._lose(service, point)
            await self.delay()
            self.check_alive(point)
        self._query += method == "read_index"

    @property
    def profile(self) -> FaultProfile:
        """The faults that the running process has now."""
        running = process.get(None)
        if running is not None and running.is_operator and self._loop.now_us < self._operator_calm_us:
            return self._operator_profile
        return self._faults.profile if self._loop.now_us < self._faults_end_us else self._later_profile

    def note(self, what: str, about: str = "") -> None:
        """Add a step of the running process to the history."""
        running = process.get(None)
        who = running.name if running is not None else "aws"
        self._history.steps.append(Step(self._loop.now_us, who, what, about))

    def check_alive(self, point: str) -> None:
        """Raise ``Killed`` if the running process has died, dies now, or has reached its timeout."""
        running = process.get()
        if not running.dead and self._loop.now_us >= running.ends_us:
            self.note("timed out", point)
            running.dead = True
        if not running.dead and self._random.chance(self.profile.kill):
            self.note("killed", point)
            running.dead = True
        if running.dead:
            raise Killed(point)

    async def delay(self) -> None:
        """Wait as long as a call takes; other processes run meanwhile."""
        profile = self.profile
        longest = profile.slow_latency_ms if self._random.chance(profile.slow) else profile.latency_ms
        took_us = 200 + self._random.mostly_small(longest * 1000) + process.get().cpu_starved_ms * 1000
        await self._loop.sleep_until_us(self._loop.now_us + took_us)

    def refused(self, service: str) -> bool:
        """Whether *service* refuses this call."""
        return self._faults.out(service, self._loop.now_us) or self._random.chance(self.profile.refuse)

    def unprocessed(self) -> bool:
        """Whether this read leaves some keys unprocessed."""
        return self._random.chance(self.profile.unprocessed)

    def lost(self) -> bool:
        """Whether the answer to this call is lost."""
        return self._random.chance(self.profile.lose)

    def _refuse(self, service: str, point: str) -> None:
        # Where SQS refuses a whole batch, ``refuse_pack`` refuses each entry.
        if point != "send.before" and self.refused(service):
            self.note("refused", point)
            raise Unavailable(service, "ThrottlingException", point)

    def _lose(self, service: str, point: str) -> None:
        if self.lost():
            self.note("answer lost", point)
            raise Unavailable(service, "TimeoutError", point)

    def is_unreadable(self, key: Key) -> bool:
        """Whether the release that runs now cannot read that schedule."""
        return key in self._faults.unreadable and self._faults.spell.during(Condition.ROLLBACK, self._loop.now_us)

    def is_stubborn(self) -> bool:
        """Whether the bus refuses the fires of one schedule now."""
        return self._faults.spell.during(Condition.STUBBORN_BUS, self._loop.now_us)

    def is_healed(self) -> bool:
        """Whether the faults have ended."""
        return self._loop.now_us >= self._faults_end_us

    def refuse_entry(self, index: int, _entry: object) -> Refusal | None:
        """Refuse one entry of a batch, for now."""
        if self._random.chance(self.profile.refuse_entry):
            self.note("entry refused")
            return Refusal(index=index, code="InternalFailure", message="try again")
        return None

    def refuse_pack(self, index: int, pack: object) -> Refusal | None:
        """Refuse one entry of a batch for SQS, for now."""
        if self._faults.out("sqs", self._loop.now_us):
            return Refusal(index=index, code="ServiceUnavailable", message="try again")
        return self.refuse_entry(index, pack)

    def visible(self, versions: Sequence[Version]) -> Version:
        """The version of a record that the index shows. Its lag differs for each record and query.

        The lag is a hash and not drawn: the order in which a set of records is asked for differs between machines.
        """
        record = versions[-1].record
        drawn = crc32(f"{self._query} {record.tenant} {record.name}".encode()) / 2**32 if record else 0
        now_us, spell = self._loop.now_us, self._faults.spell
        # What a stuck index shows is as old as the span in which it is stuck.
        if spell.during(Condition.STUCK_INDEX, now_us):
            shown_until = self._clock.now() - (now_us // 1000 - spell.start_s * 1000)
        else:
            shown_until = self._clock.now() - int(INDEX_LAG_MS * drawn**2)
        return next((version for version in reversed(versions) if version.written <= shown_until), versions[0])


class SimulatedBus:
    """``EventBus``: a call may fail as a whole, with or without effect, or for some entries."""

    max_entries = BATCH

    def __init__(self, network: Network, history: History, clock: LoopClock) -> None:
        self._network = network
        self._history = history
        self._clock = clock
        #: Receives each event that the bus took.
        self.target: Callable[[Event], None] | None = None

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        refusals: list[Refusal] = []
        for start in range(0, len(events), BATCH):
            refusals += await self._put(events[start : start + BATCH], start)
        return refusals

    async def _put(self, events: Sequence[Event], start: int) -> list[Refusal]:
        network = self._network
        network.check_alive("publish.before")
        await network.delay()
        places = range(start, start + len(events))
        if network.refused("events"):
            network.note("refused", "publish")
            return [Refusal(index=place, code="ThrottlingException") for place in places]
        refusals = [self._take(place, event) for place, event in zip(places, events, strict=True)]
        if network.lost():
            network.note("answer lost", "publish")
            return [Refusal(index=place, code="TimeoutError") for place in places]
        await network.delay()
        network.check_alive("publish.after")
        return [refusal for refusal in refusals if refusal is not None]

    def _take(self, place: int, event: Event) -> Refusal | None:
        is_fire = event.detail_type not in STATUS_EVENTS
        if is_fire and event.resources[0] == str(UNPUBLISHABLE):
            return Refusal(index=place, code=HOPELESS, message="never", retryable=False)
        if is_fire and refuses(event) and not self._network.is_healed():
            return Refusal(index=place, code=HOPELESS, message="not as long as there are faults", retryable=False)
        if is_fire and event.resources[0] == str(STUBBORN) and self._network.is_stubborn():
            return Refusal(index=place, code="InternalFailure", message="not yet")
        refusal = self._network.refuse_entry(place, event)
        if refusal is None:
            self._history.publications.append(Publication(self._clock.now(), process.get().clock.now(), event))
            self._network.note(event.detail_type, f"{' '.join(event.resources)} {event.detail.decode()}")
            if self.target is not None:
                self.target(event)
        return refusal


#: Detail types of events that are not fires.
STATUS_EVENTS = frozenset(EVENT_DETAILS) - {"Schedule Fired"}
