"""The events of fires are made while their schedules are at hand, if there is room for them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from eventcron.adapters.memory import MemoryEventBus, MemoryScheduleStore
from eventcron.app import fire_events
from eventcron.app.delivery import Publisher
from eventcron.app.fire_events import ENVELOPE_BYTES, SMALL_BYTES, FireEvents, Made
from eventcron.app.portions import Budget
from eventcron.model.commands import Schedule
from eventcron.model.messages import Fire
from eventcron.model.names import Key
from eventcron.model.records import InputRef
from eventcron.rules.judging import Timed
from eventcron.testing import JumpingClock
from tests.records import record_of

DUE = 1_796_112_000_000
#: Room for the event of one ordinary fire, and not for two.
ROOM = ENVELOPE_BYTES + 2_000


@pytest.fixture(name="events")
def _events(monkeypatch: pytest.MonkeyPatch) -> FireEvents:
    monkeypatch.setattr(fire_events, "TOTAL_BYTES", ROOM)
    clock = JumpingClock(DUE)
    publisher = Publisher(clock=clock, bus=MemoryEventBus(clock), jitter=lambda: 0.0)
    return FireEvents(clock=clock, store=MemoryScheduleStore(clock), publisher=publisher)


def timed(name: str, *, last: bool = False, apart: InputRef | None = None, **fields: object) -> Timed:
    schedule = Schedule(tenant="acme", name=name, expression="* * * * *", **fields)  # type: ignore[arg-type]
    return Fire("acme", name, 1, DUE, DUE, last=last), record_of(schedule, input=apart), "2026-12-01T01:00:00.000Z"


def made(events: FireEvents, some: Sequence[Timed]) -> Made | None:
    with events.ahead(some, attempt=1) as made:
        return made


def test_no_more_events_wait_than_there_is_room_for(events: FireEvents) -> None:
    with events.ahead([timed("first")], attempt=1) as first:
        assert first is not None
        assert made(events, [timed("second")]) is None

    assert made(events, [timed("second")]) is not None


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(timed("large", input=msgspec.Raw(b'"%s"' % (b"x" * SMALL_BYTES))), id="large"),
        pytest.param(timed("apart", apart=InputRef(1, "d" * 32, 10)), id="its-input-is-not-read"),
    ],
)
def test_what_is_large_or_not_there_is_made_at_its_instant(events: FireEvents, one: Timed) -> None:
    assert made(events, [one]) is None


def test_only_records_that_are_needed_later_stay(monkeypatch: pytest.MonkeyPatch, events: FireEvents) -> None:
    monkeypatch.setattr(events, "_ahead", Budget(10 * ROOM))

    found = made(events, [timed("plain"), timed("last", last=True), timed("labelled", labels={"team": "data"})])

    assert found is not None
    assert [*found.records] == [Key("acme", "last"), Key("acme", "labelled")]
    assert [msgspec.json.decode(event.detail)["name"] for event in found.events] == ["plain", "last", "labelled"]
