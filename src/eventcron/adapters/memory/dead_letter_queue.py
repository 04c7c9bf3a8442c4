"""``DeadLetterQueue`` in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.names import Instant
from eventcron.ports import Clock, DeadLetter

#: As SQS ReceiveMessage.
MOST = 10


class MemoryDeadLetterQueue:
    """Dead letters. What is sent back is listed in ``sent`` and handed to *deliver*."""

    def __init__(
        self, clock: Clock, *, pause: Pause = yield_once, deliver: Callable[[str], object] = lambda _body: None
    ) -> None:
        self._clock = clock
        self._pause = pause
        self._deliver = deliver
        self._ids = itertools.count(1)
        #: By id: the dead letter and the instant until which it is hidden.
        self._stored: dict[str, tuple[DeadLetter, Instant]] = {}
        self.sent: list[str] = []

    def __len__(self) -> int:
        """How many dead letters there are, hidden ones included."""
        return len(self._stored)

    @property
    def bodies(self) -> list[str]:
        """The bodies of all dead letters, hidden ones included, in order of arrival."""
        return [dead_letter.body for dead_letter, _ in self._stored.values()]

    def send_to_dlq(self, body: str, *, code: str = "", reason: str = "", target: str = "") -> str:
        """Add a dead letter. Returns its id."""
        dead_letter_id = str(next(self._ids))
        dead_letter = DeadLetter(
            id=dead_letter_id, receipt="", body=body, code=code, reason=reason, target=target, sent=self._clock.now()
        )
        self._stored[dead_letter_id] = (dead_letter, 0)
        return dead_letter_id

    async def waiting(self) -> int:
        await self._pause("waiting.before")
        now = self._clock.now()
        return sum(hidden_until <= now for _, hidden_until in self._stored.values())

    async def take(self, limit: int, *, seconds: int) -> list[DeadLetter]:
        await self._pause("take.before")
        now = self._clock.now()
        free = [dead_letter for dead_letter, hidden_until in self._stored.values() if hidden_until <= now][
            : min(limit, MOST)
        ]
        for dead_letter in free:
            self._stored[dead_letter.id] = (dead_letter, now + seconds * 1000)
        await self._pause("take.after")
        return free

    async def send_back(self, dead_letter: DeadLetter, body: str) -> None:  # noqa: ARG002  the port's signature
        await self._pause("send_back.before")
        self.sent.append(body)
        self._deliver(body)
        await self._pause("send_back.after")

    async def remove(self, dead_letter: DeadLetter) -> None:
        await self._pause("remove.before")
        self._stored.pop(dead_letter.id, None)
        await self._pause("remove.after")

    async def put_back(self, dead_letter: DeadLetter) -> None:
        await self._pause("put_back.before")
        if dead_letter.id in self._stored:
            self._stored[dead_letter.id] = (dead_letter, 0)
        await self._pause("put_back.after")
