"""Checks of every example subscription. ``tests/acceptance/test_examples.py`` deploys and runs them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventcron.local import template
from tests.infra.stack import ROOT

EXAMPLES = {
    path.stem: template.parse(path.read_text())
    for path in sorted((ROOT / "infra" / "examples").glob("*.yaml"))
    if path.stem != "declared-schedules"  # no subscription: test_declared_schedules.py has its checks
}


@pytest.fixture(params=EXAMPLES, name="example")
def _example(request: pytest.FixtureRequest) -> template.Template:
    return EXAMPLES[request.param]


#: Examples with a second rule, which re-sends dead letters to a target that only a rule can invoke.
REDRIVE_RULES = {"api-destination": "RedriveRule"}


def _rules(example: template.Template) -> dict[str, Any]:
    return template.of_type(example, "AWS::Events::Rule")


def test_its_rule_matches_one_tenant_s_fires_and_nothing_else(example: template.Template) -> None:
    rules = _rules(example)

    assert [rule["EventBusName"] for rule in rules.values()] == [{"Ref": "BusName"}, {"Ref": "RedriveBus"}][
        : len(rules)
    ]
    for rule in rules.values():
        assert rule["EventPattern"] == {
            "source": ["eventcron", {"Fn::Sub": "eventcron.fires.${Tenant}"}],
            "detail-type": ["Schedule Fired"],
            "detail": {"tenant": [{"Ref": "Tenant"}]},
        }
    assert "Default" not in example["Parameters"]["Tenant"]


def test_undeliverable_fires_go_to_a_dead_letter_queue_that_only_the_rule_may_send_to(
    example: template.Template,
) -> None:
    dead_letters = {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    [statement] = example["Resources"]["DeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    arns = [{"Fn::GetAtt": [rule, "Arn"]} for rule in _rules(example)]

    for rule in _rules(example).values():
        assert [target["DeadLetterConfig"] for target in rule["Targets"]] == [{"Arn": dead_letters}]
    assert statement["Resource"] == dead_letters
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
    kinds = {"another-account", "api-destination", "lambda", "sns", "sqs-worker", "step-functions"}

    assert set(EXAMPLES) == kinds | {f"{kind}-outcomes" for kind in ("lambda",)}


def test_a_function_s_outcomes_go_to_the_bus_by_its_own_role() -> None:
    resources = EXAMPLES["lambda-outcomes"]["Resources"]
    bus = {"Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${BusName}"}
    [policy] = resources["FunctionRole"]["Properties"]["Policies"]

    assert resources["Outcomes"]["Properties"]["DestinationConfig"] == {
        "OnSuccess": {"Destination": bus},
        "OnFailure": {"Destination": bus},
    }
    assert {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus} in policy["PolicyDocument"]["Statement"]
