"""``DeadLetters`` on SQS: the dead-letter queues, written to directly so that the reason travels with the message."""

from __future__ import annotations

import re
from collections.abc import Mapping

from eventcron.adapters.aws.clients import Response, SqsClient
from eventcron.adapters.aws.failures import mapped
from eventcron.app.retry import Retry

#: Characters. Long enough for any of our reasons, short beside the body that shares 1 MiB with it.
MAX_REASON = 1_000
MAX_CODE = 100

#: What SQS refuses in a text: "Unicode characters allowed: #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD
#: | #x10000 to #x10FFFF".
_NOT_ALLOWED = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class SqsDeadLetters:
    """One dead-letter queue for each of *urls*: ``commands`` and ``fires``."""

    def __init__(self, client: SqsClient, urls: Mapping[str, str], *, retry: Retry) -> None:
        self._client = client
        self._urls = urls
        self._retry = retry

    async def send_to_dlq(self, queue: str, body: str, *, reason: str, code: str) -> None:
        attributes = {"reason": _attribute(reason, MAX_REASON), "code": _attribute(code, MAX_CODE)}

        async def once() -> None:
            with mapped("sqs"):
                await self._client.send_message(
                    QueueUrl=self._urls[queue], MessageBody=body, MessageAttributes=attributes
                )

        await self._retry.call(once)


def _attribute(value: str, longest: int) -> Response:
    """A message attribute with what SQS takes of *value*; it may not be empty."""
    return {"DataType": "String", "StringValue": _NOT_ALLOWED.sub("\ufffd", value)[:longest] or "unknown"}
