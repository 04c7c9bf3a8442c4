"""What every ``EventBus`` promises."""

from __future__ import annotations

import msgspec

from eventcron.model.events import Event
from tests.contract.conftest import BusBackend, Delivered, EventBusRig


def an_event(number: int = 0, *, padding: int = 0) -> Event:
    return Event(
        source="eventcron",
        detail_type="Schedule Fired",
        detail=msgspec.json.encode({"number": number, "naïve": "⏰", "padding": "x" * padding}),
        time=1_764_547_200_123,
        resources=("acme/nightly",),
    )


async def delivered(rig: EventBusRig, count: int) -> list[Delivered]:
    """The next *count* events and whatever came with them."""
    events: list[Delivered] = []
    while len(events) < count:
        events += await rig.delivered(1)
    return events


async def test_an_event_reaches_its_targets_as_it_was_published(bus_backend: BusBackend) -> None:
    rig = await bus_backend.event_bus()

    assert await rig.port.publish([an_event(7)]) == []

    assert await delivered(rig, 1) == [
        Delivered(
            source="eventcron",
            detail_type="Schedule Fired",
            detail={"number": 7, "naïve": "⏰", "padding": ""},
            resources=("acme/nightly",),
        )
    ]


async def test_any_number_of_events_are_published_once_each(bus_backend: BusBackend) -> None:
    rig = await bus_backend.event_bus()

    assert await rig.port.publish([an_event(number) for number in range(25)]) == []

    assert sorted(event.detail["number"] for event in await delivered(rig, 25)) == list(range(25))


async def test_large_events_are_not_too_many_bytes_together(bus_backend: BusBackend) -> None:
    rig = await bus_backend.event_bus()

    assert await rig.port.publish([an_event(number, padding=200_000) for number in range(4)]) == []

    assert sorted(event.detail["number"] for event in await delivered(rig, 4)) == list(range(4))


async def test_nothing_is_published_of_nothing(bus_backend: BusBackend) -> None:
    rig = await bus_backend.event_bus()

    assert await rig.port.publish([]) == []
    assert await rig.delivered(0) == []
