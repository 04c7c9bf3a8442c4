"""What AWS says of a target's end becomes a report on the run whose fire the target was given, or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventcron.errors import Undecodable
from eventcron.model.commands import ReportRun
from eventcron.model.tracking import MAX_MESSAGE_CHARS, MAX_RESULT_BYTES, RunStatus
from eventcron.testing import fire_event
from eventcron.wire.outcomes import LAMBDA, STATES, is_outcome, report_of

SUCCESS = "Lambda Function Invocation Result - Success"
FAILURE = "Lambda Function Invocation Result - Failure"
EXECUTION = "Step Functions Execution Status Change"
FIRE = fire_event("acme", "nightly", run_token="s" * 44, input={"report": "leads"})
DETAIL = FIRE["detail"]


def of_function(detail_type: str, given: object = FIRE, **record: Any) -> ReportRun:
    return report_of(LAMBDA, detail_type, json.dumps({"requestPayload": given} | record).encode())


def of_execution(status: str, given: object = FIRE, **record: Any) -> ReportRun:
    return report_of(STATES, EXECUTION, json.dumps({"status": status, "input": json.dumps(given)} | record).encode())


def said(report: ReportRun) -> tuple[str, str, object]:
    return report.status.value, report.message, json.loads(bytes(report.result))


@pytest.mark.parametrize(
    ("source", "detail_type", "expected"),
    [
        (LAMBDA, SUCCESS, True),
        (LAMBDA, FAILURE, True),
        (STATES, EXECUTION, True),
        (STATES, SUCCESS, False),
        (LAMBDA, "Report Run", False),
        ("eventcron.tenant.acme", SUCCESS, False),
    ],
)
def test_source_and_detail_type_together_say_whether_it_is_an_outcome(
    source: str, detail_type: str, expected: bool
) -> None:
    assert is_outcome(source, detail_type) is expected


@pytest.mark.parametrize("given", [pytest.param(FIRE, id="whole-event"), pytest.param(DETAIL, id="its-detail")])
def test_a_target_was_given_the_whole_event_or_its_detail(given: dict[str, Any]) -> None:
    reports = [of_function(SUCCESS, given), of_execution("SUCCEEDED", given)]

    for report in reports:
        assert (report.tenant, report.name) == ("acme", "nightly")
        assert (report.fire_id, report.run_token) == (DETAIL["fire_id"], "s" * 44)


@pytest.mark.parametrize(
    ("detail_type", "record", "expected"),
    [
        pytest.param(
            SUCCESS,
            {"requestContext": {"condition": "Success"}, "responsePayload": {"rows": 3}},
            ("succeeded", "", {"rows": 3}),
            id="success",
        ),
        pytest.param(SUCCESS, {}, ("succeeded", "", None), id="success-without-an-answer"),
        pytest.param(
            FAILURE,
            {"requestContext": {"condition": "RetriesExhausted"}, "responsePayload": {"errorMessage": "disk full"}},
            ("failed", "disk full", {"errorMessage": "disk full"}),
            id="an-error-of-the-function",
        ),
        pytest.param(
            FAILURE,
            {"requestContext": {"condition": "EventAgeExceeded"}},
            ("failed", "EventAgeExceeded", None),
            id="never-called",
        ),
        pytest.param(
            FAILURE,
            {"requestContext": {"condition": "RetriesExhausted"}, "responsePayload": {"errorMessage": 5}},
            ("failed", "RetriesExhausted", {"errorMessage": 5}),
            id="an-error-without-text",
        ),
    ],
)
def test_a_function_s_answer_is_the_result_and_its_error_the_message(
    detail_type: str, record: dict[str, Any], expected: tuple[str, str, object]
) -> None:
    assert said(of_function(detail_type, **record)) == expected


@pytest.mark.parametrize(
    ("status", "record", "expected"),
    [
        ("RUNNING", {}, ("started", "", None)),
        ("SUCCEEDED", {"output": '{"rows":3}'}, ("succeeded", "", {"rows": 3})),
        ("FAILED", {"error": "NoSpace", "cause": "disk full"}, ("failed", "NoSpace: disk full", None)),
        ("FAILED", {"error": "NoSpace", "cause": None}, ("failed", "NoSpace", None)),
        ("FAILED", {"cause": "disk full"}, ("failed", "disk full", None)),
        ("TIMED_OUT", {"output": None}, ("failed", "TIMED_OUT", None)),
        ("ABORTED", {}, ("failed", "ABORTED", None)),
    ],
)
def test_an_execution_s_output_is_the_result_and_its_error_and_cause_the_message(
    status: str, record: dict[str, Any], expected: tuple[str, str, object]
) -> None:
    assert said(of_execution(status, **record)) == expected


def test_a_message_that_was_cut_within_a_character_is_reported_all_the_same() -> None:
    """JavaScript cuts texts between the two halves of a pair. A backslash before ``ud83d`` is no escape."""
    cut = "no space left \ud83d"
    of_a_function = of_function(FAILURE, responsePayload={"errorMessage": cut})
    of_a_machine = of_execution("FAILED", DETAIL | {"input": cut}, error="E", cause=cut)
    whole = of_function(FAILURE, responsePayload={"errorMessage": "C:\\ud83d \N{GRINNING FACE}"})

    assert of_a_function.message == "no space left \N{REPLACEMENT CHARACTER}"
    assert of_a_machine.message == "E: no space left \N{REPLACEMENT CHARACTER}"
    assert whole.message == "C:\\ud83d \N{GRINNING FACE}"


def test_a_long_message_is_cut_to_what_a_report_carries() -> None:
    message = of_execution("FAILED", cause="é" * 5_000).message

    assert message == "é" * MAX_MESSAGE_CHARS


@pytest.mark.parametrize(("length", "is_kept"), [(MAX_RESULT_BYTES - 2, True), (MAX_RESULT_BYTES - 1, False)])
def test_a_result_beyond_what_a_report_carries_is_left_out_and_the_end_is_reported(length: int, is_kept: bool) -> None:
    report = of_function(SUCCESS, responsePayload="x" * length)

    assert report.status is RunStatus.SUCCEEDED
    assert json.loads(bytes(report.result)) == ("x" * length if is_kept else None)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(fire_event("acme", "nightly"), id="a-fire-that-is-not-tracked"),
        pytest.param({"tenant": "acme", "name": "nightly"}, id="a-heartbeat-which-no-target-may-say"),
        pytest.param(DETAIL | {"run_token": ""}, id="an-empty-token"),
        pytest.param(DETAIL | {"run_token": 7}, id="a-number-for-a-token"),
        pytest.param(DETAIL | {"fire_id": ""}, id="an-empty-fire-id"),
        pytest.param(DETAIL | {"tenant": "a/b"}, id="no-tenant"),
        pytest.param({"detail": "text"}, id="a-detail-that-is-text"),
        pytest.param([FIRE], id="a-list-of-fires"),
        pytest.param(None, id="nothing"),
    ],
)
def test_what_was_not_given_a_tracked_fire_is_undecodable(given: object) -> None:
    with pytest.raises(Undecodable, match=r"^'Lambda .* from 'lambda' is about no tracked fire: "):
        of_function(SUCCESS, given)
    with pytest.raises(Undecodable, match=r"^'Step .* from 'aws.states' is about no tracked fire: "):
        of_execution("SUCCEEDED", given)


@pytest.mark.parametrize(
    ("source", "detail_type", "detail"),
    [
        pytest.param(LAMBDA, SUCCESS, b"", id="no-json"),
        pytest.param(LAMBDA, SUCCESS, b"[]", id="no-object"),
        pytest.param(LAMBDA, SUCCESS, b"[" * 100_000, id="deep"),
        pytest.param(LAMBDA, SUCCESS, b'{"requestContext":7,"requestPayload":%b}' % json.dumps(FIRE).encode(),
                     id="a-context-that-is-none"),
        pytest.param(STATES, EXECUTION, b'{"status":"SUCCEEDED"}', id="no-input"),
        pytest.param(STATES, EXECUTION, b'{"status":"SUCCEEDED","input":"no json"}', id="an-input-of-another-kind"),
        pytest.param(STATES, EXECUTION, b'{"status":"PENDING_REDRIVE","input":"{}"}', id="an-unknown-status"),
    ],
)  # fmt: skip
def test_what_is_no_record_of_an_end_is_undecodable(source: str, detail_type: str, detail: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        report_of(source, detail_type, detail)

    assert caught.value.reason.startswith(f"{detail_type!r} from {source!r} is about no tracked fire: ")
