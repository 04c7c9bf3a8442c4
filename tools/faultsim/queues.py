"""SQS and its event source mapping. A queue delivers at least once, out of order and late.

A message is hidden while an invocation has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol, cast

from msgspec import Struct

from eventcron.adapters.memory import MemoryDeadLetterQueue, MemoryQueue
from eventcron.ports import Clock
from tools.faultsim.loop import SeededLoop
from tools.faultsim.network import Network
from tools.faultsim.seeded_random import SeededRandom

#: Messages that one invocation gets at most: BatchSize in the template.
BATCH_SIZE = 10
#: Receives after which a message becomes a dead letter: the default of the template.
MAX_RECEIVES = 5
#: Milliseconds from the end of a delay until the message is visible, at most.
LATE_MS = 2_000
#: Seconds. SQS SendMessage, DelaySeconds: "Valid values: 0 to 900".
MAX_DELAY_SECONDS = 900


class Message(Struct, kw_only=True):
    """One message. ``receives`` is 1 after the first receive."""

    id: str
    body: str
    receives: int = 0
    deleted: bool = False
    redelivered: bool = False


class Deliver(Protocol):
    """Starts an invocation with these messages. The invocation deletes those that are done."""

    def __call__(self, messages: list[Message], /) -> None: ...


class SimulatedQueue:
    """A standard queue. ``deliver`` is its event source mapping, *out* says whether that has an outage."""

    def __init__(
        self,
        name: str,
        loop: SeededLoop,
        random: SeededRandom,
        network: Network,
        clock: Clock,
        *,
        visibility_s: int,
        out: Callable[[], bool],
    ) -> None:
        self.name = name
        self.deliver: Deliver = _no_mapping
        self._loop = loop
        self._random = random
        self._network = network
        self._visibility_us = visibility_s * 1_000_000
        self._out = out
        self._sent = 0
        #: How often each body was put.
        self.puts: Counter[str] = Counter()
        self._visible: list[Message] = []
        self._polling = False
        #: Messages that are neither deleted nor dead letters.
        self.stored: dict[str, Message] = {}
        #: Messages that were received too often.
        self.dead = MemoryDeadLetterQueue(clock, pause=network, deliver=self.put)

    @property
    def as_memory(self) -> MemoryQueue:
        """This queue for those ports in memory that put messages into a ``MemoryQueue`` and do nothing else with it."""
        return cast("MemoryQueue", self)

    def put(self, body: str, *, delay_seconds: int = 0) -> str:
        """Add a message. Returns its id."""
        if not 0 <= delay_seconds <= MAX_DELAY_SECONDS:
            raise ValueError(f"delay is {delay_seconds} s; a queue delays 0 to {MAX_DELAY_SECONDS} s")
        self._sent += 1
        self.puts[body] += 1
        message = Message(id=f"{self.name}-{self._sent}", body=body)
        self.stored[message.id] = message
        self._network.note(f"queued {message.id}", f"delay {delay_seconds} s {body}")
        self._appear_in(message, delay_seconds * 1_000_000)
        if self._random.chance(self._network.profile.deliver_twice):
            self._appear_in(message, delay_seconds * 1_000_000)
        return message.id

    def delete(self, message: Message) -> None:
        """Delete *message*. A replica that misses the deletion may deliver it once more."""
        message.deleted = True
        self.stored.pop(message.id, None)
        if not message.redelivered and self._random.chance(self._network.profile.redeliver):
            message.redelivered = True
            self._loop.timer(self._loop.now_us + self._random.between(5, 120) * 1_000_000, self._redeliver, message)

    def _appear_in(self, message: Message, delay_us: int) -> None:
        late_us = self._random.mostly_small(LATE_MS * 1000)
        self._loop.timer(self._loop.now_us + delay_us + late_us, self._appear, message, message.receives)

    def _appear(self, message: Message, receives: int) -> None:
        if message.deleted or (receives and message.receives != receives):
            return
        if message.receives >= MAX_RECEIVES:
            self._network.note(f"dead {message.id}", message.body)
            self.stored.pop(message.id, None)
            self.dead.send_to_dlq(message.body, reason=f"received {MAX_RECEIVES} times")
            return
        self._show(message)

    def _redeliver(self, message: Message) -> None:
        self._network.note(f"redelivered {message.id}", message.body)
        self._show(message)

    def _show(self, message: Message) -> None:
        self._visible.append(message)
        if not self._polling:
            self._polling = True
            self._poll_in(self._random.mostly_small(100_000))

    def _poll_in(self, microseconds: int) -> None:
        self._loop.timer(self._loop.now_us + microseconds, self._poll)

    def _poll(self) -> None:
        if self._out():
            self._poll_in(1_000_000)
            return
        size = min(self._random.between(1, BATCH_SIZE), len(self._visible))
        batch = [self._random.take(self._visible) for _ in range(size)]
        for message in batch:
            message.receives += 1
            self._loop.timer(self._loop.now_us + self._visibility_us, self._appear, message, message.receives)
        self.deliver(batch)
        self._polling = bool(self._visible)
        if self._polling:
            self._poll_in(self._random.mostly_small(20_000))


def _no_mapping(_messages: list[Message]) -> None:
    raise RuntimeError("the queue has no event source mapping")
