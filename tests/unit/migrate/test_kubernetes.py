"""``import kubernetes``: every CronJob of a chart, and a year as croniter computes it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.unit.migrate.imports import (
    by_croniter,
    details,
    due_in_a_year,
    import_file,
    import_text,
    in_real_time,
    instant,
    only,
    refusal,
    year_of,
)

#: Schedule of files/chart.yaml → zone and schedule.
CRONJOBS = {
    "prod-db-backup": ("Europe/Oslo", "30 2 * * *"),
    "test-db-backup": ("America/New_York", "0 0,12 * * 1-5"),
    "odd-mondays": ("UTC", "15 */6 1-31/2 * MON"),
}


@pytest.mark.parametrize("name", CRONJOBS)
def test_a_cronjob_fires_for_a_year_when_croniter_says(name: str) -> None:
    zone, expression = CRONJOBS[name]

    assert year_of("kubernetes", "chart.yaml", name) == in_real_time(by_croniter(expression), zone)


def test_nothing_of_a_chart_is_dropped() -> None:
    result = import_file("kubernetes", "chart.yaml")

    assert list(details(result)) == [*CRONJOBS, "poll", "by-hand"]
    assert [(listed.origin, listed.unsaid.name, listed.unsaid.given) for listed in result.unsaid] == [
        ("chart.yaml:19", "db-backup", "concurrencyPolicy: Forbid"),
        ("chart.yaml:43", "db-backup", "concurrencyPolicy: Replace"),
        ("chart.yaml:56", "poll", "startingDeadlineSeconds: 1000000"),
        ("chart.yaml:59", "etl", "CronWorkflow ['0 4 * * *']"),
        ("chart.yaml:69", "both-zones", "TZ=UTC 0 4 * * *, timeZone: Europe/Oslo"),
        ("chart.yaml:79", "sunday-seven", "CronJob sunday-seven: 0 0 * * 7"),
    ]


def test_the_fields_of_a_cronjob_come_along() -> None:
    detail = details(import_file("kubernetes", "chart.yaml"))["prod-db-backup"]

    assert detail == {
        "tenant": "acme",
        "name": "prod-db-backup",
        "display_name": "db-backup",
        "expression": "30 2 * * *",
        "timezone": "Europe/Oslo",
        "daylight_saving": {"gap": "skip", "overlap": "twice"},
        "misfire": {"policy": "fire_once", "grace_seconds": 600},
        "input": {
            "cronjob": "db-backup",
            "namespace": "prod",
            "containers": [
                {
                    "name": "backup",
                    "image": "ghcr.io/example/backup:1.4",
                    "command": ["/bin/backup"],
                    "args": ["--full"],
                }
            ],
        },
        "labels": {"imported-from": "chart.yaml:17", "namespace": "prod"},
    }


def test_what_has_a_schedule_and_is_no_cronjob_is_listed() -> None:
    result = import_text("kubernetes", "kind: Schedule\nmetadata: {name: velero}\nspec: {schedule: 0 1 * * *}\n")

    assert [(listed.unsaid.name, listed.unsaid.given) for listed in result.unsaid] == [("velero", "Schedule 0 1 * * *")]


def test_a_suspended_cronjob_is_paused() -> None:
    assert details(import_file("kubernetes", "chart.yaml"))["test-db-backup"]["state"] == "PAUSED"


@pytest.mark.parametrize(
    ("schedule", "expression"),
    [
        ("0 4 * * ?", "0 4 * * *"),
        ("@daily", "@daily"),
        ("@every 5m", "@every 5m"),
        ("0 0 31 2 *", "manual"),
        ("TZ=Europe/Oslo 0 4 * * *", "0 4 * * *"),
    ],
)
def test_a_schedule_is_written_as(schedule: str, expression: str) -> None:
    manifest = f"{{kind: CronJob, metadata: {{name: a}}, spec: {{schedule: '{schedule}'}}}}"

    assert only(import_text("kubernetes", manifest)).detail["expression"] == expression


def test_json_is_read_too() -> None:
    manifest = '{"kind": "CronJob", "metadata": {"name": "a\\ud83d\\ude00"}, "spec": {"schedule": "@daily"}}'

    assert only(import_text("kubernetes", manifest)).detail["display_name"] == "a😀"


def test_a_manifest_without_cronjobs_has_no_schedule() -> None:
    result = import_text("kubernetes", "kind: Deployment\nspec: {replicas: 1}\n")

    assert (result.schedules, result.unsaid) == ([], [])


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        pytest.param("kind: [\n", 2, "not YAML", id="broken"),
        pytest.param("a: 1\n", 1, "no document has a kind", id="no-kind"),
        pytest.param("kind: CronJob\nspec: {{ .Values.x }}\n", 2, "a template that is not rendered", id="helm"),
        pytest.param("0 5 * * * /bin/x\n", 1, "but a crontab; read it with `eventcron import crontab`", id="crontab"),
        pytest.param("on: {schedule: []}\njobs: {}\n", 1, "`eventcron import github-actions`", id="workflow"),
        pytest.param("kind: " + "[" * 200 + "]" * 200, 1, "nested more than 100 deep", id="deep"),
    ],
)
def test_what_is_no_manifest_is_refused(text: str, line: int, reason: str) -> None:
    found = refusal("kubernetes", text)

    assert reason in found.reason
    assert found.line == line


def test_aliases_do_not_multiply() -> None:
    laughs = "a: &a [x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)
    )

    assert import_text("kubernetes", f"kind: ConfigMap\n{laughs}").schedules == []


def test_the_clocks_go_back_and_a_job_runs_twice_as_kubernetes_does() -> None:
    detail = details(import_file("kubernetes", "chart.yaml"))["prod-db-backup"]
    night = [instant(datetime(2027, 10, 31, hour, 30, tzinfo=ZoneInfo("UTC"))) for hour in (0, 1)]

    assert set(night) <= set(due_in_a_year(detail))
