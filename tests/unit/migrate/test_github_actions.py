"""``import github-actions``: every cron of a workflow, and a year as cronsim computes it."""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from tests.unit.migrate.imports import END, START, details, import_file, import_text, instant, only, refusal, year_of

CRON = {
    "nightly-2": ("UTC", "*/15 0-6 1 jan,JUL *"),
    "nightly-3": ("Europe/Oslo", "30 2 * * *"),
    "nightly": ("UTC", "30 5,17 * * 1-5"),
}


@pytest.mark.parametrize("name", CRON)
def test_a_cron_fires_for_a_year_when_cronsim_says(name: str) -> None:
    zone, expression = CRON[name]
    later_than = datetime.fromtimestamp(START.timestamp() - 1, ZoneInfo(zone))
    expected = [instant(moment) for moment in takewhile(lambda moment: moment < END, CronSim(expression, later_than))]

    assert year_of("github-actions", "nightly.yml", name) == expected


def test_nothing_of_a_workflow_is_dropped() -> None:
    result = import_file("github-actions", "nightly.yml")

    assert sorted(details(result)) == ["nightly", "nightly-2", "nightly-3", "nightly-4"]
    assert [(listed.origin, listed.unsaid.nearest, listed.unsaid.whole) for listed in result.unsaid] == [
        ("nightly.yml:11", "*/5 * * * *", False),
        ("nightly.yml:12", "no L, W or #: GitHub has none; eventcron itself reads '0 0 L * *'", True),
        ("nightly.yml:13", "5: minute hour day_of_month month day_of_week", True),
        ("nightly.yml:14", "cron: '0 4 * * *'", True),
    ]


def test_a_schedule_says_which_workflow_it_ran() -> None:
    (first, *_) = import_file("github-actions", "nightly.yml", timezone="Asia/Tokyo").schedules

    assert first.detail == {
        "tenant": "acme",
        "name": "nightly",
        "expression": "30 5,17 * * 1-5",
        "description": "Nightly build",
        "input": {"workflow": "nightly.yml", "schedule": "30 5,17 * * 1-5"},
        "labels": {"imported-from": "nightly.yml:7"},
    }


@pytest.mark.parametrize("cron", ["*/3 * * * *", "1,4 * * * *", "0,58 * * * *"])
def test_what_github_runs_less_often_is_listed(cron: str) -> None:
    result = import_text("github-actions", f"on: {{schedule: [{{cron: '{cron}'}}]}}\njobs: {{}}\n")

    assert [listed.unsaid.whole for listed in result.unsaid] == [False]


def test_yaml_1_1_takes_on_for_true_and_import_does_not() -> None:
    text = '"on": {schedule: {cron: "0 4 * * *"}}\njobs: {}\n'

    assert only(import_text("github-actions", text)).detail["expression"] == "0 4 * * *"


def test_a_date_that_never_comes_is_run_by_hand() -> None:
    text = "on: {schedule: [{cron: '* * 31 2 *'}]}\njobs: {}\n"

    assert only(import_text("github-actions", text)).detail["expression"] == "manual"


@pytest.mark.parametrize("on", ["push", "[push, pull_request]", "{workflow_dispatch: }"])
def test_a_workflow_without_schedule_has_none(on: str) -> None:
    assert import_text("github-actions", f"on: {on}\njobs: {{}}\n").schedules == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\n", "no document has on and jobs"),
        ("kind: CronJob\napiVersion: batch/v1\n", "a Kubernetes manifest; read it with `eventcron import kubernetes`"),
        ("@daily /bin/x\n", "a crontab"),
    ],
)
def test_what_is_no_workflow_is_refused(text: str, reason: str) -> None:
    assert reason in refusal("github-actions", text).reason
