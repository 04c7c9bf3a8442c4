"""``EventBus`` on EventBridge's newer bus of subscribers: API ``eventbridgev2``, 2025-05-15.

Written from the service model that botocore ships and from AWS's documentation; no release has run against AWS.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec
from botocore.exceptions import ClientError

from eventcron.adapters.aws.clients import EventsClient, Response
from eventcron.adapters.aws.put_events import PutEventsBus, entry_of
from eventcron.model.events import Event
from eventcron.ports import Refusal

#: Characters. Service model, EventGroupId and EventDeduplicationId: at most 128.
MAX_ID_CHARS = 128
#: The errors of PutEvents that its model lists and does not call retryable, but for the one below. The model does not
#: list the codes of entries, so every other one is tried again until the caller gives up: late is better than lost.
HOPELESS_CODES = frozenset({"AccessDeniedException", "InvalidInputException", "ResourceNotFoundException"})

_encode = msgspec.json.Encoder().encode


class EventBridgeV2Bus(PutEventsBus):
    """One bus, by ARN. It suppresses what is published again within five minutes, by ``deduplication_id``."""

    service = "eventbridgev2"
    #: Service model, PutEventsRequestEntryList: at most 100.
    max_entries = 100
    #: "The resource is not in a state that allows the operation": a bus that is still being created, for example.
    later_codes = frozenset({"InvalidStateException"})

    def __init__(self, client: EventsClient, arn: str, *, concurrency: int = 16) -> None:
        super().__init__(client, concurrency=concurrency)
        self._arn = arn

    def _request(self, events: Sequence[Event]) -> Response:
        return {"EventBusArn": self._arn, "Entries": [_entry(event) for event in events]}

    def _may_pass(self, code: str) -> bool:
        return code not in HOPELESS_CODES

    async def _put(self, indexes: Sequence[int], events: Sequence[Event]) -> list[Refusal]:
        """Put the events at *indexes*; where the call is refused for what it says, find out which of them it is.

        An entry that the service cannot read fails the call and all entries with it, so each half is tried by itself.
        """
        try:
            return await super()._put(indexes, events)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidInputException":
                raise
            if len(indexes) == 1:
                message = error.response["Error"]["Message"]
                return [Refusal(index=indexes[0], code="InvalidInputException", message=message, retryable=False)]
        half = len(indexes) // 2
        return await self._put(indexes[:half], events) + await self._put(indexes[half:], events)


def deduplication_id(event: Event) -> str:
    """32 hexadecimal digits: the fire's id, or, of any other fact, a hash of all it says and of its time.

    Two facts are the same only if they are one that is published again: a schedule that fails twice has failed twice.
    """
    return event.fire_id or _digest(
        _encode((event.source, event.detail_type, event.time, event.resources, event.detail))
    )


def event_group(event: Event) -> str | None:
    """What subscribers that ask for order receive in order: the schedule, ``tenant/name``, or its hash if that is long.

    None: the event is about none, as a refused command that does not say which. A hash has no stroke, so it is
    nobody's name.
    """
    if not event.resources:
        return None
    name = event.resources[0]
    return name if len(name) <= MAX_ID_CHARS else _digest(name.encode())


def _entry(event: Event) -> Response:
    metadata = {"DeduplicationId": deduplication_id(event)}
    group = event_group(event)
    if group is not None:
        metadata["EventGroupId"] = group
    return entry_of(event) | {"SystemMetadata": metadata}


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
