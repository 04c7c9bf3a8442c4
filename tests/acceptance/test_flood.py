"""A tenant that sends very many commands holds up nobody else's, on the embedded AWS.

``make bench-flood`` measures the time. Here the order counts: it does not depend on how busy the machine is.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from eventcron.adapters.clock import SystemClock
from eventcron.local.runtime import LocalSettings, Runtime
from eventcron.timing.instant import rfc3339
from tests.waiting import until

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


async def stored(runtime: Runtime, tenant: str) -> int:
    """How many schedules *tenant* has."""
    answer: dict[str, Any] = await runtime.client("dynamodb").query(
        TableName=runtime.outputs["SchedulesTableName"],
        KeyConditionExpression="tenant = :tenant",
        FilterExpression="attribute_exists(revision)",
        ExpressionAttributeValues={":tenant": {"S": tenant}},
        Select="COUNT",
    )
    return int(answer["Count"])


async def test_another_tenant_s_put_is_applied_while_most_of_the_flood_before_it_is_waiting(runtime: Runtime) -> None:
    sqs, queue = runtime.client("sqs"), runtime.outputs["CommandQueueUrl"]
    for first in range(0, FLOOD, BATCH):
        entries = [{"Id": str(n), "MessageBody": command("noisy", f"n{n}")} for n in range(first, first + BATCH)]
        await sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    await sqs.send_message(QueueUrl=queue, MessageBody=command("quiet", "q"))

    async def is_stored() -> bool:
        return await stored(runtime, "quiet") == 1

    await until(is_stored)

    assert await stored(runtime, "noisy") < FLOOD / 2
