"""Publishing that nobody may delete_expired: every event is taken, or the caller hears about it."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.errors import Unavailable
from eventcron.model.events import Event
from eventcron.ports import Ports, Refusal

#: Calls for the same event within one invocation; what is still refused then waits in a queue instead.
TRIES = 4
#: Milliseconds. The first pause between two tries; it doubles, with full jitter.
PAUSE_MS = 50


async def publish_accepted(ports: Ports, events: Sequence[Event]) -> list[Refusal]:
    """Publish *events*, trying again only those refused for now. Returns what is refused still, by place."""
    final: list[Refusal] = []
    places = list(range(len(events)))
    for attempt in range(TRIES):
        refused = [
            Refusal(index=places[r.index], code=r.code, message=r.message, retryable=r.retryable)
            for r in await ports.bus.publish([events[place] for place in places])
        ]
        final += [refusal for refusal in refused if not refusal.retryable]
        again = [refusal for refusal in refused if refusal.retryable]
        if not again:
            return final
        if attempt == TRIES - 1:
            return final + again
        places = [refusal.index for refusal in again]
        await ports.clock.sleep_until(ports.clock.now() + round(PAUSE_MS * 2**attempt * (1 + ports.jitter())))
    return final


async def publish_all(ports: Ports, events: Sequence[Event]) -> None:
    """Publish *events*, every one.

    Raises:
        Unavailable: some were not taken; the whole may be published again (facts bear repetition).
    """
    if not events:
        return
    refused = await publish_accepted(ports, events)
    if refused:
        first = refused[0]
        raise Unavailable("events", first.code, f"{len(refused)} of {len(events)} events refused: {first.message}")
