"""``Answers`` in memory: what is published on a ``MemoryEventBus`` from now on."""

from __future__ import annotations

import msgspec

from eventcron.adapters.memory.bus import MemoryEventBus
from eventcron.model.events import Answer
from eventcron.ports import Clock
from eventcron.timing.instant import rfc3339

#: Milliseconds that one receive waits.
WAIT_MS = 1_000


class MemoryAnswers:
    """Every event, of all tenants."""

    def __init__(self, bus: MemoryEventBus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._seen = len(bus.published)

    async def receive(self) -> list[Answer]:
        if self._seen == len(self._bus.published):
            await self._clock.sleep_until(self._clock.now() + WAIT_MS)
        new = self._bus.published[self._seen :]
        self._seen += len(new)
        return [
            Answer(
                detail_type=event.detail_type,
                detail=msgspec.json.decode(event.detail),
                time=rfc3339(event.time // 1000 * 1000, millis=False),
            )
            for _, event in new
        ]
