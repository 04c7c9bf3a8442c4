"""The doctor's look at the rules on the bus: do they match anything, and do their targets exist and take it?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from eventcron.adapters.aws.answers import NAME_PREFIX, left_behind
from eventcron.adapters.aws.arns import parts
from eventcron.adapters.aws.doctor import Patient, message_count
from eventcron.adapters.aws.pages import pages
from eventcron.app import diagnosis
from eventcron.app.concurrency import all_of
from eventcron.app.diagnosis import Finding, failed, ok, warning
from eventcron.model.names import Instant
from eventcron.rules.event_patterns import OnBus, why_nothing

#: Rules looked at once. EventBridge takes 50 calls of ListTargetsByRule a second.
_AT_ONCE = 8
#: CloudWatch GetMetricData: 500 metrics in a call.
_METRICS = 500
#: Hours of which FailedInvocations are counted.
HOURS = 24
#: What services answer where there is no such thing.
_MISSING = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "NotFound",
        "NotFoundException",
        "ResourceNotFoundException",
        "StateMachineDoesNotExist",
    }
)
_EVENTBRIDGE = "events.amazonaws.com"

Client = Callable[[str], Awaitable[Any]]


async def rules(patient: Patient) -> list[Finding]:
    """Whether the rules on the bus match something, and their targets exist and take it."""
    settings = patient.cases.settings
    events = await patient.client("events")
    identity = await events.describe_event_bus(Name=settings.bus_name)
    here = parts(identity["Arn"])
    bus = diagnosis.on_bus(settings, account=here.account, region=here.region)
    there = [one async for one in pages(events.list_rules, "Rules", EventBusName=settings.bus_name)]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def look(rule: dict[str, Any]) -> list[Finding]:
        async with gate:
            return await _rule(patient, rule, bus)

    # Those of somebody who listens come and go, and do nothing to the others.
    lasting = [rule for rule in there if not rule["Name"].startswith(NAME_PREFIX)]
    found = diagnosis.rules_on_bus(len(there)) + _left_behind(there, now=patient.cases.clock.now())
    for one in await all_of(look(rule) for rule in lasting):
        found += one
    return found or [ok("rules", f"the {len(there):,} rules on bus {settings.bus_name} may match, and have targets")]


def _left_behind(there: Sequence[dict[str, Any]], *, now: Instant) -> list[Finding]:
    """The rules that clients made to listen for answers, and that are there because the clients were killed."""
    names = [rule["Name"] for rule in there if left_behind(rule, now=now)]
    if not names:
        return []
    what = f"left behind by clients that were killed, with a queue each: {', '.join(names[:3])}"
    remedy = "run a command that waits for its answer, such as `eventcron tail --count 1`; it removes them"
    return [warning("rules", what + (", …" if len(names) > 3 else ""), remedy)]  # noqa: PLR2004  enough to find them


async def _rule(patient: Patient, rule: dict[str, Any], bus: OnBus) -> list[Finding]:
    name, on = rule["Name"], patient.cases.settings.bus_name
    found = []
    if rule.get("State") == "DISABLED":
        if rule.get("Description") == EVENT_LOG_RULE:  # as KeepEvents says
            return []
        enable = f"aws events enable-rule --name {name} --event-bus-name {on}"
        return [warning("rules", f"rule {name} is disabled, so its targets get nothing", enable)]
    pattern = rule.get("EventPattern")
    reason = why_nothing(pattern, bus) if pattern else None
    if reason:
        found.append(warning("rules", f"rule {name} matches nothing: {reason}", "correct its pattern by `put-rule`"))
    events = await patient.client("events")
    targets = [one async for one in pages(events.list_targets_by_rule, "Targets", Rule=name, EventBusName=on)]
    if not targets:
        found.append(warning("rules", f"rule {name} has no target", "give it one by `put-targets`, or delete it"))
    for target in targets:
        found += await _target(patient, name, target, bus)
    return found


#: The description of the stack's own rule that a parameter may disable.
EVENT_LOG_RULE = "Writes eventcron's events to a log group."


async def _target(patient: Patient, rule: str, target: dict[str, Any], bus: OnBus) -> list[Finding]:
    arn = target["Arn"]
    where = f"target {target['Id']} of rule {rule}"
    try:
        problem = await problem_of(patient.client, target, bus)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        found = [
            warning(
                "rules",
                f"{where} could not be looked at: {error.operation_name}: {code}",
                f"allow your role {error.operation_name} on {arn}",
            )
        ]
    else:
        found = [] if problem is None else [problem_finding(where, problem)]
    dead = target.get("DeadLetterConfig", {}).get("Arn")
    if dead:
        found += await _target_dead_letters(patient, where, dead)
    return found


class Problem(NamedTuple):
    """Why a target gets nothing, what to do, and whether that is certain."""

    what: str
    remedy: str
    certain: bool = True


def problem_finding(where: str, problem: Problem) -> Finding:
    """*problem* of the target *where* as a finding."""
    judged = failed if problem.certain else warning
    return judged("rules", f"{where}: {problem.what}", problem.remedy)


async def problem_of(client: Client, target: dict[str, Any], bus: OnBus) -> Problem | None:
    """Why *target* gets nothing; None: nothing is known against it. Targets elsewhere cannot be looked at.

    Raises:
        ClientError: the caller may not look at it.
    """
    arn = target["Arn"]
    here = parts(arn)
    if (here.account, here.region) != (bus.account, bus.region):
        return None
    look = _LOOKS.get(here.service)
    if look is None:
        return None
    try:
        return await look(client, arn, bool(target.get("RoleArn")))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _MISSING:
            raise
        return Problem(f"{arn} does not exist", "create it, or give the rule another target by `put-targets`")


async def _queue(client: Client, arn: str, _with_role: bool) -> Problem | None:  # noqa: FBT001  # as all looks
    sqs = await client("sqs")
    url = (await sqs.get_queue_url(QueueName=parts(arn).resource))["QueueUrl"]
    attributes = (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])).get("Attributes", {})
    return _not_let_in(arn, attributes.get("Policy"), "sqs:SendMessage")


async def _topic(client: Client, arn: str, _with_role: bool) -> Problem | None:  # noqa: FBT001
    sns = await client("sns")
    attributes = (await sns.get_topic_attributes(TopicArn=arn))["Attributes"]
    return _not_let_in(arn, attributes.get("Policy"), "sns:Publish")


async def _function(client: Client, arn: str, _with_role: bool) -> Problem | None:  # noqa: FBT001
    aws_lambda = await client("lambda")
    await aws_lambda.get_function_configuration(FunctionName=arn)
    try:
        policy = (await aws_lambda.get_policy(FunctionName=arn))["Policy"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _MISSING:
            raise
        policy = None
    return _not_let_in(arn, policy, "lambda:InvokeFunction")


async def _state_machine(client: Client, arn: str, with_role: bool) -> Problem | None:  # noqa: FBT001
    await (await client("stepfunctions")).describe_state_machine(stateMachineArn=arn)
    if with_role:
        return None
    return Problem(f"{arn} needs a role, and the target has no RoleArn", "give it a role by `put-targets`")


async def _of_eventbridge(client: Client, arn: str, with_role: bool) -> Problem | None:  # noqa: FBT001
    events = await client("events")
    kind, _, name = parts(arn).resource.partition("/")
    if kind != "api-destination":
        await events.describe_event_bus(Name=name)
        return None
    found = await events.describe_api_destination(Name=name.partition("/")[0])
    if found.get("ApiDestinationState", "ACTIVE") != "ACTIVE":
        return Problem(f"{arn} is not active", "authorise its connection again by `update-connection`")
    if with_role:
        return None
    return Problem(f"{arn} needs a role, and the target has no RoleArn", "give it a role by `put-targets`")


async def _log_group(client: Client, arn: str, _with_role: bool) -> Problem | None:  # noqa: FBT001
    logs = await client("logs")
    name = parts(arn).resource.removeprefix("log-group:").removesuffix(":*")
    found = (await logs.describe_log_groups(logGroupNamePrefix=name))["logGroups"]
    if any(group["logGroupName"] == name for group in found):
        return None
    return Problem(f"{arn} does not exist", "create it, or give the rule another target by `put-targets`")


_LOOKS: dict[str, Callable[[Client, str, bool], Awaitable[Problem | None]]] = {
    "sqs": _queue,
    "sns": _topic,
    "lambda": _function,
    "states": _state_machine,
    "events": _of_eventbridge,
    "logs": _log_group,
}


def _not_let_in(arn: str, policy: str | None, action: str) -> Problem | None:
    """A warning if no statement of *policy* names EventBridge. Its conditions are not judged."""
    if policy and any(_names_eventbridge(one) for one in _statements(policy)):
        return None
    return Problem(
        f"{arn} refuses EventBridge: no statement of its policy allows {_EVENTBRIDGE} {action}",
        f"allow {_EVENTBRIDGE} {action} in its policy, for the ARN of the rule",
        certain=False,  # an embedded AWS delivers nevertheless
    )


def _statements(policy: str) -> Sequence[dict[str, Any]]:
    statements = json.loads(policy).get("Statement", [])
    return statements if isinstance(statements, list) else [statements]


def _names_eventbridge(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    services = principal.get("Service", principal.get("AWS")) if isinstance(principal, dict) else principal
    named = services if isinstance(services, list) else [services]
    return statement.get("Effect") == "Allow" and bool({_EVENTBRIDGE, "*"} & set(filter(None, named)))


async def _target_dead_letters(patient: Patient, where: str, arn: str) -> list[Finding]:
    """Dead letters of a target. Those in the deployment's own queues are another check's."""
    name = parts(arn).resource
    if any(url.rpartition("/")[2] == name for url in patient.dead_letters.values()):
        return []
    sqs = await patient.client("sqs")
    try:
        url = (await sqs.get_queue_url(QueueName=name))["QueueUrl"]
        count = await message_count(sqs, url)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _MISSING:
            what = f"{where}: its dead-letter queue {arn} does not exist, so what it refuses is lost"
            return [failed("rules", what, "create the queue, or name another by `put-targets`")]
        what = f"{where}: its dead-letter queue could not be looked at: {error.operation_name}: {code}"
        return [warning("rules", what, f"allow your role {error.operation_name} on {arn}")]
    if not count:
        return []
    what = f"{where} refused {count:,} event{'s' if count > 1 else ''}, which {'are' if count > 1 else 'is'} in {name}"
    return [failed("rules", what, f"`eventcron redrive show {url}` says why")]


async def failed_invocations(patient: Patient) -> list[Finding]:
    """Which rules on the bus failed to invoke their targets of late, by CloudWatch's metric."""
    bus = patient.cases.settings.bus_name
    events, cloudwatch = await patient.client("events"), await patient.client("cloudwatch")
    names = [one["Name"] async for one in pages(events.list_rules, "Rules", EventBusName=bus)][:_METRICS]
    if not names:
        return [ok("invocations", f"bus {bus} has no rules")]
    until = datetime.fromtimestamp(patient.cases.clock.now() / 1_000, UTC)
    dimensions = ({"Name": "EventBusName", "Value": bus},)
    answer = await cloudwatch.get_metric_data(
        MetricDataQueries=[
            {
                "Id": f"m{place}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Events",
                        "MetricName": "FailedInvocations",
                        "Dimensions": [*dimensions, {"Name": "RuleName", "Value": name}],
                    },
                    "Period": HOURS * 3_600,
                    "Stat": "Sum",
                },
            }
            for place, name in enumerate(names)
        ],
        StartTime=until - timedelta(hours=HOURS),
        EndTime=until,
    )
    counts = {names[int(one["Id"][1:])]: sum(one.get("Values", [])) for one in answer["MetricDataResults"]}
    return [
        failed(
            "invocations",
            f"rule {name} failed to invoke its targets {count:,.0f} times in {HOURS} hours",
            "look at its dead-letter queue; without one give it one by `put-targets`",
        )
        for name, count in counts.items()
        if count
    ] or [ok("invocations", f"no rule on bus {bus} failed to invoke its targets in {HOURS} hours")]
