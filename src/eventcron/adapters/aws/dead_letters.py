"""``DeadLetters`` on SQS. Messages are sent directly to the dead-letter queue, with the reason as an attribute."""

from __future__ import annotations

import re
from collections.abc import Mapping

from eventcron.adapters.aws.clients import SqsClient
from eventcron.adapters.aws.failures import mapped
from eventcron.adapters.aws.json_api import Response
from eventcron.app.retry import Retry
from eventcron.ports import DeadLetterSource

#: Characters. Longer than any of our reasons, and short enough to leave the body its share of 1 MiB.
MAX_REASON = 1_000
MAX_CODE = 100

#: Characters that SQS refuses: "Unicode characters allowed: #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD
#: | #x10000 to #x10FFFF".
_NOT_ALLOWED = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class SqsDeadLetters:
    """*urls* has the URL of each dead-letter queue."""

    def __init__(self, client: SqsClient, urls: Mapping[DeadLetterSource, str], *, retry: Retry) -> None:
        self._client = client
        self._urls = urls
        self._retry = retry

    async def send_to_dlq(self, queue: DeadLetterSource, body: str, *, reason: str, code: str) -> None:
        attributes = {"reason": _attribute(reason, MAX_REASON), "code": _attribute(code, MAX_CODE)}

        async def once() -> None:
            with mapped("sqs"):
                await self._client.send_message(
                    QueueUrl=self._urls[queue], MessageBody=body, MessageAttributes=attributes
                )

        await self._retry.call(once)


def _attribute(value: str, longest: int) -> Response:
    """*value* as a message attribute, cut and cleaned to what SQS takes; never empty."""
    return {"DataType": "String", "StringValue": _NOT_ALLOWED.sub("\ufffd", value)[:longest] or "unknown"}
