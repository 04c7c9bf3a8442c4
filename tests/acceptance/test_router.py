"""A thousand tenants on one rule: the router of ``infra/examples/router`` delivers each fire to its tenant's queue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

import pytest
import pytest_asyncio

from eventcron.local.runtime import LocalSettings, Runtime
from tests.acceptance.test_examples import World
from tests.waiting import until

pytestmark = [pytest.mark.embedded, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

T = TypeVar("T")

#: More than three times the rules that a bus can have.
TENANTS = [f"tenant-{number:03}" for number in range(1_000)]
ROUTE = "work-queues"
PREFIX = "work-of-"
#: Calls at a time: the embedded AWS answers one after the other anyway.
CALLS = 20
#: Entries in a call of PutEvents, items in one of BatchWriteItem.
ENTRIES, ITEMS = 10, 25


async def each(call: Callable[[T], Awaitable[Any]], items: Iterable[T]) -> list[Any]:
    """What *call* returns of each of *items*, a few at a time."""
    gate = asyncio.Semaphore(CALLS)

    async def one(item: T) -> Any:
        async with gate:
            return await call(item)

    return await asyncio.gather(*(one(item) for item in items))


def parts(size: int) -> list[list[str]]:
    return [TENANTS[start : start + size] for start in range(0, len(TENANTS), size)]


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="world")
async def _world() -> AsyncIterator[World]:
    async with Runtime(LocalSettings(log_level="WARNING")) as runtime:
        yield World(runtime)


async def _queues(world: World, table: str) -> dict[str, str]:
    """A queue for each tenant, in the router's table: tenant → URL."""
    sqs, dynamodb = world.client("sqs"), world.client("dynamodb")

    async def create(tenant: str) -> tuple[str, str]:
        return tenant, (await sqs.create_queue(QueueName=f"{PREFIX}{tenant}"))["QueueUrl"]

    urls = dict(await each(create, TENANTS))

    async def write(tenants: list[str]) -> None:
        items = [{"tenant": {"S": tenant}, "queue": {"S": urls[tenant]}} for tenant in tenants]
        answer = await dynamodb.batch_write_item(
            RequestItems={table: [{"PutRequest": {"Item": item}} for item in items]}
        )
        assert not answer.get("UnprocessedItems")

    await each(write, parts(ITEMS))
    return urls


async def _schedules(world: World) -> None:
    """A schedule for each tenant that fires once, soon."""

    async def put(tenants: list[str]) -> None:
        details = [
            {
                "tenant": tenant,
                "name": "nightly",
                "expression": "* * * * * *",
                "max_fires": 1,
                "route": ROUTE,
                "input": {"of": tenant},
            }
            for tenant in tenants
        ]
        entries = [
            {
                "EventBusName": world.runtime.bus_name,
                "Source": f"eventcron.tenant.{detail['tenant']}",
                "DetailType": "Put Schedule",
                "Detail": json.dumps(detail),
            }
            for detail in details
        ]
        assert (await world.client("events").put_events(Entries=entries))["FailedEntryCount"] == 0

    await each(put, parts(ENTRIES))


async def test_a_thousand_tenants_fire_through_one_rule_each_into_its_own_queue(world: World) -> None:
    outputs = await world.create("router/router", "router", Route=ROUTE, QueuePrefix=PREFIX)
    urls = await _queues(world, outputs["TargetsTable"])
    await _schedules(world)
    sqs = world.client("sqs")
    arrived: dict[str, list[dict[str, Any]]] = {tenant: [] for tenant in TENANTS}

    async def take(tenant: str) -> None:
        answer = await sqs.receive_message(QueueUrl=urls[tenant], MaxNumberOfMessages=10)
        arrived[tenant] += [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    async def more() -> bool:
        """Whether any came since it was last asked."""
        missing = [tenant for tenant in TENANTS if not arrived[tenant]]
        await each(take, missing)
        return any(arrived[tenant] for tenant in missing)

    while not all(arrived.values()):
        await until(more, every=2)
    await each(take, TENANTS)  # whatever came besides

    for tenant, events in arrived.items():
        assert {event["detail"]["tenant"] for event in events} == {tenant}
        assert {event["detail"]["fire_id"] for event in events} == {events[0]["detail"]["fire_id"]}
        assert (events[0]["detail"]["route"], events[0]["detail"]["input"]) == (ROUTE, {"of": tenant})
    rules = await world.client("events").list_rules(EventBusName=world.runtime.bus_name)
    with_route = [rule for rule in rules["Rules"] if ROUTE in rule.get("EventPattern", "")]
    assert len(with_route) == 1
