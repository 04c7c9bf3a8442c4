"""What every ``ScheduleStore`` promises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.app.reading import pages
from eventcron.model.commands import Misfire, MisfirePolicy, Schedule
from eventcron.model.names import Key
from eventcron.model.records import Era, IndexEntry, InputRef, LastCommands, Record, State, StoredInput
from eventcron.ports import Page, ScheduleStore
from eventcron.rules.inputs import set_apart
from tests.contract.conftest import Backend
from tests.records import record_of

T = TypeVar("T")

EVERY_FIELD = Record(
    schedule=Schedule(
        tenant="acme",
        name="every-field",
        expression=["cron(0 2 * * ? *)", "@daily"],
        timezone="Europe/Oslo",
        exclude=["* * 25 12 *"],
        start=datetime(2026, 1, 1, tzinfo=UTC),
        max_fires=7,
        labels={"team": "leads"},
        flexible_window_seconds=90,
        misfire=Misfire(policy=MisfirePolicy.SKIP, grace_seconds=0),
        after_completion="DELETE",
        revision=1_764_547_200_000,
    ),
    tenant="acme",
    name="every-field",
    revision=1_764_547_200_001,
    state=State.ENABLED,
    created=1_764_547_200_002,
    input=InputRef(1_764_547_200_001, "d" * 32, 5_000),
    last_commands=LastCommands(
        put_revision=1_764_547_200_000, delete_revision=5, pause_revision=6, pause=True, refused="completed"
    ),
    eras=(
        Era(3, "hourly", 1, 2, planned_through=3),
        Era(4, '{"canonical": "text"}', 2, 9, paused=True),
        Era(
            1_764_547_200_001,
            '{"canonical": "text"}',
            1_764_547_200_003,
            1_764_547_200_004,
            catch_up_until=1_764_547_200_009,
            misfire=Misfire(policy=MisfirePolicy.SKIP, grace_seconds=0),
            flexible_window_seconds=90,
        ),
    ),
    handoff=1_764_547_200_005,
    segment=63,
    wake=1_764_547_200_006,
    pending=1_764_547_200_007,
    spent=3,
    recent_event_ids=("event-1", "event-2"),
    expires=1_764_547_200,
)


def a_record(name: str = "nightly", *, tenant: str = "acme", revision: int = 1, wake: int | None = 0) -> Record:
    """An enabled schedule in segment 5, or out of the index when *wake* is None."""
    return record_of(
        Schedule(tenant=tenant, name=name, expression="@daily"),
        trigger="daily",
        revision=revision,
        created=1_000,
        segment=None if wake is None else 5,
        wake=wake,
    )


def a_plan(record: Record) -> IndexEntry:
    return IndexEntry(
        tenant=record.tenant,
        name=record.name,
        revision=record.revision,
        trigger=record.era.trigger,
        start=record.era.start,
        handoff=record.handoff,
        wake=record.wake or 0,
    )


async def every_page(ask: Callable[[str | None], Awaitable[Page[T]]]) -> list[T]:
    """The items of all pages, in order."""
    page = await ask(None)
    items = list(page.items)
    while page.cursor is not None:
        page = await ask(page.cursor)
        items += page.items
    return items


async def index_of(store: ScheduleStore, segment: int, *, before: int) -> list[IndexEntry]:
    return await every_page(lambda cursor: store.read_index(segment, before=before, cursor=cursor))


@pytest.fixture(name="store")
async def _store(backend: Backend) -> ScheduleStore:
    return await backend.schedule_store()


def test_the_fullest_example_leaves_no_field_at_its_default() -> None:
    unset = [
        field.name
        for field in msgspec.structs.fields(Record)
        if not field.required and getattr(EVERY_FIELD, field.name) == field.default
    ]

    assert unset == []


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(EVERY_FIELD, id="every-field-set"),
        pytest.param(a_record(), id="defaults"),
        pytest.param(
            Record(
                schedule=None,
                tenant="acme",
                name="gone",
                revision=9,
                state=State.DELETED,
                created=1,
                last_commands=LastCommands(delete_revision=9),
                expires=5,
            ),
            id="tombstone",
        ),
    ],
)
async def test_what_is_put_is_got(store: ScheduleStore, record: Record) -> None:
    assert await store.put(record, replacing=None)

    assert await store.get([record.key]) == {record.key: record}


async def test_get_takes_any_number_of_keys_twice_over_and_leaves_out_the_missing(store: ScheduleStore) -> None:
    records = {record.key: record for record in (a_record(f"n{number}") for number in range(120))}
    for record in records.values():
        await store.put(record, replacing=None)
    keys = [*records, *records, Key("acme", "missing"), Key("other", "n1")]

    assert await store.get(keys) == records
    assert await store.get([]) == {}


async def test_what_a_fire_needs_is_as_it_was_put(store: ScheduleStore) -> None:
    record = a_record("one")
    assert await store.put(record, replacing=None)

    found, left = await store.get_to_fire([record.key, record.key, Key("acme", "missing")])

    assert not left
    (read,) = found.values()
    assert (read.key, read.revision, read.state, read.eras) == (record.key, 1, State.ENABLED, record.eras)
    assert read.schedule is not None
    assert (read.schedule.expression, bytes(read.schedule.input)) == ("@daily", b"null")


async def test_a_put_replaces_only_the_revision_it_has_seen(store: ScheduleStore) -> None:
    first, second, third = (a_record(revision=revision) for revision in (1, 2, 3))

    assert not await store.put(second, replacing=1)
    assert await store.put(first, replacing=None)
    assert not await store.put(second, replacing=None)
    assert not await store.put(second, replacing=7)
    assert await store.put(second, replacing=1)
    assert not await store.put(third, replacing=1)
    assert await store.get([first.key]) == {first.key: second}


async def test_a_put_replaces_every_field(store: ScheduleStore) -> None:
    bare = msgspec.structs.replace(
        a_record(EVERY_FIELD.name, revision=2, wake=None), last_commands=EVERY_FIELD.last_commands
    )
    await store.put(EVERY_FIELD, replacing=None)

    assert await store.put(bare, replacing=EVERY_FIELD.revision, added=1)
    assert await store.get([bare.key]) == {bare.key: bare}
    assert await index_of(store, 63, before=2**53) == []


async def test_pending_is_cleared_of_that_revision_only(store: ScheduleStore) -> None:
    await store.put(EVERY_FIELD, replacing=None)

    assert not await store.clear_pending(EVERY_FIELD.key, revision=EVERY_FIELD.revision - 1)
    assert await store.get([EVERY_FIELD.key]) == {EVERY_FIELD.key: EVERY_FIELD}
    assert await store.clear_pending(EVERY_FIELD.key, revision=EVERY_FIELD.revision)
    assert await store.clear_pending(EVERY_FIELD.key, revision=EVERY_FIELD.revision)
    assert await store.get([EVERY_FIELD.key]) == {EVERY_FIELD.key: msgspec.structs.replace(EVERY_FIELD, pending=None)}
    assert not await store.clear_pending(Key("acme", "missing"), revision=1)


async def test_wake_moves_while_revision_and_wake_are_as_planned(store: ScheduleStore) -> None:
    record = a_record(wake=100)
    await store.put(record, replacing=None)

    assert not await store.move_wake(msgspec.structs.replace(a_plan(record), wake=99), 200)
    assert not await store.move_wake(msgspec.structs.replace(a_plan(record), revision=2), 200)
    assert await store.move_wake(a_plan(record), 200)
    assert not await store.move_wake(a_plan(record), 300)
    assert (await store.get([record.key]))[record.key] == msgspec.structs.replace(record, wake=200)
    assert not await store.move_wake(a_plan(a_record("missing")), 200)


async def test_with_wake_goes_a_handoff(store: ScheduleStore) -> None:
    record = a_record(wake=100)
    await store.put(record, replacing=None)

    assert await store.move_wake(a_plan(record), 0, handoff=700)
    moved = msgspec.structs.replace(record, wake=0, handoff=700)
    assert await store.get([record.key]) == {record.key: moved}
    assert await index_of(store, 5, before=1) == [msgspec.structs.replace(a_plan(record), wake=0, handoff=700)]
    assert await store.move_wake(a_plan(moved), None, handoff=900)
    assert (await store.get([record.key]))[record.key].handoff == 700


async def test_wake_none_drops_it_from_the_index_for_good(store: ScheduleStore) -> None:
    record = a_record(wake=100)
    await store.put(record, replacing=None)

    assert await store.move_wake(a_plan(record), None)
    assert await store.get([record.key]) == {record.key: msgspec.structs.replace(record, wake=None, segment=None)}
    assert await index_of(store, 5, before=1_000) == []
    assert not await store.move_wake(a_plan(record), 200)


@pytest.mark.parametrize("expires", [None, 1_764_547_200])
async def test_complete_ends_an_enabled_revision(store: ScheduleStore, expires: int | None) -> None:
    record = a_record()
    await store.put(record, replacing=None)
    completed = msgspec.structs.replace(record, state=State.COMPLETED, expires=expires)

    assert not await store.complete(record.key, revision=2, expires=expires)
    assert await store.complete(record.key, revision=1, expires=expires)
    assert not await store.complete(record.key, revision=1, expires=expires)
    assert await store.get([record.key]) == {record.key: completed}
    assert [plan.name for plan in await index_of(store, 5, before=1)] == [record.name], (
        "a failed pass may have left fires of it"
    )
    assert not await store.complete(Key("acme", "missing"), revision=1, expires=expires)


async def test_a_put_that_changed_nothing_is_remembered_until_a_later_one_replaces_it(store: ScheduleStore) -> None:
    record = a_record()
    await store.put(record, replacing=None)

    assert await store.note_put(record.key, revision=1, put_revision=7, state_revision=5)
    assert not await store.note_put(record.key, revision=1, put_revision=6, state_revision=6)
    assert not await store.note_put(record.key, revision=1, put_revision=8, state_revision=4)
    assert not await store.note_put(record.key, revision=2, put_revision=8, state_revision=8)
    assert not await store.note_put(Key("acme", "missing"), revision=1, put_revision=8, state_revision=8)
    noted = msgspec.structs.replace(record.last_commands, put_revision=7, state_revision=5)
    assert await store.get([record.key]) == {record.key: msgspec.structs.replace(record, last_commands=noted)}

    older = msgspec.structs.replace(noted, put_revision=6)
    assert not await store.put(msgspec.structs.replace(record, revision=2, last_commands=older), replacing=1)
    later = msgspec.structs.replace(record, revision=2, last_commands=noted)
    assert await store.put(later, replacing=1)
    assert await store.get([record.key]) == {record.key: later}


async def test_a_paused_schedule_is_not_completed(store: ScheduleStore) -> None:
    paused = msgspec.structs.replace(a_record(wake=None), state=State.PAUSED)
    await store.put(paused, replacing=None)

    assert not await store.complete(paused.key, revision=1, expires=None)
    assert await store.get([paused.key]) == {paused.key: paused}


async def test_plans_are_those_that_wake_before_the_latest_first(store: ScheduleStore) -> None:
    for name, wake in {"d": 40, "a": 10, "dense": 0, "late": 50, "c": 30, "b": 20, "sparse": None}.items():
        await store.put(a_record(name, wake=wake), replacing=None)
    await store.put(msgspec.structs.replace(a_record("elsewhere"), segment=6), replacing=None)

    plans = await index_of(store, 5, before=50)

    assert [(plan.name, plan.wake) for plan in plans] == [("d", 40), ("c", 30), ("b", 20), ("a", 10), ("dense", 0)]
    assert await index_of(store, 7, before=50) == []


async def test_pages_of_plans_with_one_wake_leave_none_out(store: ScheduleStore) -> None:
    names = {f"dense-{number}" for number in range(10)}
    for name in names:
        await store.put(a_record(name), replacing=None)

    plans = await index_of(store, 5, before=1)

    assert sorted(plan.name for plan in plans) == sorted(names)
    assert len((await store.read_index(5, before=1)).items) < len(names)


async def test_a_plan_carries_what_planning_needs(store: ScheduleStore) -> None:
    await store.put(EVERY_FIELD, replacing=None)
    await store.put(a_record(), replacing=None)

    assert await index_of(store, 5, before=1) == [a_plan(a_record())]
    assert await index_of(store, 63, before=2**53) == [
        IndexEntry(
            tenant="acme",
            name="every-field",
            revision=1_764_547_200_001,
            trigger='{"canonical": "text"}',
            start=1_764_547_200_003,
            end=1_764_547_200_004,
            handoff=1_764_547_200_005,
            wake=1_764_547_200_006,
            misfire=Misfire(policy=MisfirePolicy.SKIP, grace_seconds=0),
            flexible_window_seconds=90,
        )
    ]


async def test_parts_of_a_scan_are_disjoint_and_complete(store: ScheduleStore) -> None:
    records = [a_record(f"n{number}", tenant=f"tenant-{number % 5}", wake=None) for number in range(30)]
    for record in records:
        await store.put(record, replacing=None)

    async def part(number: int) -> list[Record]:
        return await every_page(lambda cursor: store.scan(number, 4, cursor=cursor))

    found = [record for number in range(4) for record in await part(number)]

    assert sorted(found, key=lambda record: record.key) == sorted(records, key=lambda record: record.key)


async def test_a_tenants_records_come_by_name(store: ScheduleStore) -> None:
    for name in ("report-b", "nightly", "report-a", "reports", "report-c", "report-d"):
        await store.put(a_record(name), replacing=None)
    await store.put(a_record("report-x", tenant="acme-2"), replacing=None)

    reports = await every_page(lambda cursor: store.of_tenant("acme", prefix="report-", cursor=cursor))
    everything = await every_page(lambda cursor: store.of_tenant("acme", cursor=cursor))

    assert [record.name for record in reports] == ["report-a", "report-b", "report-c", "report-d"]
    assert [record.name for record in everything] == ["nightly", *(f"report-{end}" for end in "abcd"), "reports"]
    assert await every_page(lambda cursor: store.of_tenant("nobody", cursor=cursor)) == []


async def test_a_tenants_page_has_a_limit_and_follows_any_name(store: ScheduleStore) -> None:
    for name in ("report-a", "report-b", "report-d"):
        await store.put(a_record(name), replacing=None)

    first = await store.of_tenant("acme", prefix="report-", limit=1)
    after = await store.of_tenant("acme", prefix="report-", cursor="report-c", limit=10)

    assert ([record.name for record in first.items], first.cursor) == (["report-a"], "report-a")
    assert ([record.name for record in after.items], after.cursor) == (["report-d"], None)


# --- Large inputs ----------------------------------------------------------------------------------------------------

SMALL = msgspec.Raw('{"naïve": [1, 2.50, null], "quote": "\\"", "emoji": "⏰"}'.encode())
#: The largest that a command may have: with characters of several bytes, spaces and numbers that are no floats.
LARGE = msgspec.Raw(('{"naïve ⏰" : [1.50, "' + "å" * 99_980 + '"]}').encode())


def with_input(given: msgspec.Raw, *, revision: int = 1, name: str = "nightly") -> Record:
    record = a_record(name, revision=revision)
    assert record.schedule is not None
    return replace(record, schedule=replace(record.schedule, input=given))


async def stored_of(store: ScheduleStore, record: Record) -> Record:
    return (await store.get([record.key]))[record.key]


async def inputs_of(store: ScheduleStore) -> list[StoredInput]:
    return [one for part in range(2) async for page in pages(partial(store.scan, part, 2)) for one in page.inputs]


async def test_a_small_input_stays_with_its_record_byte_for_byte(store: ScheduleStore) -> None:
    record = with_input(SMALL)
    await store.put(record, replacing=None)

    assert await store.get([record.key]) == {record.key: record}
    assert await store.read_inputs([record]) == {}
    assert await inputs_of(store) == []


async def test_a_large_input_is_stored_apart_and_read_byte_for_byte(store: ScheduleStore) -> None:
    record = with_input(LARGE)
    await store.put(record, replacing=None)

    stored = await stored_of(store, record)

    assert stored == set_apart(record)[0]
    assert {key: bytes(raw) for key, raw in (await store.read_inputs([stored])).items()} == {record.key: bytes(LARGE)}
    assert [(one.key, one.id, one.expires) for one in await inputs_of(store)] == [
        (record.key, stored.input.id if stored.input else "", None)
    ]
    assert [one.name for one in (await store.of_tenant("acme")).items] == ["nightly"], "an input is no schedule"
    assert [one.name for one in await index_of(store, 5, before=1)] == ["nightly"]


async def test_a_change_that_keeps_the_input_does_not_write_it_again(store: ScheduleStore) -> None:
    await store.put(with_input(LARGE), replacing=None)
    stored = await stored_of(store, with_input(LARGE))

    assert await store.put(replace(stored, revision=2, state=State.PAUSED), replacing=1)

    paused = await stored_of(store, stored)
    assert paused.input == stored.input
    assert bytes((await store.read_inputs([paused]))[stored.key]) == bytes(LARGE)
    assert [one.expires for one in await inputs_of(store)] == [None]


@pytest.mark.parametrize("after", [LARGE, SMALL, None], ids=["large", "small", "deleted"])
async def test_an_input_that_was_replaced_can_be_read_for_a_day(
    store: ScheduleStore, after: msgspec.Raw | None
) -> None:
    await store.put(with_input(msgspec.Raw(bytes(LARGE) + b" ")), replacing=None)
    before = await stored_of(store, with_input(LARGE))
    record = with_input(SMALL if after is None else after, revision=2)

    assert await store.put(replace(record, schedule=None) if after is None else record, replacing=1)

    assert bytes((await store.read_inputs([before]))[before.key]) == bytes(LARGE) + b" "
    expires = {one.id: one.expires for one in await inputs_of(store)}
    assert before.input is not None
    old = expires.pop(before.input.id)
    assert old is not None
    assert set(expires.values()) <= {None}, "the input in force stays"


async def test_an_input_whose_record_was_not_taken_does_not_stay(store: ScheduleStore) -> None:
    await store.put(with_input(LARGE), replacing=None)
    late = with_input(msgspec.Raw(bytes(LARGE) + b" "))

    assert not await store.put(late, replacing=None)
    twin = replace(with_input(LARGE), created=1_001)
    assert not await store.put(twin, replacing=None), "another registrar with the same command"

    stored = await stored_of(store, late)
    assert stored.input is not None
    assert bytes((await store.read_inputs([stored]))[stored.key]) == bytes(LARGE)
    assert {one.id == stored.input.id: one.expires is None for one in await inputs_of(store)} == {
        True: True,
        False: False,
    }


async def test_an_input_is_dropped_unless_it_was_written_again(store: ScheduleStore) -> None:
    await store.put(with_input(LARGE), replacing=None)
    (listed,) = await inputs_of(store)

    assert not await store.drop_input(replace(listed, written=listed.written - 1))
    assert await store.drop_input(listed)
    assert not await store.drop_input(listed)
    assert await store.read_inputs([await stored_of(store, with_input(LARGE))]) == {}


# --- The reconciler's writes -----------------------------------------------------------------------------------------


async def test_repair_sets_what_planning_needs_and_nothing_else(store: ScheduleStore) -> None:
    was = replace(EVERY_FIELD, pending=1)
    repaired = (*was.eras[:-1], replace(was.era, trigger="{}", end=None))
    await store.put(was, replacing=None)
    better = replace(was, eras=repaired, segment=7, wake=5, pending=None, spent=99)

    assert await store.repair(better, was=was)

    assert (await store.get([was.key]))[was.key] == replace(was, eras=repaired, segment=7, wake=5)


async def test_repair_takes_out_of_the_index_and_puts_into_it(store: ScheduleStore) -> None:
    was = a_record(wake=0)
    await store.put(was, replacing=None)
    out = replace(was, segment=None, wake=None)

    assert await store.repair(out, was=was)
    assert (await store.get([was.key]))[was.key] == out
    assert await store.repair(was, was=out)
    assert (await store.get([was.key]))[was.key] == was


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"revision": 2}, id="revision"),
        pytest.param({"state": State.PAUSED}, id="state"),
        pytest.param({"wake": 7}, id="wake"),
        pytest.param({"segment": 6}, id="segment"),
        pytest.param({"segment": None, "wake": None}, id="out-of-the-index"),
    ],
)
async def test_repair_leaves_alone_what_has_changed(store: ScheduleStore, change: dict[str, Any]) -> None:
    stored = a_record(wake=0)
    await store.put(stored, replacing=None)
    was = replace(stored, **change)

    assert not await store.repair(replace(was, wake=9, segment=1), was=was)
    assert (await store.get([stored.key]))[stored.key] == stored
    assert not await store.repair(a_record("absent"), was=a_record("absent"))


async def test_forget_removes_what_has_expired_unless_it_has_changed(store: ScheduleStore) -> None:
    stored = replace(a_record(), expires=5)
    await store.put(stored, replacing=None)

    assert not await store.delete_expired(replace(stored, revision=2))
    assert not await store.delete_expired(replace(stored, expires=6))
    assert not await store.delete_expired(replace(stored, expires=None))
    assert not await store.delete_expired(replace(a_record("absent"), expires=5))
    assert await store.get([stored.key]) == {stored.key: stored}

    assert await store.delete_expired(stored)
    assert await store.get([stored.key]) == {}


async def test_a_page_of_the_index_may_begin_after_any_entry_that_was_read_even_if_it_was_moved(
    store: ScheduleStore,
) -> None:
    wakes = dict.fromkeys([f"same-{number}" for number in range(6)], 100) | {"earlier": 99, "dense": 0}
    for name, wake in wakes.items():
        await store.put(a_record(name, wake=wake), replacing=None)
    entries = await index_of(store, 5, before=200)
    cursors = [store.cursor_after(5, entry) for entry in entries]

    async def after(number: int) -> list[str]:
        found = await every_page(lambda at: store.read_index(5, before=200, cursor=at or cursors[number]))
        return [entry.name for entry in found]

    assert [await after(number) for number in range(8)] == [[e.name for e in entries[n + 1 :]] for n in range(8)]
    for entry in entries[:3]:
        await store.move_wake(entry, 500)
    assert await after(2) == [entry.name for entry in entries[3:]]
