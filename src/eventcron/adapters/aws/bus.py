"""``EventBus`` on EventBridge."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from eventcron.adapters.aws.batching import all_of, batches
from eventcron.adapters.aws.clients import EventsClient, Response
from eventcron.adapters.aws.failures import RETRYABLE_CODES, mapped
from eventcron.errors import Unavailable
from eventcron.model import Event
from eventcron.ports import Refusal

#: Entries. EventBridge PutEvents: "Array Members: … Maximum number of 10 items".
MAX_ENTRIES = 10
#: Bytes. "The total entry size must be less than 256 KB." The newest service model says 1 MB, but not every target
#: of a rule takes as much.
MAX_BYTES = 262_143
#: Bytes. "If the Time parameter is specified, it is measured as 14 bytes."
TIME_BYTES = 14


class EventBridgeBus:
    """One bus, by name; at most *concurrency* calls at once.

    Nothing is tried twice here: who publishes knows which events are still worth it.
    """

    def __init__(self, client: EventsClient, name: str, *, concurrency: int = 16) -> None:
        self._client = client
        self._name = name
        self._calls = asyncio.Semaphore(concurrency)

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        sizes = [entry_size(event) for event in events]
        fitting = [index for index, size in enumerate(sizes) if size <= MAX_BYTES]
        refusals = [_too_large(index, size) for index, size in enumerate(sizes) if size > MAX_BYTES]
        ranges = batches([sizes[index] for index in fitting], count=MAX_ENTRIES, total=MAX_BYTES)
        for refused in await all_of(self._put([fitting[place] for place in batch], events) for batch in ranges):
            refusals += refused
        return sorted(refusals, key=lambda refusal: refusal.index)

    async def _put(self, indexes: Sequence[int], events: Sequence[Event]) -> list[Refusal]:
        """Put the events at *indexes* in one call; one that fails as a whole refuses them all."""
        entries = [self._entry(events[index]) for index in indexes]
        try:
            async with self._calls:
                with mapped("events"):
                    response = await self._client.put_events(Entries=entries)
        except Unavailable as error:
            return [Refusal(index=index, code=error.code, message=str(error)) for index in indexes]
        results = response["Entries"]
        missing: list[Response] = [{}] * (len(indexes) - len(results))
        return [
            _refusal(index, result)
            for index, result in zip(indexes, [*results, *missing], strict=True)
            if "EventId" not in result
        ]

    def _entry(self, event: Event) -> Response:
        return {
            "Time": datetime.fromtimestamp(event.time // 1000, UTC),
            "Source": event.source,
            "DetailType": event.detail_type,
            "Detail": event.detail.decode(),
            "Resources": event.resources,
            "EventBusName": self._name,
        }


def entry_size(event: Event) -> int:
    """Bytes by which EventBridge counts an entry: time, source, detail type, detail and resources, in UTF-8."""
    texts = (event.source, event.detail_type, *event.resources)
    return TIME_BYTES + len(event.detail) + sum(len(part.encode()) for part in texts)


def _too_large(index: int, size: int) -> Refusal:
    return Refusal(
        index=index,
        code="EntryTooLarge",
        message=f"the entry is {size} bytes; EventBridge takes at most {MAX_BYTES}",
        retryable=False,
    )


def _refusal(index: int, result: Response) -> Refusal:
    if "ErrorCode" not in result:
        return Refusal(index=index, code="NoAnswer", message="EventBridge reported neither success nor failure")
    code = result["ErrorCode"]
    return Refusal(index=index, code=code, message=result.get("ErrorMessage", ""), retryable=code in RETRYABLE_CODES)
