"""The three AWS clients, opened once per process, and the operations that the adapters use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple, Protocol, TypeAlias

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session

#: A response as botocore parses it.
Response: TypeAlias = dict[str, Any]


class DynamoClient(Protocol):
    """The operations of DynamoDB that are used."""

    async def batch_get_item(self, **request: Any) -> Response: ...
    async def delete_item(self, **request: Any) -> Response: ...
    async def get_item(self, **request: Any) -> Response: ...
    async def put_item(self, **request: Any) -> Response: ...
    async def query(self, **request: Any) -> Response: ...
    async def scan(self, **request: Any) -> Response: ...
    async def update_item(self, **request: Any) -> Response: ...


class SqsClient(Protocol):
    """The operations of SQS that are used."""

    async def send_message(self, **request: Any) -> Response: ...
    async def send_message_batch(self, **request: Any) -> Response: ...


class EventsClient(Protocol):
    """The operation of EventBridge that is used, of either API."""

    async def put_events(self, **request: Any) -> Response: ...


class AwsClients(NamedTuple):
    """Open clients. They belong to the event loop on which they were opened."""

    dynamodb: DynamoClient
    sqs: SqsClient
    events: EventsClient


@asynccontextmanager
async def aws_clients(
    *, concurrency: int, bus: str = "events", session: AioSession | None = None
) -> AsyncIterator[AwsClients]:
    """The clients, closed on leaving. Region, credentials and endpoints come from the environment, as boto reads it.

    *concurrency* is how many connections each client may hold open. *bus* names the API of the bus for events, as
    botocore does. A *session*, if given, keeps the parsed service models from one use to the next.
    """
    config = AioConfig(
        # Seconds. All three services answer within tens of milliseconds from the same Region. A call that takes
        # longer is better repeated than waited for; but not too soon, as a repeated publication may come twice.
        connect_timeout=1,
        read_timeout=10,
        # botocore repeats nothing: ``eventcron.app.retry`` repeats throttled calls and broken connections alike, and
        # a second loop below it would multiply the calls. A process that was frozen finds its connections closed, so
        # the first call after a pause may fail; every call of these clients is made under ``Retry``.
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=concurrency,
    )
    session = session or get_session()
    async with AsyncExitStack() as stack:
        yield AwsClients(
            dynamodb=await stack.enter_async_context(session.create_client("dynamodb", config=config)),
            sqs=await stack.enter_async_context(session.create_client("sqs", config=config)),
            events=await stack.enter_async_context(session.create_client(bus, config=config)),
        )
