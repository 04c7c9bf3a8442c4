"""``import jenkins``: Jenkinsfiles, Job DSL and config.xml, and a year as croniter computes it."""

from __future__ import annotations

import pytest

from eventcron.migrate.assemble import Import
from tests.unit.migrate.imports import (
    FILES,
    by_croniter,
    details,
    due_in_a_year,
    import_text,
    in_real_time,
    only,
    refusal,
)


def _import(path: str) -> Import:
    return import_text("jenkins", (FILES / path).read_text(), path=path)


@pytest.mark.parametrize(
    "spec", ["30 2 * * 1-5", "0 12 1-7 * 1", "0 0 13 * 5", "*/15 0-6 1,15 1-6 *", "5 4 */2 * 1", "0 0 10-20 * 0,7"]
)
def test_a_schedule_fires_for_a_year_when_croniter_says(spec: str) -> None:
    detail = only(import_text("jenkins", spec)).detail

    assert due_in_a_year(detail) == in_real_time(by_croniter(spec, day_or=False))


def test_a_job_in_a_zone_fires_for_a_year_when_croniter_says() -> None:
    (deploy,) = _import("jobs/deploy/config.xml").schedules
    local = {*by_croniter("30 2 * * 1-5", day_or=False), *by_croniter("15 9-17/2 1,15 * *", day_or=False)}

    assert due_in_a_year(deploy.detail) == in_real_time(local, "America/New_York")


def test_nothing_of_a_jenkinsfile_is_dropped() -> None:
    result = _import("jobs/nightly/Jenkinsfile")

    assert {name: detail["expression"] for name, detail in details(result).items()} == {
        "nightly": ["H 4 * * 1-5", "0 12 * * 1#1"],
        "nightly-2": "H/20 * * * *",
        "nightly-3": "H H * * *",
        "nightly-4": "0 0 13 * *",
    }
    assert [(listed.origin, listed.unsaid.given) for listed in result.unsaid] == [
        ("jobs/nightly/Jenkinsfile:9", "pollSCM: H/15 * * * *"),
        ("jobs/nightly/Jenkinsfile:16", 'cron("H ${env.HOUR} * * *")'),
        ("jobs/nightly/Jenkinsfile:15", "cron(env.BRANCH_NAME == 'main' ? '0 3 * * *' : '')"),
    ]


def test_zone_and_parameters_come_along() -> None:
    first, fast, daily, thirteenth = _import("jobs/nightly/Jenkinsfile").schedules

    assert (first.detail["timezone"], first.detail["input"]) == ("Europe/Oslo", {"job": "nightly"})
    assert fast.detail["input"] == {"job": "nightly", "parameters": {"TARGET": "staging", "FAST": "true"}}
    assert daily.detail["input"] == thirteenth.detail["input"]
    assert thirteenth.detail["exclude"] == ["* * * * 0-4,6"]


def test_a_disabled_job_is_paused() -> None:
    result = _import("jobs/deploy/config.xml")

    assert only(result._replace(unsaid=[])).detail["state"] == "PAUSED"
    assert [(listed.origin, listed.unsaid.given) for listed in result.unsaid] == [
        ("jobs/deploy/config.xml:13", "hudson.triggers.SCMTrigger: H * * * *")
    ]


def test_job_dsl_names_its_jobs() -> None:
    result = _import("seed.groovy")

    assert {name: detail["expression"] for name, detail in details(result).items()} == {
        "smoke-tests": "H H(0-2) * * *",
        "weekly-report": "0 6 * * 1",
    }
    assert [listed.unsaid.name for listed in result.unsaid] == ["weekly/report"]


@pytest.mark.parametrize(
    ("spec", "expression"),
    [
        ("@hourly", "H * * * *"),
        ("@weekly", "H H * * H"),
        ("@monthly", "H H H * *"),
        ("H(0-29)/10 * * * *", "H(0-29)/10 * * * *"),
        ("H 0 1-7 * 1", "H 0 * * 1#1"),
    ],
)
def test_a_spread_schedule_stays_spread(spec: str, expression: str) -> None:
    detail = only(import_text("jenkins", spec)).detail

    assert detail["expression"] == expression
    assert due_in_a_year(detail)


def test_seventeen_lines_are_two_schedules() -> None:
    result = import_text("jenkins", "\n".join(f"{minute} 4 * * *" for minute in range(17)))

    assert [len(written.detail["expression"]) for written in result.schedules] == [16, len("16 4 * * *")]


@pytest.mark.parametrize("spec", ["0 0 L * *", "60 0 * * *", "H(5-1) 0 * * *", "@reboot"])
def test_what_jenkins_refuses_is_listed(spec: str) -> None:
    result = import_text("jenkins", f"pipeline {{ triggers {{ cron('{spec}') }} }}")

    assert result.schedules == []
    assert len(result.unsaid) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<html><body/></html>", "the XML is a <html>"),
        ("Nothing of the kind", "neither a Jenkinsfile, Job DSL, a job's config.xml nor a schedule"),
        ("0 5 * * * /bin/x\n", "a crontab; read it with `eventcron import crontab`"),
    ],
)
def test_what_is_no_jenkins_is_refused(text: str, reason: str) -> None:
    assert reason in refusal("jenkins", text).reason
