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
    """Letters, and ``sent``, what was sent back, in order; each of those is handed to *deliver*."""

    def __init__(
        self, clock: Clock, *, pause: Pause = yield_once, deliver: Callable[[str], object] = lambda _body: None
    ) -> None:
        self._clock = clock
        self._pause = pause
        self._deliver = deliver
        self._ids = itertools.count(1)
        #: Each with the instant until which it is hidden.
        self._letters: dict[str, tuple[DeadLetter, Instant]] = {}
        self.sent: list[str] = []

    def __len__(self) -> int:
        """Letters, hidden ones included."""
        return len(self._letters)

    @property
    def bodies(self) -> list[str]:
        """The bodies of the letters, hidden ones included, in order of arrival."""
        return [letter.body for letter, _ in self._letters.values()]

    def send_to_dlq(self, body: str, *, code: str = "", reason: str = "", target: str = "") -> str:
        """Add a letter. Returns its id."""
        letter_id = str(next(self._ids))
        letter = DeadLetter(
            id=letter_id, receipt="", body=body, code=code, reason=reason, target=target, sent=self._clock.now()
        )
        self._letters[letter_id] = (letter, 0)
        return letter_id

    async def waiting(self) -> int:
        await self._pause("waiting.before")
        now = self._clock.now()
        return sum(hidden_until <= now for _, hidden_until in self._letters.values())

    async def take(self, limit: int, *, seconds: int) -> list[DeadLetter]:
        await self._pause("take.before")
        now = self._clock.now()
        free = [letter for letter, hidden_until in self._letters.values() if hidden_until <= now][: min(limit, MOST)]
        for letter in free:
            self._letters[letter.id] = (letter, now + seconds * 1000)
        await self._pause("take.after")
        return free

    async def send_back(self, letter: DeadLetter, body: str) -> None:  # noqa: ARG002  the port's signature
        await self._pause("send_back.before")
        self.sent.append(body)
        self._deliver(body)
        await self._pause("send_back.after")

    async def remove(self, letter: DeadLetter) -> None:
        await self._pause("remove.before")
        self._letters.pop(letter.id, None)
        await self._pause("remove.after")

    async def put_back(self, letter: DeadLetter) -> None:
        await self._pause("put_back.before")
        if letter.id in self._letters:
            self._letters[letter.id] = (letter, 0)
        await self._pause("put_back.after")
