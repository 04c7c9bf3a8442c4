"""What only the memory adapters have: pauses, an index that lags, a queue that can be watched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest

from eventcron.adapters.memory import (
    MemoryDeadLetters,
    MemoryEventBus,
    MemoryFireQueue,
    MemoryLeases,
    MemoryPublishedPacks,
    MemoryQueue,
    MemoryScheduleStore,
    Message,
    Version,
)
from eventcron.errors import Unavailable
from eventcron.model.commands import Schedule
from eventcron.model.events import Event
from eventcron.model.messages import Pack
from eventcron.model.names import Instant, Key
from eventcron.model.records import IndexEntry, Record, StoredInput
from eventcron.ports import Lease, Refusal
from tests.records import record_of


class StillClock:
    """Stands at ``instant`` until it is set."""

    def __init__(self) -> None:
        self.instant: Instant = 1_000

    def now(self) -> Instant:
        return self.instant

    async def sleep_until(self, instant: Instant) -> None:
        self.instant = max(self.instant, instant)


class Trace:
    """A pause that remembers the points it came to, and fails at one of them."""

    def __init__(self, *, failing_at: str = "") -> None:
        self.points: list[str] = []
        self._failing_at = failing_at

    async def __call__(self, point: str) -> None:
        self.points.append(point)
        if point == self._failing_at:
            raise Unavailable("memory", "AsTold")


def a_record(*, revision: int = 1, wake: int | None = 0) -> Record:
    return record_of(
        Schedule(tenant="acme", name="nightly", expression="@daily"),
        revision=revision,
        created=1,
        segment=None if wake is None else 5,
        wake=wake,
    )


def a_pack(number: int) -> Pack:
    return Pack(id=f"pack-{number}", at=1, fires=[])


def an_event(number: int) -> Event:
    return Event(source="eventcron", detail_type="Fired", detail=b"%d" % number, time=number)


KEY = a_record().key
PLAN = IndexEntry(tenant="acme", name="nightly", revision=1, trigger="", start=0, handoff=0)
LEASE = Lease(segment=0, start=0, end=9, fence=1, lease_until=9)

CALLS: dict[str, Callable[[Trace], Awaitable[object]]] = {
    "get": lambda pause: MemoryScheduleStore(StillClock(), pause=pause).get([KEY]),
    "put": lambda pause: MemoryScheduleStore(StillClock(), pause=pause).put(a_record(), replacing=None),
    "note_put": lambda pause: MemoryScheduleStore(StillClock(), pause=pause).note_put(
        KEY, revision=1, put_revision=1, state_revision=1
    ),
    "read_inputs": lambda pause: MemoryScheduleStore(StillClock(), pause=pause).read_inputs([]),
    "drop_input": lambda pause: MemoryScheduleStore(StillClock(), pause=pause).drop_input(
        StoredInput(key=KEY, id="1-abc", written=1)
    ),
    "clear_pending": lambda pause: MemoryScheduleStore(StillClock(), pause=pause).clear_pending(KEY, revision=1),
    "move_wake": lambda pause: MemoryScheduleStore(StillClock(), pause=pause).move_wake(PLAN, 1),
    "complete": lambda pause: MemoryScheduleStore(StillClock(), pause=pause).complete(KEY, revision=1, expires=None),
    "read_index": lambda pause: MemoryScheduleStore(StillClock(), pause=pause).read_index(0, before=1),
    "scan": lambda pause: MemoryScheduleStore(StillClock(), pause=pause).scan(0, 1),
    "of_tenant": lambda pause: MemoryScheduleStore(StillClock(), pause=pause).of_tenant("acme"),
    "acquire_lease": lambda pause: MemoryLeases(pause=pause).acquire(0, end=9, now=1, lease_until=9),
    "save": lambda pause: MemoryLeases(pause=pause).save(LEASE, "page 2"),
    "commit": lambda pause: MemoryLeases(pause=pause).commit(LEASE),
    "release": lambda pause: MemoryLeases(pause=pause).release(LEASE),
    "segments": lambda pause: MemoryLeases(pause=pause).segments(1),
    "published": lambda pause: MemoryPublishedPacks(pause=pause).published([]),
    "record": lambda pause: MemoryPublishedPacks(pause=pause).record("a", now=1, expires=2),
    "send": lambda pause: MemoryFireQueue(MemoryQueue(StillClock()), pause=pause).send(
        [a_pack(1)], visible_at=[1], now=1
    ),
    "send_to_dlq": lambda pause: MemoryDeadLetters(pause=pause).send_to_dlq("fires", "body", reason="why", code="what"),
    "publish": lambda pause: MemoryEventBus(StillClock(), pause=pause).publish([an_event(1)]),
}


@pytest.mark.parametrize("method", CALLS)
async def test_every_method_pauses_before_and_after_its_effect(method: str) -> None:
    trace = Trace()

    await CALLS[method](trace)

    assert trace.points == [f"{method}.before", f"{method}.after"]


@pytest.mark.parametrize(("point", "stored"), [("put.before", False), ("put.after", True)])
async def test_an_error_before_means_not_done_and_after_means_the_answer_was_lost(point: str, stored: bool) -> None:
    store = MemoryScheduleStore(StillClock(), pause=Trace(failing_at=point))

    with pytest.raises(Unavailable):
        await store.put(a_record(), replacing=None)

    assert (KEY in store.records) is stored


async def test_a_crash_can_come_between_two_tens() -> None:
    class CrashAfterTen(Trace):
        async def __call__(self, point: str) -> None:
            await super().__call__(point)
            if len(self.points) == 3:
                raise Unavailable("memory", "AsTold")

    bus = MemoryEventBus(StillClock(), pause=CrashAfterTen())
    queue = MemoryQueue(StillClock())

    with pytest.raises(Unavailable):
        await bus.publish([an_event(number) for number in range(15)])
    with pytest.raises(Unavailable):
        await MemoryFireQueue(queue, pause=CrashAfterTen()).send(
            [a_pack(number) for number in range(15)], visible_at=[1] * 15, now=1
        )

    assert (len(bus.published), len(queue)) == (10, 10)


async def test_the_index_shows_the_version_it_is_told_to() -> None:
    clock = StillClock()

    def a_second_ago(versions: Sequence[Version]) -> Version:
        return [version for version in versions if version.written <= clock.now() - 1_000][-1]

    store = MemoryScheduleStore(clock, visible=a_second_ago)
    await store.put(a_record(), replacing=None)
    assert (await store.read_index(5, before=1)).items == []

    clock.instant = 2_000
    await store.put(a_record(revision=2, wake=None), replacing=1)
    assert [plan.revision for plan in (await store.read_index(5, before=1)).items] == [1]

    clock.instant = 3_000
    assert (await store.read_index(5, before=1)).items == []
    assert (await store.get([KEY]))[KEY].revision == 2


async def test_a_record_in_the_index_with_nothing_to_plan_is_a_fault() -> None:
    store = MemoryScheduleStore(StillClock())
    await store.put(msgspec.structs.replace(a_record(), schedule=None), replacing=None)

    with pytest.raises(AssertionError, match=r"^acme/nightly is in the index and has nothing to plan$"):
        await store.read_index(5, before=1)


def test_keys_may_hold_any_name_but_a_slash() -> None:
    assert str(Key("a.b", "c-d_e")).split("/") == ["a.b", "c-d_e"]


def test_a_message_appears_after_its_delay() -> None:
    clock = StillClock()
    queue = MemoryQueue(clock)
    assert queue.next_visible() is None
    queue.put("late", delay_seconds=3)
    queue.put("soon", delay_seconds=1)

    assert queue.next_visible() == 2_000
    assert queue.receive() == []
    clock.instant = 4_000
    assert [message.body for message in queue.receive()] == ["soon", "late"]


def test_a_message_received_and_not_deleted_comes_back_until_it_is_dead() -> None:
    clock = StillClock()
    queue = MemoryQueue(clock, visibility_seconds=30, max_receives=2)
    queue.put("poison")

    for receives in (1, 2):
        assert queue.receive() == [Message(id="1", body="poison", receives=receives)]
        assert queue.receive() == []
        clock.instant += 30_000
    assert (queue.receive(), queue.dead, len(queue)) == ([], [Message(id="1", body="poison", receives=2)], 0)


def test_a_deleted_message_stays_away() -> None:
    queue = MemoryQueue(StillClock())
    queue.put("body")
    (message,) = queue.receive()
    queue.delete(message.id)
    queue.delete(message.id)

    assert len(queue) == 0
    assert queue.receive() == []


def test_a_received_message_can_be_shown_earlier() -> None:
    queue = MemoryQueue(StillClock())
    queue.put("body")
    (message,) = queue.receive()

    queue.change_visibility(message.id, seconds=0)

    assert [again.receives for again in queue.receive()] == [2]


def test_only_so_many_are_received_at_once() -> None:
    queue = MemoryQueue(StillClock())
    for number in range(5):
        queue.put(str(number))

    assert [message.body for message in queue.receive(2) + queue.receive(9)] == list("01234")


@pytest.mark.parametrize("seconds", [-1, 901])
def test_a_delay_that_sqs_does_not_have_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match=rf"^delay is {seconds} s; a queue delays 0 to 900 s$"):
        MemoryQueue(StillClock()).put("body", delay_seconds=seconds)


async def test_packs_and_events_are_refused_as_told_and_the_rest_is_taken() -> None:
    def refuse_the_twelfth(index: int, _item: object) -> Refusal | None:
        return Refusal(index=index, code="AsTold", retryable=False) if index == 12 else None

    clock = StillClock()
    bus = MemoryEventBus(clock, refuse=refuse_the_twelfth)
    queue = MemoryQueue(clock)
    fires = MemoryFireQueue(queue, refuse=refuse_the_twelfth)
    expected = [Refusal(index=12, code="AsTold", retryable=False)]

    assert await bus.publish([an_event(number) for number in range(15)]) == expected
    assert await fires.send([a_pack(number) for number in range(15)], visible_at=[1] * 15, now=1) == expected
    assert [published.event.time for published in bus.published] == [*range(12), 13, 14]
    assert {published.at for published in bus.published} == {1_000}
    assert len(queue) == 14


async def test_the_queue_counts_a_delay_by_its_own_clock() -> None:
    """A sender whose clock is a minute ahead does not make a pack appear a minute late."""
    clock = StillClock()
    queue = MemoryQueue(clock)

    await MemoryFireQueue(queue).send([a_pack(1)], visible_at=[63_999], now=61_000)

    assert queue.next_visible() == clock.now() + 2_000
