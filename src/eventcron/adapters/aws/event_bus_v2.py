"""``EventBus`` on EventBridge's newer bus with subscribers: API ``eventbridgev2``, 2025-05-15.

Written from botocore's service model and AWS's documentation. No release has run against AWS itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec
from botocore.exceptions import ClientError

from eventcron.adapters.aws.clients import EventsClient
from eventcron.adapters.aws.json_api import Response
from eventcron.adapters.aws.put_events import PutEventsBus, entry_of
from eventcron.model.events import Event
from eventcron.ports import Refusal

#: Characters. Service model, EventGroupId and EventDeduplicationId: at most 128.
MAX_ID_CHARS = 128
#: Errors of PutEvents that its model lists as not retryable, except ``InvalidStateException`` below. The model does not
#: list the codes of entries. Every other code is treated as retryable: a late event is better than a lost one.
HOPELESS_CODES = frozenset({"AccessDeniedException", "InvalidInputException", "ResourceNotFoundException"})

_encode = msgspec.json.Encoder().encode


class EventBridgeV2Bus(PutEventsBus):
    """The bus of one ARN. By ``deduplication_id`` it suppresses an event that is published again within 5 minutes."""

    service = "eventbridgev2"
    #: Service model, PutEventsRequestEntryList: at most 100.
    max_entries = 100
    #: "The resource is not in a state that allows the operation", such as a bus that is being created.
    later_codes = frozenset({"InvalidStateException"})

    def __init__(
        self, client: EventsClient, arn: str, *, fires_per_tenant: bool = False, concurrency: int = 16
    ) -> None:
        super().__init__(client, fires_per_tenant=fires_per_tenant, concurrency=concurrency)
        self._arn = arn

    def _request(self, events: Sequence[Event]) -> Response:
        return {"EventBusArn": self._arn, "Entries": [_entry(event) for event in events]}

    def _may_pass(self, code: str) -> bool:
        return code not in HOPELESS_CODES

    async def _put(self, indexes: Sequence[int], events: Sequence[Event]) -> list[str | Refusal]:
        """Put the events at *indexes*. If the call is refused as invalid, find the entry that is.

        One invalid entry fails the whole call, so each half is put by itself.
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
    """32 hexadecimal digits: the id of a fire, or a hash of the whole event, its time included.

    So only an event that is published again has the same id. A schedule that fails twice has two different events.
    """
    return event.fire_id or _digest(
        _encode((event.source, event.detail_type, event.time, event.resources, event.detail))
    )


def event_group(event: Event) -> str | None:
    """The group within which subscribers may ask for order: ``tenant/name``, or the hash of a long one.

    None: the event is about no schedule, such as a rejected command without a name. A hash contains no ``/``, so it
    cannot be taken for a name.
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
    # botocore writes instants in CBOR, and takes them as datetimes.
    return entry_of(event) | {"Time": datetime.fromtimestamp(event.time // 1000, UTC), "SystemMetadata": metadata}


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
