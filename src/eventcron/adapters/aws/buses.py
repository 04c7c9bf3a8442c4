"""Which kind of bus a deployment's facts go to."""

from __future__ import annotations

from eventcron.adapters.aws.bus import EventBridgeBus
from eventcron.adapters.aws.bus_v2 import EventBridgeV2Bus
from eventcron.adapters.aws.clients import EventsClient
from eventcron.ports import EventBus
from eventcron.settings import Settings


def bus_service(settings: Settings) -> str:
    """botocore's name of the service whose client ``bus_of`` wants."""
    return EventBridgeV2Bus.service if settings.event_bus_v2_arn else EventBridgeBus.service


def bus_of(settings: Settings, client: EventsClient) -> EventBus:
    """The bus that takes facts, fires among them."""
    if settings.event_bus_v2_arn:
        return EventBridgeV2Bus(client, settings.event_bus_v2_arn)
    return EventBridgeBus(client, settings.bus_name)
