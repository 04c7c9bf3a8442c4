"""``import crontab``: every line becomes a schedule or is listed, and a year is that of cronsim."""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from tests.unit.migrate.imports import (
    END,
    START,
    details,
    import_file,
    import_text,
    instant,
    only,
    refusal,
    unsaid,
    year_of,
)

#: Schedule of files/system.crontab → the line's fields.
SYSTEM = {
    "cd-run-parts-report-etc-cron.hourly": "17 * * * *",
    "test-x-usr-sbin-anacron-cd-run-parts-report-etc-cron.daily": "25 6 * * *",
    "test-x-usr-sbin-anacron-cd-run-parts-report-etc-cron.weekly": "47 6 * * 7",
    "test-x-usr-sbin-anacron-cd-run-parts-report-etc-cron.monthly": "52 6 1 * *",
    "if-x-etc-munin-plugins-apt_all-then-munin-run-apt_all-upd-e1c954": "*/10 * * * *",
    "x-usr-lib-php-sessionclean-usr-lib-php-sessionclean": "09,39 * * * *",
    "if-x-usr-share-mdadm-checkarray-date-d-le-7-then-usr-shar-3e6810": "57 0 * * 0",
}
#: Schedule of files/user.crontab → zone and fields.
USER = {
    "find-var-tmp-mtime-7-delete": ("Europe/Oslo", "30 2 * * 1-5"),
    "HOME-bin-poll-all": ("Europe/Oslo", "0,30 8-18/2 * jan-mar,Oct mon-FRI"),
    "mail-s-It-s-10pm-joe": ("Europe/Oslo", "0 12 13 * 5"),
    "HOME-bin-monthly": ("America/New_York", "15 14 1 * *"),
    "echo-run-at-5-after-4-every-Sunday": ("UTC", "5 4 * * sun"),
    "echo-run-at-5-after-4-every-Sunday-2": ("UTC", "5 4 * * sun"),
    "opt-weekly": ("UTC", "0 0 * * 0"),
}


def _year(expression: str, zone: str) -> list[int]:
    later_than = datetime.fromtimestamp(START.timestamp() - 1, ZoneInfo(zone))
    return [instant(moment) for moment in takewhile(lambda moment: moment < END, CronSim(expression, later_than))]


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEM)
def test_a_line_of_the_system_fires_for_a_year_when_cronsim_says(name: str) -> None:
    assert year_of("crontab", "system.crontab", name) == _year(SYSTEM[name], "UTC")


@pytest.mark.parametrize("name", USER)
def test_a_line_of_a_user_fires_for_a_year_when_cronsim_says(name: str) -> None:
    zone, expression = USER[name]

    assert year_of("crontab", "user.crontab", name) == _year(expression, zone)


def test_no_line_of_the_system_is_dropped() -> None:
    result = import_file("crontab", "system.crontab")

    assert list(details(result)) == list(SYSTEM)
    assert [(listed.origin, listed.unsaid.nearest) for listed in result.unsaid] == [
        ("system.crontab:9", "an alarm on the target's dead-letter queue"),
        ("system.crontab:19", "manual, and Run Schedule from what starts up"),
        ("system.crontab:20", "10 4 * * *"),
    ]


def test_no_line_of_a_user_is_dropped() -> None:
    result = import_file("crontab", "user.crontab")

    assert list(details(result)) == [*USER, "opt-any-minute", "opt-by-hand-only"]
    assert unsaid(result) == [("0 22-2 * * *  /opt/around-midnight", "cron refuses it: hour: got '22-2'")]


def test_the_users_of_the_system_and_their_variables_come_along() -> None:
    (hourly, *_) = import_file("crontab", "system.crontab").schedules

    assert hourly.detail["input"] == {
        "command": "cd / && run-parts --report /etc/cron.hourly",
        "user": "root",
        "environment": {"SHELL": "/bin/sh", "PATH": "/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin"},
    }
    assert hourly.detail["display_name"] == "cd / && run-parts --report /etc/cron.hourly"
    assert hourly.detail["labels"] == {"imported-from": "system.crontab:12"}
    assert hourly.text == "17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly"


def test_percent_signs_are_line_ends_of_the_standard_input() -> None:
    detail = details(import_file("crontab", "user.crontab"))["mail-s-It-s-10pm-joe"]

    assert detail["input"]["command"] == 'mail -s "It\'s 10pm" joe'
    assert detail["input"]["stdin"] == "Joe,\n\nWhere are your kids?\n"


def test_an_escaped_percent_sign_is_one() -> None:
    assert only(import_text("crontab", r"0 1 * * * date +\%F > /x")).detail["input"] == {"command": "date +%F > /x"}


@pytest.mark.parametrize("variable", ["CRON_TZ=Asia/Tokyo", "TZ='Asia/Tokyo'", 'TZ = ":Asia/Tokyo"'])
def test_a_zone_counts_from_its_line_on(variable: str) -> None:
    result = import_text("crontab", f"0 1 * * * /a\n{variable}\n0 2 * * * /b\n", timezone="Europe/Oslo")

    assert [written.detail["timezone"] for written in result.schedules] == ["Europe/Oslo", "Asia/Tokyo"]


@pytest.mark.parametrize(
    ("path", "text", "user", "command"),
    [
        pytest.param("/etc/cron.d/php", "0 1 * * * www /bin/x\n", "www", "/bin/x", id="by-path"),
        pytest.param("jobs", "0 1 * * * root python3 x\n", "root", "python3 x", id="by-a-known-user"),
        pytest.param("jobs", "0 1 * * * find / -name x\n", None, "find / -name x", id="a-command-is-no-user"),
        pytest.param("/etc/crontab", "0 1 * * * /bin/x y\n", None, "/bin/x y", id="a-path-is-no-user"),
    ],
)
def test_a_user_column_is_found(path: str, text: str, user: str | None, command: str) -> None:
    job = only(import_text("crontab", text, path=path)).detail["input"]

    assert (job.get("user"), job["command"]) == (user, command)


@pytest.mark.parametrize(
    ("given", "job"), [(True, {"user": "make", "command": "all"}), (False, {"command": "make all"})]
)
def test_the_option_decides_about_the_user_column(given: bool, job: dict[str, str]) -> None:
    assert only(import_text("crontab", "@daily make all", user_column=given)).detail["input"] == job


@pytest.mark.parametrize("fields", ["* * * * * *", "0 10 4 * * *", "10 4 * * * *", "10 4 * * * */2"])
def test_six_fields_are_refused(fields: str) -> None:
    result = import_text("crontab", f"0 1 * * * /good\n{fields} /bin/x\n")

    assert len(result.schedules) == 1
    (listed,) = result.unsaid
    assert "a sixth field '*" in listed.unsaid.reason
    assert listed.unsaid.nearest == " ".join(fields.split()[:5])


@pytest.mark.parametrize(
    ("line", "expression"),
    [
        pytest.param("-*/15 * * * * /x", "*/15 * * * *", id="not-logged"),
        pytest.param("@every_minute /x", "* * * * *", id="freebsd"),
        pytest.param("@MIDNIGHT /x", "@midnight", id="nickname"),
        pytest.param("0~29 1 * * * /x", "H(0-29) 1 * * *", id="random"),
        pytest.param("~ ~ * * * /x", "H H * * *", id="random-alone"),
        pytest.param("0 0 31 2 * /x", "manual", id="a-date-that-never-comes"),
        pytest.param("0\t0\t1\t1\t*\t/x", "0 0 1 1 *", id="tabs"),
    ],
)
def test_a_line_is_written_as(line: str, expression: str) -> None:
    assert only(import_text("crontab", line)).detail["expression"] == expression


def test_a_random_delay_is_a_flexible_window() -> None:
    result = import_text("crontab", "RANDOM_DELAY=45\n@daily /x")

    assert only(result).detail["flexible_window_seconds"] == 2700


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("0 0 L * * /x", "cron refuses it: day_of_month: got 'L'", id="L"),
        pytest.param("0 0 * * 1#1 /x", "cron refuses it: day_of_week: got '1#1'", id="nth"),
        pytest.param("60 0 * * * /x", "cron refuses it: minute: got '60'", id="out-of-range"),
        pytest.param("5/15 0 * * * /x", "cron refuses it: minute: got '5/15'", id="steps-of-one-value"),
        pytest.param("@fortnightly /x", "expression: got '@fortnightly'", id="nickname"),
        pytest.param("0 0 * * *", "neither a variable nor 5 fields and a command", id="no-command"),
        pytest.param("5~ 0 * * * /x", "cron refuses it: expression: got '5~'", id="half-random"),
        pytest.param("Please do not edit", "neither a variable nor 5 fields and a command", id="prose"),
    ],
)
def test_what_cron_refuses_is_listed(line: str, reason: str) -> None:
    result = import_text("crontab", f"@hourly /good\n{line}\n")

    assert len(result.schedules) == 1
    (listed,) = result.unsaid
    assert listed.unsaid.reason.startswith(reason)
    assert listed.origin == "file:2"


def test_an_unknown_zone_is_listed_with_each_line() -> None:
    result = import_text("crontab", "CRON_TZ=Europe/Olso\n@daily /x\n")

    assert result.schedules == []
    assert result.unsaid[0].unsaid.nearest == "an IANA name, exactly as written; did you mean Europe/Oslo?"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("Just some prose\nand more of it\n", "not of the format crontab: no line is one", id="prose"),
        pytest.param(
            "apiVersion: batch/v1\nkind: CronJob\n",
            "not of the format crontab but a Kubernetes manifest; read it with `eventcron import kubernetes`",
            id="manifest",
        ),
        pytest.param(
            "- tenant: a\n  name: b\n  expression: '@daily'\n", "a file of eventcron's schedules already", id="own"
        ),
        pytest.param(
            "[Timer]\nOnCalendar=daily\n", "a systemd timer; read it with `eventcron import systemd`", id="timer"
        ),
    ],
)
def test_another_format_is_named(text: str, reason: str) -> None:
    assert reason in refusal("crontab", text).reason


def test_an_empty_crontab_of_comments_has_no_schedule() -> None:
    result = import_text("crontab", "# nothing\nSHELL=/bin/sh\n")

    assert (result.schedules, result.unsaid) == ([], [])
