"""Creates single resources of the stack on an emulator, from the same template text as a deployment."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from aiobotocore.session import AioSession, get_session

from eventcron.adapters.aws.table import DynamoTable
from eventcron.adapters.clock import SystemClock
from eventcron.app.retry import Retry

TEMPLATE = Path(__file__).parents[1] / "infra" / "template.yaml"


class _Loader(yaml.CSafeLoader):
    """Reads a template's ``!Ref`` and its like as None: nothing here needs what they stand for."""


_Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)


def properties(resource: str) -> dict[str, Any]:
    """The ``Properties`` of a resource of ``infra/template.yaml``, by its logical id."""
    found: dict[str, Any] = _template()["Resources"][resource]["Properties"]
    return found


@cache
def _template() -> Any:
    return yaml.load(TEMPLATE.read_text(), _Loader)


class Admin(NamedTuple):
    """botocore's clients, for what a test does and no adapter: create a table, receive a message."""

    dynamodb: Any
    sqs: Any
    events: Any


@asynccontextmanager
async def admin(session: AioSession | None = None) -> AsyncIterator[Admin]:
    """Open clients. A *session*, if given, keeps the parsed service models from one use to the next."""
    session = session or get_session()
    async with AsyncExitStack() as stack:
        services = ("dynamodb", "sqs", "events")
        yield Admin(*[await stack.enter_async_context(session.create_client(service)) for service in services])


async def create_table(dynamodb: Any, name: str, resource: str) -> str:
    """A table as the template has *resource*. Returns its name."""
    taken = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    given = properties(resource)
    if "GlobalSecondaryIndexes" in given:
        # None: what a parameter decides.
        indexes = given["GlobalSecondaryIndexes"]
        given = given | {"GlobalSecondaryIndexes": [{k: v for k, v in one.items() if v is not None} for one in indexes]}
    await dynamodb.create_table(TableName=name, **{key: given[key] for key in taken if key in given})
    return name


async def create_queue(sqs: Any, name: str) -> str:
    """A standard queue. Returns its URL."""
    url: str = (await sqs.create_queue(QueueName=name))["QueueUrl"]
    return url


async def create_bus(events: Any, sqs: Any, name: str) -> str:
    """A bus whose events all arrive in a queue as well. Returns that queue's URL."""
    url = await create_queue(sqs, name)
    attributes = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    await events.create_event_bus(Name=name)
    await events.put_rule(Name=name, EventBusName=name, EventPattern='{"source": [{"prefix": ""}]}')
    await events.put_targets(
        Rule=name, EventBusName=name, Targets=[{"Id": "all", "Arn": attributes["Attributes"]["QueueArn"]}]
    )
    return url


def retry() -> Retry:
    """As in a deployment."""
    return Retry(clock=SystemClock(), jitter=random.random)


def table(client: Any, name: str, *, concurrency: int = 16) -> DynamoTable:
    """What the DynamoDB adapters share, over an open client."""
    return DynamoTable(client, name, retry=retry(), concurrency=concurrency)
