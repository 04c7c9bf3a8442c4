"""Chooses the kind of bus on which a deployment publishes."""

from __future__ import annotations

from eventcron.adapters.aws.clients import EventsClient
from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.aws.event_bus_v2 import EventBridgeV2Bus
from eventcron.ports import EventBus
from eventcron.settings import FireSource, Settings


def bus_service(settings: Settings) -> str:
    """botocore's name of the service whose client ``bus_of`` needs."""
    return EventBridgeV2Bus.service if settings.event_bus_v2_arn else EventBridgeBus.service


def bus_of(settings: Settings, client: EventsClient) -> EventBus:
    """The bus on which the deployment publishes fires and all other events."""
    fires_per_tenant = settings.fire_source is FireSource.PER_TENANT
    if settings.event_bus_v2_arn:
        return EventBridgeV2Bus(client, settings.event_bus_v2_arn, fires_per_tenant=fires_per_tenant)
    return EventBridgeBus(client, settings.bus_name, fires_per_tenant=fires_per_tenant)
