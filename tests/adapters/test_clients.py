"""The real clients, where nobody answers."""

from __future__ import annotations

import socket

import pytest

from eventcron.adapters.aws.clients import aws_clients
from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.aws.leases import DynamoLeases
from eventcron.adapters.aws.table import DynamoTable
from eventcron.errors import Unavailable
from eventcron.model.events import Event
from tests.adapters.scripted import Waits
from tests.emulators import use_endpoint


async def test_an_endpoint_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        use_endpoint(monkeypatch, f"http://127.0.0.1:{closed.getsockname()[1]}")
    event = Event(source="eventcron", detail_type="Fired", detail=b"{}", time=0)

    async with aws_clients(concurrency=1) as clients:
        with pytest.raises(Unavailable) as raised:
            await DynamoLeases(DynamoTable(clients.dynamodb, "table", retry=Waits().retry())).segments(1)
        refusals = await EventBridgeBus(clients.events, "bus").publish([event])

    assert (raised.value.service, raised.value.code) == ("dynamodb", "EndpointConnectionError")
    assert [(refusal.code, refusal.retryable) for refusal in refusals] == [("EndpointConnectionError", True)]
