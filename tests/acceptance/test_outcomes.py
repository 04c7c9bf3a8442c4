"""Each way by which a run's end is reported, on the embedded AWS with deployed functions: as an event, in ``history``
and by ``why``."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from eventcron import Client, Schedule, consumer
from eventcron.entrypoints.cli.dev import environment
from eventcron.local.runtime import LocalSettings, Runtime
from eventcron.model.history import KeepHistory
from tests.acceptance.test_examples import INPUT, World
from tests.acceptance.test_operations import eventcron
from tests.waiting import HANG_SECONDS, received, until

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="module")]

ENDS = ["Run Succeeded", "Run Failed", "Run Overdue"]
SOURCE = Path(__file__).parents[2] / "src"


class Outcomes(World):
    """A running eventcron, and what it says about the runs of a tenant."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._ends: dict[str, str] = {}

    async def hear(self, tenant: str) -> None:
        """Have the ends of the tenant's runs from now on."""
        url, arn = await self.queue(f"ends-of-{tenant}")
        pattern = {"source": ["eventcron"], "detail-type": ENDS, "detail": {"tenant": [tenant]}}
        events = self.client("events")
        await events.put_rule(
            Name=f"ends-of-{tenant}", EventBusName=self.runtime.bus_name, EventPattern=json.dumps(pattern)
        )
        await events.put_targets(
            Rule=f"ends-of-{tenant}", EventBusName=self.runtime.bus_name, Targets=[{"Id": "queue", "Arn": arn}]
        )
        self._ends[tenant] = url

    async def end(self, tenant: str) -> tuple[str, dict[str, Any]]:
        """The next end of a run of the tenant: its detail-type and detail."""
        [message] = await received(self.client("sqs"), self._ends[tenant])
        event = json.loads(message["Body"])
        return event["detail-type"], event["detail"]

    async def kept(self, tenant: str, end: tuple[str, dict[str, Any]]) -> str:
        """What ``why`` says about the fire of *end*, once the history has that end, as ``history`` shows."""
        detail = end[1]
        key = f"{tenant}/{detail['name']}"

        async def known() -> list[dict[str, Any]]:
            entries = (await eventcron(self.runtime, "history", key, "--json")).json["entries"]
            return [one for one in entries if one["event"] == end[0] and one["detail"]["fire_id"] == detail["fire_id"]]

        await until(known)
        [answer] = (await eventcron(self.runtime, "why", key, "--at", detail["due"], "--json")).json["answers"]
        assert answer["because"] == "fired"
        return str(answer["says"])

    async def track(self, tenant: str, name: str = "nightly", *, timeout_seconds: int = 600, **fields: Any) -> None:
        """Put a schedule that fires once, soon, and whose run is tracked."""
        await self.schedule(tenant, name=name, runs={"track": True, "timeout_seconds": timeout_seconds}, **fields)

    async def start_for(self, tenant: str, arn: str) -> None:
        """Give the tenant's fires to the target *arn*."""
        pattern = {"source": ["eventcron"], "detail-type": ["Schedule Fired"], "detail": {"tenant": [tenant]}}
        events = self.client("events")
        await events.put_rule(Name=tenant, EventBusName=self.runtime.bus_name, EventPattern=json.dumps(pattern))
        target = {"Id": "only", "Arn": arn, "RoleArn": f"arn:aws:iam::{self.runtime.account}:role/any"}
        await events.put_targets(Rule=tenant, EventBusName=self.runtime.bus_name, Targets=[target])

    async def function(self, name: str, source: str, *, ends_after: int = 60) -> str:
        """A function with eventcron's package: its ARN."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("main.py", f"import sys\nsys.path.insert(0, {str(SOURCE)!r})\n{source}")
        answer = await self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="main.handler",
            Role=f"arn:aws:iam::{self.runtime.account}:role/any",
            Code={"ZipFile": buffer.getvalue()},
            Timeout=ends_after,
        )
        return str(answer["FunctionArn"])


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="world")
async def _world() -> AsyncIterator[Outcomes]:
    async with Runtime(LocalSettings(log_level="WARNING", keep_history=KeepHistory.ALL)) as runtime:
        yield Outcomes(runtime)


async def test_a_function_with_destinations(world: Outcomes) -> None:
    await world.hear("function")
    await world.create("lambda-outcomes", "function")
    await world.track("function", "good")
    good = await world.end("function")
    await world.track("function", "bad", input={})
    bad = await world.end("function")

    assert (good[0], good[1]["name"], good[1]["result"]) == ("Run Succeeded", "good", {"done": "good"})
    assert (bad[0], bad[1]["name"], bad[1]["message"]) == ("Run Failed", "bad", "the input is empty")
    assert "the run succeeded after" in await world.kept("function", good)
    assert (await world.kept("function", bad)).endswith(" s: the input is empty")


async def test_a_function_that_sleeps_past_its_timeout(world: Outcomes) -> None:
    await world.hear("sleeper")
    arn = await world.function("sleeper", "import time\ndef handler(event, context): time.sleep(60)\n", ends_after=1)
    bus = f"arn:aws:events:us-east-1:{world.runtime.account}:event-bus/{world.runtime.bus_name}"
    await world.client("lambda").put_function_event_invoke_config(
        FunctionName="sleeper", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": bus}}
    )
    await world.start_for("sleeper", arn)
    await world.track("sleeper")
    end = await world.end("sleeper")

    assert end[0] == "Run Failed"
    assert "timed out" in end[1]["message"].lower()
    assert "the run failed after" in await world.kept("sleeper", end)


async def test_a_state_machine_needs_nothing(world: Outcomes) -> None:
    await world.hear("machine")
    choice = {"Variable": "$.detail.name", "StringEquals": "bad", "Next": "Bad"}
    states = {
        "Which": {"Type": "Choice", "Choices": [choice], "Default": "Good"},
        "Good": {"Type": "Pass", "Result": {"rows": 3}, "End": True},
        "Bad": {"Type": "Fail", "Error": "NoRows", "Cause": "the table is empty"},
    }
    machine = await world.client("stepfunctions").create_state_machine(
        name="outcomes",
        definition=json.dumps({"StartAt": "Which", "States": states}),
        roleArn=f"arn:aws:iam::{world.runtime.account}:role/any",
    )
    await world.start_for("machine", machine["stateMachineArn"])
    await world.track("machine", "good")
    good = await world.end("machine")
    await world.track("machine", "bad")
    bad = await world.end("machine")

    assert (good[0], good[1]["result"]) == ("Run Succeeded", {"rows": 3})
    assert (bad[0], bad[1]["message"]) == ("Run Failed", "NoRows: the table is empty")
    assert (await world.kept("machine", bad)).endswith(" s: NoRows: the table is empty")


async def test_a_decorated_function_reports_by_itself(world: Outcomes) -> None:
    await world.hear("decorated")
    source = """
from eventcron import consumer

@consumer.handler(once=consumer.REPEATABLE, report_to="eventcron", attempts=1)
async def handler(fire):
    if fire.name == "bad":
        raise ValueError("no rows")
    return {"report": fire.input["report"]}
"""
    arn = await world.function("decorated", source)
    await world.client("lambda").put_function_event_invoke_config(FunctionName="decorated", MaximumRetryAttempts=0)
    await world.start_for("decorated", arn)
    await world.track("decorated", "good")
    good = await world.end("decorated")
    await world.track("decorated", "bad")
    bad = await world.end("decorated")

    assert (good[0], good[1]["result"]) == ("Run Succeeded", {"report": "leads"})
    assert (bad[0], bad[1]["message"]) == ("Run Failed", "ValueError: no rows")


async def test_a_worker_reports_what_its_jobs_did(world: Outcomes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(world.runtime).items():
        monkeypatch.setenv(name, value)
    await world.hear("worker")
    outputs = await world.create("sqs-worker", "worker")
    worker = consumer.Worker(outputs["WorkUrl"], report_to="eventcron", attempts=1, wait_seconds=1)

    @worker.on("good")
    async def good(_fire: consumer.Fire[Any]) -> dict[str, int]:
        return {"rows": 3}

    @worker.on("bad")
    def bad(_fire: consumer.Fire[Any]) -> None:
        raise ValueError("no rows")

    running = asyncio.create_task(worker.run())
    ends: dict[str, tuple[str, dict[str, Any]]] = {}
    for name in ("good", "bad", "unknown"):
        await world.track("worker", name)
        ends[name] = await world.end("worker")
    worker.stop()
    async with asyncio.timeout(HANG_SECONDS):
        await running

    assert (ends["good"][0], ends["good"][1]["result"]) == ("Run Succeeded", {"rows": 3})
    assert (ends["bad"][0], ends["bad"][1]["message"]) == ("Run Failed", "ValueError: no rows")
    assert (ends["unknown"][0], ends["unknown"][1]["message"]) == ("Run Failed", "no handler is registered for it")


async def test_an_ad_hoc_job_goes_through_the_same_queue_and_is_done_once(
    world: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(world.runtime).items():
        monkeypatch.setenv(name, value)
    outputs = await world.create("sqs-worker", "adhoc")
    worker = consumer.Worker(outputs["WorkUrl"], wait_seconds=1)
    done: list[tuple[str, str | None, Any]] = []

    @worker.on("resend")
    async def resend(fire: consumer.Fire[Any]) -> None:
        done.append((fire.cause, fire.cause_id, fire.input))
        if {cause_id for _, cause_id, _ in done} == {"first", "second"}:  # in either order
            worker.stop()

    async with Client() as client:
        await client.put(Schedule(tenant="adhoc", name="resend", expression="manual", input=INPUT), wait=True)
        for run_id in ("first", "first", "second"):
            await client.run("adhoc", "resend", run_id=run_id)
        async with asyncio.timeout(HANG_SECONDS):
            await worker.run()

    assert sorted(done) == [("run", "first", INPUT), ("run", "second", INPUT)]


#: Takes one fire, says so, and hangs; or does it, if its argument says so. Where it hangs, the message comes back soon.
#: Where it does the work, a busy machine must not give the message to it again meanwhile.
WORKER = """
import asyncio, sys
from eventcron import consumer

url, hangs = sys.argv[1], sys.argv[2] == "hang"
worker = consumer.Worker(url, report_to="eventcron", visibility_seconds=3 if hangs else 10, wait_seconds=1)

@worker.on("nightly")
async def work(fire):
    print(fire.fire_id, flush=True)
    if hangs:
        await asyncio.Event().wait()
    worker.stop()
    return "done by the second"

asyncio.run(worker.run())
"""


async def _worker(world: Outcomes, url: str, how: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, url, how,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment(world.runtime)},
    )  # fmt: skip


async def _fire_id(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(HANG_SECONDS):
        return await process.stdout.readline()


@pytest.mark.parametrize(("tenant", "timeout_seconds"), [("killed", 600), ("killed-and-late", 5)])
async def test_the_fire_of_a_killed_worker_is_done_by_the_next_one_and_its_run_is_overdue_if_that_is_late(
    world: Outcomes, tenant: str, timeout_seconds: int
) -> None:
    await world.hear(tenant)
    outputs = await world.create("sqs-worker", tenant)
    first = await _worker(world, outputs["WorkUrl"], "hang")
    await world.track(tenant, timeout_seconds=timeout_seconds)
    fire_id = await _fire_id(first)
    first.send_signal(signal.SIGKILL)
    assert await first.wait() == -signal.SIGKILL

    late = timeout_seconds == 5
    overdue = await world.end(tenant) if late else None
    second = await _worker(world, outputs["WorkUrl"], "work")
    assert await _fire_id(second) == fire_id
    assert await second.wait() == 0

    if overdue is None:
        kind, detail = await world.end(tenant)
        assert (kind, detail["result"]) == ("Run Succeeded", "done by the second")
    else:
        assert (overdue[0], overdue[1]["fire_id"]) == ("Run Overdue", fire_id.decode().strip())
        assert "the run did not end in time" in await world.kept(tenant, overdue)

    async def nothing_is_left() -> bool:
        asked = await world.client("sqs").get_queue_attributes(QueueUrl=outputs["WorkUrl"], AttributeNames=["All"])
        kinds = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return all(asked["Attributes"][kind] == "0" for kind in kinds)

    await until(nothing_is_left)
