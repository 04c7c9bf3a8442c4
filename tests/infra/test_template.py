"""Checks of the parsed template."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventcron.adapters.aws import index_pages, schedules
from eventcron.app.executor import MAX_ATTEMPTS
from eventcron.config import PREFIX, read
from eventcron.local import template
from eventcron.local.runtime import LocalSettings
from eventcron.model.commands import COMMANDS, TENANT_SOURCE_PREFIX
from eventcron.model.events import EVENT_DETAILS, EVENT_SOURCE, FIRE_SOURCE_PREFIX
from eventcron.settings import Settings
from tests.infra.stack import (
    FANNED_OUT,
    FUNCTIONS,
    GLOBALS,
    PARAMETERS,
    QUEUES,
    RESOURCES,
    ROLES,
    ROOT,
    RULES,
    STACK,
    TABLES,
    allowed,
    decided,
    name_of,
    statements,
)

SETTINGS = {field.name: field for field in msgspec.structs.fields(Settings)}
#: Settings whose value is the URL or ARN of an optional resource.
SEGMENT_QUEUES = ("segment_queue_url", "segment_dlq_url")
OF_RESOURCES = {"event_bus_v2_arn", "history_table", *SEGMENT_QUEUES}


def _variables(function: str) -> dict[str, Any]:
    return dict(GLOBALS["Environment"]["Variables"], **FUNCTIONS[function]["Environment"]["Variables"])


def _source(function: str) -> dict[str, Any]:
    """Return how *function* reads its queue. SAM events have no condition, so the planner has a separate mapping."""
    if function == "PlannerFunction":
        mapping: dict[str, Any] = FANNED_OUT["Resources"]["SegmentMapping"]["Properties"]
        return mapping | {"Queue": mapping["EventSourceArn"]}
    [event] = FUNCTIONS[function]["Events"].values()
    return dict(event["Properties"])


@pytest.mark.slow
def test_cfn_lint_finds_nothing() -> None:
    lint = shutil.which("cfn-lint", path=str(Path(sys.executable).parent))
    assert lint, "cfn-lint is not installed in the environment of this Python"
    command = [
        lint, "--include-checks", "I", "--include-experimental", "--ignore-checks", "I4010",
        "--non-zero-exit-code", "informational", "--",
    ]  # fmt: skip
    templates = [str(ROOT / "infra" / "template.yaml"), *map(str, sorted((ROOT / "infra" / "examples").glob("*.yaml")))]
    done = subprocess.run(command + templates, capture_output=True, text=True, check=False)

    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("queue", [name for name in QUEUES if "DeadLetters" not in name])
def test_every_queue_has_a_dead_letter_queue(queue: str) -> None:
    redrive = QUEUES[queue]["RedrivePolicy"]
    target = name_of(redrive["deadLetterTargetArn"])

    assert "DeadLetters" in target
    assert target in QUEUES
    assert redrive["maxReceiveCount"] == {"Ref": "MaxReceiveCount"}
    assert QUEUES[target]["MessageRetentionPeriod"] > QUEUES[queue]["MessageRetentionPeriod"]


@pytest.mark.parametrize(
    "target", [(rule, target) for rule, properties in RULES.items() for target in properties["Targets"]], ids=str
)
def test_every_rule_target_has_a_dead_letter_queue_that_accepts_its_events(target: tuple[str, dict[str, Any]]) -> None:
    rule, properties = target
    dead_letters = name_of(properties["DeadLetterConfig"]["Arn"])
    policies = template.of_type(STACK, "AWS::SQS::QueuePolicy").values()
    takes = [
        statement["Condition"]["ArnEquals"]["aws:SourceArn"]
        for policy in policies
        if policy["Queues"] == [{"Ref": dead_letters}]
        for statement in policy["PolicyDocument"]["Statement"]
    ]

    assert {"Fn::GetAtt": [rule, "Arn"]} in takes[0]


@pytest.mark.parametrize("function", ["DispatcherFunction", "RegistrarFunction", "PlannerFunction", "ExecutorFunction"])
def test_the_visibility_timeout_is_six_times_the_function_s_timeout(function: str) -> None:
    source = _source(function)
    queue = QUEUES[name_of(source["Queue"])]

    assert queue["VisibilityTimeout"] >= 6 * FUNCTIONS[function]["Timeout"]


@pytest.mark.parametrize("function", ["RegistrarFunction", "ExecutorFunction"])
def test_queues_are_read_in_tens_at_once_with_partial_failures(function: str) -> None:
    source = _source(function)

    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BatchSize"] == 10
    assert "MaximumBatchingWindowInSeconds" not in source
    assert "Ref" in source["ScalingConfig"]["MaximumConcurrency"]


def test_dispatchers_read_in_tens_at_once_unless_they_gather_more() -> None:
    gathering = template.of_type(decided(GathersCommands=True), "AWS::Serverless::Function")["DispatcherFunction"]
    source, more = _source("DispatcherFunction"), gathering["Events"]["Commands"]["Properties"]

    assert STACK["Conditions"]["GathersCommands"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "DispatchBatchSize"}, 10]}]}
    assert (PARAMETERS["DispatchBatchSize"]["Default"], source["BatchSize"]) == (10, {"Ref": "DispatchBatchSize"})
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "MaximumBatchingWindowInSeconds" not in source
    assert more["MaximumBatchingWindowInSeconds"] == 1
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "MaxDispatchers"}}


def test_registrars_get_commands_from_dispatchers_and_pauses_from_those_who_end_runs() -> None:
    policies = template.of_type(STACK, "AWS::SQS::QueuePolicy").values()
    filling = [role for role in ROLES if "RegistrarQueue" in allowed(role).get("sqs:SendMessage", set())]

    assert _source("DispatcherFunction")["Queue"] == {"Fn::GetAtt": ["CommandQueue", "Arn"]}
    assert _source("RegistrarFunction")["Queue"] == {"Fn::GetAtt": ["RegistrarQueue", "Arn"]}
    assert GLOBALS["Environment"]["Variables"]["EVENTCRON_REGISTRAR_QUEUE_URL"] == {"Ref": "RegistrarQueue"}
    assert set(filling) == {"DispatcherRole", "RegistrarRole", "ExecutorRole"}
    assert not any({"Ref": "RegistrarQueue"} in policy["Queues"] for policy in policies)


def test_pollers_of_the_fire_queue_replace_the_maximum_of_executors_that_lambda_refuses_beside_them() -> None:
    fires = template.of_type(decided(ProvisionsPollers=True), "AWS::Serverless::Function")["ExecutorFunction"]
    source = fires["Events"]["Fires"]["Properties"]

    assert STACK["Conditions"]["ProvisionsPollers"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "MinPollers"}, 0]}]}
    assert (PARAMETERS["MinPollers"]["Default"], "ProvisionedPollerConfig" in _source("ExecutorFunction")) == (0, False)
    assert "ScalingConfig" not in source
    assert source["ProvisionedPollerConfig"] == {
        "MinimumPollers": {"Ref": "MinPollers"},
        "MaximumPollers": {"Ref": "MaxPollers"},
    }
    # As many executors as without: each poller runs ten.
    assert PARAMETERS["MaxPollers"]["Default"] * 10 == PARAMETERS["MaxExecutors"]["Default"]


def test_lambda_lets_an_executor_go_through_its_own_queue_as_often_as_it_retries() -> None:
    """Lambda ends a loop after about 16 rounds by default, and says so only by a metric."""
    loop, alarm = FUNCTIONS["ExecutorFunction"]["RecursiveLoop"], RESOURCES["RecursionAlarm"]["Properties"]

    assert (loop, MAX_ATTEMPTS > 16) == ("Allow", True)
    assert alarm["MetricName"] == "RecursiveInvocationsDropped"
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "ExecutorFunction"}}]
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def test_each_planner_reads_one_range_at_a_time_with_partial_failures() -> None:
    source = _source("PlannerFunction")

    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BatchSize"] == 1
    assert "MaximumBatchingWindowInSeconds" not in source
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "PlannerWorkers"}}
    assert source["FunctionName"] == {"Ref": "PlannerFunction"}
    assert PARAMETERS["PlannerWorkers"]["MaxValue"] <= 1_000  # the maximum of Lambda; the minimum is 2


def test_with_one_planner_there_is_no_segment_queue() -> None:
    more = FANNED_OUT["Resources"].keys() - RESOURCES.keys()

    assert STACK["Conditions"]["FansOut"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "PlannerWorkers"}, 1]}]}
    assert PARAMETERS["PlannerWorkers"]["Default"] == 1
    assert more == {
        "SegmentQueue",
        "SegmentDeadLetters",
        "SegmentMapping",
        "SegmentAgeAlarm",
        "SegmentDeadLettersAlarm",
    }
    for name in more:
        assert f'"{name}"' not in json.dumps(RESOURCES)
        assert f"${{{name}" not in json.dumps(RESOURCES)
    assert [GLOBALS["Environment"]["Variables"][PREFIX + name.upper()] for name in SEGMENT_QUEUES] == ["", ""]


@pytest.mark.parametrize(
    ("setting", "queue"), [("segment_queue_url", "SegmentQueue"), ("segment_dlq_url", "SegmentDeadLetters")]
)
def test_with_several_planners_functions_get_the_urls_of_the_segment_queue(setting: str, queue: str) -> None:
    variables = FANNED_OUT["Globals"]["Function"]["Environment"]["Variables"]

    assert variables[PREFIX + setting.upper()] == {"Ref": queue}


def test_the_segment_queue_keeps_a_range_a_little_longer_than_its_tries_take() -> None:
    """Each tick sends the same segments again, so ranges that are hours old would only accumulate."""
    queue = QUEUES["SegmentQueue"]
    tried = PARAMETERS["MaxReceiveCount"]["Default"] * queue["VisibilityTimeout"]

    assert tried < queue["MessageRetentionPeriod"] <= 3 * tried


def test_the_executor_has_time_to_hold_a_pack_for_the_longest_lead() -> None:
    assert FUNCTIONS["ExecutorFunction"]["Timeout"] >= 2 * PARAMETERS["LeadSeconds"]["MaxValue"]


def test_functions_are_the_entry_points_on_python_3_13_and_arm64() -> None:
    assert (GLOBALS["Runtime"], GLOBALS["Architectures"]) == ("python3.13", ["arm64"])
    assert {name: properties["Handler"] for name, properties in FUNCTIONS.items()} == {
        "DispatcherFunction": "eventcron.entrypoints.dispatcher_lambda.handler",
        "RegistrarFunction": "eventcron.entrypoints.registrar_lambda.handler",
        "PlannerFunction": "eventcron.entrypoints.planner_lambda.handler",
        "ReconcilerFunction": "eventcron.entrypoints.reconciler_lambda.handler",
        "ExecutorFunction": "eventcron.entrypoints.executor_lambda.handler",
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_variable_is_a_setting_and_every_setting_has_its_variable(function: str) -> None:
    given = {name for name in _variables(function) if name.startswith(PREFIX)}

    assert given == {PREFIX + name.upper() for name in SETTINGS}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_log_and_measure_under_their_own_name(function: str) -> None:
    variables = _variables(function)

    assert variables["POWERTOOLS_SERVICE_NAME"] == function.removesuffix("Function").lower()
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == {"Ref": "BusName"}
    assert variables["LOG_LEVEL"] == {"Ref": "LogLevel"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_zone_rules_never_come_from_the_host(function: str) -> None:
    assert _variables(function)["PYTHONTZPATH"] == ""


@pytest.mark.parametrize(
    "setting", [name for name, field in SETTINGS.items() if not field.required and name not in OF_RESOURCES]
)
def test_a_parameter_has_the_default_and_the_range_of_its_setting(setting: str) -> None:
    field = SETTINGS[setting]
    parameter = PARAMETERS[_parameter_of(setting)]
    if field.default == frozenset():
        assert (parameter["Type"], parameter["Default"]) == ("CommaDelimitedList", "")
        return
    if isinstance(field.default, StrEnum):
        assert (parameter["Default"], parameter["AllowedValues"]) == (field.default, list(type(field.default)))
        return
    [bounds] = field.type.__metadata__

    assert parameter["Default"] == field.default
    if "AllowedPattern" in parameter:
        assert rf"^{parameter['AllowedPattern']}\Z" == bounds.pattern
    elif "AllowedValues" in parameter:
        assert (min(parameter["AllowedValues"]), max(parameter["AllowedValues"])) == (bounds.ge, bounds.le)
    else:
        assert (parameter["MinValue"], parameter["MaxValue"]) == (bounds.ge, bounds.le)


def _parameter_of(setting: str) -> str:
    value = GLOBALS["Environment"]["Variables"][PREFIX + setting.upper()]
    return str(value["Ref"] if "Ref" in value else value["Fn::Join"][1]["Ref"])


def test_a_local_stack_changes_only_parameters_and_its_settings_are_valid() -> None:
    parameters = LocalSettings().parameters()
    defaults = {name: str(parameter.get("Default", "")) for name, parameter in PARAMETERS.items()}
    values = defaults | parameters
    settings = {
        PREFIX + name.upper(): "x" if field.required else values[_parameter_of(name)]
        for name, field in SETTINGS.items()
        if name not in OF_RESOURCES
    }

    assert parameters.keys() <= PARAMETERS.keys()
    assert read(settings).horizon_seconds >= 2 * read(settings).tick_seconds


@pytest.mark.parametrize("seconds", PARAMETERS["TickSeconds"]["AllowedValues"])
def test_the_tick_rule_s_rate_is_the_functions_setting(seconds: int) -> None:
    count, unit = re.fullmatch(r"rate\((\d+) (minutes?)\)", STACK["Mappings"]["Ticks"][str(seconds)]["Rate"]).groups()  # type: ignore[union-attr]  # no match: the test fails

    assert int(count) * 60 == max(seconds, 60)
    assert unit == ("minute" if count == "1" else "minutes")


def test_ticks_below_a_minute_need_a_disabled_rule() -> None:
    rule = STACK["Rules"]["TickIsPossible"]
    possible, tick = rule["Assertions"][0]["Assert"]["Fn::Contains"]

    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "TickState"}, "ENABLED"]}
    assert tick == {"Ref": "TickSeconds"}
    assert possible == [str(value) for value in PARAMETERS["TickSeconds"]["AllowedValues"] if value >= 60]


def test_the_default_horizon_outlasts_a_missed_tick() -> None:
    assert PARAMETERS["HorizonSeconds"]["Default"] > 2 * PARAMETERS["TickSeconds"]["Default"]


def test_the_ledger_remembers_a_pack_longer_than_the_queue_keeps_it() -> None:
    assert PARAMETERS["LedgerDays"]["Default"] * 86_400 > QUEUES["FireQueue"]["MessageRetentionPeriod"]


def test_commands_of_tenants_and_trusted_sources_reach_the_command_queue() -> None:
    rule = RULES["CommandRule"]

    tenants, trusted, strangers, ourselves = rule["EventPattern"]["$or"]
    assert rule["EventPattern"].keys() == {"replay-name", "$or"}
    assert tenants == {"source": [{"prefix": TENANT_SOURCE_PREFIX}]}
    assert trusted == {"source": {"Ref": "TrustedSources"}}
    spelt = [spelling for name in COMMANDS for spelling in (name, name.replace(" ", ""))]
    assert strangers == {
        "source": [{"anything-but": EVENT_SOURCE}], "detail-type": [{"equals-ignore-case": one} for one in spelt],
    }  # fmt: skip
    assert ourselves == {
        "source": [EVENT_SOURCE], "detail-type": [{"anything-but": list(EVENT_DETAILS)}],
        "detail": {"fire_id": [{"exists": False}]},
    }  # fmt: skip
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html: "Event pattern size: 2,048"
    assert len(json.dumps(rule["EventPattern"])) < 2_048 - 300
    assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": ["CommandQueue", "Arn"]}]


def test_the_log_group_keeps_the_events_that_the_parameter_names() -> None:
    rule = RULES["EventLogRule"]
    kept = rule["EventPattern"]["detail-type"]
    [all_of_them] = template.of_type(decided(KeepsEveryEvent=True), "AWS::Events::Rule")["EventLogRule"][
        "EventPattern"
    ]["detail-type"]

    assert rule["EventPattern"]["source"] == [EVENT_SOURCE, {"prefix": FIRE_SOURCE_PREFIX}]
    assert set(kept) == EVENT_DETAILS.keys() - {"Schedule Fired", "Schedule Unchanged", "Calendar Unchanged"}
    assert all_of_them == {"prefix": ""}
    assert rule["State"] == "DISABLED"
    assert decided(KeepsEvents=True)["Resources"]["EventLogRule"]["Properties"]["State"] == "ENABLED"
    assert STACK["Conditions"]["KeepsEvents"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "KeepEvents"}, "NONE"]}]}
    assert STACK["Conditions"]["KeepsEveryEvent"] == {"Fn::Equals": [{"Ref": "KeepEvents"}, "ALL"]}


def test_only_the_rule_may_write_events_to_the_log_group_and_eventbridge_may_create_streams_in_it() -> None:
    group = RESOURCES["EventLogs"]["Properties"]
    policy = json.loads(RESOURCES["EventLogsPolicy"]["Properties"]["PolicyDocument"]["Fn::Sub"])
    [target] = RULES["EventLogRule"]["Targets"]

    assert group["LogGroupName"]["Fn::Sub"].startswith("/aws/events/")
    assert target["Arn"]["Fn::Sub"].endswith(":log-group:${EventLogs}")
    create, put = policy["Statement"]
    assert (create["Action"], put["Action"]) == ("logs:CreateLogStream", "logs:PutLogEvents")
    assert create["Resource"] == put["Resource"] == "${EventLogs.Arn}"
    assert create["Principal"] == put["Principal"]
    assert put["Condition"] == {"ArnEquals": {"aws:SourceArn": "${EventLogRule.Arn}"}}
    assert "Condition" not in create  # EventBridge sends no aws:SourceArn with it, so none would ever match


def test_the_index_projects_exactly_what_the_planner_reads() -> None:
    [index] = TABLES["SchedulesTable"]["GlobalSecondaryIndexes"]
    projected = index["Projection"]["NonKeyAttributes"]
    keys = {"tenant", "name", "segment", "wake"}  # DynamoDB projects keys into every index

    assert index["IndexName"] == schedules.INDEX
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["segment", "wake"]
    assert index["Projection"]["ProjectionType"] == "INCLUDE"
    assert set(projected) == index_pages.ATTRIBUTES - keys


@pytest.mark.parametrize("table", TABLES)
def test_tables_delete_expired_items_and_are_encrypted(table: str) -> None:
    properties = TABLES[table]

    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"


@pytest.mark.parametrize("table", TABLES)
def test_point_in_time_recovery_is_on_unless_the_parameter_says_otherwise(table: str) -> None:
    on = template.of_type(decided(Recoverable=True), "AWS::DynamoDB::Table")[table]

    assert PARAMETERS["PointInTimeRecovery"]["Default"] == "ENABLED"
    assert STACK["Conditions"]["Recoverable"] == {"Fn::Equals": [{"Ref": "PointInTimeRecovery"}, "ENABLED"]}
    assert on["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert TABLES[table]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": False}


def test_table_and_index_are_warmed_as_the_parameters_say_and_not_by_default() -> None:
    """DynamoDB charges for it, and never takes it back."""

    def of(**conditions: bool) -> tuple[Any, Any]:
        table = template.of_type(decided(**conditions), "AWS::DynamoDB::Table")["SchedulesTable"]
        return table.get("WarmThroughput"), table["GlobalSecondaryIndexes"][0].get("WarmThroughput")

    reads, writes = {"ReadUnitsPerSecond": {"Ref": "WarmReads"}}, {"WriteUnitsPerSecond": {"Ref": "WarmWrites"}}
    assert {PARAMETERS[name]["Default"] for name in ("WarmReads", "WarmWrites", "WarmIndexWrites")} == {0}
    assert of() == (None, None)
    assert of(WarmsReads=True) == (reads, None)
    assert of(WarmsWrites=True) == (writes, None)
    assert of(WarmsReads=True, WarmsWrites=True) == (reads | writes, None)
    assert of(WarmsIndex=True) == (None, {"WriteUnitsPerSecond": {"Ref": "WarmIndexWrites"}})


def test_schedules_outlive_the_stack() -> None:
    table = RESOURCES["SchedulesTable"]

    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert RESOURCES["Bus"]["UpdateReplacePolicy"] == "Retain"


def test_the_schedules_table_is_protected_when_the_parameter_says_so_and_not_at_first() -> None:
    """CloudFormation cannot remove a protected table of a first deployment that failed."""
    on = template.of_type(decided(Protected=True), "AWS::DynamoDB::Table")["SchedulesTable"]

    assert PARAMETERS["DeletionProtection"]["Default"] == "DISABLED"
    assert (on["DeletionProtectionEnabled"], TABLES["SchedulesTable"]["DeletionProtectionEnabled"]) == (True, False)


def test_the_stack_policy_keeps_the_bus_and_the_schedules_from_being_replaced_and_allows_the_rest() -> None:
    policy = json.loads((ROOT / "infra" / "stack-policy.json").read_text(encoding="utf-8"))
    allowing, denying = policy["Statement"]
    kept = {resource.removeprefix("LogicalResourceId/") for resource in denying["Resource"]}

    assert (allowing["Effect"], allowing["Action"], allowing["Resource"]) == ("Allow", "Update:*", "*")
    assert (denying["Effect"], set(denying["Action"])) == ("Deny", {"Update:Replace", "Update:Delete"})
    assert kept == {"Bus", "SchedulesTable"} <= RESOURCES.keys()


@pytest.mark.parametrize("queue", QUEUES)
def test_queues_are_encrypted(queue: str) -> None:
    assert QUEUES[queue]["SqsManagedSseEnabled"] is True
    assert "KmsMasterKeyId" not in QUEUES[queue]


def test_nothing_names_a_key_unless_one_is_given() -> None:
    assert "KmsKeyArn" not in json.dumps(RESOURCES)
    assert "KmsKeyArn" not in json.dumps(GLOBALS)


def test_all_stored_data_is_encrypted_with_the_given_key() -> None:
    stack = decided(HasKmsKey=True, FansOut=True)
    key = {"Ref": "KmsKeyArn"}
    where: dict[str, Callable[[dict[str, Any]], object]] = {
        "AWS::DynamoDB::Table": lambda properties: properties["SSESpecification"]["KMSMasterKeyId"],
        "AWS::SQS::Queue": lambda properties: properties["KmsMasterKeyId"],
        "AWS::Events::EventBus": lambda properties: properties["KmsKeyIdentifier"],
        "AWS::Logs::LogGroup": lambda properties: properties["KmsKeyId"],
    }
    keys = {
        name: encrypted(properties)
        for kind, encrypted in where.items()
        for name, properties in template.of_type(stack, kind).items()
    }

    assert len(keys) == len(TABLES) + len(QUEUES) + 1 + len(template.of_type(STACK, "AWS::Logs::LogGroup"))
    assert all(used == key for used in keys.values()), keys
    assert stack["Globals"]["Function"]["KmsKeyArn"] == key
    assert all("SqsManagedSseEnabled" not in queue for queue in template.of_type(stack, "AWS::SQS::Queue").values())


def test_functions_may_use_the_given_key_and_a_bus_that_may_not_dead_letters() -> None:
    stack = decided(HasKmsKey=True)
    use = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": {"Ref": "KmsKeyArn"}}
    functions = template.of_type(stack, "AWS::Serverless::Function")

    for function in functions.values():
        [policy] = template.of_type(stack, "AWS::IAM::Role")[name_of(function["Role"])]["Policies"]
        assert use in policy["PolicyDocument"]["Statement"]  # test_iam has what DynamoDB asks for
    assert name_of(stack["Resources"]["Bus"]["Properties"]["DeadLetterConfig"]["Arn"]) == "TargetDeadLetters"


@pytest.mark.parametrize("output", [name for name in STACK["Outputs"] if name != "DashboardUrl"])
def test_other_stacks_can_import_every_output(output: str) -> None:
    assert STACK["Outputs"][output]["Export"] == {"Name": {"Fn::Sub": "${AWS::StackName}-" + output}}


def test_every_parameter_is_described_bounded_and_grouped() -> None:
    groups = STACK["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    free = {"TrustedSources", "WatchedTenants", "RestTrustedPrincipals"}  # lists, which CloudFormation cannot bound

    assert sorted(grouped) == sorted(PARAMETERS)
    for name, parameter in PARAMETERS.items():
        assert parameter["Description"]
        assert "Default" in parameter
        assert name in free or parameter.keys() & {"AllowedPattern", "AllowedValues", "MinValue"}


@pytest.mark.parametrize(
    ("principal", "taken"),
    [
        pytest.param("", True, id="none"),
        pytest.param("arn:aws:iam::123456789012:role/aws-reserved/sso/Platform_0a1b", True, id="with-a-path"),
        pytest.param("arn:aws-cn:iam::123456789012:user/ci", True, id="a-user-of-another-partition"),
        pytest.param("arn:aws:iam::123456789012:root", True, id="the-account-s-root"),
        pytest.param("arn:aws:iam::123456789012:role/*", False, id="a-pattern-which-would-match-nobody"),
        pytest.param("arn:aws:sts::123456789012:assumed-role/platform/session", False, id="a-session"),
        pytest.param("role/platform", False, id="a-name"),
    ],
)
def test_a_trusted_principal_is_the_arn_of_one_role_or_user(principal: str, taken: bool) -> None:
    assert bool(re.fullmatch(PARAMETERS["TrustedPrincipals"]["AllowedPattern"], principal)) is taken


@pytest.mark.parametrize("parameter", ["AlarmTopicArn", "KmsKeyArn"])
@pytest.mark.parametrize(
    ("arn", "taken"),
    [
        pytest.param("", True, id="none"),
        pytest.param("arn:aws:{}:eu-north-1:123456789012:key/x", True, id="an-arn"),
        pytest.param("arn:aws-us-gov:{}:us-gov-east-1:123456789012:key/x", True, id="another-partition"),
        pytest.param("arn:aws:lambda:eu-north-1:123456789012:key/x", False, id="of-another-service"),
        pytest.param("alias/mine", False, id="no-arn"),
    ],
)
def test_cloudformation_checks_arns_before_it_creates_the_stack(parameter: str, arn: str, taken: bool) -> None:
    service = {"AlarmTopicArn": "sns", "KmsKeyArn": "kms"}[parameter]

    assert bool(re.fullmatch(PARAMETERS[parameter]["AllowedPattern"], arn.format(service))) is taken


def test_each_function_has_a_role_and_a_log_group_of_its_own() -> None:
    roles = [name_of(properties["Role"]) for properties in FUNCTIONS.values()]
    groups = [properties["LoggingConfig"]["LogGroup"]["Ref"] for properties in FUNCTIONS.values()]

    assert len(set(roles)) == len(set(groups)) == len(FUNCTIONS)
    assert all("RetentionInDays" in RESOURCES[group]["Properties"] for group in groups)


def test_with_tracing_every_function_sends_traces_and_otherwise_none_may() -> None:
    stack = decided(HasRestApi=True, Traces=True)
    roles = {
        name_of(properties["Role"]) for properties in template.of_type(stack, "AWS::Serverless::Function").values()
    }
    sends = {"Effect": "Allow", "Action": ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "Resource": "*"}

    assert all(sends in statements(role, stack) for role in roles)
    assert GLOBALS["Tracing"] == {"Ref": "Tracing"}
    assert STACK["Conditions"]["Traces"] == {"Fn::Equals": [{"Ref": "Tracing"}, "Active"]}
    assert PARAMETERS["Tracing"]["Default"] == "PassThrough"
    assert not [one for role in roles & ROLES.keys() for one in statements(role) if "xray" in json.dumps(one)]


def test_a_layer_with_opentelemetry_wraps_every_function_and_there_is_none_by_default() -> None:
    function = decided(HasOpenTelemetry=True)["Globals"]["Function"]

    assert function["Layers"] == [{"Ref": "OpenTelemetryLayerArn"}]
    assert function["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"] == "/opt/otel-instrument"
    assert "Layers" not in GLOBALS
    assert "AWS_LAMBDA_EXEC_WRAPPER" not in GLOBALS["Environment"]["Variables"]


@pytest.mark.parametrize("role", ROLES)
def test_no_role_has_a_wildcard(role: str) -> None:
    assert "ManagedPolicyArns" not in ROLES[role]
    for statement in statements(role):
        assert "*" not in json.dumps(statement)


@pytest.mark.parametrize(
    ("role", "action", "resources"),
    [
        pytest.param("RegistrarRole", "dynamodb:PutItem", {"SchedulesTable", "LedgerTable"}, id="registrar-stores"),
        pytest.param("DispatcherRole", "sqs:ReceiveMessage", {"CommandQueue"}, id="dispatcher-reads-commands"),
        pytest.param("DispatcherRole", "sqs:SendMessage", {"RegistrarQueue"}, id="dispatcher-passes-commands-on"),
        pytest.param("RegistrarRole", "sqs:ReceiveMessage", {"RegistrarQueue"}, id="registrar-reads-commands"),
        pytest.param("PlannerRole", "dynamodb:Query", {"${SchedulesTable.Arn}/index/plan"}, id="planner-reads-index"),
        pytest.param("PlannerRole", "dynamodb:PutItem", {"LedgerTable"}, id="planner-continues-backfills"),
        pytest.param("PlannerRole", "dynamodb:UpdateItem", {"SchedulesTable", "LedgerTable"}, id="planner-updates"),
        pytest.param("PlannerRole", "sqs:SendMessage", {"FireQueue", "FireDeadLetters"}, id="planner-sends-packs"),
        pytest.param("ReconcilerRole", "dynamodb:Scan", {"SchedulesTable"}, id="reconciler-reads-all"),
        pytest.param(
            "ReconcilerRole", "dynamodb:DeleteItem", {"SchedulesTable"}, id="reconciler-deletes-expired-records"
        ),
        pytest.param("ReconcilerRole", "dynamodb:PutItem", {"LedgerTable"}, id="reconciler-saves-how-far-it-came"),
        pytest.param("ExecutorRole", "dynamodb:PutItem", {"LedgerTable"}, id="executor-records-packs"),
        pytest.param(
            "ExecutorRole", "sqs:SendMessage", {"FireQueue", "RegistrarQueue", "FireDeadLetters"}, id="executor-sends"
        ),
        pytest.param("ExecutorRole", "sqs:ReceiveMessage", {"FireQueue"}, id="executor-reads-packs"),
        *(
            pytest.param(role, "events:PutEvents", {"Bus"}, id=f"{role}-publishes")
            for role in ROLES
            if role != "DispatcherRole"
        ),
    ],
)
def test_a_role_may_do_an_action_on_these_resources_only(role: str, action: str, resources: set[str]) -> None:
    assert allowed(role)[action] == resources


@pytest.mark.parametrize(
    ("action", "resources"),
    [
        pytest.param("sqs:ReceiveMessage", {"SegmentQueue"}, id="reads-ranges"),
        pytest.param("sqs:DeleteMessage", {"SegmentQueue"}, id="deletes-ranges"),
        pytest.param(
            "sqs:SendMessage",
            {"FireQueue", "FireDeadLetters", "SegmentQueue", "SegmentDeadLetters"},
            id="sends-ranges",
        ),
    ],
)
def test_with_several_planners_only_their_role_has_more_permissions(action: str, resources: set[str]) -> None:
    assert allowed("PlannerRole", FANNED_OUT)[action] == resources
    assert all(allowed(role, FANNED_OUT) == allowed(role) for role in ROLES if role != "PlannerRole")


def test_each_environment_of_samconfig_builds_alike_and_sets_only_parameters_of_the_stack() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    environments = {name: values for name, values in config.items() if name != "version"}
    stacks = [values["global"]["parameters"]["stack_name"] for values in environments.values()]

    assert {"default", "prod"} <= environments.keys()
    assert len(set(stacks)) == len(stacks)
    for values in environments.values():
        overrides = values["deploy"]["parameters"].get("parameter_overrides", [])
        assert values["build"] == environments["default"]["build"]
        stack = values["global"]["parameters"]["stack_name"]
        assert values["deploy"]["parameters"]["tags"] == f"application=eventcron deployment={stack}"
        assert {override.partition("=")[0] for override in overrides} <= PARAMETERS.keys()
