"""Runs on the embedded AWS: fires go out with tokens, reports come back, and the bus says how each run ended."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from eventcron.local.runtime import LocalSettings, Runtime
from eventcron.model.names import Instant
from eventcron.timing.instant import from_datetime
from tests.waiting import received

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="module")]

ENDS = {"Run Succeeded", "Run Failed", "Run Overdue"}


class Stage:
    """A stack, and a queue for each tenant that receives everything on the bus about it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._urls: dict[str, str] = {}

    async def listen(self, tenant: str) -> None:
        sqs, events = self.runtime.client("sqs"), self.runtime.client("events")
        url = (await sqs.create_queue(QueueName=f"events-of-{tenant}"))["QueueUrl"]
        attributes = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        pattern = {"source": ["eventcron"], "detail": {"tenant": [tenant]}}
        bus = self.runtime.bus_name
        await events.put_rule(Name=tenant, EventBusName=bus, EventPattern=json.dumps(pattern))
        target = {"Id": "only", "Arn": attributes["Attributes"]["QueueArn"]}
        await events.put_targets(Rule=tenant, EventBusName=bus, Targets=[target])
        self._urls[tenant] = url

    async def put(self, source: str, detail_type: str, detail: dict[str, Any]) -> None:
        entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}
        entry["EventBusName"] = self.runtime.bus_name
        answer = await self.runtime.client("events").put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == 0

    async def next(self, tenant: str, wanted: set[str]) -> dict[str, Any]:
        """The next event of one of these detail types. Others are passed over."""
        while True:
            for message in await received(self.runtime.client("sqs"), self._urls[tenant]):
                event: dict[str, Any] = json.loads(message["Body"])
                if event["detail-type"] in wanted:
                    return event

    async def fire(self, tenant: str, **runs: Any) -> dict[str, Any]:
        """The event of a fire, run by hand, of a schedule that tracks its runs."""
        await self.listen(tenant)
        source, which = f"eventcron.tenant.{tenant}", {"tenant": tenant, "name": "job"}
        await self.put(source, "Put Schedule", which | {"expression": "manual", "runs": {"track": True} | runs})
        await self.next(tenant, {"Schedule Created"})
        await self.put(source, "Run Schedule", which)
        return await self.next(tenant, {"Schedule Fired"})


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="stage")
async def _stage() -> AsyncIterator[Stage]:
    async with Runtime(LocalSettings(log_level="WARNING")) as runtime:
        yield Stage(runtime)


def report(fire: dict[str, Any], status: str) -> dict[str, Any]:
    detail = fire["detail"]
    return {name: detail[name] for name in ("tenant", "name", "fire_id", "run_token")} | {"status": status}


async def test_a_report_by_command_ends_the_run(stage: Stage) -> None:
    fire = await stage.fire("by-command")
    await stage.put("eventcron.tenant.by-command", "Report Run", report(fire, "succeeded"))

    ended = await stage.next("by-command", ENDS)
    assert (ended["detail-type"], ended["detail"]["fire_id"]) == ("Run Succeeded", fire["detail"]["fire_id"])


async def test_a_run_of_which_nobody_hears_is_overdue(stage: Stage) -> None:
    fire = await stage.fire("silent", timeout_seconds=2)

    ended = await stage.next("silent", ENDS)
    assert (ended["detail-type"], ended["detail"]["fire_id"]) == ("Run Overdue", fire["detail"]["fire_id"])


async def test_another_token_changes_nothing(stage: Stage) -> None:
    fire = await stage.fire("forged")
    wrong = report(fire, "failed") | {"run_token": "s" + "A" * 43}
    await stage.put("eventcron.tenant.forged", "Report Run", wrong)
    rejection = await stage.next("forged", {"Schedule Rejected"})
    assert rejection["detail"]["code"] == "wrong_token"

    await stage.put("eventcron.tenant.forged", "Report Run", report(fire, "succeeded"))
    assert (await stage.next("forged", ENDS))["detail-type"] == "Run Succeeded"


async def test_runs_of_random_lengths_follow_each_other_and_none_is_stuck(stage: Stage) -> None:
    """An occurrence a second, runs of up to three: one waits, others are skipped, and no two are open."""
    await stage.listen("busy")
    source, which = "eventcron.tenant.busy", {"tenant": "busy", "name": "job"}
    runs = {"track": True, "overlap": "queue_one", "timeout_seconds": 2}
    await stage.put(source, "Put Schedule", which | {"expression": "* * * * * *", "runs": runs})
    lengths = random.Random(14)  # it has to be repeatable, not secret
    working: list[asyncio.Task[None]] = []
    #: By ``fire_id``: an event may come twice.
    spans: dict[str, tuple[Instant, Instant]] = {}

    async def work(fire: dict[str, Any]) -> None:
        await asyncio.sleep(lengths.random() * 3)
        await stage.put(source, "Report Run", report(fire, "succeeded"))

    while len(spans) < 20:
        event = await stage.next("busy", ENDS | {"Schedule Fired"})
        if event["detail-type"] == "Schedule Fired":
            working.append(asyncio.create_task(work(event)))
        else:
            started = from_datetime(datetime.fromisoformat(event["detail"]["started"]))
            spans[event["detail"]["fire_id"]] = (started, started + event["detail"]["duration_ms"])
    await stage.put(source, "Delete Schedule", which)
    await asyncio.gather(*working)
    assert [two for two in pairwise(sorted(spans.values())) if two[0][1] > two[1][0]] == []


async def test_a_schedule_that_expects_reports_says_that_it_is_silent_and_that_it_is_back(stage: Stage) -> None:
    await stage.listen("watched")
    source, which = "eventcron.tenant.watched", {"tenant": "watched", "name": "backup"}
    expect = {"expression": "*/5 * * * * *", "expect": {"within_seconds": 2}}
    await stage.put(source, "Put Schedule", which | expect)
    await stage.next("watched", {"Schedule Created"})
    await stage.put(source, "Report Run", which | {"status": "succeeded"})

    silences: list[str] = []
    while True:
        event = await stage.next("watched", ENDS | {"Schedule Fired"})
        assert event["detail-type"] in {"Run Overdue", "Run Succeeded"}
        if event["detail-type"] == "Run Overdue":
            silences.append(event["detail"]["due"])
            await stage.put(source, "Report Run", which | {"status": "succeeded", "message": "here"})
        elif event["detail"].get("message"):
            break
        # Otherwise the machine is busy, and the first report came after the first instant: a silence that ends already.
    assert (event["detail"]["message"], event["detail"]["started"]) == ("here", silences[-1])
