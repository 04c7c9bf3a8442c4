"""``import spring``: annotations, XML and properties, and a year as croniter computes it with both days required."""

from __future__ import annotations

import pytest

from tests.unit.migrate.imports import (
    by_croniter,
    details,
    due_in_a_year,
    import_file,
    import_text,
    in_real_time,
    only,
    refusal,
    unsaid,
    year_of,
)

CRON = {
    ("Jobs.java", "Jobs.report"): ("UTC", "0 30 2 1-7 * MON"),
    ("Jobs.java", "Jobs.fridayThe13th"): ("Europe/Oslo", "0 0 0 13 * FRI"),
    ("Jobs.java", "Jobs.daily"): ("UTC", "0 0 0 * * *"),
    ("Jobs.java", "Jobs.lastDay"): ("UTC", "0 0 9-17/2 L * *"),
    ("application.yml", "shop.jobs.reindex.cron"): ("UTC", "0 0 4 * * MON,THU"),
    ("application.yml", "shop.jobs.cleanup-cron"): ("UTC", "0 15 */6 * * *"),
}


@pytest.mark.parametrize(("file", "name"), CRON)
def test_a_schedule_fires_for_a_year_when_croniter_says(file: str, name: str) -> None:
    zone, expression = CRON[file, name]

    assert year_of("spring", file, name) == in_real_time(
        by_croniter(expression, seconds_first=True, day_or=False), zone
    )


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 0 13 * 5",
        "0 0 0 10-20 * MON-WED",
        "0 0 0 1,15 * 0,6",
        "0 0 0 1 * MON",
        "5/20 0 12 */2 * 1",
        "0 0 0 8-14 * TUE",
    ],
)
def test_both_days_have_to_match(expression: str) -> None:
    detail = only(import_text("spring", f"a.cron={expression}")).detail

    assert due_in_a_year(detail) == in_real_time(by_croniter(expression, seconds_first=True, day_or=False))


def test_nothing_of_source_code_is_dropped() -> None:
    result = import_file("spring", "Jobs.java")

    expressions = {name: detail["expression"] for name, detail in details(result).items()}
    assert expressions == {
        "Jobs.constant": "0 */10 * * * *",
        "Jobs.fridayThe13th": "0 0 13 * *",
        "Jobs.report": "30 2 * * 1#1",
        "Jobs.off": "manual",
        "Jobs.daily": "@daily",
        "Jobs.lastDay": "0 0 9-17/2 L * *",
        "Jobs.poll": "rate(900 seconds)",
        "Jobs.pollIso": "rate(90 seconds)",
    }
    assert [(listed.origin, listed.unsaid.name, listed.unsaid.nearest) for listed in result.unsaid] == [
        ("Jobs.java:23", "Jobs.elsewhere", "its properties file: eventcron import spring application.properties"),
        ("Jobs.java:38", "Jobs.poll", "start: an instant of the first fire"),
        ("Jobs.java:44", "Jobs.afterwards", "rate(1 seconds)"),
        ("Jobs.java:47", "Jobs.fast", "rate(1 seconds)"),
    ]


def test_the_zone_of_an_annotation_comes_along() -> None:
    detail = details(import_file("spring", "Jobs.java"))["Jobs.fridayThe13th"]

    assert (detail["timezone"], detail["exclude"]) == ("Europe/Oslo", ["* * * * 0-4,6"])


def test_tasks_in_xml_are_read() -> None:
    result = import_file("spring", "beans.xml")

    assert {name: detail["expression"] for name, detail in details(result).items()} == {
        "beanA.methodA": "*/5 * * * * MON-FRI",
        "beanB.methodB": "rate(5 seconds)",
    }
    assert [listed.unsaid.name for listed in result.unsaid] == ["beanC.methodC"]


def test_a_switched_off_property_is_run_by_hand_only() -> None:
    assert details(import_file("spring", "application.yml"))["shop.jobs.mail.schedule"]["expression"] == "manual"


@pytest.mark.parametrize("zone", ['zone = "Asia/Tokyo"', 'zone = "${zone:Asia/Tokyo}"'])
def test_kotlin_is_read(zone: str) -> None:
    code = f'class Jobs {{\n  @Scheduled(cron = "0 0 1 * * ?", {zone})\n  fun nightly() {{ }}\n}}'
    detail = only(import_text("spring", code)).detail

    assert (detail["name"], detail["expression"], detail["timezone"]) == ("Jobs.nightly", "0 0 1 * * *", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("arguments", "expression"),
    [
        ('cron = "0 " + "0 5 * * *"', "0 0 5 * * *"),
        ("cron = Times.DAILY", "0 0 2 * * *"),
        ('cron = A + "* * *"', "0 0 1 * * *"),
        ("cron = Scheduled.CRON_DISABLED", "manual"),
        ("fixedRate = 60 * 1_000", "rate(60 seconds)"),
        ("fixedRate = 3 * SECOND", "rate(3 seconds)"),
        ("fixedRate = SECOND, timeUnit = TimeUnit.SECONDS", "rate(1000 seconds)"),
        ('fixedRateString = "P1DT1H"', "rate(90000 seconds)"),
    ],
)
def test_constants_sums_and_products_are_worked_out(arguments: str, expression: str) -> None:
    code = (
        'class Times {\n  static final long SECOND = 1000L;\n  private static final String A = "0 0 1 ";\n'
        f'  public static final String DAILY = "0 0 2 * * *";\n  @Scheduled({arguments}) void a() {{}}\n}}\n'
    )

    assert only(import_text("spring", code)).detail["expression"] == expression


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("cron = Other.CRON", "its value is not written here"),
        ('cron = "0 0 1 " + days()', "its value is not written here"),
        ("fixedRate = 2 * Other.SECOND", "no duration is written here"),
        ('cron = "0 0 1 * * *", zone = ZONE', "its value is not written here"),
    ],
)
def test_what_is_written_elsewhere_is_listed(arguments: str, reason: str) -> None:
    result = import_text("spring", f"class A {{\n  @Scheduled({arguments}) void a() {{}}\n}}\n")

    assert (result.schedules, unsaid(result)) == ([], [(f"@Scheduled({arguments})", reason)])


def test_a_constant_of_kotlin_is_worked_out() -> None:
    constant = 'companion object { const val NIGHTLY = "0 0 3 * * *" }'
    code = f"class Jobs {{\n  {constant}\n  @Scheduled(cron = NIGHTLY)\n  fun a() {{}}\n}}\n"

    assert only(import_text("spring", code)).detail["expression"] == "0 0 3 * * *"


def test_source_code_without_schedules_has_none() -> None:
    assert import_text("spring", "package a;\nclass B { int c = 1; }\n").schedules == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("<project/>", "the XML is a <project>", id="xml"),
        pytest.param("0 5 * * * /bin/x\n", "a crontab; read it with `eventcron import crontab`", id="crontab"),
    ],
)
def test_what_is_no_spring_is_refused(text: str, reason: str) -> None:
    assert reason in refusal("spring", text).reason
