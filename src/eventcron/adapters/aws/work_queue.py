"""``WorkQueue`` on SQS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from eventcron.adapters.aws.clients import WorkClient
from eventcron.adapters.aws.failures import mapped
from eventcron.adapters.aws.json_api import Response
from eventcron.adapters.aws.sqs_sender import MAX_BATCH, call_batch
from eventcron.app.concurrency import all_of
from eventcron.ports import Refusal
from eventcron.ports.work import WorkMessage

_RECEIVES = "ApproximateReceiveCount"


class SqsWorkQueue:
    """The queue at *url*. *concurrency* limits the calls that answer it at once."""

    def __init__(self, client: WorkClient, url: str, *, concurrency: int = 4) -> None:
        self._client = client
        self._url = url
        self._calls = asyncio.Semaphore(concurrency)

    async def receive(self, limit: int, *, wait_seconds: int, hidden_seconds: int) -> list[WorkMessage]:
        with mapped("sqs"):
            answer = await self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(limit, MAX_BATCH),
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=hidden_seconds,
                # Its newer name, MessageSystemAttributeNames, is not known everywhere.
                AttributeNames=[_RECEIVES],
            )
        return [
            WorkMessage(
                id=message["MessageId"],
                handle=message["ReceiptHandle"],
                body=message["Body"],
                receives=int(message.get("Attributes", {}).get(_RECEIVES, 1)),
            )
            for message in answer.get("Messages", [])
        ]

    async def delete(self, messages: Sequence[WorkMessage]) -> list[Refusal]:
        return await self._answer(messages, self._client.delete_message_batch)

    async def hide(self, messages: Sequence[WorkMessage], *, seconds: int) -> list[Refusal]:
        return await self._answer(messages, self._client.change_message_visibility_batch, VisibilityTimeout=seconds)

    async def max_receives(self) -> int | None:
        with mapped("sqs"):
            answer = await self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["RedrivePolicy"])
        policy = answer.get("Attributes", {}).get("RedrivePolicy")
        return int(json.loads(policy)["maxReceiveCount"]) if policy else None

    async def _answer(
        self, messages: Sequence[WorkMessage], operation: Callable[..., Awaitable[Response]], **fields: Any
    ) -> list[Refusal]:
        """Call *operation* for all *messages*, in batches."""
        entries = [
            {"Id": str(index), "ReceiptHandle": message.handle, **fields} for index, message in enumerate(messages)
        ]
        calls = [entries[start : start + MAX_BATCH] for start in range(0, len(entries), MAX_BATCH)]

        async def call(some: Sequence[Response]) -> list[Refusal]:
            async with self._calls:
                return await call_batch(operation, self._url, some)

        refused = await all_of(map(call, calls))
        return [refusal for some in refused for refusal in some]
