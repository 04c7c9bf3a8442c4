"""``LetterBox`` on SQS. Messages are received, sent and deleted one by one: the emulators have no move task, and a
move task gives no reason and no choice.
"""

from __future__ import annotations

from typing import Any, Protocol

from eventcron.adapters.aws.clients import Response
from eventcron.adapters.aws.failures import mapped
from eventcron.errors import Undecodable
from eventcron.ports import Letter

#: Messages. SQS ReceiveMessage, MaxNumberOfMessages: "Valid values: 1 to 10".
MOST = 10
#: Seconds. Without a wait SQS asks only some of its servers, and may find nothing where there is something.
WAIT_SECONDS = 1


class LetterSqsClient(Protocol):
    """What is used of SQS."""

    async def change_message_visibility(self, **request: Any) -> Response: ...
    async def delete_message(self, **request: Any) -> Response: ...
    async def get_queue_attributes(self, **request: Any) -> Response: ...
    async def get_queue_url(self, **request: Any) -> Response: ...
    async def receive_message(self, **request: Any) -> Response: ...
    async def send_message(self, **request: Any) -> Response: ...


class LambdaClient(Protocol):
    """What is used of Lambda."""

    async def invoke(self, **request: Any) -> Response: ...


class SqsLetterBox:
    """The dead-letter queue at *url*; *back* is the queue its messages came from, None = each letter's own target."""

    def __init__(self, sqs: LetterSqsClient, aws_lambda: LambdaClient, *, url: str, back: str | None) -> None:
        self._sqs = sqs
        self._lambda = aws_lambda
        self._url = url
        self._back = back

    async def waiting(self) -> int:
        name = "ApproximateNumberOfMessages"
        with mapped("sqs"):
            response = await self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return int(response["Attributes"][name])

    async def take(self, limit: int, *, seconds: int) -> list[Letter]:
        with mapped("sqs"):
            response = await self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(limit, MOST),
                VisibilityTimeout=seconds,
                WaitTimeSeconds=WAIT_SECONDS,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        return [_letter(message) for message in response.get("Messages", [])]

    async def send_back(self, letter: Letter, body: str) -> None:
        if self._back is not None:
            await self._send(self._back, body)
            return
        service, name = _target(letter.target)
        if service == "sqs":
            with mapped("sqs"):
                url = (await self._sqs.get_queue_url(QueueName=name))["QueueUrl"]
            await self._send(url, body)
        elif service == "lambda":
            with mapped("lambda"):
                await self._lambda.invoke(FunctionName=letter.target, InvocationType="Event", Payload=body.encode())
        else:
            raise Undecodable(f"its target is {letter.target!r}; only queues and functions can be sent to from here")

    async def _send(self, url: str, body: str) -> None:
        with mapped("sqs"):
            await self._sqs.send_message(QueueUrl=url, MessageBody=body)

    async def remove(self, letter: Letter) -> None:
        with mapped("sqs"):
            await self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)

    async def put_back(self, letter: Letter) -> None:
        with mapped("sqs"):
            await self._sqs.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
            )


def _letter(message: Response) -> Letter:
    given = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    return Letter(
        id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        # Ours; then EventBridge's, by its page "Using dead-letter queues"; SQS itself gives none.
        code=given.get("code") or given.get("ERROR_CODE") or "received_too_often",
        reason=given.get("reason")
        or given.get("ERROR_MESSAGE")
        or "its handler failed each time; the function's log says why",
        sent=int(message.get("Attributes", {}).get("SentTimestamp", 0)),
        target=given.get("TARGET_ARN", ""),
    )


def _target(arn: str) -> tuple[str, str]:
    """Service and name in *arn*; empty where it is none."""
    parts = arn.split(":", 5)
    return (parts[2], parts[5]) if len(parts) == 6 else ("", "")  # noqa: PLR2004  an ARN has six parts
