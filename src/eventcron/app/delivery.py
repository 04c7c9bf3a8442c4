"""What leaves eventcron: events for the bus, packs for the fire queue. A caller learns what was not taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eventcron.app.retry import Retry
from eventcron.errors import Unavailable
from eventcron.model.events import Event
from eventcron.model.messages import Pack
from eventcron.model.names import Instant
from eventcron.ports import MAX_DELAY_SECONDS, Clock, DeadLetters, EventBus, FireQueue, Refusal
from eventcron.wire.encode import encode_pack

#: Milliseconds. A pack that is due later goes back to the queue when it appears. The 20 s below the queue's longest
#: delay allow for clocks that differ.
LONGEST_DELAY_MS = (MAX_DELAY_SECONDS - 20) * 1000

#: Skips that the log names, of one pack, segment, backfill or command, so that a tenant with a thousand of them does
#: not fill the log. Their events name all.
NAMED_SKIPS = 20


class Publisher:
    """Publishes events."""

    def __init__(self, *, clock: Clock, bus: EventBus, jitter: Callable[[], float]) -> None:
        self._bus = bus
        self._retry = Retry(clock=clock, jitter=jitter)

    async def try_each(self, events: Sequence[Event]) -> list[Refusal]:
        """Publish *events*. Returns those that the bus refuses for good, or still after the last try."""
        return await self._retry.deliver(events, self._bus.publish)

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish every one of *events*.

        Raises:
            Unavailable: the bus did not take some. All may be published again: an event may come twice.
        """
        if not events:
            return
        refused = await self.try_each(events)
        if refused:
            first = refused[0]
            raise Unavailable("events", first.code, f"{len(refused)} of {len(events)} events refused: {first.message}")


class PackSender:
    """Sends packs to the fire queue."""

    def __init__(
        self, *, clock: Clock, fire_queue: FireQueue, dead_letters: DeadLetters, jitter: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._queue = fire_queue
        self._dead_letters = dead_letters
        self._retry = Retry(clock=clock, jitter=jitter)

    async def send(self, packs: Sequence[Pack], *, visible_at: Callable[[Pack], Instant]) -> None:
        """Send *packs*. A pack that the queue refuses for good goes to the dead-letter queue.

        A pack is visible at *visible_at*, or as late as the queue can delay it: the executor then puts it back. So a
        planner can go on with a window that a clock ahead has begun.

        Raises:
            Unavailable: the queue did not take some. All may be sent again: their ids stay the same.
        """
        if not packs:
            return
        refused = await self._retry.deliver(packs, lambda left: self._send(left, visible_at))
        for refusal in refused:
            if not refusal.retryable:
                reason = f"the fire queue refused it: {refusal.message}"
                body = encode_pack(packs[refusal.index])
                await self._dead_letters.send_to_dlq("fires", body, reason=reason, code=refusal.code)
        left = [refusal for refusal in refused if refusal.retryable]
        if left:
            raise Unavailable("sqs", left[0].code, f"{len(left)} of {len(packs)} packs refused")

    async def _send(self, packs: Sequence[Pack], visible_at: Callable[[Pack], Instant]) -> list[Refusal]:
        now = self._clock.now()
        appear = [min(visible_at(pack), now + LONGEST_DELAY_MS) for pack in packs]
        return await self._queue.send(packs, visible_at=appear, now=now)


def expires_at(now: Instant, days: int) -> int:
    """When TTL may remove what is to be remembered for *days* from *now*, in seconds since 1970."""
    return now // 1000 + days * 86_400
