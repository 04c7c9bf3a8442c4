"""What the stack must be, asserted on the parsed template."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventcron.adapters.aws import items, schedules
from eventcron.config import PREFIX, Settings
from eventcron.local import template
from eventcron.local.runtime import LocalSettings
from eventcron.model import COMMANDS, TENANT_SOURCE_PREFIX

ROOT = Path(__file__).parents[2]
STACK = template.read()
RESOURCES: dict[str, dict[str, Any]] = STACK["Resources"]
PARAMETERS: dict[str, dict[str, Any]] = STACK["Parameters"]
FUNCTIONS = template.of_type(STACK, "AWS::Serverless::Function")
QUEUES = template.of_type(STACK, "AWS::SQS::Queue")
RULES = template.of_type(STACK, "AWS::Events::Rule")
TABLES = template.of_type(STACK, "AWS::DynamoDB::Table")
ROLES = template.of_type(STACK, "AWS::IAM::Role")
GLOBALS = STACK["Globals"]["Function"]
SETTINGS = {field.name: field for field in msgspec.structs.fields(Settings)}


def _variables(function: str) -> dict[str, Any]:
    return dict(GLOBALS["Environment"]["Variables"], **FUNCTIONS[function]["Environment"]["Variables"])


def _sources(function: str) -> dict[str, dict[str, Any]]:
    return {name: event["Properties"] for name, event in FUNCTIONS[function].get("Events", {}).items()}


def _statements(role: str) -> Iterator[dict[str, Any]]:
    for policy in ROLES[role]["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def _allowed(role: str) -> dict[str, set[str]]:
    """Action → logical ids (or other text) of the resources on which *role* may do it."""
    allowed: dict[str, set[str]] = {}
    for statement in _statements(role):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        for action in actions:
            allowed.setdefault(action, set()).update(_name(resource) for resource in resources)
    return allowed


def _name(resource: dict[str, Any]) -> str:
    if "Fn::GetAtt" in resource:
        return str(resource["Fn::GetAtt"][0])
    return str(resource["Fn::Sub"])


def test_cfn_lint_finds_nothing() -> None:
    lint = shutil.which("cfn-lint", path=str(Path(sys.executable).parent))
    assert lint, "cfn-lint is not installed beside this Python"
    done = subprocess.run([lint, str(ROOT / "infra" / "template.yaml")], capture_output=True, text=True, check=False)

    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("queue", [name for name in QUEUES if "DeadLetters" not in name])
def test_every_queue_gives_up_into_a_dead_letter_queue(queue: str) -> None:
    redrive = QUEUES[queue]["RedrivePolicy"]
    target = _name(redrive["deadLetterTargetArn"])

    assert "DeadLetters" in target
    assert target in QUEUES
    assert redrive["maxReceiveCount"] == {"Ref": "MaxReceiveCount"}
    assert QUEUES[target]["MessageRetentionPeriod"] > QUEUES[queue]["MessageRetentionPeriod"]


@pytest.mark.parametrize(
    "target", [(rule, target) for rule, properties in RULES.items() for target in properties["Targets"]], ids=str
)
def test_every_rule_target_has_a_dead_letter_queue_that_takes_its_events(target: tuple[str, dict[str, Any]]) -> None:
    rule, properties = target
    letters = _name(properties["DeadLetterConfig"]["Arn"])
    policies = template.of_type(STACK, "AWS::SQS::QueuePolicy").values()
    takes = [
        statement["Condition"]["ArnEquals"]["aws:SourceArn"]
        for policy in policies
        if policy["Queues"] == [{"Ref": letters}]
        for statement in policy["PolicyDocument"]["Statement"]
    ]

    assert {"Fn::GetAtt": [rule, "Arn"]} in takes[0]


@pytest.mark.parametrize("function", ["RegistrarFunction", "ExecutorFunction"])
def test_messages_stay_invisible_six_times_as_long_as_their_function_may_take(function: str) -> None:
    [source] = _sources(function).values()
    queue = QUEUES[_name(source["Queue"])]

    assert queue["VisibilityTimeout"] >= 6 * FUNCTIONS[function]["Timeout"]


@pytest.mark.parametrize("function", ["RegistrarFunction", "ExecutorFunction"])
def test_queues_are_read_in_tens_at_once_with_partial_failures(function: str) -> None:
    [source] = _sources(function).values()

    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BatchSize"] == 10
    assert "MaximumBatchingWindowInSeconds" not in source
    assert "Ref" in source["ScalingConfig"]["MaximumConcurrency"]


def test_the_executor_has_time_to_hold_a_pack_for_the_longest_lead() -> None:
    assert FUNCTIONS["ExecutorFunction"]["Timeout"] >= 2 * PARAMETERS["LeadSeconds"]["MaxValue"]


def test_functions_are_the_entry_points_on_python_3_13_and_arm64() -> None:
    assert (GLOBALS["Runtime"], GLOBALS["Architectures"]) == ("python3.13", ["arm64"])
    assert {name: properties["Handler"] for name, properties in FUNCTIONS.items()} == {
        "RegistrarFunction": "eventcron.entrypoints.registrar_lambda.handler",
        "PlannerFunction": "eventcron.entrypoints.planner_lambda.handler",
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
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "eventcron"
    assert variables["LOG_LEVEL"] == {"Ref": "LogLevel"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_zone_rules_never_come_from_the_host(function: str) -> None:
    assert _variables(function)["PYTHONTZPATH"] == ""


@pytest.mark.parametrize("setting", [name for name, field in SETTINGS.items() if not field.required])
def test_a_parameter_has_the_default_and_the_range_of_its_setting(setting: str) -> None:
    field = SETTINGS[setting]
    parameter = PARAMETERS[_parameter_of(setting)]
    if setting == "trusted_sources":
        assert (parameter["Type"], parameter["Default"]) == ("CommaDelimitedList", "")
        return
    [bounds] = field.type.__metadata__

    assert parameter["Default"] == field.default
    if "AllowedValues" in parameter:
        assert (min(parameter["AllowedValues"]), max(parameter["AllowedValues"])) == (bounds.ge, bounds.le)
    else:
        assert (parameter["MinValue"], parameter["MaxValue"]) == (bounds.ge, bounds.le)


def _parameter_of(setting: str) -> str:
    value = GLOBALS["Environment"]["Variables"][PREFIX + setting.upper()]
    return str(value["Ref"] if "Ref" in value else value["Fn::Join"][1]["Ref"])


def test_what_a_local_stack_changes_are_parameters_and_make_valid_settings() -> None:
    parameters = LocalSettings().parameters()
    defaults = {name: str(parameter.get("Default", "")) for name, parameter in PARAMETERS.items()}
    values = defaults | parameters
    settings = {
        PREFIX + name.upper(): "x" if field.required else values[_parameter_of(name)]
        for name, field in SETTINGS.items()
    }

    assert parameters.keys() <= PARAMETERS.keys()
    assert Settings.read(settings).horizon_seconds >= 2 * Settings.read(settings).tick_seconds


@pytest.mark.parametrize("seconds", PARAMETERS["TickSeconds"]["AllowedValues"])
def test_the_tick_rule_ticks_as_often_as_the_functions_are_told(seconds: int) -> None:
    count, unit = re.fullmatch(r"rate\((\d+) (minutes?)\)", STACK["Mappings"]["Ticks"][str(seconds)]["Rate"]).groups()  # type: ignore[union-attr]  # no match: the test fails

    assert int(count) * 60 == max(seconds, 60)
    assert unit == ("minute" if count == "1" else "minutes")


def test_ticks_below_a_minute_are_refused_while_the_rule_is_to_tick() -> None:
    rule = STACK["Rules"]["TickIsPossible"]
    possible, tick = rule["Assertions"][0]["Assert"]["Fn::Contains"]

    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "TickState"}, "ENABLED"]}
    assert tick == {"Ref": "TickSeconds"}
    assert possible == [str(value) for value in PARAMETERS["TickSeconds"]["AllowedValues"] if value >= 60]


def test_the_default_horizon_outlasts_a_missed_tick() -> None:
    assert PARAMETERS["HorizonSeconds"]["Default"] > 2 * PARAMETERS["TickSeconds"]["Default"]


def test_the_ledger_remembers_a_pack_for_longer_than_the_queue_keeps_it() -> None:
    assert PARAMETERS["LedgerDays"]["Default"] * 86_400 > QUEUES["FireQueue"]["MessageRetentionPeriod"]


def test_commands_of_tenants_and_trusted_sources_reach_the_command_queue() -> None:
    rule = RULES["CommandRule"]

    assert sorted(rule["EventPattern"]["detail-type"]) == sorted(COMMANDS)
    assert rule["EventPattern"]["$or"] == [
        {"source": [{"prefix": TENANT_SOURCE_PREFIX}]},
        {"source": {"Ref": "TrustedSources"}},
    ]
    assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": ["CommandQueue", "Arn"]}]


class _Reads(dict[str, Any]):
    """An item with every attribute, which remembers those it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> dict[str, str]:
        self.asked.add(name)
        return {"N": "1", "S": "{}"}


def test_the_index_projects_what_the_planner_reads_and_no_more() -> None:
    [index] = TABLES["SchedulesTable"]["GlobalSecondaryIndexes"]
    projected = index["Projection"]["NonKeyAttributes"]
    item = _Reads()
    items.decode_plan(item)
    keys = {"tenant", "name", "segment", "wake"}  # projected into every index by themselves

    assert index["IndexName"] == schedules.INDEX
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["segment", "wake"]
    assert index["Projection"]["ProjectionType"] == "INCLUDE"
    assert set(projected) == item.asked - keys


@pytest.mark.parametrize("table", TABLES)
def test_tables_forget_by_expires_and_are_encrypted_and_recoverable(table: str) -> None:
    properties = TABLES[table]

    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"


def test_schedules_outlive_the_stack() -> None:
    table = RESOURCES["SchedulesTable"]

    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")


@pytest.mark.parametrize("queue", QUEUES)
def test_queues_are_encrypted(queue: str) -> None:
    assert QUEUES[queue]["SqsManagedSseEnabled"] is True


def test_each_function_has_a_role_and_a_log_group_of_its_own() -> None:
    roles = [_name(properties["Role"]) for properties in FUNCTIONS.values()]
    groups = [properties["LoggingConfig"]["LogGroup"]["Ref"] for properties in FUNCTIONS.values()]

    assert len(set(roles)) == len(set(groups)) == len(FUNCTIONS)
    assert all("RetentionInDays" in RESOURCES[group]["Properties"] for group in groups)


@pytest.mark.parametrize("role", ROLES)
def test_no_role_may_do_anything_to_everything(role: str) -> None:
    assert "ManagedPolicyArns" not in ROLES[role]
    for statement in _statements(role):
        assert "*" not in json.dumps(statement)


@pytest.mark.parametrize(
    ("role", "action", "resources"),
    [
        pytest.param("RegistrarRole", "dynamodb:PutItem", {"SchedulesTable", "LedgerTable"}, id="registrar-stores"),
        pytest.param("RegistrarRole", "sqs:SendMessage", {"FireQueue", "CommandDeadLetters"}, id="registrar-sends"),
        pytest.param("RegistrarRole", "sqs:ReceiveMessage", {"CommandQueue"}, id="registrar-reads-commands"),
        pytest.param("PlannerRole", "dynamodb:Query", {"${SchedulesTable.Arn}/index/plan"}, id="planner-reads-index"),
        pytest.param("PlannerRole", "dynamodb:PutItem", {"LedgerTable"}, id="planner-carries-on-backfills"),
        pytest.param("PlannerRole", "dynamodb:UpdateItem", {"SchedulesTable", "LedgerTable"}, id="planner-updates"),
        pytest.param("PlannerRole", "sqs:SendMessage", {"FireQueue"}, id="planner-sends-packs"),
        pytest.param("ExecutorRole", "dynamodb:PutItem", {"LedgerTable"}, id="executor-records-packs"),
        pytest.param("ExecutorRole", "sqs:SendMessage", {"FireQueue", "FireDeadLetters"}, id="executor-sends"),
        pytest.param("ExecutorRole", "sqs:ReceiveMessage", {"FireQueue"}, id="executor-reads-packs"),
        *(pytest.param(role, "events:PutEvents", {"Bus"}, id=f"{role}-publishes") for role in ROLES),
    ],
)
def test_a_role_may_do_an_action_on_these_and_nothing_else(role: str, action: str, resources: set[str]) -> None:
    assert _allowed(role)[action] == resources


def test_requirements_for_sam_build_are_the_package_s_own() -> None:
    import tomllib  # noqa: PLC0415

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "src" / "requirements.txt").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if line and not line.startswith("#")] == project["dependencies"]
