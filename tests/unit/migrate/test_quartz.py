"""``import quartz``: XML, beans and properties, and a year as croniter computes it from Unix' fields."""

from __future__ import annotations

import pytest

from tests.unit.migrate.imports import (
    by_croniter,
    details,
    import_file,
    import_text,
    in_real_time,
    only,
    refusal,
    year_of,
)

#: (File, schedule) → zone, and what its Quartz expression means with seconds first and Sunday as 0.
CRON = {
    ("quartz_jobs.xml", "reports-monthly"): ("Europe/Oslo", "0 15 10 * * L5"),
    ("quartz_jobs.xml", "audit-monthly"): ("UTC", "0,30 */20 8-9 * * 1-5"),
    ("repository.properties", "trashcan.cron"): ("UTC", "0 30 * * * *"),
    ("repository.properties", "activities.feed.cleaner.cronExpression"): ("UTC", "0 */10 3 * * *"),
    ("beans.xml", "nightlyTrigger"): ("Europe/Oslo", "0 0 4 * * 0"),
}


@pytest.mark.parametrize(("file", "name"), CRON)
def test_a_trigger_fires_for_a_year_when_croniter_says(file: str, name: str) -> None:
    zone, expression = CRON[file, name]

    assert year_of("quartz", file, name) == in_real_time(by_croniter(expression, seconds_first=True), zone)


def test_nothing_of_quartz_xml_is_dropped() -> None:
    result = import_file("quartz", "quartz_jobs.xml")

    assert list(details(result)) == ["reports-monthly", "audit-monthly", "poll"]
    assert [(listed.origin, listed.unsaid.given, listed.unsaid.whole) for listed in result.unsaid] == [
        ("quartz_jobs.xml:12", "calendar-name: holidays", False),
        ("quartz_jobs.xml:43", "repeat-interval: 1500, repeat-count: 9", True),
        (
            "quartz_jobs.xml:51",
            "name=quarterly job-name=ReportJob repeat-interval=3 repeat-interval-unit=MONTH",
            True,
        ),
    ]


def test_the_elements_of_a_trigger_come_along() -> None:
    assert details(import_file("quartz", "quartz_jobs.xml"))["reports-monthly"] == {
        "tenant": "acme",
        "name": "reports-monthly",
        "display_name": "monthly",
        "expression": "15 10 * * 5L",
        "timezone": "Europe/Oslo",
        "start": "2026-01-01T00:00:00Z",
        "priority": 7,
        "misfire": {"policy": "skip"},
        "input": {"job": "ReportJob", "group": "reports", "data": {"format": "pdf"}},
        "labels": {"imported-from": "quartz_jobs.xml:12", "group": "reports"},
    }


def test_a_simple_trigger_is_a_rate() -> None:
    assert details(import_file("quartz", "quartz_jobs.xml"))["poll"]["expression"] == "rate(10 seconds)"


def test_a_number_of_repetitions_is_max_fires() -> None:
    xml = "<quartz><trigger><simple><name>a</name><repeat-count>9</repeat-count><repeat-interval>1000</repeat-interval>"
    detail = only(import_text("quartz", f"{xml}</simple></trigger></quartz>")).detail

    assert (detail["expression"], detail["max_fires"]) == ("rate(1 seconds)", 10)


def test_nothing_of_properties_is_dropped() -> None:
    result = import_file("quartz", "repository.properties")

    expressions = {name: detail["expression"] for name, detail in details(result).items()}
    assert expressions == {
        "trashcan.cron": "0 30 * * * *",
        "activities.feed.cleaner.cronExpression": "0 0/10 3 * * *",
        "activities.feed.notifier.cronExpression": "0 0 0 * 1 0 2030",
        "content.cleaner.cronExpression": "* * * * * * 2099",
        "never.cronExpression": "manual",
        "audit.cronExpression": "0 0 2 L-3 * *",
        "sync.cron": "0 30 * * * *",
    }
    assert [(listed.origin, listed.unsaid.name) for listed in result.unsaid] == [
        ("repository.properties:9", "invalid.cronExpression"),
        ("repository.properties:11", "elsewhere.cron"),
    ]


def test_beans_are_cron_triggers() -> None:
    result = import_file("quartz", "beans.xml")

    (nightly,) = result.schedules
    assert (nightly.detail["name"], nightly.detail["timezone"]) == ("nightlyTrigger", "Europe/Oslo")
    assert nightly.detail["input"] == {"job": "nightlyJob"}
    assert [listed.unsaid.given for listed in result.unsaid] == ["${report.cron}"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("<project><a/></project>", "the XML is a <project>", id="maven"),
        pytest.param("<quartz><a></quartz>", "not XML: mismatched tag", id="broken"),
        pytest.param("Prose without anything.", "it has no properties", id="prose"),
        pytest.param("[Timer]\nOnCalendar=daily\n", "a systemd timer; read it with", id="timer"),
        pytest.param('<!DOCTYPE a [<!ENTITY b "c">]><quartz>&b;</quartz>', "it declares the entity 'b'", id="entities"),
        pytest.param('package a.b;\nclass C { String s = "0 0 12 * * ?"; }\n', "source code; give its", id="java"),
        pytest.param("<a>" * 200 + "</a>" * 200, "nested more than 100 deep", id="deep"),
    ],
)
def test_what_is_no_quartz_is_refused(text: str, reason: str) -> None:
    assert reason in refusal("quartz", text).reason
