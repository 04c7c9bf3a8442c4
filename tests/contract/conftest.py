"""The three places every port is tested in: memory, a moto server, the embedded AWS.

The bus of EventBridge's newer API is in neither emulator, so its port is tested before a stand-in as well.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol, get_args

import msgspec
import pytest
from aiobotocore.session import AioSession, get_session

from eventcron.adapters.aws.backfills import DynamoBackfills
from eventcron.adapters.aws.calendars import DynamoCalendars
from eventcron.adapters.aws.clients import AwsClients, aws_clients
from eventcron.adapters.aws.dead_letter_queue import SqsDeadLetterQueue
from eventcron.adapters.aws.dead_letters import SqsDeadLetters
from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.aws.event_bus_v2 import EventBridgeV2Bus
from eventcron.adapters.aws.fire_queue import SqsFireQueue
from eventcron.adapters.aws.history import DynamoHistory
from eventcron.adapters.aws.leases import DynamoLeases
from eventcron.adapters.aws.published_packs import DynamoPublishedPacks
from eventcron.adapters.aws.quota import DynamoQuota
from eventcron.adapters.aws.redrive_targets import RedriveToQueue
from eventcron.adapters.aws.registrar_queue import SqsRegistrarQueue
from eventcron.adapters.aws.runs import DynamoRuns
from eventcron.adapters.aws.schedules import DynamoScheduleStore
from eventcron.adapters.aws.segment_queue import SqsSegmentQueue
from eventcron.adapters.aws.sweeps import DynamoSweeps
from eventcron.adapters.aws.table import DynamoTable
from eventcron.adapters.aws.work_queue import SqsWorkQueue
from eventcron.adapters.clock import SystemClock
from eventcron.adapters.memory import (
    MemoryBackfills,
    MemoryCalendars,
    MemoryDeadLetterQueue,
    MemoryDeadLetters,
    MemoryEventBus,
    MemoryFireQueue,
    MemoryHistory,
    MemoryLeases,
    MemoryPublishedPacks,
    MemoryQueue,
    MemoryQuota,
    MemoryRegistrarQueue,
    MemoryRuns,
    MemoryScheduleStore,
    MemorySegmentQueue,
    MemorySweeps,
    MemoryWorkQueue,
    SentToDlq,
)
from eventcron.model.messages import Pack, SegmentRange
from eventcron.ports import (
    Backfills,
    Calendars,
    Clock,
    DeadLetterQueue,
    DeadLetters,
    DeadLetterSource,
    EventBus,
    FireQueue,
    Leases,
    PublishedPacks,
    Quota,
    RegistrarQueue,
    ScheduleStore,
    SegmentQueue,
)
from eventcron.ports.history import History
from eventcron.ports.runs import Runs
from eventcron.ports.sweeps import Sweeps
from eventcron.ports.work import WorkQueue
from eventcron.wire.segment_ranges import decode_range
from tests.emulators import ministack_server, moto_server, use_endpoint
from tests.eventbridgev2 import ARN, FakeBus, fake_bus
from tests.resources import Admin, admin, create_bus, create_queue, create_table, retry, table

#: Small, so that a handful of items fill several pages.
PAGE_SIZE = 3

_names = (f"contract-{os.getpid()}-{number}" for number in itertools.count(1))


class Delivered(NamedTuple):
    """An event as a target gets it."""

    source: str
    detail_type: str
    detail: Any
    resources: tuple[str, ...]


class FireQueueRig(NamedTuple):
    port: FireQueue
    #: Packs that are visible; each is received once. Waits up to so many seconds for the first.
    receive: Callable[[int], Awaitable[list[Pack]]]


class RegistrarQueueRig(NamedTuple):
    port: RegistrarQueue
    #: Commands that are visible; each is received once.
    receive: Callable[[], Awaitable[list[str]]]


class SegmentQueueRig(NamedTuple):
    port: SegmentQueue
    #: Ranges that are visible; each is received once. Waits up to so many seconds for the first.
    receive: Callable[[int], Awaitable[list[SegmentRange]]]


class WorkQueueRig(NamedTuple):
    port: WorkQueue
    #: Adds a message. The queue gives it up after two receives.
    send: Callable[[str], Awaitable[None]]
    #: Bodies in its dead-letter queue.
    dead: Callable[[], Awaitable[list[str]]]


class DeadLettersRig(NamedTuple):
    port: DeadLetters
    sent: Callable[[], Awaitable[list[SentToDlq]]]


class DeadLetterQueueRig(NamedTuple):
    port: DeadLetterQueue
    #: Adds a dead letter: body, code, reason.
    send_to_dlq: Callable[[str, str, str], Awaitable[None]]
    #: Bodies that were sent back.
    arrived: Callable[[], Awaitable[list[str]]]


class EventBusRig(NamedTuple):
    port: EventBus
    #: Events that reached a target since the last call, in unspecified order. Waits up to so many seconds.
    delivered: Callable[[int], Awaitable[list[Delivered]]]


class BusBackend(Protocol):
    """Makes a bus, fresh and empty."""

    async def event_bus(self) -> EventBusRig: ...


class Backend(BusBackend, Protocol):
    """Makes each port, fresh and empty."""

    async def schedule_store(self, *, clock: Clock | None = None) -> ScheduleStore: ...
    async def leases(self) -> Leases: ...
    async def packs(self) -> PublishedPacks: ...
    async def quota(self) -> Quota: ...
    async def sweeps(self) -> Sweeps: ...
    async def backfills(self) -> Backfills: ...
    async def runs(self) -> Runs: ...
    async def calendars(self) -> Calendars: ...
    async def history(self) -> History: ...
    async def fire_queue(self) -> FireQueueRig: ...
    async def registrar_queue(self) -> RegistrarQueueRig: ...
    async def segment_queue(self) -> SegmentQueueRig: ...
    async def work_queue(self) -> WorkQueueRig: ...
    async def dead_letters(self) -> DeadLettersRig: ...
    async def dead_letter_queue(self) -> DeadLetterQueueRig: ...


class MemoryBackend:
    """Everything in this process, on the real clock."""

    def __init__(self) -> None:
        self._clock = SystemClock()

    async def schedule_store(self, *, clock: Clock | None = None) -> ScheduleStore:
        return MemoryScheduleStore(clock or self._clock, page_size=PAGE_SIZE)

    async def leases(self) -> Leases:
        return MemoryLeases()

    async def packs(self) -> PublishedPacks:
        return MemoryPublishedPacks()

    async def quota(self) -> Quota:
        return MemoryQuota()

    async def sweeps(self) -> Sweeps:
        return MemorySweeps()

    async def backfills(self) -> Backfills:
        return MemoryBackfills()

    async def runs(self) -> Runs:
        return MemoryRuns()

    async def calendars(self) -> Calendars:
        return MemoryCalendars()

    async def history(self) -> History:
        return MemoryHistory(page_size=PAGE_SIZE)

    async def fire_queue(self) -> FireQueueRig:
        queue = MemoryQueue(self._clock)

        async def receive(wait: int) -> list[Pack]:
            visible_at = queue.next_visible()
            if visible_at is not None:
                await self._clock.sleep_until(min(visible_at, self._clock.now() + wait * 1000))
            messages = queue.receive()
            for message in messages:
                queue.delete(message.id)
            return [msgspec.json.decode(message.body, type=Pack) for message in messages]

        return FireQueueRig(MemoryFireQueue(queue), receive)

    async def registrar_queue(self) -> RegistrarQueueRig:
        queue = MemoryQueue(self._clock)

        async def receive() -> list[str]:
            messages = queue.receive()
            for message in messages:
                queue.delete(message.id)
            return [message.body for message in messages]

        return RegistrarQueueRig(MemoryRegistrarQueue(queue), receive)

    async def segment_queue(self) -> SegmentQueueRig:
        queue = MemoryQueue(self._clock)

        async def receive(_wait: int) -> list[SegmentRange]:
            messages = queue.receive()
            for message in messages:
                queue.delete(message.id)
            return [decode_range(message.body) for message in messages]

        return SegmentQueueRig(MemorySegmentQueue(queue), receive)

    async def work_queue(self) -> WorkQueueRig:
        queue = MemoryQueue(self._clock, max_receives=2)

        async def send(body: str) -> None:
            queue.put(body)

        async def dead() -> list[str]:
            return [message.body for message in queue.dead]

        return WorkQueueRig(MemoryWorkQueue(queue, self._clock), send, dead)

    async def dead_letters(self) -> DeadLettersRig:
        port = MemoryDeadLetters()

        async def sent() -> list[SentToDlq]:
            return port.sent

        return DeadLettersRig(port, sent)

    async def dead_letter_queue(self) -> DeadLetterQueueRig:
        queue = MemoryDeadLetterQueue(self._clock)

        async def send_to_dlq(body: str, code: str, reason: str) -> None:
            queue.send_to_dlq(body, code=code, reason=reason)

        async def arrived() -> list[str]:
            return queue.sent

        return DeadLetterQueueRig(queue, send_to_dlq, arrived)

    async def event_bus(self) -> EventBusRig:
        bus = MemoryEventBus(self._clock)

        async def delivered(_wait: int) -> list[Delivered]:
            events = [published.event for published in bus.published]
            bus.published.clear()
            return [
                Delivered(event.source, event.detail_type, msgspec.json.decode(event.detail), event.resources)
                for event in events
            ]

        return EventBusRig(bus, delivered)


class AwsBackend:
    """The AWS adapters on an emulator, with resources of their own."""

    def __init__(self, clients: AwsClients, admin: Admin) -> None:
        self.clients = clients
        self.admin = admin
        self._sqs = admin.sqs

    async def schedule_store(self, *, clock: Clock | None = None) -> ScheduleStore:
        items = await self._table("SchedulesTable")
        return DynamoScheduleStore(items, clock=clock or SystemClock(), page_size=PAGE_SIZE)

    async def leases(self) -> Leases:
        return DynamoLeases(await self._table("LedgerTable"))

    async def packs(self) -> PublishedPacks:
        return DynamoPublishedPacks(await self._table("LedgerTable"))

    async def quota(self) -> Quota:
        return DynamoQuota(await self._table("LedgerTable"))

    async def sweeps(self) -> Sweeps:
        return DynamoSweeps(await self._table("LedgerTable"))

    async def backfills(self) -> Backfills:
        return DynamoBackfills(await self._table("LedgerTable"))

    async def runs(self) -> Runs:
        return DynamoRuns(await self._table("LedgerTable"))

    async def calendars(self) -> Calendars:
        return DynamoCalendars(await self._table("LedgerTable"))

    async def history(self) -> History:
        return DynamoHistory(await self._table("HistoryTable"), page_size=PAGE_SIZE)

    async def _table(self, kind: str) -> DynamoTable:
        return table(self.clients.dynamodb, await create_table(self.admin.dynamodb, next(_names), kind))

    async def fire_queue(self) -> FireQueueRig:
        url = await create_queue(self._sqs, next(_names))

        async def receive(wait: int) -> list[Pack]:
            return [msgspec.json.decode(message["Body"], type=Pack) for message in await self._receive(url, wait)]

        return FireQueueRig(SqsFireQueue(self.clients.sqs, url), receive)

    async def registrar_queue(self) -> RegistrarQueueRig:
        url = await create_queue(self._sqs, next(_names))

        async def receive() -> list[str]:
            return [message["Body"] for message in await self._receive(url, 1)]

        return RegistrarQueueRig(SqsRegistrarQueue(self.clients.sqs, url), receive)

    async def segment_queue(self) -> SegmentQueueRig:
        url = await create_queue(self._sqs, next(_names))

        async def receive(wait: int) -> list[SegmentRange]:
            return [decode_range(message["Body"]) for message in await self._receive(url, wait)]

        return SegmentQueueRig(SqsSegmentQueue(self.clients.sqs, url), receive)

    async def work_queue(self) -> WorkQueueRig:
        dead_url, url = await create_queue(self._sqs, next(_names)), await create_queue(self._sqs, next(_names))
        asked = await self._sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])
        policy = {"deadLetterTargetArn": asked["Attributes"]["QueueArn"], "maxReceiveCount": "2"}
        await self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})

        async def send(body: str) -> None:
            await self._sqs.send_message(QueueUrl=url, MessageBody=body)

        async def dead() -> list[str]:
            return [message["Body"] for message in await self._receive(dead_url, 0)]

        return WorkQueueRig(SqsWorkQueue(self.clients.sqs, url), send, dead)

    async def dead_letters(self) -> DeadLettersRig:
        urls = {queue: await create_queue(self._sqs, next(_names)) for queue in get_args(DeadLetterSource)}

        async def sent() -> list[SentToDlq]:
            return [
                SentToDlq(
                    queue=queue,
                    body=message["Body"],
                    reason=message["MessageAttributes"]["reason"]["StringValue"],
                    code=message["MessageAttributes"]["code"]["StringValue"],
                )
                for queue, url in urls.items()
                for message in await self._receive(url, 0)
            ]

        return DeadLettersRig(SqsDeadLetters(self.clients.sqs, urls, retry=retry()), sent)

    async def dead_letter_queue(self) -> DeadLetterQueueRig:
        dead, back = await create_queue(self._sqs, next(_names)), await create_queue(self._sqs, next(_names))
        dead_letters = SqsDeadLetters(self.clients.sqs, {"fires": dead}, retry=retry())

        async def send_to_dlq(body: str, code: str, reason: str) -> None:
            await dead_letters.send_to_dlq("fires", body, reason=reason, code=code)

        async def arrived() -> list[str]:
            return [message["Body"] for message in await self._receive(back, 1)]

        return DeadLetterQueueRig(
            SqsDeadLetterQueue(self._sqs, url=dead, target=RedriveToQueue(self._sqs, back)), send_to_dlq, arrived
        )

    async def event_bus(self) -> EventBusRig:
        name = next(_names)
        url = await create_bus(self.admin.events, self._sqs, name)

        async def delivered(wait: int) -> list[Delivered]:
            return [_delivered(message["Body"]) for message in await self._receive(url, wait)]

        return EventBusRig(EventBridgeBus(self.clients.events, name), delivered)

    async def _receive(self, url: str, wait: int) -> Sequence[dict[str, Any]]:
        response = await self._sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait, MessageAttributeNames=["All"]
        )
        messages: list[dict[str, Any]] = response.get("Messages", [])
        for message in messages:
            await self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return messages


class EventBridgeV2Backend:
    """The one port that the newer API has."""

    def __init__(self, clients: AwsClients, bus: FakeBus) -> None:
        self._clients = clients
        self._bus = bus

    async def event_bus(self) -> EventBusRig:
        async def delivered(_wait: int) -> list[Delivered]:
            return [_arrived(event) for event in self._bus.delivered()]

        return EventBusRig(EventBridgeV2Bus(self._clients.events, ARN), delivered)


def _delivered(body: str) -> Delivered:
    return _arrived(msgspec.json.decode(body))


def _arrived(event: dict[str, Any]) -> Delivered:
    return Delivered(event["source"], event["detail-type"], event["detail"], tuple(event["resources"]))


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def ministack_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack_server(tmp_path_factory.mktemp("ministack")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def aws_session() -> AioSession:
    """Parses botocore's service models once."""
    return get_session()


BACKENDS = [
    "memory",
    pytest.param("moto", marks=pytest.mark.moto),
    pytest.param("ministack", marks=pytest.mark.embedded),
]


@pytest.fixture(params=BACKENDS)
async def backend(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, aws_session: AioSession
) -> AsyncIterator[Backend]:
    async with _backend(request, monkeypatch, aws_session) as backend:
        yield backend


@pytest.fixture(params=[*BACKENDS, "eventbridgev2"])
async def bus_backend(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, aws_session: AioSession
) -> AsyncIterator[BusBackend]:
    if request.param != "eventbridgev2":
        async with _backend(request, monkeypatch, aws_session) as backend:
            yield backend
        return
    with fake_bus() as (bus, endpoint):
        use_endpoint(monkeypatch, endpoint)
        async with aws_clients(concurrency=16, bus="eventbridgev2", session=aws_session) as clients:
            yield EventBridgeV2Backend(clients, bus)


@asynccontextmanager
async def _backend(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, session: AioSession
) -> AsyncIterator[Backend]:
    if request.param == "memory":
        yield MemoryBackend()
        return
    use_endpoint(monkeypatch, request.getfixturevalue(f"{request.param}_endpoint"))
    async with aws_clients(concurrency=16, session=session) as clients, admin(session) as creating:
        yield AwsBackend(clients, creating)
