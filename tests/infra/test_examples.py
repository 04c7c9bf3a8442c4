"""What every example of a subscription has, whatever its target. ``tests/acceptance/test_examples.py`` runs them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventcron.local import template
from tests.infra.stack import ROOT

EXAMPLES = {
    path.stem: template.parse(path.read_text()) for path in sorted((ROOT / "infra" / "examples").glob("*.yaml"))
}


@pytest.fixture(params=EXAMPLES, name="example")
def _example(request: pytest.FixtureRequest) -> template.Template:
    return EXAMPLES[request.param]


#: Beside ``Rule``: what sends dead letters on to a target that only a rule can invoke.
REDRIVE_RULES = {"api-destination": "RedriveRule"}


def _rules(example: template.Template) -> dict[str, Any]:
    return template.of_type(example, "AWS::Events::Rule")


def test_it_takes_one_tenant_s_fires_from_the_bus_and_nothing_else(example: template.Template) -> None:
    rules = _rules(example)

    assert [rule["EventBusName"] for rule in rules.values()] == [{"Ref": "BusName"}, {"Ref": "RedriveBus"}][
        : len(rules)
    ]
    for rule in rules.values():
        assert rule["EventPattern"] == {
            "source": ["eventcron"],
            "detail-type": ["Schedule Fired"],
            "detail": {"tenant": [{"Ref": "Tenant"}]},
        }
    assert "Default" not in example["Parameters"]["Tenant"]


def test_what_cannot_be_delivered_is_kept_and_only_the_rule_may_put_it_there(example: template.Template) -> None:
    letters = {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    [statement] = example["Resources"]["DeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    arns = [{"Fn::GetAtt": [rule, "Arn"]} for rule in _rules(example)]

    for rule in _rules(example).values():
        assert [target["DeadLetterConfig"] for target in rule["Targets"]] == [{"Arn": letters}]
    assert statement["Resource"] == letters
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": arns if len(arns) > 1 else arns[0]}}
    assert "DeadLettersUrl" in example["Outputs"]


def test_nobody_may_do_anything_to_everything(example: template.Template) -> None:
    for kind in ("AWS::IAM::Role", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        for properties in template.of_type(example, kind).values():
            assert "*" not in json.dumps(properties)


def test_it_stands_alone(example: template.Template) -> None:
    assert "Transform" not in example
    assert "Fn::ImportValue" not in json.dumps(example)


def test_a_rule_of_its_own_takes_dead_letters_to_the_same_target_where_nothing_else_can() -> None:
    assert {name: [*_rules(example)][1:] for name, example in EXAMPLES.items() if len(_rules(example)) > 1} == {
        name: [rule] for name, rule in REDRIVE_RULES.items()
    }
    for name, rule in REDRIVE_RULES.items():
        rules = _rules(EXAMPLES[name])
        assert rules[rule]["Targets"] == rules["Rule"]["Targets"]


def test_there_is_one_for_each_kind_of_target() -> None:
    assert set(EXAMPLES) == {"another-account", "api-destination", "lambda", "sns", "sqs-worker", "step-functions"}
