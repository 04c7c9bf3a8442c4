"""``SegmentQueue`` on SQS."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.adapters.aws.clients import SqsClient
from eventcron.adapters.aws.sqs_sender import SqsSender
from eventcron.model.messages import SegmentRange
from eventcron.ports import Refusal
from eventcron.wire.segment_ranges import encode_range


class SqsSegmentQueue:
    """One message a range; at most *concurrency* calls at once."""

    def __init__(self, client: SqsClient, url: str, *, concurrency: int = 16) -> None:
        self._sender = SqsSender(client, url, concurrency=concurrency)

    async def send(self, ranges: Sequence[SegmentRange]) -> list[Refusal]:
        return await self._sender.send([encode_range(asked) for asked in ranges], [{}] * len(ranges))
