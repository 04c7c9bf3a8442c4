"""A bus that many use at once: calls are full, tenants take turns, and no more is called than the service takes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from eventcron.model.events import Event
from eventcron.model.names import Instant
from eventcron.ports import Clock, EventBus, Refusal
from eventcron.rules.pace import CallPace
from eventcron.rules.turns import Turns

#: Codes by which EventBridge says that it was called too often. ``InternalFailure`` and the like say nothing of that.
THROTTLED = frozenset({"ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException"})
#: Milliseconds for which an event waits for its turn, at most. An executor has 60 seconds for all of an invocation.
#: What waits longer is better kept by the queue than by a function.
MAX_WAIT_MS = 10_000
#: The code of an event that would wait longer.
PACED = "Paced"


class Paced(Struct, frozen=True):
    """That the bus was not called as often as there was something to publish."""

    #: Calls a second.
    pace: float
    #: Events that had to wait, or that went back to the queue at once.
    events: int
    #: Milliseconds that the last of them waited.
    longest_ms: int


class _Given(Struct):
    """Events that were given together, and what became of them."""

    ended: asyncio.Future[list[Refusal]]
    left: int
    since: Instant
    refusals: list[Refusal]
    error: BaseException | None = None

    def end(self) -> None:
        """Pass on what became of them, once nothing is left."""
        if self.left or self.ended.done():
            return
        if self.error is None:
            self.ended.set_result(self.refusals)
        else:
            self.ended.set_exception(self.error)


#: An event, those that it was given with, and its position among them.
_Waiting: TypeAlias = tuple[Event, _Given, int]


class FairBus:
    """An ``EventBus`` over another one, for all that a process publishes.

    What is published at one moment goes into the same calls, at most *concurrency* of them at once. The events of a
    call are those whose turn it is: tenants take turns, and each tenant's come in the order in which they were given.
    If the bus takes so many calls a second, or refuses some as too many, calls follow each other at that *pace*.
    """

    def __init__(self, bus: EventBus, *, clock: Clock, pace: CallPace, concurrency: int) -> None:
        self.max_entries = bus.max_entries
        self._bus = bus
        self._clock = clock
        self._pace = pace
        self._concurrency = concurrency
        self._turns: Turns[_Waiting] = Turns()
        #: How many tasks call the bus, one call after the other, and how many of them have yet to look for what waits.
        self._calling = self._looking = 0
        self._tasks: set[asyncio.Task[None]] = set()
        #: Passed by one call at a time.
        self._gate = asyncio.Lock()
        self._paced, self._longest_ms = 0, 0

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        """As ``EventBus.publish``. An event whose turn would come too late is refused with the code ``PACED``."""
        if not events:
            return []
        now = self._clock.now()
        given, pace = _Given(asyncio.get_running_loop().create_future(), len(events), now, []), self._pace.a_second(now)
        put = self._turns.put
        for index, event in enumerate(events):
            owner = event.resources[0].partition("/")[0] if event.resources else ""
            if pace and self._turns.before(owner) / self.max_entries / pace * 1_000 > MAX_WAIT_MS:
                given.refusals.append(self._too_late(index, pace))
                given.left -= 1
            else:
                put(owner, (event, given, index))
        while self._calling < self._concurrency and self._looking * self.max_entries < len(self._turns):
            self._calling, self._looking = self._calling + 1, self._looking + 1
            task = asyncio.get_running_loop().create_task(self._call_on())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        given.end()
        refusals = await given.ended
        return sorted(refusals, key=lambda refusal: refusal.index) if refusals else refusals

    def take_paced(self) -> Paced | None:
        """What was paced since the last call of this method; None if nothing was."""
        if not self._paced:
            return None
        paced = Paced(round(self._pace.a_second(self._clock.now()), 1), self._paced, self._longest_ms)
        self._paced, self._longest_ms = 0, 0
        return paced

    def _too_late(self, index: int, pace: float) -> Refusal:
        self._paced += 1
        message = f"at {pace:.1f} calls a second its turn would come after more than {MAX_WAIT_MS // 1000} s"
        return Refusal(index=index, code=PACED, message=message)

    async def _call_on(self) -> None:
        """Call the bus, again and again until nothing waits."""
        try:
            try:
                await asyncio.sleep(0)  # what else is published at this moment goes into the same calls
            finally:
                self._looking -= 1
            while self._turns:
                held_up_until = await self._held_up()
                if waiting := self._turns.take(self.max_entries):
                    if held_up_until:
                        self._paced += len(waiting)
                        longest_ms = max(held_up_until - given.since for _, given, _ in waiting)
                        self._longest_ms = max(self._longest_ms, longest_ms)
                    await self._call(waiting)
        except BaseException as error:  # noqa: BLE001  # each of those who wait raises it
            _fail(self._turns.take(len(self._turns)), error)
        finally:
            self._calling -= 1

    async def _held_up(self) -> Instant:
        """Wait for the next call that the pace allows. Returns when that was; 0 = it was allowed at once."""
        is_first = not self._gate.locked()
        begin = self._next_call() if is_first else 0
        if is_first and not begin:
            return 0  # as nearly always
        # One after the other: a pace that falls holds for all calls that have not begun.
        async with self._gate:
            begin = begin or self._next_call()
            if begin:
                await self._clock.sleep_until(begin)
            return begin

    def _next_call(self) -> Instant:
        """When the next call may begin, which counts as made; 0 = now."""
        now = self._clock.now()
        begin = self._pace.begin(now)
        return 0 if begin <= now else begin

    async def _call(self, waiting: Sequence[_Waiting]) -> None:
        try:
            refusals = await self._bus.publish([event for event, _, _ in waiting])
        except Exception as error:  # noqa: BLE001  # each of those who wait raises it
            _fail(waiting, error)
            return
        except BaseException as error:
            _fail(waiting, error)
            raise
        if refusals:
            self._note(waiting, refusals)
        for _, given, _ in waiting:
            given.left -= 1
            if not given.left:
                given.end()

    def _note(self, waiting: Sequence[_Waiting], refusals: Sequence[Refusal]) -> None:
        if any(refusal.code in THROTTLED for refusal in refusals):
            self._pace.refused(self._clock.now())
        for refusal in refusals:
            _, given, place = waiting[refusal.index]
            given.refusals.append(replace(refusal, index=place))


def _fail(waiting: Sequence[_Waiting], error: BaseException) -> None:
    for _, given, _ in waiting:
        given.error = error
        given.left -= 1
        given.end()
