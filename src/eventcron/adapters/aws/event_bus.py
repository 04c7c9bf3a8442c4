"""``EventBus`` on EventBridge's bus with rules and targets, which AWS now calls Custom Event Bus - Classic."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.adapters.aws.clients import EventsClient
from eventcron.adapters.aws.failures import RETRYABLE_CODES
from eventcron.adapters.aws.json_api import Response
from eventcron.adapters.aws.put_events import PutEventsBus, entry_of
from eventcron.model.events import Event


class EventBridgeBus(PutEventsBus):
    """The bus of one name."""

    service = "events"
    #: EventBridge PutEvents: "Array Members: … Maximum number of 10 items".
    max_entries = 10

    def __init__(
        self, client: EventsClient, name: str, *, fires_per_tenant: bool = False, concurrency: int = 16
    ) -> None:
        super().__init__(client, fires_per_tenant=fires_per_tenant, concurrency=concurrency)
        self._name = name

    def _request(self, events: Sequence[Event]) -> Response:
        entries = [entry_of(event) for event in events]
        for entry in entries:
            entry["EventBusName"] = self._name
        return {"Entries": entries}

    def _may_pass(self, code: str) -> bool:
        return code in RETRYABLE_CODES
