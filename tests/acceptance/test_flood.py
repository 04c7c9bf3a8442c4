"""A tenant that sends very many commands holds up nobody else's, on the embedded AWS.

``make bench-flood`` measures the time. Here the order counts: it does not depend on how busy the machine is.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from eventcron.adapters.clock import SystemClock
from eventcron.local.runtime import LocalSettings, Runtime
from eventcron.timing.instant import rfc3339
from tests.waiting import received

pytestmark = pytest.mark.embedded

#: Commands that stand before the other tenant's.
FLOOD = 3_000
BATCH = 10


@pytest.fixture(name="runtime")
async def _runtime() -> AsyncIterator[Runtime]:
    async with Runtime(LocalSettings(log_level="ERROR")) as runtime:
        yield runtime


def command(tenant: str, name: str) -> str:
    """A command as the bus delivers it."""
    return json.dumps({
        "id": f"{tenant}-{name}", "detail-type": "Put Schedule", "source": f"eventcron.tenant.{tenant}",
        "time": rfc3339(SystemClock().now(), millis=False),
        "detail": {"tenant": tenant, "name": name, "expression": "0 9 1 1 *"},
    })  # fmt: skip


async def listens(runtime: Runtime) -> str:
    """A queue that receives what is said of each schedule that was stored, in that order: its URL."""
    sqs, events = runtime.client("sqs"), runtime.client("events")
    url: str = (await sqs.create_queue(QueueName="created"))["QueueUrl"]
    arn = (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]
    pattern = {"source": ["eventcron"], "detail-type": ["Schedule Created"]}
    await events.put_rule(Name="created", EventBusName=runtime.bus_name, EventPattern=json.dumps(pattern))
    await events.put_targets(Rule="created", EventBusName=runtime.bus_name, Targets=[{"Id": "queue", "Arn": arn}])
    return url


@asynccontextmanager
async def held_up(runtime: Runtime) -> AsyncIterator[None]:
    """No function takes commands for as long as the context lasts."""
    aws_lambda = runtime.client("lambda")
    mappings = (await aws_lambda.list_event_source_mappings())["EventSourceMappings"]
    [uuid] = [one["UUID"] for one in mappings if "CommandQueue" in one["EventSourceArn"]]
    await aws_lambda.update_event_source_mapping(UUID=uuid, Enabled=False)
    yield
    await aws_lambda.update_event_source_mapping(UUID=uuid, Enabled=True)


async def test_another_tenant_s_put_is_applied_while_most_of_the_flood_before_it_is_waiting(runtime: Runtime) -> None:
    sqs, queue, created = runtime.client("sqs"), runtime.outputs["CommandQueueUrl"], await listens(runtime)
    async with held_up(runtime):
        for first in range(0, FLOOD, BATCH):
            entries = [{"Id": str(n), "MessageBody": command("noisy", f"n{n}")} for n in range(first, first + BATCH)]
            await sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        await sqs.send_message(QueueUrl=queue, MessageBody=command("quiet", "q"))

    async def tenant() -> str:
        """Whose schedule was stored next."""
        [message] = await received(sqs, created)
        return str(json.loads(message["Body"])["detail"]["tenant"])

    before = 0
    while await tenant() != "quiet":
        before += 1

    assert before < FLOOD / 2
