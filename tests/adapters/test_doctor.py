"""The doctor finds each thing that is broken, and nothing where all is well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.adapters.aws import doctor
from eventcron.app.diagnosis import Finding, Level
from eventcron.entrypoints.cli.doctor import CHECKS
from tests.adapters.patient import HandMade, arn, refusal


@pytest.fixture
def aws() -> HandMade:
    return HandMade()


async def examined(aws: HandMade) -> Sequence[Finding]:
    """What is wrong."""
    counts: list[int] = []
    found = await doctor.examine(aws.patient(), CHECKS, on_progress=counts.append)
    assert counts == list(range(1, len(CHECKS) + 1))
    return [finding for finding in found if finding.level is not Level.OK]


async def test_where_all_is_well_each_check_says_so(aws: HandMade) -> None:
    found = await doctor.examine(aws.patient(), CHECKS, on_progress=lambda _: None)

    assert [finding for finding in found if finding.level is not Level.OK or finding.remedy] == []
    assert {finding.check for finding in found} == {*CHECKS, "concurrency"}


def _tick(aws: HandMade) -> None:
    aws.states["tick"] = "DISABLED"


def _never_tick(aws: HandMade) -> None:
    _tick(aws)
    aws.parameters["TickState"] = "DISABLED"


def _no_command_rule(aws: HandMade) -> None:
    aws.missing.add("command")


def _no_hourly(aws: HandMade) -> None:
    aws.answers["list_stack_resources"] = {
        "StackResourceSummaries": [
            {"LogicalResourceId": name, "PhysicalResourceId": name}
            for name in ("TickRule", "CommandRule", "HistoryRule")
        ]
    }


def _poller_off(aws: HandMade) -> None:
    aws.mapping["State"] = "Disabled"


def _poller_in_trouble(aws: HandMade) -> None:
    aws.mapping["LastProcessingResult"] = "PROBLEM: Function call failed"


def _no_poller(aws: HandMade) -> None:
    aws.mappings = 0


def _concurrency(aws: HandMade) -> None:
    aws.mapping["ScalingConfig"] = {"MaximumConcurrency": 900}


def _provisioned(aws: HandMade) -> None:
    del aws.mapping["ScalingConfig"]
    aws.mapping["ProvisionedPollerConfig"] = {"MaximumPollers": 40}


def _dead_letters(aws: HandMade) -> None:
    aws.counts["dead-fires"] = 3


def _clock(aws: HandMade) -> None:
    aws.answers["get_caller_identity"] = {
        "ResponseMetadata": {"HTTPHeaders": {"date": "Tue, 01 Dec 2026 07:59:50 GMT"}}
    }


def _no_date(aws: HandMade) -> None:
    aws.answers["get_caller_identity"] = {"ResponseMetadata": {"HTTPHeaders": {}}}


def _no_put(aws: HandMade) -> None:
    aws.answers["put_events"] = refusal("PutEvents")


def _no_history(aws: HandMade) -> None:
    aws.states["history"] = "DISABLED"


def _no_query(aws: HandMade) -> None:
    aws.answers["query"] = refusal("Query")


def _full_tenant(aws: HandMade) -> None:
    aws.settings = replace(aws.settings, max_schedules_per_tenant=10)
    aws.answers["scan"] = {
        "Items": [{"tenant": {"S": "acme#"}, "name": {"S": "schedules"}, "count": {"N": "9"}}],
    }


def _vain(aws: HandMade) -> None:
    aws.rules[0]["EventPattern"] = '{"source": ["eventcorn"]}'


def _disabled(aws: HandMade) -> None:
    aws.rules[0]["State"] = "DISABLED"


def _no_target(aws: HandMade) -> None:
    aws.targets = []


def _many_rules(aws: HandMade) -> None:
    aws.rules *= 270


def _left_behind(aws: HandMade) -> None:
    said = "Temporary: somebody waits for the answers to commands. Left behind if it is still there after "
    for name, until in (("a", "2026-12-01T07:59:59Z"), ("b", "2026-12-01T08:30:00Z")):
        aws.rules.append({"Name": f"eventcron-answers-{name}", "State": "ENABLED", "Description": said + until})


def _refused(aws: HandMade) -> None:
    aws.targets[0]["DeadLetterConfig"] = {"Arn": arn("sqs", "jobs-dead")}
    aws.counts["jobs-dead"] = 1


def _no_dead_letter_queue(aws: HandMade) -> None:
    aws.targets[0]["DeadLetterConfig"] = {"Arn": arn("sqs", "jobs-dead")}
    aws.missing.add("jobs-dead")


def _failed_invocations(aws: HandMade) -> None:
    aws.answers["get_metric_data"] = {"MetricDataResults": [{"Id": "m0", "Values": [4.0, 1.0]}]}


@pytest.mark.parametrize(
    ("broken", "check", "level", "what", "remedy"),
    [
        (_left_behind, "rules", "warning", "with a queue each: eventcron-answers-a", "tail --count 1"),
        (_tick, "tick", "failed", "(TickRule) is disabled: the planner is not started", "enable-rule --name tick"),
        (_never_tick, "tick", "warning", "TickState is DISABLED", "deploy with TickState=ENABLED"),
        (_no_command_rule, "tick", "failed", "(CommandRule) does not exist: no command reaches", "deploy the stack"),
        (_no_hourly, "tick", "failed", "has no HourlyRule", "deploy the stack again"),
        (_poller_off, "pollers", "failed", "the poller of Executor is off: fires wait", "--uuid u-1 --enabled"),
        (_poller_in_trouble, "pollers", "failed", "PROBLEM: Function call failed", "correct what it names"),
        (_no_poller, "pollers", "failed", "Registrar reads no queue: commands wait", "deploy the stack again"),
        (_concurrency, "concurrency", "warning", "may run 3,600 functions at once", "raise Lambda's quota"),
        (_provisioned, "concurrency", "warning", "may run 1,600 functions at once", "raise Lambda's quota"),
        (_dead_letters, "dead-letters", "failed", "3 dead letters of fires", "redrive show fires"),
        (_clock, "clock", "warning", "9.0 s ahead of that of AWS", "by NTP"),
        (_no_date, "clock", "warning", "has no Date header", "proxy"),
        (
            _no_put,
            "permissions",
            "failed",
            "you lack events:PutEvents, which `put`",
            "allow your role events:PutEvents",
        ),
        (
            _no_history,
            "tick",
            "failed",
            "the rule history (HistoryRule) is disabled: nothing more is kept",
            "enable-rule --name history --event-bus-name eventcron",
        ),
        (
            _no_query,
            "permissions",
            "failed",
            "you lack dynamodb:Query on the history table, which `history`",
            "allow your role dynamodb:Query",
        ),
        (_full_tenant, "tenants", "warning", "tenant acme has 9 of 10 schedules", "MaxSchedulesPerTenant"),
        (_vain, "rules", "warning", 'rule fires matches nothing: no event has source "eventcorn"', "its pattern"),
        (_disabled, "rules", "warning", "rule fires is disabled", "enable-rule --name fires --event-bus-name"),
        (_no_target, "rules", "warning", "rule fires has no target", "put-targets"),
        (_many_rules, "rules", "warning", "the bus has 270 rules", "share rules"),
        (_refused, "rules", "failed", "refused 1 event, which is in jobs-dead", "redrive show https://"),
        (_no_dead_letter_queue, "rules", "failed", "jobs-dead does not exist, so what it refuses is lost", "create"),
        (_failed_invocations, "invocations", "failed", "fires failed to invoke its targets 5 times", "dead-letter"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
async def test_each_fault_is_found_with_its_remedy(
    aws: HandMade, *, broken: Callable[[HandMade], None], check: str, level: str, what: str, remedy: str
) -> None:
    broken(aws)

    found = await examined(aws)

    assert {finding.check for finding in found} == {check}
    assert any((finding.level == level) and what in finding.what and remedy in finding.remedy for finding in found)


async def test_a_tick_faster_than_eventbridge_is_started_by_somebody_else(aws: HandMade) -> None:
    _never_tick(aws)
    aws.parameters["TickSeconds"] = "5"

    assert await examined(aws) == []


TARGETS = [
    {"Id": "t", "Arn": arn("sqs", "gone")},
    {"Id": "t", "Arn": arn("sns", "gone")},
    {"Id": "t", "Arn": arn("lambda", "function:gone")},
    {"Id": "t", "Arn": arn("states", "stateMachine:gone"), "RoleArn": "r"},
    {"Id": "t", "Arn": arn("events", "event-bus/gone")},
    {"Id": "t", "Arn": arn("events", "api-destination/gone/id"), "RoleArn": "r"},
    {"Id": "t", "Arn": arn("logs", "log-group:gone")},
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target["Arn"].split(":", 2)[2])
async def test_a_target_that_does_not_exist_is_found_and_one_that_does_is_not(
    aws: HandMade, target: dict[str, Any]
) -> None:
    aws.targets = [target]
    assert await examined(aws) == []

    aws.missing.add("gone")
    (found,) = await examined(aws)

    assert (found.level, found.what) == ("failed", f"target t of rule fires: {target['Arn']} does not exist")


@pytest.mark.parametrize(
    ("target", "operation", "answer"),
    [
        (TARGETS[0], "get_queue_attributes", {"Attributes": {"ApproximateNumberOfMessages": "0"}}),
        (TARGETS[1], "get_topic_attributes", {"Attributes": {"Policy": '{"Statement": {"Effect": "Deny"}}'}}),
        (TARGETS[2], "get_policy", refusal("GetPolicy", "ResourceNotFoundException")),
    ],
    ids=["queue", "topic", "function"],
)
async def test_a_target_whose_policy_does_not_name_eventbridge_is_a_warning(
    aws: HandMade, target: dict[str, Any], operation: str, answer: Any
) -> None:
    aws.targets, aws.answers[operation] = [target], answer

    (found,) = await examined(aws)

    assert found.level == "warning"
    assert "refuses EventBridge: no statement of its policy allows events.amazonaws.com" in found.what


@pytest.mark.parametrize("target", [TARGETS[3], TARGETS[5]], ids=["state-machine", "api-destination"])
async def test_a_target_that_needs_a_role_and_has_none(aws: HandMade, target: dict[str, Any]) -> None:
    aws.targets = [{"Id": "t", "Arn": target["Arn"]}]

    (found,) = await examined(aws)

    assert "needs a role, and the target has no RoleArn" in found.what


async def test_an_api_destination_whose_connection_is_not_authorised(aws: HandMade) -> None:
    aws.targets, aws.answers["describe_api_destination"] = [TARGETS[5]], {"ApiDestinationState": "INACTIVE"}

    (found,) = await examined(aws)

    assert found.what.endswith("is not active")


@pytest.mark.parametrize(
    "elsewhere", ["arn:aws:sqs:us-east-1:123456789012:gone", "arn:aws:sqs:eu-north-1:999999999999:gone"]
)
async def test_targets_elsewhere_are_not_judged(aws: HandMade, elsewhere: str) -> None:
    aws.missing.add("gone")
    aws.targets = [{"Id": "t", "Arn": elsewhere}]

    assert await examined(aws) == []


@pytest.mark.parametrize(
    ("operation", "check"),
    [
        ("describe_rule", "tick"),
        ("list_stack_resources", "tick"),
        ("list_event_source_mappings", "pollers"),
        ("get_metric_data", "invocations"),
        ("get_queue_url", "rules"),
        ("get_caller_identity", "clock"),
    ],
)
async def test_a_check_that_may_not_be_made_says_so_and_hides_no_other(
    aws: HandMade, operation: str, check: str
) -> None:
    _dead_letters(aws)
    aws.answers[operation] = refusal("TheCall")

    found = {finding.check: finding for finding in await examined(aws)}

    assert found.keys() == {check, "dead-letters"}
    assert found[check].level == "warning"
    assert "could not be" in found[check].what
    assert found[check].remedy.startswith("allow your role TheCall")


async def test_a_check_that_fails_otherwise_is_a_warning_too(aws: HandMade) -> None:
    aws.answers["get_account_settings"] = refusal("GetAccountSettings", "ServiceException")

    (found,) = await examined(aws)

    assert (found.check, found.what) == ("pollers", "could not be checked: GetAccountSettings: no")


async def test_tenants_are_looked_for_in_the_first_pages_alone(aws: HandMade) -> None:
    aws.answers["scan"] = {"Items": [], "LastEvaluatedKey": {"tenant": {"S": "a"}, "name": {"S": "b"}}}

    assert "that was looked at" in (await doctor.tenants(aws.patient()))[0].what
    assert aws.asked.count("scan") == doctor.TENANT_PAGES
