"""BusKind eventbridgev2: what the stack has then, who may publish on it, and how facts get to where they are kept."""

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

from eventcron.adapters.aws.bus import EventBridgeBus
from eventcron.adapters.aws.bus_v2 import EventBridgeV2Bus
from eventcron.adapters.aws.buses import bus_of, bus_service
from eventcron.config import FACT_BUS_ARN, InvalidSettings, Settings
from eventcron.local import template
from tests.docs.pages import blocks
from tests.eventbridgev2 import ARN, model
from tests.infra.stack import GLOBALS, PARAMETERS, RESOURCES, STACK, allowed, as_list, decided, name_of, statements

VARIABLE = "EVENTCRON_FACT_BUS_ARN"
SECOND = decided(HasFactBus=True, HasRestApi=True)
KEEPING = decided(HasFactBus=True, KeepsFacts=True, ForwardsFacts=True)
MODEL_S_ARN = model().shape_for("EventBusArn").metadata["pattern"]


def _settings(arn: str) -> Settings:
    required = [field.name for field in msgspec.structs.fields(Settings) if field.required]
    return Settings.read({f"EVENTCRON_{name.upper()}": "x" for name in required} | {VARIABLE: arn})


def _of_newer_kind(stack: template.Template) -> set[str]:
    return {name for name, resource in stack["Resources"].items() if resource["Type"].startswith("AWS::EventsV2::")}


def test_there_is_no_second_bus_unless_it_is_asked_for() -> None:
    assert PARAMETERS["BusKind"]["Default"] == "eventbridge"
    assert STACK["Conditions"]["HasFactBus"] == {"Fn::Equals": [{"Ref": "BusKind"}, "eventbridgev2"]}
    assert _of_newer_kind(STACK) == set()
    assert "FactBus" not in json.dumps(RESOURCES)
    assert GLOBALS["Environment"]["Variables"][VARIABLE] == ""
    assert STACK["Outputs"]["FactBusArn"]["Condition"] == "HasFactBus"


def test_the_functions_are_told_where_it_is_and_commands_stay_where_they_were() -> None:
    variables = SECOND["Globals"]["Function"]["Environment"]["Variables"]

    assert _of_newer_kind(SECOND) == {"FactBus", "FactBusPolicy"}
    assert variables[VARIABLE] == {"Fn::GetAtt": ["FactBus", "EventBusArn"]}
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


@given(st.from_regex(MODEL_S_ARN, fullmatch=True))
def test_every_arn_that_the_service_may_give_is_taken(arn: str) -> None:
    if arn.isascii():  # the pattern's digits are those of any script to Python
        assert _settings(arn).fact_bus_arn == arn


@given(st.from_regex(FACT_BUS_ARN, fullmatch=True).filter(bool))
def test_no_other_arn_is_taken(arn: str) -> None:
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
def test_what_is_no_bus_of_that_kind_is_refused_when_a_function_starts(arn: str) -> None:
    with pytest.raises(InvalidSettings, match="fact_bus_arn"):
        _settings(arn)


def test_the_functions_publish_on_it_alone_and_nobody_else_does() -> None:
    functions = template.of_type(SECOND, "AWS::Serverless::Function").values()
    roles = {name_of(function["Role"]) for function in functions}
    [denial] = SECOND["Resources"]["FactBusPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    [(operator, excepted)] = denial["Condition"].items()

    assert all(allowed(role, SECOND)["events:PutEvents"] == {"FactBus"} for role in roles)
    assert (operator, list(excepted)) == ("ArnNotEquals", ["aws:PrincipalArn"])
    assert {name_of(role) for role in excepted["aws:PrincipalArn"]} == roles
    assert (denial["Effect"], denial["Principal"]) == ("Deny", "*")
    assert set(denial["Action"]) == {"events:PutEvents", "events:PutRawEvents"}
    assert name_of(denial["Resource"]) == "FactBus"


def test_facts_to_be_kept_go_on_to_the_rule_that_keeps_them() -> None:
    forwarder = KEEPING["Resources"]["FactForwarder"]["Properties"]
    [kept] = forwarder["FilterConfiguration"]["Filters"]
    rule = KEEPING["Resources"]["FactRule"]["Properties"]

    assert kept["Scope"] == "DATA"
    assert json.loads(kept["Pattern"]) == rule["EventPattern"]
    assert name_of(forwarder["EventBusArn"]) == "FactBus"
    assert name_of(forwarder["InvokeConfiguration"]["TargetArn"]) == "Bus"
    assert rule["EventBusName"] == {"Ref": "Bus"}
    assert name_of(forwarder["OnFailureConfiguration"]["Arn"]) == "TargetDeadLetters"


def test_fires_go_on_too_where_all_facts_are_kept_and_nothing_where_none_is() -> None:
    everything = decided(HasFactBus=True, KeepsFacts=True, ForwardsFacts=True, KeepsEveryFact=True)
    [kept] = everything["Resources"]["FactForwarder"]["Properties"]["FilterConfiguration"]["Filters"]

    assert json.loads(kept["Pattern"]) == {"source": ["eventcron"]}
    assert STACK["Conditions"]["ForwardsFacts"] == {
        "Fn::And": [{"Condition": "HasFactBus"}, {"Condition": "KeepsFacts"}]
    }
    assert "FactForwarder" not in SECOND["Resources"]


def test_what_forwards_may_put_facts_on_the_first_bus_and_bury_what_fails() -> None:
    [denial] = [
        properties["Statement"]
        for properties in template.of_type(KEEPING, "AWS::Events::EventBusPolicy").values()
        if "ArnNotEquals" in properties["Statement"]["Condition"]
    ]
    [putting] = [
        statement
        for statement in statements("FactForwarderRole", KEEPING)
        if "events:PutEvents" in as_list(statement["Action"])
    ]
    excepted = {name_of(role) for role in denial["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]}

    assert allowed("FactForwarderRole", KEEPING) == {
        "events:PutEvents": {"Bus"},
        "sqs:SendMessage": {"TargetDeadLetters"},
    }
    assert putting["Condition"] == {"ForAllValues:StringEquals": {"events:source": "eventcron"}}
    assert "FactForwarderRole" in excepted
    assert KEEPING["Resources"]["FactForwarder"]["Properties"]["InvokeConfiguration"]["RoleArn"] == {
        "Fn::GetAtt": ["FactForwarderRole", "Arn"]
    }


def test_with_a_key_of_one_s_own_the_second_bus_uses_it_too() -> None:
    stack = decided(HasFactBus=True, KeepsFacts=True, ForwardsFacts=True, HasKmsKey=True)
    key = {"Ref": "KmsKeyArn"}

    assert stack["Resources"]["FactBus"]["Properties"]["EncryptionConfiguration"] == {"KmsKeyIdentifier": key}
    assert "EncryptionConfiguration" not in SECOND["Resources"]["FactBus"]["Properties"]
    assert {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": key} in list(
        statements("FactForwarderRole", stack)
    )


def test_the_subscription_on_the_page_is_one_and_takes_one_tenant_s_fires(tmp_path: Path) -> None:
    [page] = blocks("docs/operations/second-bus.md", "yaml")
    lint = shutil.which("cfn-lint", path=str(Path(sys.executable).parent))
    assert lint, "cfn-lint is not installed beside this Python"
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


def test_it_keeps_facts_as_long_as_the_service_may() -> None:
    days = model().shape_for("RetentionPeriodInDays").metadata

    assert (PARAMETERS["FactBusRetentionDays"]["MinValue"], PARAMETERS["FactBusRetentionDays"]["MaxValue"]) == (
        days["min"],
        days["max"],
    )
    assert SECOND["Resources"]["FactBus"]["Properties"]["StorageConfiguration"] == {
        "RetentionPeriodInDays": {"Ref": "FactBusRetentionDays"}
    }
