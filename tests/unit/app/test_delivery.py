"""Nothing refused is forgotten: it is tried again, given up in the open, or the caller hears of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from eventcron.adapters.memory import MemoryDeadLetters
from eventcron.app.delivery import PackSender, Publisher
from eventcron.app.retry import TRIES
from eventcron.errors import Unavailable
from eventcron.model.events import Event
from eventcron.model.messages import Fire, Pack
from eventcron.model.names import Instant
from eventcron.ports import DeadLetters, EventBus, FireQueue, Refusal
from eventcron.rules.packing import make_pack
from eventcron.testing import JumpingClock

EVENTS = [
    Event(source="eventcron", detail_type="Schedule Created", detail=b"%d" % number, time=0) for number in range(25)
]
PACKS = [make_pack([Fire("acme", f"n{number}", 1, 0, 0)]) for number in range(25)]


class RefusingBus:
    """Refuses each event as often as *refusals* says, by its detail."""

    max_entries = 10

    def __init__(self, refusals: dict[bytes, int], *, retryable: bool = True) -> None:
        self.taken: list[Event] = []
        self._refusals = dict(refusals)
        self._retryable = retryable

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        refused = []
        for index, event in enumerate(events):
            if self._refusals.get(event.detail, 0):
                self._refusals[event.detail] -= 1
                refused.append(Refusal(index=index, code="ThrottlingException", retryable=self._retryable))
            else:
                self.taken.append(event)
        return refused


class RefusingQueue:
    """Refuses each pack as often as *refusals* says, by its id."""

    def __init__(self, refusals: dict[str, int], *, retryable: bool = True) -> None:
        self.taken: list[Pack] = []
        self._refusals = dict(refusals)
        self._retryable = retryable

    async def send(self, packs: Sequence[Pack], *, visible_at: Sequence[Instant], now: Instant) -> list[Refusal]:
        refused = []
        for index, pack in enumerate(packs):
            if self._refusals.get(pack.id, 0):
                self._refusals[pack.id] -= 1
                refused.append(Refusal(index=index, code="InternalError", message="later", retryable=self._retryable))
            else:
                self.taken.append(pack)
        return refused


def publisher(bus: EventBus, clock: JumpingClock | None = None) -> Publisher:
    return Publisher(clock=clock or JumpingClock(1_000), bus=bus, jitter=lambda: 0.5)


def sender(queue: FireQueue, dead: DeadLetters | None = None) -> PackSender:
    dead_letters = dead or MemoryDeadLetters()
    return PackSender(clock=JumpingClock(1_000), fire_queue=queue, dead_letters=dead_letters, jitter=lambda: 0.5)


async def test_only_refused_events_are_published_again() -> None:
    bus, clock = RefusingBus({b"3": 2, b"17": 1}), JumpingClock(1_000)

    refused = await publisher(bus, clock).try_each(EVENTS)

    assert refused == []
    assert sorted(event.detail for event in bus.taken) == sorted(event.detail for event in EVENTS)
    assert len(clock.slept_to) == 2


async def test_what_stays_refused_is_named_by_its_place() -> None:
    bus = RefusingBus({b"3": 99, b"17": 99})

    refused = await publisher(bus).try_each(EVENTS)

    assert sorted(refusal.index for refusal in refused) == [3, 17]


async def test_a_hopeless_event_is_not_tried_again() -> None:
    bus, clock = RefusingBus({b"3": 99}, retryable=False), JumpingClock(1_000)

    refused = await publisher(bus, clock).try_each(EVENTS)

    assert [refusal.index for refusal in refused] == [3]
    assert len(clock.slept_to) == 0


async def test_events_are_all_published_or_the_caller_hears_of_it() -> None:
    bus = RefusingBus({b"3": TRIES})

    with pytest.raises(Unavailable, match="1 of 25 events refused"):
        await publisher(bus).publish(EVENTS)


@pytest.mark.parametrize("times", [1, TRIES - 1])
async def test_refused_packs_are_sent_again(times: int) -> None:
    queue, dead = RefusingQueue({PACKS[2].id: times, PACKS[24].id: 1}), MemoryDeadLetters()

    await sender(queue, dead).send(PACKS, visible_at=lambda pack: pack.at)

    assert sorted(pack.id for pack in queue.taken) == sorted(pack.id for pack in PACKS)
    assert dead.sent == []


async def test_a_pack_that_stays_refused_stops_the_caller() -> None:
    queue = RefusingQueue({PACKS[2].id: TRIES})

    with pytest.raises(Unavailable, match="1 of 25 packs refused"):
        await sender(queue).send(PACKS, visible_at=lambda pack: pack.at)


async def test_a_pack_that_can_never_be_sent_is_dead_lettered_and_stops_nothing() -> None:
    queue, dead = RefusingQueue({PACKS[2].id: 99}, retryable=False), MemoryDeadLetters()

    await sender(queue, dead).send(PACKS, visible_at=lambda pack: pack.at)

    assert len(queue.taken) == 24
    assert [(dead_letter.queue, dead_letter.code) for dead_letter in dead.sent] == [("fires", "InternalError")]
    assert PACKS[2].id in dead.sent[0].body
