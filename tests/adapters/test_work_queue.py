"""A worker's queue before an SQS that refuses, throttles, says nothing, delivers twice, or ends the connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.exceptions import ClientError

from eventcron.adapters.aws.clients import aws_clients
from eventcron.adapters.aws.work_queue import SqsWorkQueue
from eventcron.errors import Unavailable
from eventcron.ports import Refusal
from eventcron.ports.work import WorkMessage
from tests.adapters.http_server import response, serving
from tests.adapters.scripted import Answer, Script, refused
from tests.emulators import use_endpoint

URL = "http://127.0.0.1/queue"


def messages(count: int) -> list[WorkMessage]:
    return [WorkMessage(id=f"m-{n}", handle=f"h-{n}", body="{}", receives=1) for n in range(count)]


def received(*receives: str) -> Answer:
    return {
        "Messages": [
            {"MessageId": "m", "ReceiptHandle": f"h-{n}", "Body": "{}", "Attributes": {"ApproximateReceiveCount": n}}
            for n in receives
        ]
    }


async def test_a_receive_asks_for_what_a_worker_needs() -> None:
    script = Script("sqs", [received("1"), {}])
    queue = SqsWorkQueue(script.client, URL)

    assert await queue.receive(50, wait_seconds=20, hidden_seconds=60) == [
        WorkMessage(id="m", handle="h-1", body="{}", receives=1)
    ]
    assert await queue.receive(3, wait_seconds=0, hidden_seconds=9) == []
    assert script.requests == [
        {
            "QueueUrl": URL,
            "MaxNumberOfMessages": limit,
            "WaitTimeSeconds": wait,
            "VisibilityTimeout": hidden,
            "AttributeNames": ["ApproximateReceiveCount"],
        }
        for limit, wait, hidden in ((10, 20, 60), (3, 0, 9))
    ]


async def test_a_message_that_comes_twice_is_there_twice() -> None:
    queue = SqsWorkQueue(Script("sqs", [received("1", "2")]).client, URL)

    both = await queue.receive(10, wait_seconds=0, hidden_seconds=60)

    assert [(message.id, message.receives) for message in both] == [("m", 1), ("m", 2)]


async def test_answers_go_in_tens_and_what_failed_comes_back_by_its_place() -> None:
    def fail_some(request: dict[str, Any]) -> Answer:
        failures = {
            "3": {"Id": "3", "Code": "InternalError", "SenderFault": False},
            "11": {"Id": "11", "Code": "ReceiptHandleIsInvalid", "Message": "expired", "SenderFault": True},
        }
        ids = [entry["Id"] for entry in request["Entries"]]
        return {
            "Successful": [{"Id": one} for one in ids if one not in failures and one != "7"],
            "Failed": [failures[one] for one in ids if one in failures],
        }

    script = Script("sqs", fail_some)

    assert await SqsWorkQueue(script.client, URL).delete(messages(12)) == [
        Refusal(index=3, code="InternalError"),
        Refusal(index=7, code="NoAnswer", message="SQS reported neither success nor failure"),
        Refusal(index=11, code="ReceiptHandleIsInvalid", message="expired", retryable=False),
    ]
    assert [len(request["Entries"]) for request in script.requests] == [10, 2]
    assert script.requests[1]["Entries"] == [
        {"Id": "10", "ReceiptHandle": "h-10"},
        {"Id": "11", "ReceiptHandle": "h-11"},
    ]


async def test_a_message_is_hidden_for_as_long_as_it_is_asked_for() -> None:
    script = Script("sqs", [{"Successful": [{"Id": "0"}], "Failed": []}])

    assert await SqsWorkQueue(script.client, URL).hide(messages(1), seconds=0) == []
    assert script.requests[0]["Entries"] == [{"Id": "0", "ReceiptHandle": "h-0", "VisibilityTimeout": 0}]


async def test_nothing_is_asked_for_no_message() -> None:
    script = Script("sqs", [])

    assert await SqsWorkQueue(script.client, URL).delete([]) == []


async def test_a_call_that_is_throttled_refuses_every_message_for_now() -> None:
    queue = SqsWorkQueue(Script("sqs", lambda _request: refused("RequestThrottled")).client, URL)

    assert [(one.index, one.code, one.retryable) for one in await queue.delete(messages(2))] == [
        (0, "RequestThrottled", True),
        (1, "RequestThrottled", True),
    ]
    with pytest.raises(Unavailable):
        await queue.receive(1, wait_seconds=0, hidden_seconds=60)


async def test_what_is_forbidden_is_an_error() -> None:
    queue = SqsWorkQueue(Script("sqs", lambda _request: refused("AccessDenied", status=403)).client, URL)

    with pytest.raises(ClientError):
        await queue.delete(messages(1))
    with pytest.raises(ClientError):
        await queue.receive(1, wait_seconds=0, hidden_seconds=60)


@pytest.mark.parametrize(
    ("attributes", "receives"),
    [({"RedrivePolicy": '{"deadLetterTargetArn": "arn", "maxReceiveCount": "5"}'}, 5), ({}, None)],
)
async def test_the_queue_says_how_often_it_delivers(attributes: dict[str, str], receives: int | None) -> None:
    queue = SqsWorkQueue(Script("sqs", [{"Attributes": attributes}]).client, URL)

    assert await queue.max_receives() == receives


async def test_a_connection_that_ends_amid_a_poll_is_unavailable_and_the_next_poll_gets_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    polls = 0

    async def end_the_first(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal polls
        polls += 1
        if polls == 1:
            writer.transport.abort()
        else:
            writer.write(response(b'{"Messages":[{"MessageId":"m","ReceiptHandle":"h","Body":"{}"}]}'))

    async with serving(end_the_first) as server:
        use_endpoint(monkeypatch, server.url)
        async with aws_clients(concurrency=2) as clients:
            queue = SqsWorkQueue(clients.sqs, URL)
            with pytest.raises(Unavailable):
                await queue.receive(1, wait_seconds=20, hidden_seconds=60)
            [message] = await queue.receive(1, wait_seconds=20, hidden_seconds=60)

    assert message.receives == 1


async def test_a_poll_may_last_longer_than_any_other_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventcron.adapters.aws.json_api.READ_TIMEOUT_S", 0.05)

    async def say_nothing(_head: bytes, _body: bytes, _writer: asyncio.StreamWriter) -> None:
        """Let the caller wait."""

    async with serving(say_nothing) as server:
        use_endpoint(monkeypatch, server.url)
        async with aws_clients(concurrency=2) as clients:
            queue = SqsWorkQueue(clients.sqs, URL)
            began = asyncio.get_running_loop().time()
            with pytest.raises(Unavailable, match="ReadTimeoutError"):
                await queue.receive(1, wait_seconds=1, hidden_seconds=60)

    assert asyncio.get_running_loop().time() - began >= 1
