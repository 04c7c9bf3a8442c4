"""Subscribes the demo's targets, with the calls that any developer would make: rules, targets, a queue to read from."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from eventcron.demo.shares import API_DESTINATION, LAMBDA, SHARES, STEP_FUNCTIONS
from eventcron.local.runtime import Runtime

_FUNCTION = Path(__file__).with_name("receiver_lambda.py")
_NAME = FUNCTION_NAME = "eventcron-demo"
#: What the API destination's connection sends, and the receiver wants.
API_KEY_HEADER, API_KEY = "X-Api-Key", "demo"


class Queue(NamedTuple):
    url: str
    arn: str


class Subscribed(NamedTuple):
    """The queues to read: all facts, and what the function and the state machine received."""

    facts: Queue
    receipts: Queue


async def subscribe(runtime: Runtime, webhook: str) -> Subscribed:
    """Create the targets and the rules that lead to them. *webhook* is where the API destination sends."""
    facts, receipts = await _queue(runtime, "facts"), await _queue(runtime, "receipts")
    role = await _role(runtime)
    await _rule(runtime, "facts", {"source": ["eventcron"]}, {"Arn": facts.arn})
    targets: dict[str, dict[str, Any]] = {
        LAMBDA: {"Arn": await _function(runtime, role, receipts)},
        STEP_FUNCTIONS: {"Arn": await _state_machine(runtime, role, receipts), "RoleArn": role},
        API_DESTINATION: {
            "Arn": await _api_destination(runtime, webhook),
            "RoleArn": role,
            "HttpParameters": {
                "PathParameterValues": ["$.detail.tenant", "$.detail.name"],
                "HeaderParameters": {"X-Fire-Id": "$.detail.fire_id"},
            },
        },
    }
    for name, share in SHARES.items():
        await _rule(runtime, name, share.pattern(), targets[name])
    return Subscribed(facts, receipts)


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
    """A role that all of them take; the embedded AWS asks no role what it may."""
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
