"""A report as the command ``Report Run``."""

from __future__ import annotations

import json

import pytest

from eventcron.app.command_events import report_run
from eventcron.model.tracking import RunStatus
from eventcron.ports.work import RunReport
from eventcron.testing import fire_event
from eventcron.wire.fires import decode_fire

FIRE = decode_fire(fire_event("acme", "nightly", run_token="secret"))


@pytest.mark.parametrize(
    ("source", "expected"), [("", "eventcron.tenant.acme"), ("com.example.platform", "com.example.platform")]
)
def test_it_names_the_run_and_has_the_tenants_source_or_a_given_one(source: str, expected: str) -> None:
    report = RunReport(fire=FIRE, status=RunStatus.SUCCEEDED, message="done", result=b'{"rows":3}')
    event = report_run(report, now=7, source=source)

    assert (event.source, event.detail_type, event.time) == (expected, "Report Run", 7)
    assert json.loads(event.detail) == {
        "tenant": "acme",
        "name": "nightly",
        "fire_id": FIRE.fire_id,
        "run_token": "secret",
        "status": "succeeded",
        "message": "done",
        "result": {"rows": 3},
    }


def test_what_is_not_said_is_left_out() -> None:
    event = report_run(RunReport(fire=FIRE, status=RunStatus.STARTED), now=7)

    assert json.loads(event.detail).keys() >= {"tenant", "name", "fire_id", "run_token", "status"}
    assert "message" not in json.loads(event.detail)
