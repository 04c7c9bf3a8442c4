"""Rules that a developer adds work locally: every kind of target receives the events on the bus."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest
import pytest_asyncio
from aiohttp import web

from eventcron.local.runtime import LocalSettings, Runtime
from tests.waiting import HANG_SECONDS, received

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="module")]

DETAIL = {
    "tenant": "acme",
    "name": "nightly export",
    "fire_id": "0123456789abcdef",
    "due": "2026-12-01T01:00:00.000Z",
    "cause": "schedule",
    "input": {"report": "leads", "text": 'quotes " and ünïcode'},
}
#: Distinguishes the fires of one test from those of another.
FIRED_AT = 1_796_086_800  # 2026-12-01T01:00:00Z


class World:
    """A running stack, and the calls that the tests make."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def client(self, service: str) -> Any:
        return self.runtime.client(service)

    async def queue(self, name: str, **attributes: str) -> tuple[str, str]:
        """A new queue: its URL and ARN."""
        url = (await self.client("sqs").create_queue(QueueName=name, Attributes=attributes))["QueueUrl"]
        answer = await self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, answer["Attributes"]["QueueArn"]

    async def subscribe(self, name: str, *, bus: str | None = None, **target: Any) -> None:
        """A rule for the events whose detail names *name* as their tenant, with one target."""
        bus = bus or self.runtime.bus_name
        pattern = {"source": ["eventcron", "eventcron.test"], "detail": {"tenant": [name]}}
        events = self.client("events")
        await events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
        answer = await events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "only", **target}])
        assert answer["FailedEntryCount"] == 0

    async def fire(self, tenant: str) -> dict[str, Any]:
        """Put a `Schedule Fired` event for *tenant* on the bus; its detail."""
        detail = {**DETAIL, "tenant": tenant}
        answer = await self.client("events").put_events(
            Entries=[
                {
                    "EventBusName": self.runtime.bus_name,
                    "Source": "eventcron",
                    "DetailType": "Schedule Fired",
                    "Detail": json.dumps(detail),
                    "Time": FIRED_AT,
                    "Resources": [f"{tenant}/nightly export"],
                }
            ]
        )
        assert answer["FailedEntryCount"] == 0
        return detail

    async def receive(self, url: str) -> Any:
        """The next message of the queue, as JSON, taken off it."""
        [message] = await received(self.client("sqs"), url)
        return json.loads(message["Body"])

    async def function(self, name: str, source: str, **variables: str) -> str:
        """A Lambda function of the developer's own: its ARN."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("main.py", source)
        answer = await self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="main.handler",
            Role=f"arn:aws:iam::{self.runtime.account}:role/any",
            Code={"ZipFile": buffer.getvalue()},
            Environment={"Variables": variables},
            Timeout=HANG_SECONDS,
        )
        return str(answer["FunctionArn"])

    async def machine(self, name: str, states: dict[str, Any]) -> str:
        """A state machine that starts at the first of *states*: its ARN."""
        answer = await self.client("stepfunctions").create_state_machine(
            name=name,
            definition=json.dumps({"StartAt": next(iter(states)), "States": states}),
            roleArn=f"arn:aws:iam::{self.runtime.account}:role/any",
        )
        return str(answer["stateMachineArn"])


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="world")
async def _world() -> AsyncIterator[World]:
    async with Runtime(LocalSettings(log_level="WARNING")) as runtime:
        yield World(runtime)


def _whole(event: dict[str, Any], detail: dict[str, Any]) -> None:
    assert event["source"] == "eventcron"
    assert event["detail-type"] == "Schedule Fired"
    assert event["time"] == "2026-12-01T01:00:00Z"
    assert event["resources"] == [f"{detail['tenant']}/nightly export"]
    assert event["detail"] == detail


async def test_a_queue_receives_the_whole_event(world: World) -> None:
    url, arn = await world.queue("to-sqs")
    await world.subscribe("to-sqs", Arn=arn)
    detail = await world.fire("to-sqs")

    _whole(await world.receive(url), detail)


async def test_another_bus_delivers_the_event_to_its_own_rules(world: World) -> None:
    url, arn = await world.queue("behind-bus")
    other = await world.client("events").create_event_bus(Name="team-acme")
    await world.subscribe("behind-bus", bus="team-acme", Arn=arn)
    await world.client("events").put_rule(
        Name="pass-on", EventBusName=world.runtime.bus_name, EventPattern=json.dumps({"source": ["eventcron"]})
    )
    await world.client("events").put_targets(
        Rule="pass-on",
        EventBusName=world.runtime.bus_name,
        Targets=[{"Id": "bus", "Arn": other["EventBusArn"], "RoleArn": "arn:aws:iam::000000000000:role/any"}],
    )
    detail = await world.fire("behind-bus")

    _whole(await world.receive(url), detail)


#: Sends its event to a queue, at the endpoint in Lambda's environment.
ECHO = """
import json, os, boto3
sqs = boto3.client("sqs")
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""


async def test_a_function_receives_the_whole_event(world: World) -> None:
    url, _ = await world.queue("to-lambda")
    await world.subscribe("to-lambda", Arn=await world.function("echo", ECHO, QUEUE=url))
    detail = await world.fire("to-lambda")

    _whole(await world.receive(url), detail)


FAILS_TWICE = (
    ECHO
    + """
    count = sqs.get_queue_attributes(QueueUrl=os.environ["QUEUE"], AttributeNames=["ApproximateNumberOfMessages"])
    if int(count["Attributes"]["ApproximateNumberOfMessages"]) < 3:
        raise RuntimeError("not yet")
"""
)


async def test_a_function_that_fails_is_tried_three_times(world: World) -> None:
    url, _ = await world.queue("retried")
    await world.subscribe("retried", Arn=await world.function("fails-twice", FAILS_TWICE, QUEUE=url))
    await world.fire("retried")

    assert len([await world.receive(url) for _ in range(3)]) == 3


ENDS = """
def handler(event, context):
    if event["detail"]["tenant"] == "fails":
        raise ValueError("no rows")
    return {"rows": 3}
"""


@pytest.mark.parametrize(
    ("tenant", "kind", "context", "payload"),
    [
        ("ends", "Success", ("Success", 1), {"rows": 3}),
        ("fails", "Failure", ("RetriesExhausted", 2), {"errorType": "ValueError", "errorMessage": "no rows"}),
    ],
)
async def test_lambda_puts_how_an_invocation_ended_on_the_bus_that_is_its_destination(
    world: World, tenant: str, kind: str, context: tuple[str, int], payload: dict[str, Any]
) -> None:
    url, queue = await world.queue(f"heard-of-{tenant}")
    name = f"outcomes-{tenant}"
    bus = (await world.client("events").create_event_bus(Name=name))["EventBusArn"]
    pattern = json.dumps({"source": ["lambda"]})
    await world.client("events").put_rule(Name="all", EventBusName=name, EventPattern=pattern)
    await world.client("events").put_targets(Rule="all", EventBusName=name, Targets=[{"Id": "queue", "Arn": queue}])
    function = await world.function(tenant, ENDS)
    destination = {"Destination": bus}
    await world.client("lambda").put_function_event_invoke_config(
        FunctionName=tenant,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnSuccess": destination, "OnFailure": destination},
    )
    await world.subscribe(tenant, Arn=function)
    detail = await world.fire(tenant)
    event = await world.receive(url)

    assert event["detail-type"] == f"Lambda Function Invocation Result - {kind}"
    assert event["resources"] == [bus, f"{function}:$LATEST"]
    record = event["detail"]
    _whole(record["requestPayload"], detail)
    assert (record["requestContext"]["condition"], record["requestContext"]["approximateInvokeCount"]) == context
    assert ("functionError" in record["responseContext"]) == (kind == "Failure")
    assert record["responsePayload"] | payload == record["responsePayload"]


COUNTED = """
import os, time, boto3
sqs = boto3.client("sqs")
def handler(event, context):
    time.sleep(0.1)
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody='"%s"' % os.getpid())
"""


async def test_a_burst_of_events_is_queued_and_does_not_start_a_process_for_each(world: World) -> None:
    url, _ = await world.queue("burst")
    await world.subscribe("burst", Arn=await world.function("counted", COUNTED, QUEUE=url))
    await asyncio.gather(*(world.fire("burst") for _ in range(24)))
    processes = [await world.receive(url) for _ in range(24)]

    assert len(set(processes)) <= 4


async def test_a_state_machine_starts_with_the_event_as_its_input(world: World) -> None:
    url, _ = await world.queue("to-machine")
    send = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": url, "MessageBody.$": "$"},
        "End": True,
    }
    await world.subscribe(
        "to-machine",
        Arn=await world.machine("echo", {"Send": send}),
        RoleArn=f"arn:aws:iam::{world.runtime.account}:role/any",
    )
    detail = await world.fire("to-machine")

    _whole(await world.receive(url), detail)


async def test_a_state_machine_catches_a_function_s_exception_by_its_class(world: World) -> None:
    url, _ = await world.queue("caught")
    source = "class TooLate(Exception): pass\ndef handler(event, context):\n    raise TooLate('by an hour')\n"
    fails = {
        "Type": "Task",
        "Resource": await world.function("too-late", source),
        "Catch": [{"ErrorEquals": ["TooLate"], "Next": "Send"}],
        "End": True,
    }
    send = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": url, "MessageBody.$": "$"},
        "End": True,
    }
    machine = await world.machine("catch", {"Try": fails, "Send": send})
    await world.subscribe("caught", Arn=machine, RoleArn=f"arn:aws:iam::{world.runtime.account}:role/any")
    await world.fire("caught")

    assert (await world.receive(url))["Error"] == "TooLate"


class Receiver:
    """An HTTP server on loopback that stores each request, and answers with the given statuses, then 200."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self._requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        await self._requests.put(
            {
                "method": request.method,
                "path": request.path,
                "query": dict(request.query),
                "headers": dict(request.headers),
                "body": await request.json() if request.can_read_body else None,
            }
        )
        return web.Response(status=self._statuses.pop(0) if self._statuses else 200)

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self._requests.get(), HANG_SECONDS)


async def _destination(world: World, name: str, url: str, kind: str, auth: dict[str, Any]) -> str:
    connection = await world.client("events").create_connection(Name=name, AuthorizationType=kind, AuthParameters=auth)
    answer = await world.client("events").create_api_destination(
        Name=name, ConnectionArn=connection["ConnectionArn"], InvocationEndpoint=url, HttpMethod="POST"
    )
    return str(answer["ApiDestinationArn"])


async def test_an_api_destination_is_called_with_key_path_header_and_query(world: World) -> None:
    async with Receiver() as receiver:
        key = {
            "ApiKeyAuthParameters": {"ApiKeyName": "X-Api-Key", "ApiKeyValue": "secret"},
            "InvocationHttpParameters": {"HeaderParameters": [{"Key": "X-From", "Value": "eventcron"}]},
        }
        arn = await _destination(world, "hook", f"{receiver.url}/tenants/*/hooks/*", "API_KEY", key)
        await world.subscribe(
            "hook",
            Arn=arn,
            RoleArn=f"arn:aws:iam::{world.runtime.account}:role/any",
            HttpParameters={
                "PathParameterValues": ["$.detail.tenant", "$.detail.name"],
                "HeaderParameters": {"X-Fire-Id": "$.detail.fire_id"},
                "QueryStringParameters": {"cause": "$.detail.cause"},
            },
        )
        detail = await world.fire("hook")
        request = await receiver.next()

    assert request["method"] == "POST"
    assert request["path"] == "/tenants/hook/hooks/nightly export"
    assert request["query"] == {"cause": "schedule"}
    assert request["headers"]["X-Api-Key"] == "secret"
    assert request["headers"]["X-From"] == "eventcron"
    assert request["headers"]["X-Fire-Id"] == detail["fire_id"]
    _whole(request["body"], detail)


async def test_a_busy_api_destination_is_called_again(world: World) -> None:
    async with Receiver(503) as receiver:
        basic = {"BasicAuthParameters": {"Username": "acme", "Password": "pass"}}
        arn = await _destination(world, "busy", f"{receiver.url}/", "BASIC", basic)
        await world.subscribe("busy", Arn=arn, RoleArn=f"arn:aws:iam::{world.runtime.account}:role/any")
        detail = await world.fire("busy")
        first, second = await receiver.next(), await receiver.next()

    assert first == second
    assert second["headers"]["Authorization"] == "Basic " + base64.b64encode(b"acme:pass").decode()
    _whole(second["body"], detail)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        pytest.param({"Detail": "{"}, "MalformedDetail", id="detail-that-is-not-json"),
        pytest.param({"Detail": "[1]"}, "MalformedDetail", id="detail-that-is-not-an-object"),
        pytest.param({"DetailType": ""}, "InvalidArgument", id="no-detail-type"),
    ],
)
async def test_an_entry_that_aws_rejects_is_rejected_and_the_other_entry_of_the_call_is_not(
    world: World, entry: dict[str, str], code: str
) -> None:
    good = {"EventBusName": world.runtime.bus_name, "Source": "test", "DetailType": "Test", "Detail": "{}"}
    answer = await world.client("events").put_events(Entries=[good | entry, good])

    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == code
    assert "EventId" in answer["Entries"][1]


@pytest.mark.parametrize(
    ("queue", "dead_letters"),
    [("CommandQueueUrl", "CommandDeadLettersUrl"), ("FireQueueUrl", "FireDeadLettersUrl")],
    ids=["commands", "fires"],
)
async def test_a_message_that_is_not_eventcron_s_becomes_a_dead_letter_with_its_reason(
    world: World, queue: str, dead_letters: str
) -> None:
    outputs, sqs = world.runtime.outputs, world.client("sqs")
    await sqs.send_message(QueueUrl=outputs[queue], MessageBody="not JSON")
    [message] = await received(sqs, outputs[dead_letters])

    assert message["Body"] == "not JSON"
    assert "json" in message["MessageAttributes"]["reason"]["StringValue"].lower()
