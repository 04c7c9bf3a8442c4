"""Look at a deployment on AWS and say what is wrong with it. Each check is one function; none hinders another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from eventcron.adapters.aws.counts import counted_tenant
from eventcron.adapters.aws.pages import pages
from eventcron.app import diagnosis
from eventcron.app.concurrency import all_of
from eventcron.app.diagnosis import Finding, failed, ok, warning
from eventcron.app.use_cases import UseCases
from eventcron.errors import EventcronError

#: Pages of the schedules table that are read to find tenants, of 1 MB each: half a cent at most, and a few seconds.
TENANT_PAGES = 50
#: Lambda, provisioned mode of SQS event sources: "each event poller … up to 10 concurrent invokes".
FUNCTIONS_OF_A_POLLER = 10
#: Codes by which services refuse a caller who lacks a permission.
_FORBIDDEN = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "NotAuthorized"}
)
#: The rules that the deployment needs: resource → what stands still without it.
_NEEDED = {
    "TickRule": "the planner is not started, so nothing fires",
    "CommandRule": "no command reaches the deployment",
    "HourlyRule": "the reconciler is not started, so nothing is repaired",
}
#: Rules on the bus. Scheduled ones are on the default bus.
_OF_THE_BUS = frozenset({"CommandRule", "HistoryRule"})
#: The functions that read queues: output → what waits while its poller is off.
_POLLED = {
    "DispatcherFunctionName": "commands wait",
    "RegistrarFunctionName": "commands wait",
    "ExecutorFunctionName": "fires wait",
}


class Patient(NamedTuple):
    """What the checks look at."""

    #: Any client by its service's name.
    client: Callable[[str], Awaitable[Any]]
    stack: str
    outputs: Mapping[str, str]
    cases: UseCases
    #: Dead-letter queue → its URL.
    dead_letters: Mapping[str, str]


Check: TypeAlias = Callable[[Patient], Awaitable[list[Finding]]]


async def examine(
    patient: Patient, checks: Mapping[str, Check], *, on_progress: Callable[[int], None]
) -> list[Finding]:
    """What *checks* find, in their order. A check that cannot be made is a finding too.

    *on_progress* is called with the number of checks that are made.
    """
    done = 0

    async def make(name: str, check: Check) -> list[Finding]:
        nonlocal done
        findings = await _made(name, check, patient)
        done += 1
        on_progress(done)
        return findings

    found = await all_of(make(name, check) for name, check in checks.items())
    return [finding for findings in found for finding in findings]


async def _made(name: str, check: Check, patient: Patient) -> list[Finding]:
    try:
        return await check(patient)
    except ClientError as error:
        return [_refused(name, error)]
    except (BotoCoreError, EventcronError) as error:
        return [warning(name, f"could not be checked: {error}", "run `eventcron doctor` again")]


def _refused(name: str, error: ClientError) -> Finding:
    text = error.response.get("Error", {})
    message = str(text.get("Message", "")).rstrip(".")
    if text.get("Code") in _FORBIDDEN:
        return warning(
            name,
            f"could not be checked: you may not call {error.operation_name}: {message}",
            f"allow your role {error.operation_name}, see the page on the command line, doctor",
        )
    return warning(name, f"could not be checked: {error.operation_name}: {message}", "run `eventcron doctor` again")


async def may_act(patient: Patient) -> list[Finding]:
    """Whether the caller may read the tables and put events. The event is one that EventBridge refuses: no JSON."""
    events, dynamodb = await patient.client("events"), await patient.client("dynamodb")
    settings = patient.cases.settings
    no_event = {
        "EventBusName": settings.bus_name,
        "Source": "eventcron.doctor",
        "DetailType": "Doctor Probe",
        "Detail": "{",
    }
    tries: dict[str, tuple[str, Callable[[], Awaitable[Any]]]] = {
        "events:PutEvents": (
            "`put` and all commands that change schedules",
            lambda: events.put_events(Entries=[no_event]),
        ),
        "dynamodb:Scan on the schedules table": (
            "`list`, `get` and `upcoming`",
            lambda: dynamodb.scan(TableName=settings.schedules_table, Limit=1),
        ),
        "dynamodb:Scan on the ledger table": (
            "`calendars` and `backfills`",
            lambda: dynamodb.scan(TableName=settings.ledger_table, Limit=1),
        ),
    }
    if patient.cases.past.is_kept:
        # There is no such schedule.
        nothing: dict[str, Any] = {
            "KeyConditionExpression": "#schedule = :none",
            "ExpressionAttributeNames": {"#schedule": "schedule"},
            "ExpressionAttributeValues": {":none": {"S": "/"}},
        }
        tries["dynamodb:Query on the history table"] = (
            "`history`, `get` and `why`",
            lambda: dynamodb.query(TableName=settings.history_table, Limit=1, **nothing),
        )
    found = []
    for action, (needed_by, call) in tries.items():
        try:
            await call()
        except ClientError as error:
            if error.response["Error"]["Code"] not in _FORBIDDEN:
                found.append(_refused("permissions", error))
                continue
            what = f"you lack {action}, which {needed_by} need"
            found.append(failed("permissions", what, f"allow your role {action.partition(' ')[0]}"))
    return found or [ok("permissions", "you may put events and read the tables")]


async def clock(patient: Patient) -> list[Finding]:
    """This machine's clock next to the header ``Date`` of an answer that needs no permission."""
    sts = await patient.client("sts")
    before = patient.cases.clock.now()
    answer = await sts.get_caller_identity()
    after = patient.cases.clock.now()
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if date is None:
        return [warning("clock", "could not be checked: AWS's answer has no Date header", "look at a proxy between")]
    served = round(parsedate_to_datetime(date).timestamp() * 1_000)
    return [diagnosis.clock(diagnosis.clock_offset_ms(served, before=before, after=after))]


async def rules_of_stack(patient: Patient) -> list[Finding]:
    """Whether the rules that move the deployment are enabled."""
    cloudformation, events = await patient.client("cloudformation"), await patient.client("events")
    (stack,) = (await cloudformation.describe_stacks(StackName=patient.stack))["Stacks"]
    parameters = {one["ParameterKey"]: one.get("ParameterValue") for one in stack.get("Parameters", [])}
    resources = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        async for resource in pages(
            cloudformation.list_stack_resources, "StackResourceSummaries", StackName=patient.stack
        )
    }
    found = []
    kept = {"HistoryRule": "nothing more is kept of what fires"} if patient.cases.past.is_kept else {}
    for logical, consequence in (_NEEDED | kept).items():
        # CloudFormation names a rule on a bus that is not the default one BUS|RULE.
        name = resources.get(logical, "").rpartition("|")[2]
        bus = patient.cases.settings.bus_name if logical in _OF_THE_BUS else "default"
        found += await _rule(events, name, bus=bus, logical=logical, consequence=consequence, parameters=parameters)
    return found or [ok("tick", "the rules that start planner and reconciler and bring commands are as the stack says")]


async def _rule(
    events: Any, name: str, *, bus: str, logical: str, consequence: str, parameters: Mapping[str, Any]
) -> list[Finding]:
    repair = "deploy the stack again"
    if not name:
        return [failed("tick", f"the stack has no {logical}: {consequence}", repair)]
    try:
        state = (await events.describe_rule(Name=name, EventBusName=bus))["State"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return [failed("tick", f"the rule {name} ({logical}) does not exist: {consequence}", repair)]
    if state != "DISABLED":
        return []
    enable = f"aws events enable-rule --name {name} --event-bus-name {bus}"
    if logical == "TickRule" and parameters.get("TickState") == "DISABLED":
        # As it was deployed: something else starts the planner, and the segments show whether it does.
        if int(parameters.get("TickSeconds") or 0) < 60:  # noqa: PLR2004  # EventBridge has no rate below a minute
            return []
        return [
            warning(
                "tick",
                "the stack's parameter TickState is DISABLED: EventBridge does not start the planner",
                "start it yourself every TickSeconds, or deploy with TickState=ENABLED",
            )
        ]
    return [failed("tick", f"the rule {name} ({logical}) is disabled: {consequence}", enable)]


async def segments(patient: Patient) -> list[Finding]:
    """How far each segment is planned."""
    cases = patient.cases
    states = await cases.leases.segments(cases.settings.segments)
    return diagnosis.segments(states, now=cases.clock.now(), settings=cases.settings)


async def dead_letters(patient: Patient) -> list[Finding]:
    """How many messages the dead-letter queues hold."""
    sqs = await patient.client("sqs")
    counts = await all_of(message_count(sqs, url) for url in patient.dead_letters.values())
    return diagnosis.dead_letters(dict(zip(patient.dead_letters, counts, strict=True)))


async def message_count(sqs: Any, url: str) -> int:
    """How many messages wait in the queue at *url*, about."""
    name = "ApproximateNumberOfMessages"
    answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(answer["Attributes"][name])


async def pollers(patient: Patient) -> list[Finding]:
    """Whether every function that reads a queue is given what is in it, and whether Lambda may run them."""
    aws_lambda = await patient.client("lambda")
    polled = dict(_POLLED)
    if "SegmentQueueUrl" in patient.outputs:
        polled["PlannerFunctionName"] = "segments wait"
    if "HistoryFunctionName" in patient.outputs:
        polled["HistoryFunctionName"] = "events wait to be kept"
    found, wanted = [], 0
    for output, consequence in polled.items():
        name = patient.outputs[output]
        mappings = [
            one
            async for one in pages(
                aws_lambda.list_event_source_mappings,
                "EventSourceMappings",
                given="Marker",
                answered="NextMarker",
                FunctionName=name,
            )
        ]
        if not mappings:
            found.append(failed("pollers", f"{name} reads no queue: {consequence}", "deploy the stack again"))
        for mapping in mappings:
            found += _poller(mapping, name, consequence)
            wanted += _at_once(mapping)
    account = (await aws_lambda.get_account_settings())["AccountLimit"]
    found = found or [ok("pollers", "every queue is polled")]
    return [*found, diagnosis.concurrency(wanted=wanted, unreserved=account["UnreservedConcurrentExecutions"])]


def _at_once(mapping: Mapping[str, Any]) -> int:
    """How many functions a poller may run at once; 0 if it has no limit of its own."""
    provisioned = mapping.get("ProvisionedPollerConfig", {}).get("MaximumPollers", 0)
    return int(mapping.get("ScalingConfig", {}).get("MaximumConcurrency", provisioned * FUNCTIONS_OF_A_POLLER))


def _poller(mapping: Mapping[str, Any], name: str, consequence: str) -> list[Finding]:
    uuid, state = mapping["UUID"], mapping.get("State", "")
    if state in {"Disabled", "Disabling"}:
        enable = f"aws lambda update-event-source-mapping --uuid {uuid} --enabled"
        return [failed("pollers", f"the poller of {name} is off: {consequence}", enable)]
    result = str(mapping.get("LastProcessingResult", ""))
    if result.startswith("PROBLEM"):
        return [failed("pollers", f"the poller of {name}: {result}", "correct what it names; deploying again may do")]
    return []


async def tenants(patient: Patient) -> list[Finding]:
    """Which tenants are near their number of schedules. Reads the first pages of the table alone."""
    settings = patient.cases.settings
    dynamodb = await patient.client("dynamodb")
    request: dict[str, Any] = {
        "TableName": settings.schedules_table,
        "FilterExpression": "#name = :name",
        "ExpressionAttributeNames": {"#name": "name"},
        "ExpressionAttributeValues": {":name": {"S": "schedules"}},
    }
    counts: dict[str, int] = {}
    complete = not settings.max_schedules_per_tenant
    for _ in range(0 if complete else TENANT_PAGES):
        page = await dynamodb.scan(**request)
        for item in page["Items"]:
            tenant = counted_tenant(item)
            if tenant is not None:
                counts[tenant] = int(item["count"]["N"])
        if "LastEvaluatedKey" not in page:
            complete = True
            break
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    return diagnosis.tenants(counts, most=settings.max_schedules_per_tenant, complete=complete)
