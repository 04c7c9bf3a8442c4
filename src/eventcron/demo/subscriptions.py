"""The demo's targets and the rules that lead to them, made with the same API calls as any developer makes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web
from msgspec import Struct

from eventcron.local.embedded import LOOPBACK
from eventcron.local.runtime import Runtime
from eventcron.model.names import Instant
from eventcron.ports import Clock

LAMBDA, STEP_FUNCTIONS, API_DESTINATION = "lambda", "step_functions", "api_destination"
_FUNCTION = Path(__file__).with_name("receiver_lambda.py")
_NAME = FUNCTION_NAME = "eventcron-demo"
#: The header that the API destination's connection sends and the webhook requires.
API_KEY_HEADER, API_KEY = "X-Api-Key", "demo"


class Subscription(Struct, frozen=True, kw_only=True):
    """The fires of some tenants. With neither *tenants* nor *prefixes*, the fires of all."""

    tenants: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    def includes(self, tenant: str) -> bool:
        """Whether ``pattern`` matches the fires of *tenant*."""
        everyone = not self.tenants and not self.prefixes
        return everyone or tenant in self.tenants or tenant.startswith(self.prefixes)

    def pattern(self) -> dict[str, Any]:
        """The event pattern of the rule."""
        tenants: list[Any] = [*self.tenants, *({"prefix": prefix} for prefix in self.prefixes)]
        fires: dict[str, Any] = {"source": ["eventcron"], "detail-type": ["Schedule Fired"]}
        return fires | ({"detail": {"tenant": tenants}} if tenants else {})


#: Only the API destination receives every fire: on this machine, a Lambda invocation costs fifty times what an HTTP
#: request costs.
SUBSCRIPTIONS = {
    LAMBDA: Subscription(tenants=("acme",), prefixes=("kubernetes-sigs-",)),
    STEP_FUNCTIONS: Subscription(tenants=("globex",), prefixes=("kubernetes-sig-", "etcd")),
    API_DESTINATION: Subscription(),
}


class Queue(NamedTuple):
    url: str
    arn: str


class Queues(NamedTuple):
    """All events of eventcron, and the receipts that the function and the state machine send."""

    events: Queue
    receipts: Queue


async def subscribe(runtime: Runtime, webhook: str) -> Queues:
    """Create the targets and their rules. The API destination sends to the URL *webhook*."""
    queues = Queues(await _queue(runtime, "events"), await _queue(runtime, "receipts"))
    role = await _role(runtime)
    await _rule(runtime, "events", {"source": ["eventcron"]}, {"Arn": queues.events.arn})
    targets: dict[str, dict[str, Any]] = {
        LAMBDA: {"Arn": await _function(runtime, role, queues.receipts)},
        STEP_FUNCTIONS: {"Arn": await _state_machine(runtime, role, queues.receipts), "RoleArn": role},
        API_DESTINATION: {
            "Arn": await _api_destination(runtime, webhook),
            "RoleArn": role,
            "HttpParameters": {
                "PathParameterValues": ["$.detail.tenant", "$.detail.name"],
                "HeaderParameters": {"X-Fire-Id": "$.detail.fire_id"},
            },
        },
    }
    for name, subscription in SUBSCRIPTIONS.items():
        await _rule(runtime, name, subscription.pattern(), targets[name])
    return queues


async def _rule(runtime: Runtime, name: str, pattern: dict[str, Any], target: dict[str, Any]) -> None:
    events, rule = runtime.client("events"), f"{_NAME}-{name}"
    await events.put_rule(Name=rule, EventBusName=runtime.bus_name, EventPattern=json.dumps(pattern))
    await events.put_targets(Rule=rule, EventBusName=runtime.bus_name, Targets=[{"Id": name, **target}])


async def _queue(runtime: Runtime, name: str) -> Queue:
    sqs = runtime.client("sqs")
    url = (await sqs.create_queue(QueueName=f"{_NAME}-{name}"))["QueueUrl"]
    answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return Queue(url, answer["Attributes"]["QueueArn"])


async def _role(runtime: Runtime) -> str:
    """One role for all targets. The embedded AWS does not check its permissions."""
    services = ["lambda.amazonaws.com", "states.amazonaws.com", "events.amazonaws.com"]
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}],
    }
    answer = await runtime.client("iam").create_role(RoleName=_NAME, AssumeRolePolicyDocument=json.dumps(trust))
    return str(answer["Role"]["Arn"])


async def _function(runtime: Runtime, role: str, receipts: Queue) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.write(_FUNCTION, _FUNCTION.name)
    answer = await runtime.client("lambda").create_function(
        FunctionName=_NAME,
        Runtime="python3.13",
        Handler=f"{_FUNCTION.stem}.handler",
        Role=role,
        Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": {"RECEIPTS_QUEUE_URL": receipts.url}},
        Timeout=20,
    )
    return str(answer["FunctionArn"])


async def _state_machine(runtime: Runtime, role: str, receipts: Queue) -> str:
    receipt = {"target": STEP_FUNCTIONS, "arrived.$": "$$.State.EnteredTime", "event.$": "$"}
    send = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": receipts.url, "MessageBody": receipt},
        "End": True,
    }
    answer = await runtime.client("stepfunctions").create_state_machine(
        name=_NAME, roleArn=role, definition=json.dumps({"StartAt": "Send", "States": {"Send": send}})
    )
    return str(answer["stateMachineArn"])


async def _api_destination(runtime: Runtime, webhook: str) -> str:
    events = runtime.client("events")
    connection = await events.create_connection(
        Name=_NAME,
        AuthorizationType="API_KEY",
        AuthParameters={"ApiKeyAuthParameters": {"ApiKeyName": API_KEY_HEADER, "ApiKeyValue": API_KEY}},
    )
    answer = await events.create_api_destination(
        Name=_NAME,
        ConnectionArn=connection["ConnectionArn"],
        InvocationEndpoint=f"{webhook}/tenants/*/fires/*",
        HttpMethod="POST",
    )
    return str(answer["ApiDestinationArn"])


class Webhook:
    """The HTTP server behind the API destination, on loopback, for as long as the context lasts.

    It passes each body and its arrival to *receive*. It answers 401 to a request without the API key.
    """

    def __init__(self, *, clock: Clock, receive: Callable[[bytes, Instant], None]) -> None:
        self._clock = clock
        self._receive = receive
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, 0).start()
        self.url = f"http://{LOOPBACK}:{self._runner.addresses[0][1]}"
        return self

    async def _take(self, request: web.Request) -> web.Response:
        arrived = self._clock.now()
        if request.headers.get(API_KEY_HEADER) != API_KEY:
            return web.Response(status=401)
        self._receive(await request.read(), arrived)
        return web.Response(status=204)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
