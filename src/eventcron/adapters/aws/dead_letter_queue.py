"""``DeadLetterQueue`` on SQS. Messages are received, sent and deleted one by one: the emulators have no move task, and
a move task gives no reason and no choice.
"""

from __future__ import annotations

from typing import Any, Protocol

from eventcron.adapters.aws.failures import mapped
from eventcron.adapters.aws.json_api import Response
from eventcron.adapters.aws.redrive_targets import RedriveTarget
from eventcron.ports import DeadLetter

#: Messages. SQS ReceiveMessage, MaxNumberOfMessages: "Valid values: 1 to 10".
MOST = 10
#: Seconds. Without a wait, SQS asks only some of its servers and may miss messages.
WAIT_SECONDS = 1


class RedriveSqsClient(Protocol):
    """What is used of SQS."""

    async def change_message_visibility(self, **request: Any) -> Response: ...
    async def delete_message(self, **request: Any) -> Response: ...
    async def get_queue_attributes(self, **request: Any) -> Response: ...
    async def receive_message(self, **request: Any) -> Response: ...


class SqsDeadLetterQueue:
    """The dead-letter queue at *url*. Its dead letters are sent back to *target*."""

    def __init__(self, sqs: RedriveSqsClient, *, url: str, target: RedriveTarget) -> None:
        self._sqs = sqs
        self._url = url
        self._target = target

    async def waiting(self) -> int:
        name = "ApproximateNumberOfMessages"
        with mapped("sqs"):
            response = await self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return int(response["Attributes"][name])

    async def take(self, limit: int, *, seconds: int) -> list[DeadLetter]:
        with mapped("sqs"):
            response = await self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(limit, MOST),
                VisibilityTimeout=seconds,
                WaitTimeSeconds=WAIT_SECONDS,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        return [_dead_letter(message) for message in response.get("Messages", [])]

    async def send_back(self, dead_letter: DeadLetter, body: str) -> None:
        await self._target.send(dead_letter, body)

    async def remove(self, dead_letter: DeadLetter) -> None:
        with mapped("sqs"):
            await self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=dead_letter.receipt)

    async def put_back(self, dead_letter: DeadLetter) -> None:
        with mapped("sqs"):
            await self._sqs.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=dead_letter.receipt, VisibilityTimeout=0
            )


def _dead_letter(message: Response) -> DeadLetter:
    given = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    return DeadLetter(
        id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        # Our attribute, else EventBridge's (its page "Using dead-letter queues"), else that of Lambda's asynchronous
        # invocations. SQS itself adds none.
        code=given.get("code") or given.get("ERROR_CODE") or given.get("ErrorCode") or "received_too_often",
        reason=given.get("reason")
        or given.get("ERROR_MESSAGE")
        or given.get("ErrorMessage")
        or "its handler failed each time; the function's log says why",
        sent=int(message.get("Attributes", {}).get("SentTimestamp", 0)),
        target=given.get("TARGET_ARN", ""),
        rule=given.get("RULE_ARN", ""),
    )
