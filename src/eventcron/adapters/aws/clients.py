"""The three AWS clients, opened once per process, and the operations that the adapters use."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from eventcron.adapters.aws.access import Access, EnvironmentAccess
from eventcron.adapters.aws.json_api import DynamoJson, EventsJson, JsonApi, Response, SqsJson
from eventcron.app.concurrency import all_of

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

Api = TypeVar("Api", bound=JsonApi)


class DynamoClient(Protocol):
    """The operations of DynamoDB that are used."""

    async def batch_get_item_bytes(self, **request: Any) -> bytes: ...
    async def batch_write_item(self, **request: Any) -> Response: ...
    async def delete_item(self, **request: Any) -> Response: ...
    async def get_item(self, **request: Any) -> Response: ...
    async def put_item(self, **request: Any) -> Response: ...
    async def query(self, **request: Any) -> Response: ...
    async def query_bytes(self, **request: Any) -> bytes: ...
    async def scan(self, **request: Any) -> Response: ...
    async def update_item(self, **request: Any) -> Response: ...


class SqsClient(Protocol):
    """The operations of SQS that whoever sends messages uses."""

    async def send_message(self, **request: Any) -> Response: ...
    async def send_message_batch(self, **request: Any) -> Response: ...


class WorkClient(SqsClient, Protocol):
    """And those that a worker uses."""

    async def change_message_visibility_batch(self, **request: Any) -> Response: ...
    async def delete_message_batch(self, **request: Any) -> Response: ...
    async def get_queue_attributes(self, **request: Any) -> Response: ...
    async def receive_message(self, **request: Any) -> Response: ...


class EventsClient(Protocol):
    """The operation of EventBridge that is used, of either API."""

    async def put_events(self, **request: Any) -> Response: ...


class AwsClients(NamedTuple):
    """Open clients. They belong to the event loop on which they were opened."""

    dynamodb: DynamoClient
    sqs: WorkClient
    events: EventsClient


@asynccontextmanager
async def aws_clients(
    *, concurrency: int, bus: str = EventsJson.service, session: AioSession | None = None, connected: bool = False
) -> AsyncIterator[AwsClients]:
    """The clients, closed on leaving. Region, credentials and endpoints come from the environment, as boto reads it.

    *concurrency* is how many connections each client may hold open. *bus* names the API of the bus for events, as
    botocore does. A *session*, if given, is what reads the environment. *connected*: a connection to each service that
    can be reached is open already; botocore's client opens its own with its first call.

    No client repeats anything: ``eventcron.app.retry`` repeats throttled calls and broken connections alike, and a
    second loop below it would multiply the calls. Every call of these clients is made under ``Retry``.

    Raises:
        NoRegionError, NoCredentialsError: the environment names none.
    """
    access = await _access(session)
    apis: list[JsonApi] = []
    async with AsyncExitStack() as stack:

        def opened(api: type[Api]) -> Api:
            made = stack.enter_context(closing(api(access, limit=concurrency)))
            apis.append(made)
            return made

        events: EventsClient
        if bus == EventsJson.service:
            events = opened(EventsJson)
        else:
            # The newer bus speaks CBOR, which botocore writes. aiobotocore is imported where it is needed alone.
            from eventcron.adapters.aws.sessions import botocore_client  # noqa: PLC0415

            events = await stack.enter_async_context(botocore_client(bus, session, concurrency=concurrency))
        clients = AwsClients(opened(DynamoJson), opened(SqsJson), events)
        if connected:
            await all_of(api.open() for api in apis)
        yield clients


async def _access(session: AioSession | None) -> Access:
    access = EnvironmentAccess.of(os.environ) if session is None else None
    if access is not None:
        return access
    from eventcron.adapters.aws.sessions import SessionAccess  # noqa: PLC0415  # see EnvironmentAccess

    return await SessionAccess.of(session)
