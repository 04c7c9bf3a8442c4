"""BusKind eventbridgev2: the second bus, who may publish on it, and how its events reach the log group."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron import config
from eventcron.adapters.aws.buses import bus_of, bus_service
from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.aws.event_bus_v2 import EventBridgeV2Bus
from eventcron.local import template
from eventcron.settings import EVENT_BUS_V2_ARN, InvalidSettings, Settings
from tests.docs.pages import blocks
from tests.eventbridgev2 import ARN, model
from tests.infra.stack import GLOBALS, PARAMETERS, RESOURCES, STACK, allowed, as_list, decided, name_of, statements

VARIABLE = "EVENTCRON_EVENT_BUS_V2_ARN"
SECOND = decided(HasEventBusV2=True, HasRestApi=True)
KEEPING = decided(HasEventBusV2=True, KeepsEvents=True, ForwardsEvents=True)
MODEL_S_ARN = model().shape_for("EventBusArn").metadata["pattern"]


def _settings(arn: str) -> Settings:
    required = [field.name for field in msgspec.structs.fields(Settings) if field.required]
    return config.read({f"EVENTCRON_{name.upper()}": "x" for name in required} | {VARIABLE: arn})


def _of_newer_kind(stack: template.Template) -> set[str]:
    return {name for name, resource in stack["Resources"].items() if resource["Type"].startswith("AWS::EventsV2::")}


def test_there_is_no_second_bus_by_default() -> None:
    assert PARAMETERS["BusKind"]["Default"] == "eventbridge"
    assert STACK["Conditions"]["HasEventBusV2"] == {"Fn::Equals": [{"Ref": "BusKind"}, "eventbridgev2"]}
    assert _of_newer_kind(STACK) == set()
    assert "EventBusV2" not in json.dumps(RESOURCES)
    assert GLOBALS["Environment"]["Variables"][VARIABLE] == ""
    assert STACK["Outputs"]["EventBusV2Arn"]["Condition"] == "HasEventBusV2"


def test_the_functions_get_its_arn_and_commands_stay_on_the_first_bus() -> None:
    variables = SECOND["Globals"]["Function"]["Environment"]["Variables"]

    assert _of_newer_kind(SECOND) == {"EventBusV2", "EventBusV2Policy"}
    assert variables[VARIABLE] == {"Fn::GetAtt": ["EventBusV2", "EventBusArn"]}
    assert variables["EVENTCRON_BUS_NAME"] == {"Ref": "Bus"}
    assert SECOND["Resources"]["CommandRule"] == RESOURCES["CommandRule"]


def test_the_setting_chooses_the_bus() -> None:
    class Client:
        async def put_events(self, **_request: Any) -> dict[str, Any]:
            raise AssertionError

    assert isinstance(bus_of(_settings(""), Client()), EventBridgeBus)
    assert bus_service(_settings("")) == "events"
    assert isinstance(bus_of(_settings(ARN), Client()), EventBridgeV2Bus)
    assert bus_service(_settings(ARN)) == "eventbridgev2"


@pytest.mark.slow
@given(st.from_regex(MODEL_S_ARN, fullmatch=True))
def test_every_arn_of_the_service_is_accepted(arn: str) -> None:
    if arn.isascii():  # to Python, the pattern's digits include those of other scripts
        assert _settings(arn).event_bus_v2_arn == arn


@pytest.mark.slow
@given(st.from_regex(EVENT_BUS_V2_ARN, fullmatch=True).filter(bool))
def test_no_other_arn_is_accepted(arn: str) -> None:
    assert re.fullmatch(MODEL_S_ARN, arn)


@pytest.mark.parametrize(
    "arn",
    [
        pytest.param("arn:aws:events:eu-north-1:123456789012:event-bus/eventcron", id="the-older-kind"),
        pytest.param("eventcron", id="a-name"),
        pytest.param(f"{ARN}\n", id="a-line-end"),
        pytest.param(ARN[:-1], id="an-id-cut-short"),
    ],
)
def test_a_function_does_not_start_with_the_arn_of_anything_else(arn: str) -> None:
    with pytest.raises(InvalidSettings, match="event_bus_v2_arn"):
        _settings(arn)


def test_only_the_functions_publish_on_it_and_they_publish_nowhere_else() -> None:
    functions = template.of_type(SECOND, "AWS::Serverless::Function").values()
    roles = {name_of(function["Role"]) for function in functions} - {"DispatcherRole"}  # it publishes nothing
    denial, reading = SECOND["Resources"]["EventBusV2Policy"]["Properties"]["PolicyDocument"]["Statement"]
    [(operator, excepted)] = denial["Condition"].items()

    assert reading["Sid"] == "TenantsSubscribeToNothing"  # test_iam says what it denies
    assert all(allowed(role, SECOND)["events:PutEvents"] == {"EventBusV2"} for role in roles)
    assert (operator, list(excepted)) == ("ArnNotEquals", ["aws:PrincipalArn"])
    assert {name_of(role) for role in excepted["aws:PrincipalArn"]} == roles
    assert (denial["Effect"], denial["Principal"]) == ("Deny", "*")
    assert set(denial["Action"]) == {"events:PutEvents", "events:PutRawEvents"}
    assert name_of(denial["Resource"]) == "EventBusV2"


def test_a_subscriber_forwards_the_events_that_the_log_group_keeps() -> None:
    forwarder = KEEPING["Resources"]["EventForwarder"]["Properties"]
    [forwarded] = forwarder["FilterConfiguration"]["Filters"]
    rule = KEEPING["Resources"]["EventLogRule"]["Properties"]

    assert forwarded["Scope"] == "DATA"
    assert json.loads(forwarded["Pattern"]) == rule["EventPattern"]
    assert name_of(forwarder["EventBusArn"]) == "EventBusV2"
    assert name_of(forwarder["InvokeConfiguration"]["TargetArn"]) == "Bus"
    assert rule["EventBusName"] == {"Ref": "Bus"}
    assert name_of(forwarder["OnFailureConfiguration"]["Arn"]) == "TargetDeadLetters"


def test_it_forwards_fires_if_all_events_are_kept_and_nothing_if_none_is() -> None:
    everything = decided(HasEventBusV2=True, KeepsEvents=True, ForwardsEvents=True, ForwardsEveryEvent=True)
    [forwarded] = everything["Resources"]["EventForwarder"]["Properties"]["FilterConfiguration"]["Filters"]

    assert json.loads(forwarded["Pattern"]) == {"source": ["eventcron", {"prefix": "eventcron.fires."}]}
    assert STACK["Conditions"]["ForwardsEvents"] == {
        "Fn::And": [
            {"Condition": "HasEventBusV2"},
            {"Fn::Or": [{"Condition": "KeepsEvents"}, {"Condition": "KeepsHistory"}]},
        ]
    }
    # Only the detail of a fire says whether its history is kept, so the first bus's rule decides.
    assert STACK["Conditions"]["ForwardsEveryEvent"] == {
        "Fn::Or": [{"Condition": "KeepsEveryEvent"}, {"Condition": "KeepsHistory"}]
    }
    assert "EventForwarder" not in SECOND["Resources"]


def test_the_forwarder_may_publish_on_the_first_bus_and_send_to_the_dead_letter_queue() -> None:
    denial = template.of_type(KEEPING, "AWS::Events::EventBusPolicy")["OnlyEventcronPublishesEvents"]["Statement"]
    [putting] = [
        statement
        for statement in statements("EventForwarderRole", KEEPING)
        if "events:PutEvents" in as_list(statement["Action"])
    ]
    excepted = {name_of(role) for role in denial["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]}

    assert allowed("EventForwarderRole", KEEPING) == {
        "events:PutEvents": {"Bus"},
        "sqs:SendMessage": {"TargetDeadLetters"},
    }
    assert putting["Condition"] == {"ForAllValues:StringEquals": {"events:source": "eventcron"}}
    assert "EventForwarderRole" in excepted
    assert KEEPING["Resources"]["EventForwarder"]["Properties"]["InvokeConfiguration"]["RoleArn"] == {
        "Fn::GetAtt": ["EventForwarderRole", "Arn"]
    }


def test_the_second_bus_is_encrypted_with_the_given_key() -> None:
    stack = decided(HasEventBusV2=True, KeepsEvents=True, ForwardsEvents=True, HasKmsKey=True)
    key = {"Ref": "KmsKeyArn"}

    assert stack["Resources"]["EventBusV2"]["Properties"]["EncryptionConfiguration"] == {"KmsKeyIdentifier": key}
    assert "EncryptionConfiguration" not in SECOND["Resources"]["EventBusV2"]["Properties"]
    assert {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": key} in list(
        statements("EventForwarderRole", stack)
    )


@pytest.mark.slow
def test_the_documented_subscription_is_valid_and_gets_one_tenant_s_fires(tmp_path: Path) -> None:
    [page] = blocks("docs/operations/second-bus.md", "yaml")
    lint = shutil.which("cfn-lint", path=str(Path(sys.executable).parent))
    assert lint, "cfn-lint is not installed in the environment of this Python"
    (tmp_path / "page.yaml").write_text(page, encoding="utf-8")
    command = [
        lint,
        "--include-checks",
        "I",
        "--non-zero-exit-code",
        "informational",
        "--",
        str(tmp_path / "page.yaml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    [subscriber] = template.of_type(template.parse(page), "AWS::EventsV2::Subscriber").values()
    [fires] = subscriber["FilterConfiguration"]["Filters"]

    assert (done.stdout + done.stderr, done.returncode) == ("", 0)
    assert json.loads(fires["Pattern"]["Fn::Sub"]) == {
        "source": ["eventcron"],
        "detail-type": ["Schedule Fired"],
        "detail": {"tenant": ["${Tenant}"]},
    }


def test_its_retention_has_the_limits_of_the_service() -> None:
    days = model().shape_for("RetentionPeriodInDays").metadata

    assert (PARAMETERS["EventBusV2RetentionDays"]["MinValue"], PARAMETERS["EventBusV2RetentionDays"]["MaxValue"]) == (
        days["min"],
        days["max"],
    )
    assert SECOND["Resources"]["EventBusV2"]["Properties"]["StorageConfiguration"] == {
        "RetentionPeriodInDays": {"Ref": "EventBusV2RetentionDays"}
    }
