"""Queues in memory, with the delay, visibility timeout, receive count and dead letters of SQS."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from msgspec import Struct

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.messages import GroupedCommand, Pack, SegmentRange
from eventcron.model.names import Instant
from eventcron.ports import MAX_DELAY_SECONDS, Clock, Refusal
from eventcron.wire.encode import encode_pack
from eventcron.wire.segment_ranges import encode_range

#: SQS SendMessageBatch takes at most ten messages, so a crash can come between any two calls.
BATCH = 10


class Message(Struct, frozen=True, kw_only=True):
    """A received message. A later receive of the same message has a higher ``receives``."""

    id: str
    body: str
    #: Which receive this is, from 1.
    receives: int


class _Stored(Struct, kw_only=True):
    id: str
    body: str
    visible_at: Instant
    receives: int = 0


class MemoryQueue:
    """Messages appear after a delay, are hidden once received, and reappear if they are not deleted.

    After *max_receives* receives, the next one moves the message to ``dead`` instead.
    """

    def __init__(self, clock: Clock, *, visibility_seconds: int = 30, max_receives: int = 5) -> None:
        self._clock = clock
        self._visibility_seconds = visibility_seconds
        self._max_receives = max_receives
        self._ids = itertools.count(1)
        self._stored: dict[str, _Stored] = {}
        self.dead: list[Message] = []

    def __len__(self) -> int:
        """How many messages are not deleted, delayed and received ones included."""
        return len(self._stored)

    def put(self, body: str, *, delay_seconds: int = 0) -> str:
        """Add a message and return its id.

        Raises:
            ValueError: the delay is not within 0 … 900.
        """
        if not 0 <= delay_seconds <= MAX_DELAY_SECONDS:
            raise ValueError(f"delay is {delay_seconds} s; a queue delays 0 to {MAX_DELAY_SECONDS} s")
        message_id = str(next(self._ids))
        self._stored[message_id] = _Stored(
            id=message_id, body=body, visible_at=self._clock.now() + delay_seconds * 1000
        )
        return message_id

    def next_visible(self) -> Instant | None:
        """When the next message appears or has appeared; None: the queue is empty."""
        return min((stored.visible_at for stored in self._stored.values()), default=None)

    @property
    def max_receives(self) -> int:
        """How often a message is received before it is moved to ``dead``."""
        return self._max_receives

    def receives(self, message_id: str) -> int | None:
        """How often a message was received by now; None: it is not there."""
        stored = self._stored.get(message_id)
        return None if stored is None else stored.receives

    def receive(self, limit: int = 10, *, hidden_seconds: int | None = None) -> list[Message]:
        """Up to *limit* visible messages, the longest visible first.

        They are hidden for *hidden_seconds*, or for the queue's visibility timeout.
        """
        now = self._clock.now()
        visible = sorted(
            (stored for stored in self._stored.values() if stored.visible_at <= now), key=lambda one: one.visible_at
        )
        received: list[Message] = []
        for stored in visible:
            if len(received) == limit:
                break
            if stored.receives == self._max_receives:
                self.dead.append(_message(self._stored.pop(stored.id)))
                continue
            stored.receives += 1
            hidden = self._visibility_seconds if hidden_seconds is None else hidden_seconds
            stored.visible_at = now + hidden * 1000
            received.append(_message(stored))
        return received

    def delete(self, message_id: str) -> None:
        """Delete a message, if it is there."""
        self._stored.pop(message_id, None)

    def change_visibility(self, message_id: str, *, seconds: int) -> None:
        """Make a received message visible again in *seconds*."""
        self._stored[message_id].visible_at = self._clock.now() + seconds * 1000


def _message(stored: _Stored) -> Message:
    return Message(id=stored.id, body=stored.body, receives=stored.receives)


def _take_all(_index: int, _item: object) -> None:
    """Refuse nothing."""


class MemoryFireQueue:
    """``FireQueue`` over a ``MemoryQueue``. *refuse* returns a ``Refusal`` for a pack that is not to be taken."""

    def __init__(
        self,
        queue: MemoryQueue,
        *,
        refuse: Callable[[int, Pack], Refusal | None] = _take_all,
        pause: Pause = yield_once,
    ) -> None:
        self.queue = queue
        self._refuse = refuse
        self._pause = pause

    async def send(self, packs: Sequence[Pack], *, visible_at: Sequence[Instant], now: Instant) -> list[Refusal]:
        delays = [max(0, (instant - now) // 1000) for instant in visible_at]
        if max(delays, default=0) > MAX_DELAY_SECONDS:
            raise ValueError(f"a pack is to appear in {max(delays)} s; the queue delays at most {MAX_DELAY_SECONDS} s")
        refusals: list[Refusal] = []
        entries = list(zip(packs, delays, strict=True))
        for start in range(0, len(entries), BATCH):
            await self._pause("send.before")
            for index, (pack, delay) in enumerate(entries[start : start + BATCH], start):
                refusal = self._refuse(index, pack)
                if refusal is not None:
                    refusals.append(refusal)
                    continue
                self.queue.put(encode_pack(pack), delay_seconds=delay)
            await self._pause("send.after")
        return refusals


class MemoryRegistrarQueue:
    """``RegistrarQueue`` over a ``MemoryQueue``. *refuse* returns a ``Refusal`` for a command that is not to be taken.

    The groups are not looked at: readers in memory get every visible message at once.
    """

    def __init__(
        self,
        queue: MemoryQueue,
        *,
        refuse: Callable[[int, GroupedCommand], Refusal | None] = _take_all,
        pause: Pause = yield_once,
    ) -> None:
        self.queue = queue
        self._refuse = refuse
        self._pause = pause

    async def send(self, commands: Sequence[GroupedCommand]) -> list[Refusal]:
        refusals: list[Refusal] = []
        for start in range(0, len(commands), BATCH):
            await self._pause("send.before")
            for index, command in enumerate(commands[start : start + BATCH], start):
                refusal = self._refuse(index, command)
                if refusal is not None:
                    refusals.append(refusal)
                    continue
                self.queue.put(command.body)
            await self._pause("send.after")
        return refusals


class MemorySegmentQueue:
    """``SegmentQueue`` over a ``MemoryQueue``. *refuse* returns a ``Refusal`` for a range that is not to be taken."""

    def __init__(
        self,
        queue: MemoryQueue,
        *,
        refuse: Callable[[int, SegmentRange], Refusal | None] = _take_all,
        pause: Pause = yield_once,
    ) -> None:
        self.queue = queue
        self._refuse = refuse
        self._pause = pause

    async def send(self, ranges: Sequence[SegmentRange]) -> list[Refusal]:
        refusals: list[Refusal] = []
        for start in range(0, len(ranges), BATCH):
            await self._pause("send.before")
            for index, asked in enumerate(ranges[start : start + BATCH], start):
                refusal = self._refuse(index, asked)
                if refusal is not None:
                    refusals.append(refusal)
                    continue
                self.queue.put(encode_range(asked))
            await self._pause("send.after")
        return refusals
