"""A token proves one run and no other; each end of a run has its event; a pause for failures is a command."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.model.commands import PauseSchedule, ReportRun
from eventcron.model.messages import Fire
from eventcron.model.runs import NOT_PUBLISHED, PastRun
from eventcron.model.tracking import RunEnd, RunStatus
from eventcron.timing.instant import from_rfc3339
from eventcron.wire.decode import decode_command
from eventcron.wire.encode import fire_id
from eventcron.wire.encode_runs import (
    is_shared,
    is_token,
    pause_command,
    run_ended,
    run_reported,
    run_token,
)

SECRET = "5f" * 32
DUE = from_rfc3339("2026-12-01T09:00:00Z")
FIRE = Fire("acme", "nightly", 7, DUE, DUE)
FIRE_ID = fire_id(FIRE)
RUN = PastRun(FIRE, FIRE_ID, DUE + 250, DUE + 3_600_250, RunEnd.SUCCEEDED, DUE + 60_250, by="e-1")
REPORT = ReportRun(
    tenant="acme",
    name="nightly",
    fire_id=FIRE_ID,
    run_token="s" * 44,
    status=RunStatus.SUCCEEDED,
    message="exported",
    result=msgspec.Raw(b'{"rows": 3.0}'),
)


def detail_of(run: PastRun, report: ReportRun | None = None, *, event_id: str = "") -> dict[str, Any]:
    detail: dict[str, Any] = json.loads(run_ended(run, report, event_id=event_id).detail)
    return detail


# --- Tokens ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shared", "token"),
    [
        (True, "sbSETdH6ljWT3z-3yeCfo4_hk-sd1j3d194S_zMxLEjo"),
        (False, "abSETdH6ljWT3z-3yeCfo4_hk-sd1j3d194S_zMxLEjo"),
    ],
)
def test_a_token_never_changes_and_says_whether_its_run_shares_a_lane(shared: bool, token: str) -> None:
    """Targets hold it while eventcron is upgraded."""
    named = "e524f81ad5036886e1ddcdadacf0caec"

    assert run_token(SECRET, named, shared=shared) == token
    assert is_shared(token) is shared
    assert is_token(token, SECRET, named, shared=shared)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(run_token(SECRET, FIRE_ID, shared=False), id="of-a-run-alone"),
        pytest.param(run_token(SECRET, "0" * 32, shared=True), id="of-another-run"),
        pytest.param(run_token("6a" * 32, FIRE_ID, shared=True), id="of-another-lane"),
        pytest.param(run_token(SECRET, FIRE_ID, shared=True) + "=", id="longer"),
        pytest.param(run_token(SECRET, FIRE_ID, shared=True)[:-1], id="shorter"),
        pytest.param("é" * 44, id="beyond-ascii"),
        pytest.param("", id="nothing"),
    ],
)
def test_another_token_proves_nothing(given: str) -> None:
    assert not is_token(given, SECRET, FIRE_ID, shared=True)


# --- Ends ------------------------------------------------------------------------------------------------------------


def test_a_run_that_succeeded_says_when_it_began_how_long_it_took_and_what_the_report_says() -> None:
    event = run_ended(RUN, REPORT, event_id="e-1")

    assert (event.detail_type, event.source, event.time) == ("Run Succeeded", "eventcron", DUE + 60_250)
    assert event.resources == ("acme/nightly",)
    assert b'"result":{"rows": 3.0}' in event.detail, "byte for byte"
    assert json.loads(event.detail) == {
        "tenant": "acme",
        "name": "nightly",
        "fire_id": FIRE_ID,
        "due": "2026-12-01T09:00:00.000Z",
        "cause": "schedule",
        "revision": 7,
        "started": "2026-12-01T09:00:00.250Z",
        "duration_ms": 60_000,
        "message": "exported",
        "event_id": "e-1",
        "result": {"rows": 3.0},
    }


@pytest.mark.parametrize(
    ("end", "detail_type", "extra"),
    [
        (RunEnd.SUCCEEDED, "Run Succeeded", {"result": None}),
        (RunEnd.FAILED, "Run Failed", {"result": None}),
        (RunEnd.OVERDUE, "Run Overdue", {"deadline": "2026-12-01T10:00:00.250Z"}),
    ],
)
def test_each_end_has_an_event_which_nobody_has_to_report(end: RunEnd, detail_type: str, extra: dict[str, Any]) -> None:
    run = replace(RUN, end=end)
    detail = detail_of(run)

    assert run_ended(run).detail_type == detail_type
    assert {name: detail[name] for name in {"result", "deadline"} & {*detail}} == extra
    assert detail["message"] == ""
    assert not {"event_id", "cause_id", "failures"} & {*detail}


def test_failures_are_counted_from_none() -> None:
    assert detail_of(replace(RUN, end=RunEnd.FAILED, failures=3))["failures"] == 3
    assert detail_of(replace(RUN, failures=0))["failures"] == 0


def test_a_run_whose_fire_was_not_published_says_so_and_not_what_a_report_says() -> None:
    run = replace(RUN, end=RunEnd.FAILED, by=NOT_PUBLISHED)

    assert detail_of(run, REPORT)["message"] == "not published: Schedule Failed says why"


def test_clocks_that_differ_make_no_run_shorter_than_nothing() -> None:
    assert detail_of(replace(RUN, ended=RUN.opened - 20))["duration_ms"] == 0


@pytest.mark.parametrize(("cause", "cause_id"), [("run", "r-1"), ("schedule", None)])
def test_only_what_targets_know_as_a_cause_is_named(cause: str, cause_id: str | None) -> None:
    """A fire that a resume catches up on is an ordinary one to them."""
    fire = msgspec.convert(["acme", "nightly", 7, DUE, DUE, cause, "r-1"], Fire)

    assert detail_of(replace(RUN, fire=fire)).get("cause_id") == cause_id


# --- Reports that end nothing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", ["", "succeeded", "failed", "overdue", "forgotten"])
def test_a_report_that_ends_nothing_is_answered_with_how_the_run_had_ended(ended: str) -> None:
    event = run_reported(REPORT, ended=ended, now=DUE + 5, event_id="e-2")
    detail = json.loads(event.detail)

    assert (event.detail_type, event.time, event.resources) == ("Run Reported", DUE + 5, ("acme/nightly",))
    assert detail.get("ended", "") == ended
    assert (detail["status"], detail["message"], detail["event_id"]) == ("succeeded", "exported", "e-2")
    assert "run_token" not in detail


# --- Pauses ----------------------------------------------------------------------------------------------------------


def test_the_pause_for_failures_is_eventcrons_own_command_and_nobody_is_answered() -> None:
    run = replace(RUN, end=RunEnd.FAILED, failures=3, pauses=True)
    received = decode_command(pause_command(run), trusted_sources=frozenset())

    assert received.command == PauseSchedule(tenant="acme", name="nightly", revision=RUN.ended)
    assert (received.source, received.is_answered) == ("eventcron", False)
    assert received.event_id == f"failures-{FIRE_ID}"


def test_the_same_run_makes_the_same_pause_so_that_a_second_one_changes_nothing() -> None:
    assert pause_command(RUN) == pause_command(replace(RUN, by="another message"))
    assert pause_command(RUN) != pause_command(replace(RUN, fire_id="0" * 32))
