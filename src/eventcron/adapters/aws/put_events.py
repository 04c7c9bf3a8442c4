"""What both kinds of EventBridge bus share: PutEvents in batches, whose response may report failed entries."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from eventcron.adapters.aws.clients import EventsClient
from eventcron.adapters.aws.failures import mapped
from eventcron.adapters.aws.json_api import Response
from eventcron.app.concurrency import all_of
from eventcron.app.portions import portions
from eventcron.errors import Unavailable
from eventcron.model.events import FIRE_SOURCE_PREFIX, Event
from eventcron.ports import Refusal

#: Bytes, of an entry and of all entries in a call. EventBridge PutEvents: "The total entry size must be less than
#: 256 KB." Its newest service model says 1 MB, but not every target takes as much; ``eventbridgev2`` names no size, so
#: that an event which fits one kind of bus fits the other.
MAX_BYTES = 262_143
#: Bytes. "If the Time parameter is specified, it is measured as 14 bytes."
TIME_BYTES = 14


class PutEventsBus(ABC):
    """An ``EventBus`` over an operation PutEvents; at most *concurrency* calls at once.

    With *fires_per_tenant*, the source of a fire names its tenant.
    """

    #: botocore's name of the service, and the one in errors.
    service: ClassVar[str]
    #: Entries a call.
    max_entries: ClassVar[int]
    #: Codes that are worth a retry, besides those of all services.
    later_codes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, client: EventsClient, *, fires_per_tenant: bool = False, concurrency: int = 16) -> None:
        self._client = client
        self._fires_per_tenant = fires_per_tenant
        self._calls = asyncio.Semaphore(concurrency)

    @abstractmethod
    def _request(self, events: Sequence[Event]) -> Response:
        """The request with the entries of *events*, in order."""

    @abstractmethod
    def _may_pass(self, code: str) -> bool:
        """Whether an entry that was refused with *code* may be taken later."""

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        return [outcome for outcome in await self.put(events) if isinstance(outcome, Refusal)]

    async def put(self, events: Sequence[Event]) -> list[str | Refusal]:
        """What became of each event, in order: its id on the bus, or why the bus did not take it."""
        if self._fires_per_tenant:
            events = [with_tenant_source(event) for event in events]
        sizes = [entry_size(event) for event in events]
        if 0 < len(events) <= self.max_entries and sum(sizes) <= MAX_BYTES:
            return await self._put(range(len(events)), events)  # as nearly all are
        fitting = [index for index, size in enumerate(sizes) if size <= MAX_BYTES]
        outcomes: dict[int, str | Refusal] = {
            index: _too_large(index, size) for index, size in enumerate(sizes) if size > MAX_BYTES
        }
        calls = [*portions(fitting, size=sizes.__getitem__, total=MAX_BYTES, count=self.max_entries)]
        for indexes, answers in zip(calls, await all_of(self._put(call, events) for call in calls), strict=True):
            outcomes |= zip(indexes, answers, strict=True)
        return [outcomes[index] for index in range(len(events))]

    async def _put(self, indexes: Sequence[int], events: Sequence[Event]) -> list[str | Refusal]:
        """Put the events at *indexes* in one call. A call that fails for now refuses every one of them."""
        request = self._request(events if len(indexes) == len(events) else [events[index] for index in indexes])
        try:
            async with self._calls:
                with mapped(self.service, also=self.later_codes):
                    response = await self._client.put_events(**request)
        except Unavailable as error:
            return [Refusal(index=index, code=error.code, message=str(error)) for index in indexes]
        results = response["Entries"]
        ids = [result.get("EventId") for result in results]
        if not response.get("FailedEntryCount") and len(ids) == len(indexes) and all(ids):
            return ids  # all were taken, as in nearly every call
        missing: list[Response] = [{}] * (len(indexes) - len(results))
        return [
            result.get("EventId", "") if _taken(result) else self._refusal(index, result)
            for index, result in zip(indexes, [*results, *missing], strict=True)
        ]

    def _refusal(self, index: int, result: Response) -> Refusal:
        if "ErrorCode" not in result:
            return Refusal(index=index, code="NoAnswer", message="EventBridge reported neither success nor failure")
        code = result["ErrorCode"]
        message = result.get("ErrorMessage", "")
        return Refusal(index=index, code=code, message=message, retryable=self._may_pass(code))


def with_tenant_source(event: Event) -> Event:
    """*event* with the source of its tenant's fires if it is a fire. IAM can test a source, but nothing in a detail."""
    if not event.fire_id:
        return event
    tenant = event.resources[0].partition("/")[0]
    return msgspec.structs.replace(event, source=FIRE_SOURCE_PREFIX + tenant)


def entry_of(event: Event) -> Response:
    """The fields of an entry that both kinds of bus have."""
    return {
        "Time": event.time // 1000,
        "Source": event.source,
        "DetailType": event.detail_type,
        "Detail": event.detail.decode(),
        "Resources": event.resources,
    }


def entry_size(event: Event) -> int:
    """The size of an entry as EventBridge counts it: bytes of time, source, detail type, detail and resources."""
    texts = event.source + event.detail_type + "".join(event.resources)
    return TIME_BYTES + len(event.detail) + (len(texts) if texts.isascii() else len(texts.encode()))


def _taken(result: Response) -> bool:
    """Whether the entry was taken: its result has an event id, or a ``SuccessCode``, as a suppressed duplicate has."""
    return "ErrorCode" not in result and ("EventId" in result or "SuccessCode" in result)


def _too_large(index: int, size: int) -> Refusal:
    return Refusal(
        index=index,
        code="EntryTooLarge",
        message=f"the entry is {size} bytes; EventBridge takes at most {MAX_BYTES}",
        retryable=False,
    )
