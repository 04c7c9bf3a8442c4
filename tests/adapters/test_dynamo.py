"""The DynamoDB adapters before a table that throttles, answers in part, or loses its answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError

from eventcron.adapters.aws.items import encode
from eventcron.adapters.aws.leases import ACQUIRE_TRIES, DynamoLeases
from eventcron.adapters.aws.published_packs import DynamoPublishedPacks
from eventcron.adapters.aws.quota import DynamoQuota
from eventcron.adapters.aws.schedules import DynamoScheduleStore
from eventcron.adapters.aws.sweeps import DynamoSweeps
from eventcron.adapters.aws.table import LARGE_ANSWER_BYTES, DynamoTable, Item, number, text
from eventcron.adapters.clock import SystemClock
from eventcron.errors import Unavailable, Undecodable
from eventcron.model.names import Key
from eventcron.model.records import IndexEntry, Record, State
from eventcron.ports import Lease, Page, QuotaRequest
from tests.adapters.scripted import Answer, Script, Waits, refused

LEASE = Lease(segment=5, start=0, end=5_000, fence=3, lease_until=1_060)
REQUEST = QuotaRequest(tenant="acme", minute=29_935_200, pack_id="a", count=5, limit=100)
PLAN = IndexEntry(tenant="acme", name="nightly", revision=1, trigger="daily", start=0, handoff=0, wake=7)


def a_record(number: int = 0) -> Record:
    return Record(schedule=None, tenant="acme", name=f"n{number}", revision=1, state=State.DELETED, created=1)


def keys_of(request: dict[str, Any]) -> list[Item]:
    keys: list[Item] = request["RequestItems"]["table"]["Keys"]
    return keys


def found(*records: Record, left: list[Item] | None = None) -> Answer:
    """A BatchGetItem answer with *records*, and *left* unprocessed."""
    unprocessed = {"table": {"Keys": left, "ConsistentRead": True}} if left else {}
    return {"Responses": {"table": [encode(record) for record in records]}, "UnprocessedKeys": unprocessed}


def a_table(script: Script, waits: Waits | None = None, **options: Any) -> DynamoTable:
    return DynamoTable(script.client, "table", retry=(waits or Waits()).retry(), **options)


def a_store(script: Script, waits: Waits | None = None, **options: Any) -> DynamoScheduleStore:
    return DynamoScheduleStore(a_table(script, waits, **options), clock=SystemClock())


async def test_keys_are_asked_for_in_hundreds_consistently_each_once() -> None:
    script = Script("dynamodb", lambda request: found())
    keys = [Key("acme", f"n{number}") for number in range(250)]

    assert await a_store(script).get(keys + keys) == {}

    assert [len(keys_of(request)) for request in script.requests] == [100, 100, 50]
    assert all(request["RequestItems"]["table"]["ConsistentRead"] for request in script.requests)
    asked = [(key["tenant"]["S"], key["name"]["S"]) for request in script.requests for key in keys_of(request)]
    assert asked == keys


async def test_unprocessed_keys_are_asked_for_again_until_all_are_there() -> None:
    records = [a_record(number) for number in range(5)]
    by_name = {record.name: record for record in records}

    def one_at_a_time(request: dict[str, Any]) -> Answer:
        first, *left = keys_of(request)
        return found(by_name[first["name"]["S"]], left=left)

    script, waits = Script("dynamodb", one_at_a_time), Waits()
    store = a_store(script, waits)

    assert await store.get([record.key for record in records]) == {record.key: record for record in records}
    assert [len(keys_of(request)) for request in script.requests] == [5, 4, 3, 2, 1]
    assert waits.milliseconds == [50] * 4


async def test_what_an_answer_leaves_because_of_its_size_is_left_to_who_asked() -> None:
    """Whoever reads to fire gives back the memory of one answer before it takes another."""
    large = msgspec.structs.replace(a_record(), recent_event_ids=("x" * LARGE_ANSWER_BYTES,))

    def one_at_a_time(request: dict[str, Any]) -> Answer:
        _, *left = keys_of(request)
        return found(large, left=left)

    script = Script("dynamodb", one_at_a_time)

    read, left = await a_store(script).get_to_fire([Key("acme", f"n{number}") for number in range(3)])

    assert ([*read], sorted(left)) == ([Key("acme", "n0")], [Key("acme", "n1"), Key("acme", "n2")])
    assert len(script.requests) == 1


async def test_no_more_than_a_hundred_are_read_to_fire() -> None:
    script = Script("dynamodb", lambda request: found())
    keys = [Key("acme", f"n{number}") for number in range(102)]

    _, left = await a_store(script).get_to_fire(keys)

    assert left == {*keys[100:]}


async def test_keys_that_stay_unprocessed_are_an_error_not_an_absence() -> None:
    script, waits = Script("dynamodb", lambda request: found(left=keys_of(request))), Waits()
    store = a_store(script, waits)

    with pytest.raises(Unavailable, match=r"^dynamodb is unavailable: UnprocessedKeys: 2 keys of table left$"):
        await store.get([Key("acme", "a"), Key("acme", "b")])

    assert len(script.requests) == 3
    assert waits.milliseconds == [50, 100]


async def test_one_throttled_call_of_several_fails_the_whole_read() -> None:
    def throttle_the_second(request: dict[str, Any]) -> Answer:
        return refused("ThrottlingException") if keys_of(request)[0]["name"]["S"] == "n100" else found()

    script = Script("dynamodb", throttle_the_second)

    with pytest.raises(Unavailable):
        await a_store(script).get([Key("acme", f"n{number}") for number in range(300)])

    assert len(script.requests) == 1 + 3 + 1, "only the throttled call is repeated"


async def test_calls_at_once_are_bounded() -> None:
    script = Script("dynamodb", lambda request: found())

    await a_store(script, concurrency=4).get([Key("acme", f"n{number}") for number in range(2_000)])

    assert len(script.requests) == 20
    assert script.most_at_once == 4


@pytest.mark.parametrize("read", ["read_index", "scan"])
async def test_one_item_that_cannot_be_read_does_not_hide_its_page(read: str) -> None:
    good = {**encode(a_record()), "wake": number(7)}
    broken = {**good, "name": text("newer"), "v": number(3), "start": text("soon")}
    script = Script("dynamodb", [{"Items": [broken, good]}])
    store = a_store(script)

    page: Page[Any] = await (store.read_index(1, before=9) if read == "read_index" else store.scan(0, 1))

    assert [item.name for item in page.items] == ["n0"]
    ((key, reason),) = page.unreadable
    assert key == Key("acme", "newer")
    assert "acme/newer is stored in" in reason


async def test_a_cursor_of_a_release_that_read_in_the_other_order_starts_the_pass_anew() -> None:
    last = {"tenant": text("acme"), "name": text("n1"), "segment": number(5), "wake": number(0)}
    script = Script("dynamodb", [{"Items": [], "LastEvaluatedKey": last}, {"Items": []}, {"Items": []}])
    store = a_store(script)

    first = await store.read_index(5, before=10)
    await store.read_index(5, before=10, cursor=first.cursor)
    await store.read_index(5, before=10, cursor=json.dumps(last))

    assert [request.get("ExclusiveStartKey") for request in script.requests] == [None, last, None]
    assert all(request["ScanIndexForward"] is False for request in script.requests)


async def test_an_empty_page_may_have_a_next_one() -> None:
    last = {"tenant": text("acme"), "name": text("n1"), "segment": number(5), "wake": number(0)}
    script = Script("dynamodb", [{"Items": [], "LastEvaluatedKey": last}, {"Items": []}])
    store = a_store(script)

    first = await store.read_index(5, before=10)
    second = await store.read_index(5, before=10, cursor=first.cursor)

    assert (first.items, second.items, second.cursor) == ([], [], None)
    assert "ExclusiveStartKey" not in script.requests[0]
    assert script.requests[1]["ExclusiveStartKey"] == last


@pytest.mark.parametrize("read", ["read_index", "scan", "of_tenant"])
async def test_a_throttled_page_is_an_error_not_an_empty_page(read: str) -> None:
    store = a_store(Script("dynamodb", lambda _request: refused("ProvisionedThroughputExceededException")))
    pages: dict[str, Callable[[], Awaitable[object]]] = {
        "read_index": lambda: store.read_index(5, before=10),
        "scan": lambda: store.scan(0, 1),
        "of_tenant": lambda: store.of_tenant("acme"),
    }

    with pytest.raises(Unavailable, match="ProvisionedThroughputExceededException"):
        await pages[read]()


@pytest.mark.parametrize(
    ("stored", "taken"),
    [
        pytest.param({"Item": encode(a_record())}, True, id="our-own-item-the-answer-was-lost"),
        pytest.param({"Item": encode(a_record()) | {"expires": number(5)}}, False, id="another-item"),
        pytest.param({}, False, id="no-item-shown"),
    ],
)
async def test_a_put_that_finds_its_own_item_was_taken(stored: dict[str, Any], taken: bool) -> None:
    script = Script("dynamodb", [refused("ConditionalCheckFailedException", **stored)])

    assert await a_store(script).put(a_record(), replacing=None) is taken


@pytest.mark.parametrize("write", ["put", "clear_pending", "move_wake", "complete"])
@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        pytest.param(refused("InternalServerError", status=500), Unavailable, id="server-error"),
        pytest.param(refused("AccessDeniedException"), ClientError, id="not-allowed"),
    ],
)
async def test_a_write_that_fails_is_an_error_not_a_refusal(
    write: str, failure: ClientError, raised: type[Exception]
) -> None:
    store = a_store(Script("dynamodb", lambda _request: failure))
    writes: dict[str, Callable[[], Awaitable[object]]] = {
        "put": lambda: store.put(a_record(), replacing=1),
        "clear_pending": lambda: store.clear_pending(PLAN.key, revision=1),
        "move_wake": lambda: store.move_wake(PLAN, 8),
        "complete": lambda: store.complete(PLAN.key, revision=1, expires=None),
    }

    with pytest.raises(raised):
        await writes[write]()


async def test_what_the_planner_repeats_is_tried_once_here() -> None:
    script = Script("dynamodb", lambda _request: refused("ThrottlingException"))

    with pytest.raises(Unavailable):
        await a_store(script).move_wake(PLAN, 8)
    with pytest.raises(Unavailable):
        await DynamoLeases(a_table(script)).holds(LEASE)

    assert len(script.requests) == 2


async def test_reading_keys_makes_as_many_calls_in_vain_as_a_call_has_tries() -> None:
    """Whether the service refuses the call or leaves all keys."""
    answers = [
        refused("ThrottlingException"),
        found(left=[{"tenant": text("acme"), "name": text("nightly")}]),
        refused("ThrottlingException"),
    ]
    script = Script("dynamodb", answers)

    with pytest.raises(Unavailable):
        await a_store(script).get([PLAN.key])

    assert len(script.requests) == 3


async def test_a_claim_that_loses_a_race_reads_again() -> None:
    segment = {"pk": text("segment#5"), "claimed": number(4_000), "lease": number(900), "fence": number(2)}
    script = Script(
        "dynamodb",
        [
            {},
            refused("ConditionalCheckFailedException"),
            {"Item": segment},
            {},
        ],
    )

    lease = await DynamoLeases(a_table(script)).acquire(5, end=5_000, now=1_000, lease_until=1_060)

    assert lease == msgspec.structs.replace(LEASE, lagging=True)


async def test_a_claim_that_loses_a_race_to_a_live_lease_is_none() -> None:
    taken = {"pk": text("segment#5"), "claimed": number(5_000), "lease": number(1_060), "fence": number(1)}
    script = Script("dynamodb", [{}, refused("ConditionalCheckFailedException"), {"Item": taken}])

    assert await DynamoLeases(a_table(script)).acquire(5, end=5_000, now=1_000, lease_until=1_060) is None


async def test_a_claim_gives_way_when_others_are_always_first() -> None:
    script = Script("dynamodb", [{}, refused("ConditionalCheckFailedException")] * ACQUIRE_TRIES)

    assert await DynamoLeases(a_table(script)).acquire(5, end=5_000, now=1_000, lease_until=1_060) is None
    assert len(script.requests) == 2 * ACQUIRE_TRIES


@pytest.mark.parametrize(
    "method", ["acquire", "save", "commit", "release", "segments", "published", "record", "quota", "sweep"]
)
async def test_a_throttled_table_is_an_error_after_as_many_calls_as_retry_makes(method: str) -> None:
    script = Script("dynamodb", lambda _request: refused("ThrottlingException"))
    table = a_table(script)
    leases, packs = DynamoLeases(table), DynamoPublishedPacks(table)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "acquire": lambda: leases.acquire(5, end=5_000, now=1_000, lease_until=1_060),
        "save": lambda: leases.save(LEASE, "page 2"),
        "commit": lambda: leases.commit(LEASE),
        "release": lambda: leases.release(LEASE),
        "segments": lambda: leases.segments(3),
        "published": lambda: packs.published(["a"]),
        "record": lambda: packs.record("a", now=1, expires=2),
        "quota": lambda: DynamoQuota(table).acquire(REQUEST, expires=2),
        "sweep": lambda: DynamoSweeps(table).latest(),
    }

    with pytest.raises(Unavailable, match=r"^dynamodb is unavailable: ThrottlingException"):
        await calls[method]()

    assert len(script.requests) == 3


async def test_a_call_that_was_throttled_once_is_made_again() -> None:
    script, waits = Script("dynamodb", [refused("ThrottlingException"), {}]), Waits()

    assert await DynamoLeases(a_table(script, waits)).planned_through(5) == 0
    assert (len(script.requests), waits.milliseconds) == (2, [50])


@pytest.mark.parametrize("wanted", [100, 101])
async def test_a_minute_counts_with_a_format_and_an_expiry_in_items_that_stay_small(wanted: int) -> None:
    script = Script("dynamodb", [{}, {"Attributes": {"wanted": number(wanted)}}, {}])

    granted = await DynamoQuota(a_table(script)).acquire(REQUEST, expires=1_764_979_200)

    asked, counted, *answered = script.requests
    assert [request["Key"] for request in script.requests] == [
        {"pk": text("places#acme#29935200#a")},
        {"pk": text("minute#acme#29935200")},
        {"pk": text("places#acme#29935200#a")},
    ][: 2 + len(answered)]
    for request in (asked, counted):
        assert (
            request["ExpressionAttributeValues"].items() >= {":v": number(1), ":expires": number(1_764_979_200)}.items()
        )
        assert "#v = :v, #expires = :expires" in request["UpdateExpression"]
    assert (granted, len(answered)) == ((5, 0) if wanted == 100 else (4, 1))


async def test_places_of_another_format_are_not_guessed_at() -> None:
    asked = {"pk": text("places#acme#29935200#a"), "v": number(2), "places": number(3)}
    script = Script("dynamodb", [refused("ConditionalCheckFailedException"), {"Responses": {"table": [asked]}}])

    with pytest.raises(Undecodable, match="is stored in format 2; this version reads format 1"):
        await DynamoQuota(a_table(script)).acquire(REQUEST, expires=5)


async def test_a_published_pack_is_recorded_with_its_expiry_in_seconds() -> None:
    script = Script("dynamodb", [{}])

    await DynamoPublishedPacks(a_table(script)).record("a", now=1_764_547_200_123, expires=1_764_979_200)

    assert script.requests == [
        {
            "TableName": "table",
            "Item": {
                "pk": {"S": "pack#a"},
                "v": {"N": "1"},
                "published": {"N": "1764547200123"},
                "expires": {"N": "1764979200"},
            },
        }
    ]


def puts_of(request: dict[str, Any]) -> list[Item]:
    return [put["PutRequest"]["Item"] for put in request["RequestItems"]["table"]]


def not_written(*items: Item) -> Answer:
    return {"UnprocessedItems": {"table": [{"PutRequest": {"Item": item}} for item in items]} if items else {}}


def an_item(index: int) -> Item:
    return {"pk": text(f"n{index}"), "v": number(1)}


async def test_items_are_put_in_twenty_fives_and_what_is_left_is_put_again() -> None:
    def all_but_the_last(request: dict[str, Any]) -> Answer:
        return not_written(*puts_of(request)[1:][-1:])

    script, waits = Script("dynamodb", all_but_the_last), Waits()

    assert await a_table(script, waits).put_many([an_item(index) for index in range(60)]) == {}

    assert sorted(len(puts_of(request)) for request in script.requests) == [1, 1, 1, 10, 25, 25]
    assert waits.milliseconds == [50] * 3


async def test_an_item_that_is_never_written_is_named_and_takes_no_other_with_it() -> None:
    hot = an_item(30)

    def all_but_the_hot_one(request: dict[str, Any]) -> Answer:
        return not_written(*(item for item in puts_of(request) if item == hot))

    script = Script("dynamodb", all_but_the_hot_one)

    assert await a_table(script).put_many([an_item(index) for index in range(60)]) == {
        30: "dynamodb is unavailable: UnprocessedItems: 1 items of table left"
    }


async def test_a_batch_that_is_throttled_leaves_the_other_batches_written() -> None:
    def throttle_the_first(request: dict[str, Any]) -> Answer:
        if puts_of(request)[0] == an_item(0):
            return refused("ProvisionedThroughputExceededException")
        return not_written()

    left = await a_table(Script("dynamodb", throttle_the_first)).put_many([an_item(index) for index in range(30)])

    assert sorted(left) == list(range(25))
    assert "ProvisionedThroughputExceededException" in left[0]
