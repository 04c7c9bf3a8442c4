"""How often a refused call is repeated, and how long it waits in between. No other module decides either.

One place repeats a call. Use cases repeat what goes to a queue or the bus, because it may refuse a part of a batch, and
the planner's moves, which last as long as its time does. Adapters repeat the other calls of a table. botocore repeats
nothing in a function (see ``adapters/aws/clients``). So a call that is throttled for good is made ``tries`` times.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from eventcron.errors import Unavailable
from eventcron.model.names import Instant
from eventcron.ports import Clock, Refusal

T = TypeVar("T")

#: Calls for the same thing within one invocation. What is still refused then waits in a queue or for the next tick.
TRIES = 5


class Retry(Struct, frozen=True, kw_only=True):
    """Exponential backoff with full jitter: before try n + 1, wait between 0 and ``base_ms`` · 2ⁿ⁻¹, capped.

    By default the waits of a call add up to 0.75 s on average and 1.5 s at most: enough for a throttled service to
    recover from a burst. A longer wait would only cost, as SQS or the next tick brings the work back.
    """

    clock: Clock
    #: Uniform in [0, 1).
    jitter: Callable[[], float]
    tries: int = TRIES
    base_ms: int = 100
    cap_ms: int = 1_000

    async def wait(self, tried: int) -> None:
        """Wait after try number *tried*, counted from 1."""
        longest_ms = min(self.cap_ms, self.base_ms * 2 ** (tried - 1))
        await self.clock.sleep_until(self.clock.now() + round(longest_ms * self.jitter()))

    async def call(self, once: Callable[[], Awaitable[T]]) -> T:
        """The result of *once*, which is repeated as long as it raises ``Unavailable``.

        Raises:
            Unavailable: the last try failed as well.
        """
        for tried in range(1, self.tries):
            try:
                return await once()
            except Unavailable:
                await self.wait(tried)
        return await once()

    async def call_until(self, once: Callable[[], Awaitable[T]], *, until: Instant) -> T:
        """As ``call``, but repeated until *until* has passed, however often that is.

        For work that costs more to start over than to wait for.

        Raises:
            Unavailable: the last try failed as well.
        """
        tried = 0
        while True:
            try:
                return await once()
            except Unavailable:
                if self.clock.now() > until:
                    raise
            tried += 1
            await self.wait(tried)

    async def deliver(
        self, items: Sequence[T], send: Callable[[Sequence[T]], Awaitable[Sequence[Refusal]]]
    ) -> list[Refusal]:
        """Hand *items* to *send*, and those that it refuses for now once more.

        Returns what is refused for good or was refused by the last try, each with its index in *items*.
        """
        refused: list[Refusal] = []
        indexes: Sequence[int] = range(len(items))
        for tried in range(1, self.tries + 1):
            answers = await send(items if tried == 1 else [items[index] for index in indexes])
            if not answers:
                break
            answers = [replace(refusal, index=indexes[refusal.index]) for refusal in answers]
            if tried == self.tries:
                return refused + answers
            refused += [refusal for refusal in answers if not refusal.retryable]
            indexes = [refusal.index for refusal in answers if refusal.retryable]
            if not indexes:
                break
            await self.wait(tried)
        return refused
