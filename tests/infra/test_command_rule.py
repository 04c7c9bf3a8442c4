"""Which events the command rule brings to the registrar, by the matcher of the embedded AWS: never one of our own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ministack.services import eventbridge

from eventcron.model.events import EVENT_DETAILS
from tests.infra.stack import RULES

TRUSTED = "com.example.platform"


def matches(
    source: str,
    detail_type: str,
    detail: dict[str, Any] | None = None,
    *,
    replay: str | None = None,
    rule: str = "CommandRule",
) -> bool:
    pattern = json.dumps(RULES[rule]["EventPattern"]).replace('{"Ref": "TrustedSources"}', f'["{TRUSTED}"]')
    event = eventbridge._event_from_test_payload({  # no API of it takes a pattern as text and no call
        "source": source, "detail-type": detail_type, "detail": detail or {"tenant": "acme"}, "account": "0",
        "region": "eu-north-1", "resources": [], "id": "1", "time": "2026-12-01T00:00:00Z",
        **({} if replay is None else {"replay-name": replay}),
    })  # fmt: skip
    return bool(eventbridge._matches_pattern(pattern, event))


MEANT = pytest.mark.parametrize(
    ("source", "detail_type"),
    [
        ("eventcron.tenant.acme", "Put Schedule"),
        ("eventcron.tenant.acme", "PutSchedule"),
        ("eventcron.tenant.acme", "List Schedules"),
        (TRUSTED, "put schedule"),
        ("acme", "Put Schedule"),
        ("acme", "putschedule"),
        ("eventcron", "Put Schedule"),
        ("eventcron", "List Schedules"),
    ],
)


@MEANT
def test_what_is_meant_for_eventcron_reaches_the_registrar(source: str, detail_type: str) -> None:
    assert matches(source, detail_type)


@MEANT
def test_what_an_archive_replays_does_not(source: str, detail_type: str) -> None:
    assert not matches(source, detail_type, replay="last-week")


@pytest.mark.parametrize("detail_type", [*EVENT_DETAILS, "Nightly Export Due"])
def test_what_eventcron_published_does_not(detail_type: str) -> None:
    assert not matches("eventcron", detail_type, {"fire_id": "0" * 32})


def test_nor_does_what_others_tell_each_other() -> None:
    assert not matches("com.example.shop", "Order Placed")


RESULT = "Lambda Function Invocation Result - Success"
EXECUTION = "Step Functions Execution Status Change"


@pytest.mark.parametrize(
    ("payload", "reaches"),
    [
        pytest.param({"detail": {"run_token": "s"}}, True, id="the event"),
        pytest.param({"run_token": "s"}, True, id="its detail"),
        pytest.param({"detail": {"fire_id": "f"}}, False, id="not tracked"),
        pytest.param({}, False, id="something else"),
    ],
)
def test_what_became_of_a_function_reaches_the_registrar_if_its_fire_was_tracked(
    payload: dict[str, Any], reaches: bool
) -> None:
    assert matches("lambda", RESULT, {"requestPayload": payload}, rule="FunctionRule") is reaches
    assert not matches("lambda", RESULT, {"requestPayload": payload}, rule="FunctionRule", replay="last-week")
    assert not matches("lambda", RESULT, {"requestPayload": payload})


@pytest.mark.parametrize(("given", "reaches"), [({"run_token": "s"}, True), ({"fire_id": "f"}, False)])
def test_what_became_of_an_execution_reaches_it_too(given: dict[str, str], reaches: bool) -> None:
    detail = {"status": "FAILED", "input": json.dumps({"detail": given})}

    assert matches("aws.states", EXECUTION, detail, rule="ExecutionRule") is reaches
