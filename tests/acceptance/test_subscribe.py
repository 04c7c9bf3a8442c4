"""``eventcron subscribe`` on a running stack: a fire arrives at the queue and at the function, and then no more."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from eventcron.local.runtime import LocalSettings, Runtime
from tests.acceptance.test_dev_targets import ECHO
from tests.acceptance.test_dev_targets import World as Targets
from tests.acceptance.test_operations import eventcron, put_event

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="runtime")
async def _runtime() -> AsyncIterator[Runtime]:
    async with Runtime(LocalSettings(log_level="WARNING")) as runtime:
        yield runtime


async def test_fires_arrive_at_a_subscribed_queue_and_function_until_it_is_taken_back(runtime: Runtime) -> None:
    targets = Targets(runtime)
    queue, arn = await targets.queue("subscribed")
    printed, _ = await targets.queue("printed")
    function = await targets.function("subscribed", ECHO, QUEUE=printed)
    to_queue = ("subscribe", "acme/nightly-*", "--to", f"sqs:{arn}", "--yes", "--json")
    to_function = ("subscribe", "acme/nightly-report", "--to", f"lambda:{function}", "--yes", "--json")

    made = [await eventcron(runtime, *to_queue), await eventcron(runtime, *to_function)]
    again = await eventcron(runtime, *to_queue)
    assert [(done.status, done.json["done"]) for done in made] == [(0, "created"), (0, "created")]
    assert again.json["done"] == "unchanged"

    for name in ("other", "nightly-report"):
        detail = {"tenant": "acme", "name": name, "expression": "* * * * * *", "max_fires": 1, "input": name}
        await put_event(runtime, "Put Schedule", detail)
    for url in (queue, printed):
        assert (await targets.receive(url))["detail"]["input"] == "nightly-report"

    rules = (await eventcron(runtime, "rules", "--json")).json["rules"]
    found = {rule["name"]: rule for rule in rules}
    assert found[made[0].json["subscription"]]["targets"] == [arn]
    assert found[made[1].json["subscription"]]["pattern"]["detail"]["name"] == ["nightly-report"]
    assert found[made[0].json["subscription"]]["state"] == "ENABLED"

    removed = [await eventcron(runtime, *one, "--remove") for one in (to_queue, to_function)]
    assert [done.json["done"] for done in removed] == ["removed", "removed"]
    left = json.dumps((await eventcron(runtime, "rules", "--json")).json)
    assert made[0].json["subscription"] not in left
    assert made[1].json["subscription"] not in left
