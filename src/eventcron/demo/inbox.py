"""Reads the demo's queues into what was observed, and wakes whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from eventcron.demo.observed import Observed
from eventcron.demo.targets import Subscribed
from eventcron.model.names import Instant
from eventcron.timing.instant import from_datetime

#: Readers of each queue, so that messages are read while others are deleted.
READERS = 2
#: Seconds. SQS ReceiveMessage, WaitTimeSeconds: the longest.
WAIT_SECONDS = 20


class Inbox:
    """What was observed so far, and the means to wait for more."""

    def __init__(self) -> None:
        self.observed = Observed()
        self._news = asyncio.Event()
        self._seen: set[str] = set()

    def received(self, target: str, event: bytes, at: Instant) -> None:
        """Take in what a target that is in this process received."""
        self.observed.received(target, event, at=at)
        self._news.set()

    async def until(self, done: Callable[[], bool], *, seconds: float) -> bool:
        """Wait until *done*, asked anew whenever something was observed; False = not within *seconds*."""
        try:
            async with asyncio.timeout(seconds):
                while not done():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def readers(self, sqs: Any, queues: Subscribed) -> list[Coroutine[Any, Any, NoReturn]]:
        """What reads both queues, each until cancelled."""
        return [
            self._drain(sqs, url, take)
            for url, take in ((queues.facts.url, self._fact), (queues.receipts.url, self._receipt))
            for _ in range(READERS)
        ]

    async def _drain(self, sqs: Any, url: str, take: Callable[[dict[str, Any]], None]) -> NoReturn:
        while True:
            answer = await sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=WAIT_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
            messages = answer.get("Messages", [])
            for message in messages:
                # SQS may deliver a message twice; that is no repetition of what the message tells.
                if message["MessageId"] not in self._seen:
                    self._seen.add(message["MessageId"])
                    take(message)
            self._news.set()
            if messages:
                entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
                await sqs.delete_message_batch(QueueUrl=url, Entries=entries)

    def _fact(self, message: dict[str, Any]) -> None:
        self.observed.fact(message["Body"], at=int(message["Attributes"]["SentTimestamp"]))

    def _receipt(self, message: dict[str, Any]) -> None:
        receipt = _receipts.decode(message["Body"])
        self.observed.received(receipt.target, receipt.event, at=from_datetime(receipt.arrived))


class _Receipt(Struct):
    """What the function and the state machine send, see ``targets``."""

    target: str
    arrived: datetime
    event: msgspec.Raw


_receipts = msgspec.json.Decoder(_Receipt)
