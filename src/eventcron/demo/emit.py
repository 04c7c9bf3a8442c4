"""Orders onto the bus by PutEvents: tens, several calls at once, refused entries again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from eventcron.demo.orders import Order, Sent
from eventcron.errors import Unavailable
from eventcron.model.commands import TENANT_SOURCE_PREFIX
from eventcron.ports import Clock
from eventcron.timing.instant import to_datetime

#: PutEvents: "Array Members: Maximum number of 10 items."
MAX_ENTRIES = 10
CALLS_AT_ONCE = 4
#: Milliseconds before the second, third, … try of what was refused.
PAUSES_MS = (100, 400, 1_600)


async def emit(events: Any, bus: str, orders: Sequence[Order], *, clock: Clock) -> list[Sent]:
    """Put *orders* on *bus*, each in its tenant's name; when each was sent, in the given order.

    Raises:
        Unavailable: an entry was refused each time.
    """
    slots = asyncio.Semaphore(CALLS_AT_ONCE)

    async def put(batch: Sequence[Order]) -> list[Sent]:
        async with slots:
            now = clock.now()
            entries = [_entry(order, bus) | {"Time": to_datetime(now)} for order in batch]
            await _put_all(events, entries, clock)
            return [Sent(order, now) for order in batch]

    batches = [orders[start : start + MAX_ENTRIES] for start in range(0, len(orders), MAX_ENTRIES)]
    return [one for sent in await asyncio.gather(*map(put, batches)) for one in sent]


def _entry(order: Order, bus: str) -> dict[str, Any]:
    return {
        "EventBusName": bus,
        "Source": TENANT_SOURCE_PREFIX + order.key.tenant,
        "DetailType": order.command,
        "Detail": order.detail.decode(),
    }


async def _put_all(events: Any, entries: list[dict[str, Any]], clock: Clock) -> None:
    refusal: dict[str, str] = {}
    for pause in (0, *PAUSES_MS):
        await clock.sleep_until(clock.now() + pause)
        results = (await events.put_events(Entries=entries))["Entries"]
        refused = [(entry, result) for entry, result in zip(entries, results, strict=True) if "ErrorCode" in result]
        if not refused:
            return
        entries, refusal = [entry for entry, _ in refused], refused[0][1]
    raise Unavailable("events", refusal["ErrorCode"], refusal.get("ErrorMessage", ""))
