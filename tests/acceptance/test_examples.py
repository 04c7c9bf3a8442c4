"""Every example stack receives a fire through its own target, next to a running eventcron."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from eventcron import consumer
from eventcron.entrypoints.cli.dev import environment
from eventcron.local.runtime import LocalSettings, Runtime
from tests.acceptance.test_dev_targets import Receiver
from tests.acceptance.test_operations import eventcron
from tests.waiting import HANG_SECONDS, received, until

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="module")]

EXAMPLES = Path(__file__).parents[2] / "infra" / "examples"
INPUT = {"report": "leads"}


class World:
    """A running eventcron and the example stacks."""

    def __init__(self, runtime: Runtime) -> None:
        self.client = runtime.client
        self.runtime = runtime
        self._bus = runtime.bus_name

    async def create(self, example: str, tenant: str, **parameters: str) -> dict[str, str]:
        """Create the stack of *example* for *tenant*; its outputs."""
        values = {"BusName": self._bus, "Tenant": tenant, **parameters}
        cloudformation = self.client("cloudformation")
        await cloudformation.create_stack(
            StackName=tenant,
            TemplateBody=(EXAMPLES / f"{example}.yaml").read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
            Capabilities=["CAPABILITY_IAM"],
        )

        async def created() -> dict[str, Any] | None:
            [stack] = (await cloudformation.describe_stacks(StackName=tenant))["Stacks"]
            assert stack["StackStatus"] in {"CREATE_IN_PROGRESS", "CREATE_COMPLETE"}, stack
            return dict(stack) if stack["StackStatus"] == "CREATE_COMPLETE" else None

        stack = await until(created)
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    async def schedule(self, tenant: str, **fields: Any) -> None:
        """Put a schedule that fires once, within a second or two."""
        detail = {"tenant": tenant, "name": "nightly", "expression": "* * * * * *", "max_fires": 1, "input": INPUT}
        detail |= fields
        entry = {
            "EventBusName": self._bus,
            "Source": f"eventcron.tenant.{tenant}",
            "DetailType": "Put Schedule",
            "Detail": json.dumps(detail),
        }
        answer = await self.client("events").put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == 0

    async def redrive(self, outputs: dict[str, str], tenant: str, target: str, *arguments: str) -> dict[str, Any]:
        """Have a fire for *target* die of EventBridge, and send it back by the command; what the command said."""
        events = self.client("events")
        [name] = (await events.list_rule_names_by_target(TargetArn=target, EventBusName=self._bus))["RuleNames"]
        rule = (await events.describe_rule(Name=name, EventBusName=self._bus))["Arn"]
        attributes = {"RULE_ARN": rule, "TARGET_ARN": target, "ERROR_CODE": "SDK_CLIENT_ERROR", "ERROR_MESSAGE": "no"}
        await self.client("sqs").send_message(
            QueueUrl=outputs["DeadLettersUrl"],
            MessageBody=json.dumps(_late_fire(tenant)),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )
        sending = ("redrive", "send", outputs["DeadLettersUrl"], "--all", "--json")
        done = await eventcron(self.runtime, *sending, *arguments)
        assert done.status == (1 if done.json["failed"] else 0)
        return dict(done.json)

    async def received(self, url: str) -> Any:
        """The next message of the queue, as JSON."""
        [message] = await received(self.client("sqs"), url)
        return json.loads(message["Body"])

    async def subscribe(self, tenant: str, queue: str) -> None:
        """Have a rule send the fires of *tenant* to *queue*, an ARN."""
        pattern = {"source": ["eventcron"], "detail-type": ["Schedule Fired"], "detail": {"tenant": [tenant]}}
        events = self.client("events")
        await events.put_rule(Name=tenant, EventBusName=self._bus, EventPattern=json.dumps(pattern))
        await events.put_targets(Rule=tenant, EventBusName=self._bus, Targets=[{"Id": "queue", "Arn": queue}])

    async def queue(self, name: str) -> tuple[str, str]:
        """A queue of the test's own: its URL and ARN."""
        url = (await self.client("sqs").create_queue(QueueName=name))["QueueUrl"]
        answer = await self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, answer["Attributes"]["QueueArn"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="world")
async def _world() -> AsyncIterator[World]:
    async with Runtime(LocalSettings(log_level="WARNING")) as runtime:
        yield World(runtime)


SENT = {"sent": 1, "failed": {}, "missing": []}
LATE_INPUT = {"report": "late"}


def _late_fire(tenant: str) -> dict[str, Any]:
    detail = {
        "tenant": tenant,
        "name": "late",
        "fire_id": "f-late",
        "due": "2099-01-01T00:00:00.000Z",
        "input": LATE_INPUT,
    }
    return {
        "version": "0", "id": "e-1", "detail-type": "Schedule Fired", "source": "eventcron", "account": "000000000000",
        "time": "2026-12-01T00:00:00Z", "region": "us-east-1", "resources": [f"{tenant}/late"], "detail": detail,
    }  # fmt: skip


def _is_the_fire(event: dict[str, Any], tenant: str) -> None:
    assert (event["source"], event["detail-type"]) == ("eventcron", "Schedule Fired")
    assert (event["detail"]["tenant"], event["detail"]["name"]) == (tenant, "nightly")
    assert event["detail"]["input"] == INPUT


async def test_every_example_has_a_test() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == {
        name.removeprefix("test_example_").replace("_", "-") for name in globals() if name.startswith("test_example_")
    }


async def test_example_sqs_worker(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(world.runtime).items():
        monkeypatch.setenv(name, value)
    outputs = await world.create("sqs-worker", "worker")
    await world.schedule("worker")

    fires: list[consumer.Fire[Any]] = []
    worker = consumer.Worker(outputs["WorkUrl"], wait_seconds=1)

    @worker.on("nightly", tenant="worker")
    async def work(fire: consumer.Fire[Any]) -> None:
        fires.append(fire)
        worker.stop()

    async with asyncio.timeout(HANG_SECONDS):
        await worker.run()
    assert [(fire.name, fire.input) for fire in fires] == [("nightly", INPUT)]

    arn = await world.client("sqs").get_queue_attributes(QueueUrl=outputs["WorkUrl"], AttributeNames=["QueueArn"])
    assert await world.redrive(outputs, "worker", arn["Attributes"]["QueueArn"]) == SENT
    assert await world.received(outputs["WorkUrl"]) == _late_fire("worker")


async def test_example_lambda_outcomes(world: World) -> None:
    url, arn = await world.queue("of-outcomes")
    events = world.client("events")
    await events.put_rule(Name="outcomes", EventBusName=world.runtime.bus_name, EventPattern='{"source": ["lambda"]}')
    await events.put_targets(
        Rule="outcomes", EventBusName=world.runtime.bus_name, Targets=[{"Id": "queue", "Arn": arn}]
    )
    await world.create("lambda-outcomes", "ends")
    ended: dict[str, dict[str, Any]] = {}
    for name, given in (("nightly", INPUT), ("empty", {})):
        await world.schedule("ends", name=name, input=given, runs={"track": True})
        event = await world.received(url)
        ended[event["detail-type"].rpartition(" ")[2]] = event["detail"]

    assert ended["Success"]["responsePayload"] == {"done": "nightly"}
    assert ended["Failure"]["responsePayload"]["errorMessage"] == "the input is empty"
    assert [record["requestPayload"]["detail"]["input"] for record in ended.values()] == [INPUT, {}]


async def test_example_lambda(world: World) -> None:
    outputs = await world.create("lambda", "function")
    await world.schedule("function")

    async def printed() -> list[dict[str, Any]]:
        answer = await world.client("logs").filter_log_events(logGroupName=outputs["LogGroupName"])
        return [json.loads(event["message"]) for event in answer["events"] if '"fire_id"' in event["message"]]

    [line] = await until(printed)
    assert (line["schedule"], line["input"]) == ("nightly", INPUT)

    function = await world.client("lambda").get_function_configuration(FunctionName=outputs["FunctionName"])
    assert await world.redrive(outputs, "function", function["FunctionArn"]) == SENT

    async def both() -> list[dict[str, Any]]:
        lines = await printed()
        return lines if len(lines) > 1 else []

    assert [(line["schedule"], line["input"]) for line in await until(both)][1:] == [("late", LATE_INPUT)]


async def test_example_step_functions(world: World) -> None:
    outputs = await world.create("step-functions", "machine")
    await world.schedule("machine")
    states = world.client("stepfunctions")

    async def executions() -> list[dict[str, Any]]:
        answer = await states.list_executions(stateMachineArn=outputs["MachineArn"], statusFilter="SUCCEEDED")
        return list(answer["executions"])

    [execution] = await until(executions)
    described = await states.describe_execution(executionArn=execution["executionArn"])
    _is_the_fire(json.loads(described["input"]), "machine")
    output = json.loads(described["output"])
    assert (output["done"], output["with"]) == ("nightly", INPUT)

    assert await world.redrive(outputs, "machine", outputs["MachineArn"]) == SENT

    async def redriven() -> list[dict[str, Any]]:
        return [one for one in await executions() if one["name"].startswith("redrive-")]

    [execution] = await until(redriven)
    described = await states.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(described["input"]) == _late_fire("machine")


async def test_example_api_destination(world: World) -> None:
    async with Receiver() as receiver:
        outputs = await world.create("api-destination", "hook", Endpoint=f"{receiver.url}/fires", Key="secret")
        await world.schedule("hook")
        request = await receiver.next()

        refused = await world.redrive(outputs, "hook", outputs["DestinationArn"])
        again = ("redrive", "send", outputs["DeadLettersUrl"], "--all", "--to", outputs["RedriveBusArn"], "--json")
        sent = await eventcron(world.runtime, *again)
        late = await receiver.next()

    _is_the_fire(request["body"], "hook")
    assert (request["method"], request["path"]) == ("POST", "/fires")
    assert request["headers"]["X-Api-Key"] == "secret"
    assert request["headers"]["Idempotency-Key"] == request["body"]["detail"]["fire_id"]
    (reason,) = refused["failed"].values()
    assert "only a rule can invoke: send it to a bus with such a rule" in reason
    assert sent.json == SENT, "the dead letter was lost"
    assert late["body"]["detail"] == _late_fire("hook")["detail"]
    assert late["headers"]["Idempotency-Key"] == "f-late"


async def test_example_sns(world: World) -> None:
    outputs = await world.create("sns", "topic")
    url, arn = await world.queue("behind-topic")
    await world.client("sns").subscribe(TopicArn=outputs["TopicArn"], Protocol="sqs", Endpoint=arn)
    await world.schedule("topic")

    notice = await world.received(url)
    assert json.loads(notice["Message"]) == INPUT

    assert await world.redrive(outputs, "topic", outputs["TopicArn"]) == SENT
    assert json.loads((await world.received(url))["Message"]) == LATE_INPUT, "what the rule gives the topic of it"


async def test_example_another_account(world: World) -> None:
    events = world.client("events")
    bus = (await events.create_event_bus(Name="theirs"))["EventBusArn"]
    url, arn = await world.queue("behind-their-bus")
    await events.put_rule(Name="all", EventBusName="theirs", EventPattern='{"source": ["eventcron"]}')
    await events.put_targets(Rule="all", EventBusName="theirs", Targets=[{"Id": "queue", "Arn": arn}])
    outputs = await world.create("another-account", "abroad", TargetBusArn=bus)
    await world.schedule("abroad")

    _is_the_fire(await world.received(url), "abroad")

    assert await world.redrive(outputs, "abroad", bus) == SENT
    late = await world.received(url)
    assert (late["source"], late["detail"]) == ("eventcron", _late_fire("abroad")["detail"])


async def test_a_stack_with_one_planner_has_no_segment_queue_and_says_so(world: World) -> None:
    listed = await eventcron(world.runtime, "redrive", "list", "--json")
    shown = await eventcron(world.runtime, "redrive", "show", "segments")

    assert listed.json.keys() == {"commands", "fires", "targets"}
    assert (shown.status, shown.out) == (2, "")
    assert (
        "this stack has no queue 'segments', as its parameter PlannerWorkers is 1; it has commands, fires" in shown.err
    )


async def test_example_declared_schedules(world: World) -> None:
    url, arn = await world.queue("of-declared")
    await world.subscribe("declared", arn)
    await world.create("declared-schedules", "declared", Expression="* * * * * *")

    _is_the_fire(await world.received(url), "declared")
