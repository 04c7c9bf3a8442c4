"""What the demo observes: the events that eventcron publishes, and what each target receives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, field

from eventcron.model.names import Instant, Key
from eventcron.timing.instant import from_datetime, from_rfc3339, rfc3339

FIRED, REJECTED, SKIPPED, FAILED = "Schedule Fired", "Schedule Rejected", "Schedule Skipped", "Schedule Failed"
#: Seconds. SQS ReceiveMessage, WaitTimeSeconds: the longest.
WAIT_SECONDS = 20
#: SQS ReceiveMessage, MaxNumberOfMessages: the most.
MOST_MESSAGES = 10
#: Seconds for which messages gather once a queue was read empty. The embedded AWS would else answer readers while it
#: delivers the rest of a second's fires. When a message came, it says itself.
GATHER_SECONDS = 0.2


class Due(NamedTuple):
    """One fire: its schedule and its due instant. Prints as ``tenant/name due 2026-…``."""

    key: Key
    at: Instant

    def __str__(self) -> str:
        return f"{self.key} due {rfc3339(self.at)}"


class Publication(Struct, frozen=True):
    """A fire on the bus."""

    due: Due
    fire_id: str
    revision: int
    #: When the bus delivered it to the queue.
    at: Instant


class Receipt(Struct, frozen=True):
    """A fire that reached a target. *at* is by the target's own clock."""

    target: str
    due: Due
    fire_id: str
    at: Instant


class Answer(Struct, frozen=True):
    """An event that answers a command, such as ``Schedule Created``. *code* and *message* are of a rejection."""

    detail_type: str
    key: Key
    at: Instant
    revision: int = 0
    code: str = ""
    message: str = ""


class Skip(Struct, frozen=True):
    """``Schedule Skipped`` or ``Schedule Failed``: *count* fires due from *first* to *last* will not come."""

    key: Key
    first: Instant
    last: Instant
    count: int
    reason: str


class Observations(Struct):
    """Everything observed so far."""

    publications: list[Publication] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)

    def add_event(self, body: msgspec.Raw | bytes | str, *, at: Instant) -> None:
        """Add an event of eventcron that the bus delivered *at* that instant."""
        event = _events.decode(body)
        detail = event.detail
        key = Key(detail.tenant, detail.name)
        if event.detail_type == FIRED:
            self.publications.append(
                Publication(Due(key, from_rfc3339(detail.due)), detail.fire_id, detail.revision, at)
            )
        elif event.detail_type in {SKIPPED, FAILED}:
            first, last = (text or detail.due for text in (detail.first_due, detail.last_due))
            reason = detail.reason or detail.code
            self.skips.append(Skip(key, from_rfc3339(first), from_rfc3339(last), detail.count, reason))
        else:
            self.answers.append(Answer(event.detail_type, key, at, detail.revision, detail.code, detail.message))

    def add_receipt(self, target: str, body: msgspec.Raw | bytes | str, *, at: Instant) -> None:
        """Add a fire's event that *target* received *at* that instant."""
        detail = _events.decode(body).detail
        due = Due(Key(detail.tenant, detail.name), from_rfc3339(detail.due))
        self.receipts.append(Receipt(target, due, detail.fire_id, at))

    def add_event_message(self, message: dict[str, Any]) -> None:
        """Add the event in an SQS message."""
        self.add_event(message["Body"], at=int(message["Attributes"]["SentTimestamp"]))

    def add_receipt_message(self, message: dict[str, Any]) -> None:
        """Add the receipt in an SQS message from the function or the state machine."""
        receipt = _receipts.decode(message["Body"])
        self.add_receipt(receipt.target, receipt.event, at=from_datetime(receipt.arrived))


class QueueReader:
    """Reads a queue and passes each message to *take* once, even if SQS delivers it twice."""

    def __init__(
        self,
        sqs: Any,
        url: str,
        take: Callable[[dict[str, Any]], None],
        *,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._sqs = sqs
        self._url = url
        self._take = take
        self._pause = pause
        self._taken: set[str] = set()

    async def read(self) -> None:
        """Receive messages once, up to ten, and delete them. Wait up to ``WAIT_SECONDS`` for the first.

        If they are fewer, the queue is empty. Then wait ``GATHER_SECONDS`` before they are deleted.
        """
        answer = await self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=MOST_MESSAGES,
            WaitTimeSeconds=WAIT_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        messages = answer.get("Messages", [])
        for message in messages:
            if message["MessageId"] not in self._taken:
                self._taken.add(message["MessageId"])
                self._take(message)
        if messages:
            if len(messages) < MOST_MESSAGES:
                await self._pause(GATHER_SECONDS)
            entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
            await self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)


class News:
    """Lets a task wait for a condition that depends on what is observed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def announce(self) -> None:
        """Have every waiting task check its condition."""
        self._event.set()

    async def until(self, condition: Callable[[], bool], *, seconds: float) -> bool:
        """Wait until *condition* holds. Return False if it does not within *seconds*."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._event.clear()
                    await self._event.wait()
        except TimeoutError:
            return False
        return True


class _Detail(Struct):
    """The fields of an event's detail that the demo reads."""

    tenant: str = ""
    name: str = ""
    revision: int = 0
    due: str = ""
    fire_id: str = ""
    first_due: str = ""
    last_due: str = ""
    count: int = 1
    reason: str = ""
    code: str = ""
    message: str = ""


class _Event(Struct, rename={"detail_type": "detail-type"}):
    detail_type: str
    detail: _Detail


class _Receipt(Struct):
    """What the function and the state machine send: see ``subscriptions``."""

    target: str
    arrived: datetime
    event: msgspec.Raw


_events = msgspec.json.Decoder(_Event)
_receipts = msgspec.json.Decoder(_Receipt)
