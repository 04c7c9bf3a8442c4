"""``DeadLetters`` in memory."""

from __future__ import annotations

from msgspec import Struct

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.ports import DeadLetterSource


class SentToDlq(Struct, frozen=True, kw_only=True):
    """A message in a dead-letter queue, and why it is there."""

    queue: DeadLetterSource
    body: str
    reason: str
    code: str


class MemoryDeadLetters:
    """``sent`` lists the messages in order."""

    def __init__(self, *, pause: Pause = yield_once) -> None:
        self._pause = pause
        self.sent: list[SentToDlq] = []

    async def send_to_dlq(self, queue: DeadLetterSource, body: str, *, reason: str, code: str) -> None:
        await self._pause("send_to_dlq.before")
        self.sent.append(SentToDlq(queue=queue, body=body, reason=reason, code=code))
        await self._pause("send_to_dlq.after")
