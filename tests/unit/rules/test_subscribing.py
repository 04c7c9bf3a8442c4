"""Subscriptions: which are one, and the stack each becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventcron.rules.subscribing import NotASubscription, event_pattern, subscription, template

ARN = "arn:aws:{}:eu-north-1:123456789012:{}"
TARGETS = {
    "sqs": "sqs:" + ARN.format("sqs", "work"),
    "lambda": "lambda:" + ARN.format("lambda", "function:export"),
    "stepfunctions": "stepfunctions:" + ARN.format("states", "stateMachine:export"),
    "bus": "bus:" + ARN.format("events", "event-bus/acme"),
    "https": "https://example.com/fires",
}


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        pytest.param("*", None, id="all"),
        pytest.param("nightly", ["nightly"], id="one"),
        pytest.param("nightly-*", [{"wildcard": "nightly-*"}], id="some"),
    ],
)
def test_a_rule_matches_the_fires_of_the_tenant_and_of_the_schedules_named(pattern: str, name: Any) -> None:
    found = event_pattern(subscription("eventcron", f"acme/{pattern}", TARGETS["sqs"]))

    assert found["source"] == ["eventcron", "eventcron.fires.acme"]
    assert (found["detail"]["tenant"], found["detail"]["fire_id"]) == (["acme"], [{"exists": True}])
    assert found["detail"].get("name") == name


@pytest.mark.parametrize("which", ["acme", "acme/", "/x", "*/x", "acme/a b", "acme/a**", "acme/x/y", "a" * 65 + "/x"])
def test_what_is_no_tenant_and_pattern_is_said(which: str) -> None:
    with pytest.raises(NotASubscription, match=r"allowed is TENANT/PATTERN: .* such as acme/nightly-\*"):
        subscription("eventcron", which, TARGETS["sqs"])


@pytest.mark.parametrize(
    ("to", "allowed"),
    [
        pytest.param("work", "sqs:arn:aws:sqs:REGION:ACCOUNT:QUEUE, lambda:", id="a name"),
        pytest.param(TARGETS["sqs"].removeprefix("sqs:"), "https://…", id="an ARN alone"),
        pytest.param(
            "lambda:" + ARN.format("sqs", "work"), "allowed: lambda:arn:aws:lambda:", id="an ARN of another kind"
        ),
        pytest.param("http://example.com", "https://…", id="http"),
        pytest.param("https://", "https://…", id="no host"),
    ],
)
def test_what_is_no_target_is_said_with_the_form_it_should_have(to: str, allowed: str) -> None:
    with pytest.raises(NotASubscription) as caught:
        subscription("eventcron", "acme/*", to)

    assert repr(to) in str(caught.value)
    assert allowed in str(caught.value)


@pytest.mark.parametrize("kind", TARGETS)
def test_its_stack_has_all_that_the_rule_needs_and_no_right_to_everything(kind: str) -> None:
    one = subscription("eventcron", "acme/*", TARGETS[kind])
    resources = template(one)["Resources"]
    (target,) = resources["Rule"]["Properties"]["Targets"]

    expected = {"Rule", "DeadLetters", "DeadLettersPolicy"}
    expected |= {"Permission"} if kind == "lambda" else {"Role"}
    expected |= {"Connection", "Destination"} if kind == "https" else set()
    assert set(resources) == expected
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}
    assert ("RoleArn" in target) == (kind != "lambda")
    for name in {"Role", "Permission", "DeadLettersPolicy"} & set(resources):
        assert "*" not in json.dumps(resources[name])
    if kind == "https":
        assert template(one)["Parameters"]["Key"]["NoEcho"] is True


def test_the_same_has_the_same_name_and_another_has_another() -> None:
    given = [
        ("eventcron", "acme/*", TARGETS["sqs"]),
        ("other", "acme/*", TARGETS["sqs"]),
        ("eventcron", "acme/x", TARGETS["sqs"]),
        ("eventcron", "acme/*", TARGETS["bus"]),
        ("eventcron", "a.c_me" * 10 + "/*", TARGETS["bus"]),
    ]
    names = [subscription(*one).name for one in given]

    assert names == [subscription(*one).name for one in given]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 64 and name.replace("-", "").isalnum() for name in names)
