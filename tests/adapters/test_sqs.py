"""The SQS adapters before a queue that refuses, throttles, or says nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from eventcron.adapters.aws.dead_letters import MAX_REASON, SqsDeadLetters
from eventcron.adapters.aws.fire_queue import SqsFireQueue, delay_seconds, group
from eventcron.adapters.aws.segment_queue import SqsSegmentQueue
from eventcron.adapters.aws.sqs_sender import MAX_BATCH_BYTES
from eventcron.errors import Unavailable
from eventcron.model.messages import Fire, Pack
from eventcron.ports import Refusal
from eventcron.wire.segment_ranges import split
from tests.adapters.scripted import Answer, Script, Waits, refused

URL = "http://127.0.0.1/queue"


def a_pack(number: int = 0, *, tenants: str = "a") -> Pack:
    fires = [Fire(tenant=tenant, name="nightly", revision=1, due=2, at=3) for tenant in tenants]
    return Pack(id=f"pack-{number}", at=3, fires=fires)


def take_all(request: dict[str, Any]) -> Answer:
    return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]], "Failed": []}


async def sent(script: Script, count: int, **options: Any) -> list[Refusal]:
    """What is refused of *count* packs."""
    queue = SqsFireQueue(script.client, URL, **options)
    return await queue.send([a_pack(number) for number in range(count)], visible_at=[0] * count, now=0)


async def test_an_entry_says_what_sqs_needs() -> None:
    script = Script("sqs", take_all)
    pack = a_pack(tenants="aa")

    await SqsFireQueue(script.client, URL).send([pack], visible_at=[12_999], now=10_000)

    assert script.requests == [
        {
            "QueueUrl": URL,
            "Entries": [
                {
                    "Id": "0",
                    "MessageBody": msgspec.json.encode(pack).decode(),
                    "DelaySeconds": 2,
                    "MessageGroupId": "a",
                }
            ],
        }
    ]


async def test_refused_entries_come_back_by_their_place() -> None:
    def refuse_some(request: dict[str, Any]) -> Answer:
        failures = {
            "3": {"Id": "3", "Code": "InternalError", "SenderFault": False},
            "11": {"Id": "11", "Code": "InvalidMessageContents", "Message": "bad", "SenderFault": True},
        }
        ids = [entry["Id"] for entry in request["Entries"]]
        return {
            "Successful": [{"Id": entry_id} for entry_id in ids if entry_id not in failures],
            "Failed": [failures[entry_id] for entry_id in ids if entry_id in failures],
        }

    assert await sent(Script("sqs", refuse_some), 12) == [
        Refusal(index=3, code="InternalError"),
        Refusal(index=11, code="InvalidMessageContents", message="bad", retryable=False),
    ]


async def test_a_pack_that_is_reported_nowhere_was_not_taken() -> None:
    assert await sent(Script("sqs", [{"Successful": [{"Id": "1"}]}]), 2) == [
        Refusal(index=0, code="NoAnswer", message="SQS reported neither success nor failure")
    ]


async def test_a_throttled_batch_is_refused_after_one_call_and_the_others_are_not() -> None:
    def throttle_the_second(request: dict[str, Any]) -> Answer:
        return refused("RequestThrottled") if request["Entries"][0]["Id"] == "10" else take_all(request)

    script = Script("sqs", throttle_the_second)

    refusals = await sent(script, 25)

    assert [(refusal.index, refusal.code, refusal.retryable) for refusal in refusals] == [
        (index, "RequestThrottled", True) for index in range(10, 20)
    ]
    assert len(script.requests) == 3


async def test_a_fault_of_the_deployment_rises_once_the_other_batches_are_sent() -> None:
    def deny_the_first(request: dict[str, Any]) -> Answer:
        return refused("AccessDeniedException") if request["Entries"][0]["Id"] == "0" else take_all(request)

    script = Script("sqs", deny_the_first)

    with pytest.raises(ClientError, match="AccessDeniedException"):
        await sent(script, 25)

    assert len(script.requests) == 3


async def test_batches_at_once_are_bounded() -> None:
    script = Script("sqs", take_all)

    assert await sent(script, 200, concurrency=3) == []
    assert (len(script.requests), script.most_at_once) == (20, 3)


async def test_ranges_say_no_more_than_they_are_and_those_refused_are_told_by_their_place() -> None:
    def refuse_one(request: dict[str, Any]) -> Answer:
        ids = [entry["Id"] for entry in request["Entries"]]
        failure = {"Id": "11", "Code": "InternalError", "SenderFault": False}
        return {
            "Successful": [{"Id": entry_id} for entry_id in ids if entry_id != "11"],
            "Failed": [failure] if "11" in ids else [],
        }

    script = Script("sqs", refuse_one)
    queue = SqsSegmentQueue(script.client, URL)

    assert await queue.send(split(12, workers=12, at_once=1, tick=7)) == [Refusal(index=11, code="InternalError")]
    entries = [entry for request in script.requests for entry in request["Entries"]]
    assert entries[3] == {"Id": "3", "MessageBody": '{"v":1,"tick":7,"first":3,"end":4}'}


async def test_a_segment_queue_that_stays_throttled_refuses_every_range() -> None:
    script = Script("sqs", lambda _request: refused("RequestThrottled"))
    queue = SqsSegmentQueue(script.client, URL)

    refusals = await queue.send(split(12, workers=12, at_once=1, tick=7))

    assert [(refusal.index, refusal.code) for refusal in refusals] == [(n, "RequestThrottled") for n in range(12)]


@given(st.lists(st.integers(1, 6_000), max_size=25))
async def test_batches_respect_count_and_bytes(fires: list[int]) -> None:
    script = Script("sqs", take_all)
    packs = [a_pack(number, tenants="a" * count) for number, count in enumerate(fires)]

    await SqsFireQueue(script.client, URL).send(packs, visible_at=[0] * len(packs), now=0)

    batches = [request["Entries"] for request in script.requests]
    assert [entry["Id"] for entries in batches for entry in entries] == [str(index) for index in range(len(packs))]
    for entries in batches:
        assert len(entries) <= 10
        assert sum(len(entry["MessageBody"].encode()) for entry in entries) <= MAX_BATCH_BYTES


@pytest.mark.parametrize(
    ("visible_at", "seconds"),
    [
        pytest.param(0, 0, id="long-past"),
        pytest.param(10_000, 0, id="now"),
        pytest.param(10_999, 0, id="less-than-a-second"),
        pytest.param(11_000, 1, id="one-second"),
        pytest.param(910_999, 900, id="the-longest"),
    ],
)
def test_delay_is_whole_seconds(visible_at: int, seconds: int) -> None:
    assert delay_seconds(visible_at, 10_000) == seconds


@given(st.integers(0, 2**43), st.integers(-10_000, 900_999))
def test_a_delay_ends_within_the_second_before(now: int, wait: int) -> None:
    appears = now + delay_seconds(now + wait, now) * 1000

    assert appears <= max(now + wait, now) < appears + 1000


def test_a_longer_delay_than_sqs_has_is_a_fault() -> None:
    with pytest.raises(ValueError, match=r"^a pack is to appear in 901 s; the queue delays at most 900 s$"):
        delay_seconds(911_000, 10_000)


@pytest.mark.parametrize(("tenants", "expected"), [("a", "a"), ("aaa", "a"), ("aba", "~mixed")])
def test_a_pack_belongs_to_the_tenant_that_has_it_alone(tenants: str, expected: str) -> None:
    assert group(a_pack(tenants=tenants)) == expected


async def test_a_dead_letter_has_its_reason() -> None:
    script = Script("sqs", [{}])

    dead_letters = SqsDeadLetters(script.client, {"fires": URL}, retry=Waits().retry())
    await dead_letters.send_to_dlq("fires", "body", reason="why", code="what")

    assert script.requests == [
        {
            "QueueUrl": URL,
            "MessageBody": "body",
            "MessageAttributes": {
                "reason": {"DataType": "String", "StringValue": "why"},
                "code": {"DataType": "String", "StringValue": "what"},
            },
        }
    ]


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        pytest.param("x" * 5_000, "x" * MAX_REASON, id="long"),
        pytest.param("", "unknown", id="empty"),
        pytest.param("a\x00b\ud800c\uffffd\te⏰", "a\ufffdb\ufffdc\ufffdd\te⏰", id="what-sqs-refuses"),
    ],
)
async def test_a_reason_is_cut_to_what_sqs_takes(reason: str, kept: str) -> None:
    script = Script("sqs", [{}])

    dead_letters = SqsDeadLetters(script.client, {"fires": URL}, retry=Waits().retry())
    await dead_letters.send_to_dlq("fires", "body", reason=reason, code="")

    attributes = script.requests[0]["MessageAttributes"]
    assert (attributes["reason"]["StringValue"], attributes["code"]["StringValue"]) == (kept, "unknown")


async def test_a_dead_letter_that_cannot_be_sent_is_an_error() -> None:
    script = Script("sqs", lambda _request: refused("RequestThrottled"))
    dead_letters = SqsDeadLetters(script.client, {"fires": URL}, retry=Waits().retry())

    with pytest.raises(Unavailable, match=r"^sqs is unavailable: RequestThrottled"):
        await dead_letters.send_to_dlq("fires", "body", reason="why", code="what")

    assert len(script.requests) == 3
