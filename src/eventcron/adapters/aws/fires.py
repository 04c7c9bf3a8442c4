"""``FireQueue`` on SQS: a standard queue, as only those take a delay per message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eventcron.adapters.aws.backoff import Backoff
from eventcron.adapters.aws.batching import all_of, batches
from eventcron.adapters.aws.clients import Response, SqsClient
from eventcron.adapters.aws.failures import mapped
from eventcron.core.envelope import encode_pack
from eventcron.errors import Unavailable
from eventcron.model import Instant, Pack
from eventcron.ports import Refusal

#: Seconds. SQS SendMessage, DelaySeconds: "Valid values: 0 to 900".
MAX_DELAY_SECONDS = 900
#: Messages. SQS SendMessageBatch: "You can … send up to 10 messages".
MAX_BATCH = 10
#: Bytes. SQS SendMessageBatch: the maximum message size and the maximum total size "are both 1 MiB".
MAX_BATCH_BYTES = 1_048_576
#: The fair-queue group of packs that carry several tenants' fires. No tenant's name: ``~`` is not allowed in one.
MIXED = "~mixed"


class SqsFireQueue:
    """Packs as messages, at most *concurrency* calls at once.

    ``MessageGroupId`` makes it a fair queue: a tenant with many packs does not hold up the others.
    """

    def __init__(
        self,
        client: SqsClient,
        url: str,
        *,
        concurrency: int = 16,
        backoff: Backoff = Backoff(),  # noqa: B008  immutable
    ) -> None:
        self._client = client
        self._url = url
        self._calls = asyncio.Semaphore(concurrency)
        self._backoff = backoff

    async def send(self, packs: Sequence[Pack], *, visible_at: Sequence[Instant], now: Instant) -> list[Refusal]:
        delays = [delay_seconds(instant, now) for instant in visible_at]
        bodies = [encode_pack(pack) for pack in packs]
        entries = [
            {
                "Id": str(index),
                "MessageBody": body,
                "DelaySeconds": delay,
                "MessageGroupId": group(pack),
            }
            for index, (pack, body, delay) in enumerate(zip(packs, bodies, delays, strict=True))
        ]
        ranges = batches([len(body.encode()) for body in bodies], count=MAX_BATCH, total=MAX_BATCH_BYTES)
        refused = await all_of(self._send_batch([entries[index] for index in batch]) for batch in ranges)
        return [refusal for refusals in refused for refusal in refusals]

    async def _send_batch(self, entries: Sequence[Response]) -> list[Refusal]:
        """Send one batch; a call that fails as a whole is tried again, then refused as a whole."""
        later = Unavailable("sqs", "NotTried")
        for tried in range(self._backoff.tries):
            try:
                async with self._calls:
                    with mapped("sqs"):
                        return _refusals(
                            entries, await self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
                        )
            except Unavailable as error:
                later = error
                await self._backoff.wait(tried)
        return [Refusal(index=int(entry["Id"]), code=later.code, message=str(later)) for entry in entries]


def delay_seconds(visible_at: Instant, now: Instant) -> int:
    """Whole seconds to delay a message so that it appears no later than *visible_at*, and less than one sooner.

    Raises:
        ValueError: more than 900 s, the queue's longest delay.

    >>> delay_seconds(12_999, 10_000), delay_seconds(9_000, 10_000)
    (2, 0)
    """
    delay = max(0, (visible_at - now) // 1000)
    if delay > MAX_DELAY_SECONDS:
        raise ValueError(f"a pack is to appear in {delay} s; the queue delays at most {MAX_DELAY_SECONDS} s")
    return delay


def group(pack: Pack) -> str:
    """The tenant, when all fires of *pack* are one tenant's."""
    tenants = {fire.tenant for fire in pack.fires}
    return tenants.pop() if len(tenants) == 1 else MIXED


def _refusals(entries: Sequence[Response], response: Response) -> list[Refusal]:
    """What *response* does not say was taken, in order: a message that is in neither list may be lost."""
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
