"""``import celery``: code that is read and not run, JSON, and a year as croniter computes it."""

from __future__ import annotations

import json
from typing import Any

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

#: Schedule of the app → its five fields.
CRON = {
    "add-every-monday-morning": "30 7 * * 1",
    "odd-hours": "0,30 9,11,13,15,17 * * 1-5",
    "friday-13th": "0 0 13 * 5",
    "first-days": "0 */3,8-17 1-7 */3 *",
    "late": "59 23 * * *",
}


def _import_app() -> Import:
    return import_text("celery", (FILES / "celery_app.py.txt").read_text(), path="celery_app.py")


def _beat(schedule: str) -> str:
    return f"beat_schedule = {{'job': {{'task': 't', 'schedule': {schedule}}}}}\n"


@pytest.mark.parametrize("name", CRON)
def test_a_crontab_fires_for_a_year_when_croniter_says(name: str) -> None:
    assert due_in_a_year({**details(_import_app())[name], "timezone": "UTC"}) == in_real_time(
        by_croniter(CRON[name], day_or=False)
    )


def test_nothing_of_an_app_is_dropped() -> None:
    result = _import_app()

    assert {name: detail["expression"] for name, detail in details(result).items()} == {
        "add-every-30-seconds": "rate(30 seconds)",
        "add-every-monday-morning": "30 7 * * 1",
        "odd-hours": "0,30 9,11,13,15,17 * * mon-fri",
        "friday-13th": "0 0 13 * *",
        "first-days": "0 */3,8-17 1-7 */3 *",
        "interval": "rate(300 seconds)",
        "hour": "rate(3600 seconds)",
        "late": "59 23 * * *",
        "say-hello-every-10": "rate(10 seconds)",
        "test.s-Happy-Mondays-loud-True": "30 7 * * *",
    }
    assert [(listed.unsaid.name, listed.unsaid.whole) for listed in result.unsaid] == [
        ("interval", False),
        ("hour", False),
        ("sunset", True),
        ("positional", True),
        ("half", True),
        ("custom", True),
        ("", True),
    ]


def test_task_arguments_and_zone_come_along() -> None:
    detail = details(_import_app())["add-every-monday-morning"]

    assert detail["timezone"] == "Europe/Oslo"
    assert detail["input"] == {"task": "tasks.add", "args": [16, 16], "options": {"queue": "slow", "expires": 7200}}
    assert detail["labels"] == {"imported-from": "celery_app.py:17"}


def test_a_signature_is_a_task_with_arguments() -> None:
    happy = details(_import_app())["test.s-Happy-Mondays-loud-True"]

    assert happy["input"] == {"task": "test", "args": ["Happy Mondays!"], "kwargs": {"loud": True}}


@pytest.mark.parametrize(
    ("code", "expression"),
    [
        (_beat("crontab()"), "* * * * *"),
        (_beat("crontab(minute='*/15', hour='*/2')"), "*/15 */2 * * *"),
        (_beat("schedule(run_every=timedelta(hours=1, seconds=30))"), "rate(3630 seconds)"),
        (_beat("timedelta(1)"), "rate(86400 seconds)"),
        ("CELERY_BEAT_SCHEDULE: dict = {'a': dict(task='t', schedule=60)}", "rate(60 seconds)"),
        ("{'a': {'task': 't', 'schedule': 60}}", "rate(60 seconds)"),
        ("app = Celery(beat_schedule={'a': {'task': 't', 'schedule': 60 * 60}})", "rate(3600 seconds)"),
        ("CONF = {'beat_schedule': {'a': {'task': 't', 'schedule': 60}}}", "rate(60 seconds)"),
        ("app.conf.beat_schedule.update({'a': {'task': 't', 'schedule': 60}})", "rate(60 seconds)"),
        ("beat_schedule |= {'a': {'task': 't', 'schedule': 60}}", "rate(60 seconds)"),
        ("class Config:\n  beat_schedule = {'a': {'task': 't', 'schedule': 60}}", "rate(60 seconds)"),
    ],
)
def test_a_schedule_is_found_wherever_it_stands(code: str, expression: str) -> None:
    assert only(import_text("celery", code)).detail["expression"] == expression


@pytest.mark.parametrize(
    ("schedule", "expression"),
    [
        (30, "rate(30 seconds)"),
        ("crontab(minute='0', hour='4')", "0 4 * * *"),
        ({"minute": 0, "hour": [4, 5]}, "0 4,5 * * *"),
        ({"crontab": {"minute": "0", "day_of_week": "sunday"}}, "0 * * * sun"),
    ],
)
def test_json_is_read(schedule: Any, expression: str) -> None:
    text = json.dumps({"job": {"task": "t", "schedule": schedule, "args": [1]}})
    detail = only(import_text("celery", text)).detail

    assert (detail["expression"], detail["input"]) == (expression, {"task": "t", "args": [1]})


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("crontab(minute='61')", "minute: got '61'"),
        ("crontab(nowfunc=now)", "nowfunc: the clock is code of its own"),
        ("9 ** 9 ** 9", "9 ** 9 ** 9 is computed when the code runs"),
        ("10**6 * 10**9", "10 ** 6 is computed when the code runs"),
        ("1000000 * 1000000 * 9", "1000000 * 1000000 * 9 is computed when the code runs"),
        ("crontab(minute=range(10**1))", "10 ** 1 is computed when the code runs"),
        ("crontab(minute=range(100000))", "range(100000) is computed when the code runs"),
        ("None", "None is no schedule"),
        ("timedelta(years=1)", "timedelta(years=1) is computed when the code runs"),
        ("1 / 0", "1 / 0 is computed when the code runs"),
        ("'\\d'", "expression: got 1 field in '\\\\d'"),
    ],
)
def test_what_is_no_literal_schedule_is_listed(schedule: str, reason: str) -> None:
    result = import_text("celery", _beat(schedule))

    assert result.schedules == []
    assert [listed.unsaid.reason for listed in result.unsaid] == [reason]


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("x = 1\n", "it has neither beat_schedule nor add_periodic_task", 1),
        ("x = 1\ndef (", "not Python: invalid syntax", 2),
        ('{"a": 1}', "not every entry of the JSON has a schedule", 1),
        ("x = '\0'", "not Python", None),
        ("(" * 5000 + ")" * 5000, "not Python", None),
        ("apiVersion: batch/v1\nkind: CronJob\n", "a Kubernetes manifest", 1),
    ],
)
def test_what_is_no_beat_schedule_is_refused(text: str, reason: str, line: int | None) -> None:
    found = refusal("celery", text)

    assert reason in found.reason
    assert line in {None, found.line}
