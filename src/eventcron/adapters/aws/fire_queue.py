"""``FireQueue`` on SQS, on a standard queue: FIFO queues take no delay per message."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.adapters.aws.clients import SqsClient
from eventcron.adapters.aws.sqs_sender import SqsSender
from eventcron.model.messages import Pack
from eventcron.model.names import Instant
from eventcron.ports import MAX_DELAY_SECONDS, Refusal
from eventcron.wire.encode import encode_pack

#: The fair-queue group of packs with several tenants' fires. No tenant can have this name, as ``~`` is not allowed.
MIXED = "~mixed"


class SqsFireQueue:
    """One message a pack; at most *concurrency* calls at once.

    ``MessageGroupId`` makes it a fair queue: a tenant with many packs does not hold up other tenants.
    """

    def __init__(self, client: SqsClient, url: str, *, concurrency: int = 16) -> None:
        self._sender = SqsSender(client, url, concurrency=concurrency)

    async def send(self, packs: Sequence[Pack], *, visible_at: Sequence[Instant], now: Instant) -> list[Refusal]:
        options = [
            {"DelaySeconds": delay_seconds(instant, now), "MessageGroupId": group(pack)}
            for pack, instant in zip(packs, visible_at, strict=True)
        ]
        return await self._sender.send([encode_pack(pack) for pack in packs], options)


def delay_seconds(visible_at: Instant, now: Instant) -> int:
    """Whole seconds of delay with which a message appears at *visible_at*, or less than a second earlier.

    Raises:
        ValueError: it would be more than ``MAX_DELAY_SECONDS``.

    >>> delay_seconds(12_999, 10_000), delay_seconds(9_000, 10_000)
    (2, 0)
    """
    delay = max(0, (visible_at - now) // 1000)
    if delay > MAX_DELAY_SECONDS:
        raise ValueError(f"a pack is to appear in {delay} s; the queue delays at most {MAX_DELAY_SECONDS} s")
    return delay


def group(pack: Pack) -> str:
    """The pack's tenant, or ``MIXED`` if its fires belong to several."""
    tenants = {fire.tenant for fire in pack.fires}
    return tenants.pop() if len(tenants) == 1 else MIXED
