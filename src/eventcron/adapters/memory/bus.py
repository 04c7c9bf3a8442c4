"""``EventBus`` in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.events import Event
from eventcron.model.names import Instant
from eventcron.ports import Clock, Refusal

#: PutEvents takes at most ten entries, so a crash can come between any two calls.
BATCH = 10


class Published(NamedTuple):
    """An event and the instant at which the bus took it."""

    at: Instant
    event: Event


def _take_all(_index: int, _event: Event) -> None:
    """Refuse nothing."""


class MemoryEventBus:
    """``published`` lists the events in order.

    *refuse* returns a ``Refusal`` for an event that is not to be taken.
    """

    max_entries = BATCH

    def __init__(
        self,
        clock: Clock,
        *,
        refuse: Callable[[int, Event], Refusal | None] = _take_all,
        pause: Pause = yield_once,
    ) -> None:
        self._clock = clock
        self._refuse = refuse
        self._pause = pause
        self.published: list[Published] = []
        #: Called with each event that was taken.
        self.listeners: list[Callable[[Published], None]] = []

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        refusals: list[Refusal] = []
        for start in range(0, len(events), BATCH):
            await self._pause("publish.before")
            for index, event in enumerate(events[start : start + BATCH], start):
                refusal = self._refuse(index, event)
                if refusal is not None:
                    refusals.append(refusal)
                    continue
                published = Published(self._clock.now(), event)
                self.published.append(published)
                for listen in self.listeners:
                    listen(published)
            await self._pause("publish.after")
        return refusals
