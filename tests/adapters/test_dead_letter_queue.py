"""``SqsDeadLetterQueue``: what only AWS shows: who gave a dead letter its reason, and throttling."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from eventcron.adapters.aws.dead_letter_queue import SqsDeadLetterQueue
from eventcron.adapters.aws.redrive_targets import RedriveToQueue
from eventcron.errors import Unavailable
from eventcron.ports import DeadLetter

QUEUE = "arn:aws:sqs:eu-north-1:123456789012:commands"
RULE = "arn:aws:events:eu-north-1:123456789012:rule/eventcron/commands"


class Service:
    """SQS: remembers what it was asked, answers as told, fails at ``failing``."""

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


DEAD_LETTER = DeadLetter(id="1", receipt="r", body="{}")


def box(service: Service) -> SqsDeadLetterQueue:
    return SqsDeadLetterQueue(service, url="https://dead", target=RedriveToQueue(service, "https://fires"))


@pytest.mark.parametrize("operation", ["send_message", "delete_message", "change_message_visibility"])
async def test_throttling_is_unavailable(operation: str) -> None:
    queue = box(Service(failing=operation))
    calls = {
        "send_message": queue.send_back(DEAD_LETTER, "body"),
        "delete_message": queue.remove(DEAD_LETTER),
        "change_message_visibility": queue.put_back(DEAD_LETTER),
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
            {"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "denied", "TARGET_ARN": QUEUE, "RULE_ARN": RULE},
            "NO_PERMISSIONS", "denied", QUEUE, id="eventbridge",
        ),
        pytest.param(
            {"RequestID": "r-1", "ErrorCode": "200", "ErrorMessage": "division by zero"},
            "200", "division by zero", "", id="lambda",
        ),
    ],
)  # fmt: skip
async def test_a_dead_letter_says_why_it_died(attributes: dict[str, str], code: str, reason: str, target: str) -> None:
    message = {
        "MessageId": "m",
        "ReceiptHandle": "h",
        "Body": "{}",
        "Attributes": {"SentTimestamp": "5"},
        "MessageAttributes": {name: {"StringValue": value} for name, value in attributes.items()},
    }
    (found,) = await box(Service({"Messages": [message]})).take(100, seconds=9)

    assert (found.code, found.reason, found.target, found.sent) == (code, reason, target, 5)
    assert found.rule == attributes.get("RULE_ARN", "")


async def test_ten_are_asked_for_at_most() -> None:
    service = Service()

    assert await box(service).take(100, seconds=9) == []

    ((_, request),) = service.asked
    assert (request["MaxNumberOfMessages"], request["VisibilityTimeout"]) == (10, 9)
