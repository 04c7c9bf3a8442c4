"""``ScheduleStore`` counts the schedules of each tenant: never fewer than there are, whoever races or dies."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import Schedule
from eventcron.model.names import Key
from eventcron.model.records import Record, State
from eventcron.ports import ScheduleStore
from eventcron.rules.limits import QUIET_MS
from eventcron.testing import FakeClock
from tests.contract.conftest import Backend
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z


def a_record(name: str = "nightly", tenant: str = "acme", revision: int = 1) -> Record:
    schedule = Schedule(tenant=tenant, name=name, expression="@daily", after_completion="DELETE")
    return record_of(schedule, trigger="daily", revision=revision, created=1_000)


def gone(record: Record) -> Record:
    """The tombstone that replaces *record*."""
    return replace(record, schedule=None, state=State.DELETED, revision=record.revision + 1, expires=NOW // 1000)


@pytest.fixture(name="clock")
def _clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture(name="store")
async def _store(backend: Backend, clock: FakeClock) -> ScheduleStore:
    return await backend.schedule_store(clock=clock)


async def create(store: ScheduleStore, *names: str, limit: int = 0) -> None:
    for name in names:
        assert await store.put(a_record(name), replacing=None, added=1, limit=limit)


async def test_a_tenant_that_never_had_a_schedule_has_none(store: ScheduleStore) -> None:
    assert await store.count("acme") == 0


async def test_each_tenant_is_counted_by_itself(store: ScheduleStore) -> None:
    await create(store, "a", "b")
    assert await store.put(a_record(tenant="acm"), replacing=None, added=1)

    assert [await store.count(tenant) for tenant in ("acme", "acm", "other")] == [2, 1, 0]


async def test_a_further_schedule_is_refused_and_not_stored(store: ScheduleStore) -> None:
    await create(store, "a", "b", limit=2)

    with pytest.raises(InvalidSchedule) as caught:
        await store.put(a_record("c"), replacing=None, added=1, limit=2)

    assert caught.value.code is RejectionCode.TOO_MANY_SCHEDULES
    assert await store.get([Key("acme", "c")]) == {}
    assert await store.count("acme") == 2


async def test_of_many_at_once_exactly_the_limit_gets_in(store: ScheduleStore) -> None:
    puts = (store.put(a_record(f"n{number}"), replacing=None, added=1, limit=5) for number in range(12))

    ended = await asyncio.gather(*puts, return_exceptions=True)

    assert (ended.count(True), sum(isinstance(one, InvalidSchedule) for one in ended)) == (5, 7)
    assert await store.count("acme") == 5


async def test_of_two_creations_of_one_schedule_one_counts(store: ScheduleStore) -> None:
    puts = (store.put(a_record(), replacing=None, added=1, limit=9) for _ in range(2))

    # On DynamoDB the second finds an item equal to its own, as after a lost answer, and keeps its place.
    await asyncio.gather(*puts)

    assert await store.count("acme") in {1, 2}


async def test_a_creation_that_comes_second_gives_its_place_back(store: ScheduleStore) -> None:
    await create(store, "a")

    assert not await store.put(a_record("a", revision=2), replacing=None, added=1)

    assert await store.count("acme") == 1


async def test_an_update_over_a_lowered_limit_is_taken_and_a_deletion_makes_room(store: ScheduleStore) -> None:
    await create(store, "a", "b", "c")
    changed = a_record("a", revision=2)

    assert await store.put(changed, replacing=1, added=0, limit=1)
    assert await store.count("acme") == 3
    assert await store.put(gone(changed), replacing=2, added=-1, limit=1)
    assert await store.count("acme") == 2
    with pytest.raises(InvalidSchedule):
        await store.put(replace(a_record("a"), revision=4), replacing=3, added=1, limit=1)


async def test_a_deletion_that_comes_second_lowers_nothing(store: ScheduleStore) -> None:
    await create(store, "a", "b")
    record = a_record("a")

    assert await store.put(gone(record), replacing=1, added=-1)
    assert not await store.put(replace(gone(record), revision=5), replacing=1, added=-1)

    assert await store.count("acme") == 1


async def test_a_completed_schedule_counts_until_it_is_to_be_deleted(store: ScheduleStore) -> None:
    await create(store, "kept", "deleted")

    assert await store.complete(Key("acme", "kept"), revision=1, expires=None)
    assert await store.complete(Key("acme", "deleted"), revision=1, expires=NOW // 1000)
    assert not await store.complete(Key("acme", "deleted"), revision=1, expires=NOW // 1000)

    assert await store.count("acme") == 1


async def test_a_schedule_that_was_completed_since_it_was_read_is_read_again(store: ScheduleStore) -> None:
    """Completing raises no revision. The put would take a schedule for counted whose place was given up."""
    await create(store, "a")
    assert await store.complete(Key("acme", "a"), revision=1, expires=NOW // 1000)

    assert not await store.put(a_record("a", revision=2), replacing=1, added=0)
    assert not await store.put(gone(a_record("a")), replacing=1, added=-1)
    assert await store.put(a_record("a", revision=2), replacing=1, added=1)

    assert await store.count("acme") == 1


# --- Counting anew ---------------------------------------------------------------------------------------------------


async def test_what_was_never_counted_is_counted(store: ScheduleStore) -> None:
    for number in range(4):
        assert await store.put(a_record(f"n{number}"), replacing=None)

    assert await store.recount("acme") == -4
    assert await store.recount("acme") == 0
    assert await store.count("acme") == 4


async def test_a_place_whose_writer_died_is_given_back_once_nothing_changes(
    store: ScheduleStore, clock: FakeClock
) -> None:
    await create(store, "a", "b")
    # As if a registrar died between the count and the schedule: what it stores takes no place.
    assert await store.put(gone(a_record("c")), replacing=None, added=1)
    assert await store.count("acme") == 3

    assert await store.recount("acme") == 0  # somebody may be between the two right now
    clock.move_to(NOW + QUIET_MS - 1)
    assert await store.recount("acme") == 0
    clock.move_to(NOW + QUIET_MS)
    assert await store.recount("acme") == 1
    assert await store.count("acme") == 2


async def test_a_scan_names_the_tenants_that_are_counted_and_no_record_more(store: ScheduleStore) -> None:
    await create(store, "a", "b")
    assert await store.put(a_record(tenant="beta"), replacing=None, added=1)

    records, counted, cursor = [], [], None
    while True:
        page = await store.scan(0, 1, cursor=cursor)
        records += page.items
        counted += page.counted
        assert page.unreadable == []
        cursor = page.cursor
        if cursor is None:
            break

    assert sorted(str(record.key) for record in records) == ["acme/a", "acme/b", "beta/nightly"]
    assert sorted(counted) == ["acme", "beta"]
    assert [record.name for record in (await store.of_tenant("acme")).items] == ["a", "b"]
