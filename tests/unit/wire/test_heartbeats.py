"""A schedule that expects reports says nothing about fires; a report names a run whole, or is a heartbeat."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from eventcron.errors import InvalidSchedule
from eventcron.model.commands import ReportRun, Schedule
from eventcron.wire.decode import decode_detail, decode_schedule
from eventcron.wire.heartbeats import OF_FIRES, check_expect, check_report

EXPECTING = {"tenant": "acme", "name": "backup", "expression": "0 * * * *", "expect": {"within_seconds": 9}}
#: Fields that a schedule with ``expect`` may have: whose it is, when its instants are, and what people read.
OF_EVERY_SCHEDULE = {
    "tenant", "name", "expression", "timezone", "daylight_saving", "exclude", "start", "end", "state", "labels",
    "description", "display_name", "misfire", "expect", "revision",
}  # fmt: skip
FIRE_ID, TOKEN = "5f" * 16, "s" * 44


def schedule(**fields: Any) -> Schedule:
    return msgspec.convert(EXPECTING | fields, Schedule)


def report(**fields: Any) -> ReportRun:
    return msgspec.convert({"tenant": "acme", "name": "backup", "status": "succeeded"} | fields, ReportRun)


def test_every_field_of_a_schedule_is_about_fires_or_is_not() -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(Schedule)}

    assert fields == OF_EVERY_SCHEDULE | {*OF_FIRES}, "say of a new field whether it means something without fires"
    assert not OF_EVERY_SCHEDULE & {*OF_FIRES}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("runs", {"track": True}),
        ("input", {"a": 1}),
        ("input", 0),
        ("detail_type", "Mine"),
        ("route", "a"),
        ("priority", 1),
        ("flexible_window_seconds", 5),
        ("max_fires", 3),
        ("after_completion", "DELETE"),
    ],
)
def test_what_is_about_fires_is_refused_beside_expect(field: str, value: Any) -> None:
    raw = msgspec.json.encode(EXPECTING | {field: value})

    with pytest.raises(InvalidSchedule) as caught:
        decode_schedule(raw)

    error = caught.value
    assert (error.code, error.field) == ("out_of_range", field)
    assert error.allowed == "nothing together with 'expect', as such a schedule fires nothing"
    without = {name: given for name, given in EXPECTING.items() if name != "expect"}
    assert decode_schedule(msgspec.json.encode(without | {field: value})).expect is None


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"input": None}, id="no-input"),
        pytest.param({"priority": 5, "detail_type": "Schedule Fired", "runs": {"track": False}}, id="defaults"),
        pytest.param({"labels": {"team": "a"}, "misfire": {"policy": "skip"}, "state": "PAUSED"}, id="what-is-for-all"),
    ],
)
def test_what_says_nothing_about_fires_is_taken_beside_expect(fields: dict[str, Any]) -> None:
    assert decode_schedule(msgspec.json.encode(EXPECTING | fields)).expect is not None


def test_a_schedule_that_expects_nothing_may_say_anything_about_fires() -> None:
    check_expect(schedule(expect=None, priority=1, route="a", max_fires=3))


@pytest.mark.parametrize("status", ["started", "progress", "succeeded", "failed"])
def test_a_report_on_a_run_has_any_status(status: str) -> None:
    check_report(report(fire_id=FIRE_ID, run_token=TOKEN, status=status))


@pytest.mark.parametrize("status", ["succeeded", "failed"])
def test_a_heartbeat_says_an_end(status: str) -> None:
    check_report(report(status=status))


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        pytest.param({"fire_id": FIRE_ID}, "missing_field", "run_token: got nothing; allowed: 'run_token'", id="token"),
        pytest.param({"run_token": TOKEN}, "missing_field", "fire_id: got nothing; allowed: 'fire_id'", id="fire"),
        pytest.param(
            {"status": "started"},
            "out_of_range",
            "status: got 'started'; allowed: succeeded or failed, as the report names no run: it has neither fire_id "
            "nor run_token",
            id="a-beginning",
        ),
        pytest.param(
            {"status": "progress"},
            "out_of_range",
            "status: got 'progress'; allowed: succeeded or failed, as the report names no run: it has neither fire_id "
            "nor run_token",
            id="progress",
        ),
    ],
)
def test_a_report_that_is_neither_says_what_is_missing(fields: dict[str, Any], code: str, says: str) -> None:
    raw = msgspec.json.encode({"tenant": "acme", "name": "backup", "status": "succeeded"} | fields)

    with pytest.raises(InvalidSchedule) as caught:
        decode_detail(raw, ReportRun)

    assert (caught.value.code, str(caught.value)) == (code, says)
