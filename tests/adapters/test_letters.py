"""``SqsLetterBox``: what only AWS shows: targets by ARN, and letters that nobody gave a reason."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from eventcron.adapters.aws.letters import SqsLetterBox
from eventcron.errors import Unavailable, Undecodable
from eventcron.ports import Letter

QUEUE = "arn:aws:sqs:eu-north-1:123456789012:commands"
FUNCTION = "arn:aws:lambda:eu-north-1:123456789012:function:planner"


class Service:
    """SQS and Lambda: remembers what it was asked, answers as told, fails at ``failing``."""

    def __init__(self, answer: dict[str, Any] | None = None, failing: str = "") -> None:
        self.answer = answer or {}
        self.failing = failing
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Any:
        async def call(**request: Any) -> dict[str, Any]:
            self.asked.append((operation, request))
            if operation == self.failing:
                raise ClientError({"Error": {"Code": "ThrottlingException"}}, operation)
            return self.answer

        return call


def box(service: Service, back: str | None = None) -> SqsLetterBox:
    return SqsLetterBox(service, service, url="https://dead", back=back)


def letter(target: str = "") -> Letter:
    return Letter(id="1", receipt="r", body="{}", target=target)


async def test_a_letter_for_a_queue_goes_to_that_queue() -> None:
    service = Service({"QueueUrl": "https://commands"})

    await box(service).send_back(letter(QUEUE), "body")

    assert service.asked == [
        ("get_queue_url", {"QueueName": "commands"}),
        ("send_message", {"QueueUrl": "https://commands", "MessageBody": "body"}),
    ]


async def test_a_letter_for_a_function_invokes_it_and_does_not_wait() -> None:
    service = Service()

    await box(service).send_back(letter(FUNCTION), "body")

    assert service.asked == [("invoke", {"FunctionName": FUNCTION, "InvocationType": "Event", "Payload": b"body"})]


@pytest.mark.parametrize("target", ["", "not an arn", "arn:aws:states:eu-north-1:1:stateMachine:x"])
async def test_a_letter_for_anything_else_is_refused(target: str) -> None:
    service = Service()

    with pytest.raises(Undecodable, match="only queues and functions can be sent to from here"):
        await box(service).send_back(letter(target), "body")

    assert service.asked == []


@pytest.mark.parametrize("operation", ["send_message", "delete_message", "change_message_visibility"])
async def test_throttling_is_unavailable(operation: str) -> None:
    a_box = box(Service(failing=operation), back="https://fires")
    calls = {
        "send_message": a_box.send_back(letter(), "body"),
        "delete_message": a_box.remove(letter()),
        "change_message_visibility": a_box.put_back(letter()),
    }
    call = calls.pop(operation)
    for other in calls.values():
        other.close()

    with pytest.raises(Unavailable, match="sqs is unavailable: ThrottlingException"):
        await call


@pytest.mark.parametrize(
    ("attributes", "code", "reason", "target"),
    [
        pytest.param(
            {}, "received_too_often", "its handler failed each time; the function's log says why", "", id="sqs"
        ),
        pytest.param({"code": "undecodable", "reason": "not JSON"}, "undecodable", "not JSON", "", id="ours"),
        pytest.param(
            {"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "denied", "TARGET_ARN": QUEUE},
            "NO_PERMISSIONS", "denied", QUEUE, id="eventbridge",
        ),
    ],
)  # fmt: skip
async def test_a_letter_says_why_it_died(attributes: dict[str, str], code: str, reason: str, target: str) -> None:
    message = {
        "MessageId": "m",
        "ReceiptHandle": "h",
        "Body": "{}",
        "Attributes": {"SentTimestamp": "5"},
        "MessageAttributes": {name: {"StringValue": value} for name, value in attributes.items()},
    }
    (found,) = await box(Service({"Messages": [message]})).take(100, seconds=9)

    assert (found.code, found.reason, found.target, found.sent) == (code, reason, target, 5)


async def test_ten_are_asked_for_at_most() -> None:
    service = Service()

    assert await box(service).take(100, seconds=9) == []

    ((_, request),) = service.asked
    assert (request["MaxNumberOfMessages"], request["VisibilityTimeout"]) == (10, 9)
