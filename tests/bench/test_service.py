"""The rig answers as AWS does, and refuses what AWS would refuse."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

import msgspec
import pytest

from benchmarks.rig.faults import Faults
from benchmarks.rig.http import Reply
from benchmarks.rig.service import Service, Watch
from benchmarks.rig.stock import DensePage, IndexStock, ItemKey, TableStock, dense_pages
from tests.bench.requests import signed

KEY = ("tenant", "name")
NAMES = {"#segment": "segment", "#wake": "wake"}


def _item(name: str, wake: int, **more: dict[str, str]) -> dict[str, Any]:
    key = {"tenant": {"S": "acme"}, "name": {"S": name}}
    return {**key, "segment": {"N": "0"}, "wake": {"N": str(wake)}, **more}


@pytest.fixture(name="dense", scope="module")
def _dense() -> list[DensePage]:
    """Two pages."""
    return dense_pages([_item(f"dense-{number}", 0) for number in range(30_000)], key=KEY)


@pytest.fixture(name="service")
def _service(dense: list[DensePage]) -> Service:
    service = Service()
    timed: dict[ItemKey, dict[str, Any]] = {
        ("acme", name): _item(name, wake, body={"S": "{}"}) for name, wake in (("early", 100), ("late", 200))
    }
    index = IndexStock("plan", [dense], frozenset({*KEY, "segment", "wake"}), {0: list(timed)}, {0: [500, 600]})
    stored: dict[ItemKey, bytes] = {key: msgspec.json.encode(item) for key, item in timed.items()}
    service.dynamo.load({"schedules": TableStock(KEY, stored, index), "ledger": TableStock(("pk",), {})})
    service.begin(Watch(check_every=1), Faults())
    return service


def _ask(service: Service, operation: str, body: dict[str, Any], *, of: str = "dynamodb") -> tuple[Reply, Any]:
    reply = service.answer(signed(operation, body, service=of))
    return reply, msgspec.json.decode(b"".join(reply.parts))


def _query(before: int, **more: Any) -> dict[str, Any]:
    return {
        "TableName": "schedules",
        "IndexName": "plan",
        "KeyConditionExpression": "#segment = :segment AND #wake < :before",
        "ExpressionAttributeNames": NAMES,
        "ExpressionAttributeValues": {":segment": {"N": "0"}, ":before": {"N": str(before)}},
        "ScanIndexForward": False,
        **more,
    }


def _pages(service: Service, before: int) -> list[list[str]]:
    """The names on each page of the index."""
    found = []
    more: dict[str, Any] = {}
    while True:
        _, page = _ask(service, "Query", _query(before, **more))
        assert page["Count"] == len(page["Items"])
        found.append([item["name"]["S"] for item in page["Items"]])
        if "LastEvaluatedKey" not in page:
            return found
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def test_a_query_returns_what_wakes_before_the_latest_first_and_the_dense_last(service: Service) -> None:
    first, *rest = _pages(service, 300)

    assert first == ["late", "early"]
    assert [name for page in rest for name in page] == [f"dense-{number}" for number in range(30_000)]
    assert len(rest) > 1


def test_a_query_returns_nothing_that_wakes_later(service: Service) -> None:
    assert _pages(service, 150)[0] == ["early"]
    assert _pages(service, 100)[0][0] == "dense-0"


def test_sleeping_schedules_are_returned_to_whoever_asks_for_them(service: Service) -> None:
    assert _pages(service, 501)[0] == ["sleeper-0-0", "late", "early"]


def test_a_page_is_as_large_as_one_of_dynamodb(service: Service) -> None:
    _, page = _ask(service, "Query", _query(1))

    size = sum(len(name) + len(next(iter(value.values()))) for item in page["Items"] for name, value in item.items())
    assert 900_000 < size <= 1_100_000


@pytest.mark.parametrize("body", [_query(300), _query(1)], ids=["timed", "dense"])
def test_an_answer_of_dynamodb_has_its_crc(service: Service, body: dict[str, Any]) -> None:
    reply, _ = _ask(service, "Query", body)

    assert reply.crc32 == zlib.crc32(b"".join(reply.parts))
    assert f"x-amz-crc32: {reply.crc32}\r\n".encode() in reply.head()


def test_a_message_is_answered_with_its_md5(service: Service) -> None:
    entries = [{"Id": "0", "MessageBody": '{"fires":[1,2]}'}, {"Id": "1", "MessageBody": "ä"}]
    _, answer = _ask(service, "SendMessageBatch", {"QueueUrl": "u", "Entries": entries}, of="sqs")

    assert [one["MD5OfMessageBody"] for one in answer["Successful"]] == [
        hashlib.md5(entry["MessageBody"].encode()).hexdigest() for entry in entries
    ]
    assert service.report().fires == 3


def _update(**changes: Any) -> dict[str, Any]:
    request = {
        "TableName": "schedules",
        "Key": {"tenant": {"S": "acme"}, "name": {"S": "early"}},
        "UpdateExpression": "SET #wake = :new",
        "ConditionExpression": "#wake = :old",
        "ExpressionAttributeNames": {"#wake": "wake"},
        "ExpressionAttributeValues": {":old": {"N": "100"}, ":new": {"N": "900"}},
    }
    return request | changes


def test_an_update_moves_an_item_once(service: Service) -> None:
    assert _ask(service, "UpdateItem", _update())[0].status == 200
    again, answer = _ask(service, "UpdateItem", _update())

    assert again.status == 400
    assert answer["__type"].endswith("#ConditionalCheckFailedException")
    assert _pages(service, 300)[0] == ["late"]
    assert service.report().faults == []


def _events(**changes: Any) -> dict[str, Any]:
    entry = {"Source": "eventcron", "DetailType": "Schedule Fired", "Detail": "{}", "Time": 1_764_547_200}
    return {"Entries": [entry | changes]}


@pytest.mark.parametrize(
    ("of", "operation", "body"),
    [
        pytest.param("dynamodb", "GetItem", {"TableName": "schedules", "Key": "x"}, id="wrong type"),
        pytest.param("dynamodb", "GetItem", {"TableName": "schedules"}, id="key missing"),
        pytest.param("dynamodb", "GetItem", {"TableName": "t", "Key": {"pk": {"S": "x"}}}, id="unknown table"),
        pytest.param("dynamodb", "Scan", {"TableName": "schedules"}, id="unknown operation"),
        pytest.param("dynamodb", "UpdateItem", _update(UpdateExpression="SET #wake = :other"), id="value not defined"),
        pytest.param("dynamodb", "UpdateItem", _update(ConditionExpression="#wake = "), id="half a condition"),
        pytest.param(
            "dynamodb", "BatchGetItem",
            {"RequestItems": {"ledger": {"Keys": [{"pk": {"S": "one"}}, {"pk": {"S": "one"}}]}}}, id="a key twice",
        ),
        pytest.param(
            "dynamodb", "BatchGetItem",
            {"RequestItems": {"ledger": {"Keys": [{"pk": {"S": f"{n}"}} for n in range(101)]}}}, id="101 keys",
        ),
        pytest.param(
            "sqs", "SendMessageBatch",
            {"QueueUrl": "u", "Entries": [{"Id": "0", "MessageBody": "x"}] * 2}, id="an id twice",
        ),
        pytest.param(
            "sqs", "SendMessageBatch",
            {"QueueUrl": "u", "Entries": [{"Id": f"{n}", "MessageBody": "x"} for n in range(11)]}, id="11 messages",
        ),
        pytest.param(
            "sqs", "SendMessageBatch",
            {"QueueUrl": "u", "Entries": [{"Id": "0", "MessageBody": "x", "DelaySeconds": 901}]}, id="a delay of 901 s",
        ),
        pytest.param(
            "sqs", "SendMessageBatch",
            {"QueueUrl": "u", "Entries": [{"Id": f"{n}", "MessageBody": "x" * 600_000} for n in range(2)]}, id="1.2 MB",
        ),
        pytest.param("events", "PutEvents", _events(Detail="[]"), id="a detail that is no object"),
        pytest.param("events", "PutEvents", _events(Detail="{"), id="a detail that is no JSON"),
        pytest.param("events", "PutEvents", _events(Source="aws.events"), id="a source of AWS"),
        pytest.param("events", "PutEvents", {"Entries": _events()["Entries"] * 11}, id="11 events"),
        pytest.param("events", "PutEvents", _events(Detail=f'{{"x":"{"x" * 262_144}"}}'), id="256 KB"),
        pytest.param("events", "PutEvents", {"Entries": [{"DetailType": "t", "Detail": "{}"}]}, id="no source"),
    ],
)  # fmt: skip
def test_a_wrong_body_is_refused_and_remembered(
    service: Service, of: str, operation: str, body: dict[str, Any]
) -> None:
    reply, answer = _ask(service, operation, body, of=of)

    assert reply.status == 400
    assert "__type" in answer
    assert len(service.report().faults) == 1


def test_a_wrong_signature_is_refused_and_remembered(service: Service) -> None:
    reply = service.answer(signed("GetItem", {"TableName": "ledger", "Key": {"pk": {"S": "x"}}}, secret="another"))

    assert reply.status == 403
    assert len(service.report().faults) == 1


def test_the_first_requests_of_an_operation_are_checked_and_then_a_sample(service: Service) -> None:
    service.begin(Watch(), Faults())
    request = signed("GetItem", {"TableName": "ledger", "Key": {"pk": {"S": "x"}}})
    for _ in range(200):
        service.answer(request)

    assert service.report().checked == 20 + 4  # the 50th, 100th, 150th and 200th


def test_throttles_come_as_often_as_asked(service: Service) -> None:
    service.begin(Watch(), Faults(throttle_every=3))
    body = {"TableName": "ledger", "Key": {"pk": {"S": "x"}}}
    statuses = [_ask(service, "GetItem", body)[0].status for _ in range(6)]

    assert statuses == [200, 200, 400, 200, 200, 400]
    assert service.report().throttled == 2
    assert service.report().faults == []


def test_partial_failures_leave_something_of_each_kind_of_batch(service: Service) -> None:
    service.begin(Watch(), Faults(partial_every=1))
    keys = [{"tenant": {"S": "acme"}, "name": {"S": name}} for name in ("early", "late")]
    _, items = _ask(service, "BatchGetItem", {"RequestItems": {"schedules": {"Keys": keys}}})
    entries = [{"Id": f"{number}", "MessageBody": "x"} for number in range(2)]
    _, messages = _ask(service, "SendMessageBatch", {"QueueUrl": "u", "Entries": entries}, of="sqs")
    _, events = _ask(service, "PutEvents", {"Entries": _events()["Entries"] * 2}, of="events")

    assert items["UnprocessedKeys"]["schedules"]["Keys"] == keys[1:]
    assert len(items["Responses"]["schedules"]) == 1
    assert ([one["Id"] for one in messages["Successful"]], [one["Id"] for one in messages["Failed"]]) == (["0"], ["1"])
    assert events["FailedEntryCount"] == 1
    assert "ErrorCode" in events["Entries"][1]
    assert (service.report().messages, service.report().events) == (1, 1)


def test_slow_answers_come_as_often_as_asked(service: Service) -> None:
    service.begin(Watch(), Faults(slow_every=2, slow_seconds=0.5))
    body = {"TableName": "ledger", "Key": {"pk": {"S": "x"}}}

    assert [_ask(service, "GetItem", body)[0].delay for _ in range(4)] == [0, 0.5, 0, 0.5]


def test_consistent_reads_and_writes_are_counted_in_units(service: Service) -> None:
    key = {"tenant": {"S": "acme"}, "name": {"S": "early"}}
    _ask(service, "GetItem", {"TableName": "schedules", "Key": key})
    _ask(service, "GetItem", {"TableName": "schedules", "Key": key, "ConsistentRead": True})
    _ask(service, "PutItem", {"TableName": "ledger", "Item": {"pk": {"S": "x"}, "body": {"S": "x" * 1_500}}})

    assert service.report().read_units == 1.5
    assert service.report().write_units == 2
