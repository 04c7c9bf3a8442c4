"""Sends any number of messages to one SQS queue, in batches, and returns those that were not taken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from eventcron.adapters.aws.clients import SqsClient
from eventcron.adapters.aws.failures import mapped
from eventcron.adapters.aws.json_api import Response
from eventcron.app.concurrency import all_of
from eventcron.app.portions import portions
from eventcron.errors import Unavailable
from eventcron.ports import Refusal

#: Messages. SQS SendMessageBatch: "You can … send up to 10 messages".
MAX_BATCH = 10
#: Bytes. SQS SendMessageBatch: the maximum message size and the maximum total size "are both 1 MiB".
MAX_BATCH_BYTES = 1_048_576


class SqsSender:
    """Sends messages to the queue at *url*, at most *concurrency* calls at once."""

    def __init__(self, client: SqsClient, url: str, *, concurrency: int) -> None:
        self._client = client
        self._url = url
        self._calls = asyncio.Semaphore(concurrency)

    async def send(self, bodies: Sequence[str], options: Sequence[dict[str, Any]]) -> list[Refusal]:
        """Send *bodies*, each with the further *options* of its entry, such as ``DelaySeconds``.

        Batches respect SQS's limits of count and bytes. Returns the messages that were not taken.
        """
        entries = [
            {"Id": str(index), "MessageBody": body, **more}
            for index, (body, more) in enumerate(zip(bodies, options, strict=True))
        ]
        batches = portions(entries, size=_body_bytes, total=MAX_BATCH_BYTES, count=MAX_BATCH)
        refused = await all_of(self._send_batch(batch) for batch in batches)
        return [refusal for refusals in refused for refusal in refusals]

    async def _send_batch(self, entries: Sequence[Response]) -> list[Refusal]:
        async with self._calls:
            return await call_batch(self._client.send_message_batch, self._url, entries)


async def call_batch(
    operation: Callable[..., Awaitable[Response]], url: str, entries: Sequence[Response]
) -> list[Refusal]:
    """Call *operation* for *entries*, whose ``Id`` are indexes. Returns those that were not taken, in order.

    A call that fails for now refuses every entry in it.
    """
    try:
        with mapped("sqs"):
            response = await operation(QueueUrl=url, Entries=entries)
    except Unavailable as error:
        return [Refusal(index=int(entry["Id"]), code=error.code, message=str(error)) for entry in entries]
    return _refusals(entries, response)


def _refusals(entries: Sequence[Response], response: Response) -> list[Refusal]:
    """The messages that *response* does not report as taken, in order. One that it does not report at all is one."""
    taken = {entry["Id"] for entry in response.get("Successful", [])}
    failed = {entry["Id"]: entry for entry in response.get("Failed", [])}
    return [_refusal(entry["Id"], failed.get(entry["Id"])) for entry in entries if entry["Id"] not in taken]


def _refusal(entry_id: str, failure: Response | None) -> Refusal:
    index = int(entry_id)
    if failure is None:
        return Refusal(index=index, code="NoAnswer", message="SQS reported neither success nor failure")
    return Refusal(
        index=index,
        code=failure["Code"],
        message=failure.get("Message", ""),
        retryable=not failure["SenderFault"],
    )


def _body_bytes(entry: Response) -> int:
    return len(entry["MessageBody"].encode())
