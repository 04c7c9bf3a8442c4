"""Each step of tracked work is one report; a failure that is tried again ends nothing, and no lost report is silent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from eventcron.app.run_reporter import RunReporter, reason_of, result_of, short_message
from eventcron.model.fires import Fire
from eventcron.model.tracking import MAX_MESSAGE_CHARS, MAX_RESULT_BYTES, RunStatus
from eventcron.ports.work import NotReported, RunReport
from eventcron.testing import MemoryRunReports, fire_event
from eventcron.wire.fires import decode_fire

TRACKED = decode_fire(fire_event("acme", "nightly", run_token="secret"))
UNTRACKED = decode_fire(fire_event("acme", "nightly"))

Step = Callable[[RunReporter, Fire[Any]], Awaitable[None]]

STEPS: dict[str, tuple[Step, RunReport]] = {
    "begins": (
        lambda reporter, fire: reporter.started(fire),
        RunReport(fire=TRACKED, status=RunStatus.STARTED),
    ),
    "is-done": (
        lambda reporter, fire: reporter.succeeded(fire, {"rows": 3}),
        RunReport(fire=TRACKED, status=RunStatus.SUCCEEDED, result=b'{"rows":3}'),
    ),
    "is-done-without-a-result": (
        lambda reporter, fire: reporter.succeeded(fire),
        RunReport(fire=TRACKED, status=RunStatus.SUCCEEDED),
    ),
    "is-done-with-a-result-that-is-no-json": (
        lambda reporter, fire: reporter.succeeded(fire, 1j),
        RunReport(fire=TRACKED, status=RunStatus.SUCCEEDED, message="its result is no JSON"),
    ),
    "fails-and-is-tried-again": (
        lambda reporter, fire: reporter.failed(fire, "no rows", last=False),
        RunReport(fire=TRACKED, status=RunStatus.PROGRESS, message="is tried again: no rows"),
    ),
    "fails-for-the-last-time": (
        lambda reporter, fire: reporter.failed(fire, "no rows", last=True),
        RunReport(fire=TRACKED, status=RunStatus.FAILED, message="no rows"),
    ),
    "is-stopped": (
        lambda reporter, fire: reporter.stopped(fire),
        RunReport(fire=TRACKED, status=RunStatus.PROGRESS, message="is begun again: its worker was stopped"),
    ),
}


@pytest.mark.parametrize(("step", "expected"), STEPS.values(), ids=STEPS)
async def test_a_step_of_the_work_is_one_report(step: Step, expected: RunReport) -> None:
    reports, lost = MemoryRunReports(), list[RunReport]()

    await step(RunReporter(reports, lost=lambda report, _error: lost.append(report)), TRACKED)

    assert (reports.taken, lost) == ([expected], [])


@pytest.mark.parametrize("step", [step for step, _ in STEPS.values()], ids=STEPS)
async def test_of_a_fire_that_is_not_tracked_nothing_is_said_whatever_comes_of_it(step: Step) -> None:
    reports = MemoryRunReports()

    await step(RunReporter(reports, lost=print), UNTRACKED)

    assert reports.taken == []


@pytest.mark.parametrize("step", [step for step, _ in STEPS.values()], ids=STEPS)
async def test_without_anybody_to_report_to_nothing_is_lost(step: Step) -> None:
    lost = list[RunReport]()

    await step(RunReporter(None, lost=lambda report, _error: lost.append(report)), TRACKED)

    assert lost == []


@pytest.mark.parametrize(("step", "expected"), STEPS.values(), ids=STEPS)
async def test_a_report_that_is_not_taken_is_handed_over_with_its_reason_and_the_work_goes_on(
    step: Step, expected: RunReport
) -> None:
    lost = list[tuple[RunReport, NotReported]]()

    await step(RunReporter(MemoryRunReports("AccessDenied: no"), lost=lambda *both: lost.append(both)), TRACKED)

    assert [(report, str(error)) for report, error in lost] == [(expected, "AccessDenied: no")]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param(None, (b"null", ""), id="nothing"),
        pytest.param([1, "é"], ('[1,"é"]'.encode(), ""), id="json"),
        pytest.param("x" * (MAX_RESULT_BYTES - 2), (b'"%b"' % (b"x" * (MAX_RESULT_BYTES - 2)), ""), id="the-largest"),
        pytest.param(
            "é" * 2_048, (b"null", "its result is too large to report: 4,098 bytes of JSON"), id="too-large-in-bytes"
        ),
        pytest.param({"open": object()}, (b"null", "its result is no JSON"), id="no-json"),
        pytest.param({1j: 1}, (b"null", "its result is no JSON"), id="no-key-of-json"),
    ],
)
def test_a_result_is_sent_if_it_is_json_and_small_enough(result: object, expected: tuple[bytes, str]) -> None:
    assert result_of(result) == expected


def test_a_result_within_itself_is_no_json() -> None:
    endless: list[object] = []
    endless.append(endless)

    assert result_of(endless) == (b"null", "its result is no JSON")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("no rows"), "ValueError: no rows"),
        (TimeoutError(), "TimeoutError"),
        (KeyError("x"), "KeyError: 'x'"),
        (NotReported("AccessDenied: no"), "NotReported: AccessDenied: no"),
    ],
)
def test_a_failure_has_its_name_and_what_it_says(error: BaseException, expected: str) -> None:
    assert reason_of(error) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("disk full", "disk full", id="as-it-is"),
        pytest.param("x" * MAX_MESSAGE_CHARS, "x" * MAX_MESSAGE_CHARS, id="the-longest"),
        pytest.param("x" * (MAX_MESSAGE_CHARS + 1), "x" * (MAX_MESSAGE_CHARS - 1) + "…", id="longer"),
        pytest.param("a\ud800", "a\\ud800", id="half-a-character"),
        pytest.param("\ud800" * MAX_MESSAGE_CHARS, ("\\ud800" * 171)[: MAX_MESSAGE_CHARS - 1] + "…", id="many-halves"),
    ],
)
def test_a_message_is_cut_and_has_whole_characters(text: str, expected: str) -> None:
    assert short_message(text) == expected
    assert len(expected) <= MAX_MESSAGE_CHARS
