"""``import sidekiq``: sidekiq-cron and sidekiq-scheduler, and a year as croniter computes it."""

from __future__ import annotations

from typing import NamedTuple

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


class Cron(NamedTuple):
    """What croniter calls an expression of fugit."""

    expression: str
    zone: str = "UTC"
    day_or: bool = True
    seconds_first: bool = False


#: Schedule of files/schedule.yml → the same for croniter.
CRON = {
    "my_first_job": Cron("*/20 * * * *"),
    "second_job": Cron("30 2 * * 1-5", "Europe/Oslo"),
    "payday": Cron("0 9 L * *"),
    "both": Cron("0 9 1-7 * 1", day_or=False),
    "either": Cron("0 9 1 * 1"),
    "last_friday": Cron("15 17 * * L5", "America/New_York"),
    "seconds": Cron("*/30 0 4 * * *", seconds_first=True),
}


@pytest.mark.parametrize("name", CRON)
def test_a_job_fires_for_a_year_when_croniter_says(name: str) -> None:
    expression, zone, day_or, seconds_first = CRON[name]
    local = by_croniter(expression, day_or=day_or, seconds_first=seconds_first)

    assert year_of("sidekiq", "schedule.yml", name) == in_real_time(local, zone, twice=False)


def test_nothing_of_sidekiq_cron_is_dropped() -> None:
    result = import_file("sidekiq", "schedule.yml")

    assert list(details(result)) == [*CRON, "last_week", "dated"]
    assert [(listed.origin, listed.unsaid.name, listed.unsaid.nearest) for listed in result.unsaid] == [
        ("schedule.yml:20", "fortnight", "rate(14 days) with a start"),
        ("schedule.yml:21", "natural", "*/5 * * * *"),
        ("schedule.yml:22", "words", "a cron expression"),
        ("schedule.yml:23", "dated", "detail.due of the fire"),
    ]


def test_the_fields_of_a_job_come_along() -> None:
    assert details(import_file("sidekiq", "schedule.yml"))["my_first_job"] == {
        "tenant": "acme",
        "name": "my_first_job",
        "expression": "*/20 * * * *",
        "description": "Works hard",
        "input": {"class": "HardWorker", "queue": "hard_worker", "args": [1, {"deep": True}]},
        "labels": {"imported-from": "schedule.yml:3"},
    }


def test_a_disabled_job_is_paused() -> None:
    assert details(import_file("sidekiq", "schedule.yml"))["second_job"]["state"] == "PAUSED"
    assert details(import_file("sidekiq", "sidekiq.yml"))["clear_leaderboards"]["state"] == "PAUSED"


def test_nothing_of_sidekiq_scheduler_is_dropped() -> None:
    result = import_file("sidekiq", "sidekiq.yml")

    assert {name: detail["expression"] for name, detail in details(result).items()} == {
        "hello_world": "rate(45 seconds)",
        "clear_leaderboards": "0 0 4 * * 0",
        "once": "at(2030-01-31T12:30:00)",
        "long": "rate(5400 seconds)",
    }
    assert [(listed.unsaid.name, listed.unsaid.whole) for listed in result.unsaid] == [
        ("hello_world", False),
        ("later", True),
        ("long", False),
    ]


@pytest.mark.parametrize(
    ("entry", "expression"),
    [
        ("cron: '0 1 -7-L * *'", "0 1 L-6,L-5,L-4,L-3,L-2,L-1,L * *"),
        ("cron: '0 1 last * *'", "0 1 L * *"),
        ("cron: '0 1 * * mon#2,fri#L'", "0 1 * * 1#2,5L"),
        ("cron: '0 1 */2 * 1'", "0 1 1-31/2 * 1"),
        ("cron: '@hourly'", "@hourly"),
        ("every: PT1H", "rate(3600 seconds)"),
        ("every: 90", "rate(90 seconds)"),
        ("every: 1d", "rate(86400 seconds)"),
    ],
)
def test_an_entry_is_written_as(entry: str, expression: str) -> None:
    assert only(import_text("sidekiq", f"a:\n  {entry}\n  class: A\n")).detail["expression"] == expression


def test_a_job_without_a_class_has_that_of_its_name() -> None:
    assert (
        only(import_text("sidekiq", ":scheduler:\n  :schedule:\n    Report:\n      every: 1d\n")).detail["name"]
        == "Report"
    )


def test_a_job_without_a_time_is_listed() -> None:
    result = import_text("sidekiq", "a: {every: 1d, class: A}\nb: {class: B}\nc: {klass: C, cron: ''}\n")

    assert [(listed.origin, listed.unsaid.given, listed.unsaid.nearest) for listed in result.unsaid[:1]] == [
        ("file:2", "b: class: B", "manual")
    ]
    assert [listed.unsaid.name for listed in result.unsaid] == ["b", "c"]


def test_a_list_of_jobs_is_read() -> None:
    assert only(import_text("sidekiq", "- {name: a b, cron: '@daily', class: A}\n")).detail["display_name"] == "a b"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("cron: '61 * * * *'", "minute: got '61'"),
        ("cron: '* * * *'", "expression: got 4 fields in '* * * *'"),
        ("every: 1M", "not a duration of fugit, such as 1h30m"),
        ("every: P1M", "not a duration of fugit, such as 1h30m"),
        ("at: tomorrow", "no date and time that is written out"),
        ("cron: '0 1 -1--7 * *'", "day_of_month: got '-1--7'"),
    ],
)
def test_what_eventcron_cannot_say_is_listed(entry: str, reason: str) -> None:
    result = import_text("sidekiq", f"a:\n  {entry}\n  class: A\n")

    assert [listed.unsaid.reason for listed in result.unsaid] == [reason]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\n", "no entry has one of cron, every"),
        ("a:\n  cron: <%= ENV['X'] %>: x\n  class: A\n", "an ERB template that is not rendered"),
        ("on: {schedule: [{cron: '@daily'}]}\njobs: {}\n", "a GitHub Actions workflow"),
    ],
)
def test_what_is_no_sidekiq_is_refused(text: str, reason: str) -> None:
    assert reason in refusal("sidekiq", text).reason
