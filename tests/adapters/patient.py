"""A deployment in which all is well, on a hand-made AWS; each test breaks something."""

from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from botocore.exceptions import ClientError
from msgspec.structs import replace

from eventcron.adapters.aws.doctor import Patient
from eventcron.model.history import KeepHistory
from eventcron.ports import SegmentState
from eventcron.settings import Settings
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
PREFIX = "https://sqs.eu-north-1.amazonaws.com/123456789012/"


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:eu-north-1:123456789012:{resource}"


def allows_eventbridge() -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def refusal(operation: str, code: str = "AccessDeniedException") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no."}}, operation)


class HandMade:
    """Every client in one: what an operation answers is in ``answers``, or made from its request."""

    def __init__(self) -> None:
        self.clock = JumpingClock(NOW)
        self.settings: Settings = replace(SETTINGS, keep_history=KeepHistory.ALL, history_table="history")
        self.parameters = {"TickState": "ENABLED", "TickSeconds": "300"}
        self.states: dict[str, str] = {}
        self.rules: list[dict[str, Any]] = [
            {"Name": "fires", "State": "ENABLED", "EventPattern": '{"source": ["eventcron"]}'}
        ]
        self.targets: list[dict[str, Any]] = [{"Id": "jobs", "Arn": arn("sqs", "jobs")}]
        self.counts: dict[str, int] = {}
        self.mapping: dict[str, Any] = {
            "UUID": "u-1",
            "State": "Enabled",
            "LastProcessingResult": "OK",
            "ScalingConfig": {"MaximumConcurrency": 10},
        }
        self.mappings = 1
        self.missing: set[str] = set()
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []

    async def client(self, _service: str) -> Any:
        return self

    def patient(self) -> Patient:
        ports = memory_ports(self.clock)
        cases = ports.use_cases(self.settings)
        ahead = NOW + self.settings.horizon_seconds * 1_000

        async def segments(count: int) -> list[SegmentState]:
            return [SegmentState(segment=number, planned_through=ahead) for number in range(count)]

        cases.leases.segments = segments  # type: ignore[method-assign]  # all planned just now
        outputs = {
            f"{name}FunctionName": name for name in ("Dispatcher", "Registrar", "Executor", "Planner", "History")
        }
        dead_letters = {"commands": PREFIX + "dead-commands", "fires": PREFIX + "dead-fires"}
        return Patient(self.client, "eventcron", outputs, cases, dead_letters)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_"):
            raise AttributeError(operation)

        async def call(**request: Any) -> Any:
            self.asked.append(operation)
            answer = self.answers.get(operation)
            if isinstance(answer, Exception):
                raise answer
            return answer if answer is not None else _ANSWERS[operation](self, request)

        return call

    def named(self, name: str, answer: dict[str, Any], code: str) -> dict[str, Any]:
        if name in self.missing:
            raise refusal("Look", code)
        return answer


def _parameters(aws: HandMade, _: Any) -> dict[str, Any]:
    listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in aws.parameters.items()]
    return {"Stacks": [{"Parameters": listed}]}


def _resources(_aws: HandMade, _: Any) -> dict[str, Any]:
    names = {
        "TickRule": "tick",
        "HourlyRule": "hourly",
        "CommandRule": "eventcron|command",
        "HistoryRule": "eventcron|history",
    }
    return {"StackResourceSummaries": [{"LogicalResourceId": k, "PhysicalResourceId": v} for k, v in names.items()]}


_ANSWERS: dict[str, Callable[[HandMade, dict[str, Any]], Any]] = {
    "put_events": lambda _aws, _: {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "MalformedDetail"}]},
    "scan": lambda _aws, _: {"Items": []},
    "query": lambda _aws, _: {"Items": []},
    "get_caller_identity": lambda aws, _: {
        "ResponseMetadata": {"HTTPHeaders": {"date": formatdate(aws.clock.now() / 1_000, usegmt=True)}}
    },
    "describe_stacks": _parameters,
    "list_stack_resources": _resources,
    "describe_rule": lambda aws, request: aws.named(
        request["Name"], {"State": aws.states.get(request["Name"], "ENABLED")}, "ResourceNotFoundException"
    ),
    "list_event_source_mappings": lambda aws, _: {"EventSourceMappings": [aws.mapping] * aws.mappings},
    "get_account_settings": lambda _aws, _: {"AccountLimit": {"UnreservedConcurrentExecutions": 1_000}},
    "get_queue_url": lambda aws, request: aws.named(
        request["QueueName"], {"QueueUrl": PREFIX + request["QueueName"]}, "AWS.SimpleQueueService.NonExistentQueue"
    ),
    "get_queue_attributes": lambda aws, request: {
        "Attributes": {
            "Policy": allows_eventbridge(),
            "ApproximateNumberOfMessages": str(aws.counts.get(request["QueueUrl"].rpartition("/")[2], 0)),
        }
    },
    "describe_event_bus": lambda aws, request: aws.named(
        request["Name"], {"Arn": arn("events", "event-bus/eventcron")}, "ResourceNotFoundException"
    ),
    "list_rules": lambda aws, _: {"Rules": aws.rules},
    "list_targets_by_rule": lambda aws, _: {"Targets": aws.targets},
    "get_function_configuration": lambda aws, request: aws.named(
        request["FunctionName"].rpartition(":")[2], {}, "ResourceNotFoundException"
    ),
    "get_policy": lambda _aws, _: {"Policy": allows_eventbridge()},
    "get_topic_attributes": lambda aws, request: aws.named(
        request["TopicArn"].rpartition(":")[2], {"Attributes": {"Policy": allows_eventbridge()}}, "NotFound"
    ),
    "describe_state_machine": lambda aws, request: aws.named(
        request["stateMachineArn"].rpartition(":")[2], {}, "StateMachineDoesNotExist"
    ),
    "describe_api_destination": lambda aws, request: aws.named(
        request["Name"], {"ApiDestinationState": "ACTIVE"}, "ResourceNotFoundException"
    ),
    "describe_log_groups": lambda aws, request: {
        "logGroups": [
            {"logGroupName": request["logGroupNamePrefix"] + rest}
            for rest in ("", "-other")
            if request["logGroupNamePrefix"] + rest not in aws.missing
        ]
    },
    "get_metric_data": lambda _aws, request: {
        "MetricDataResults": [{"Id": one["Id"], "Values": []} for one in request["MetricDataQueries"]]
    },
}
