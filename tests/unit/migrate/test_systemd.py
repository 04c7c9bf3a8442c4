"""``import systemd``: timers, and a year of each calendar event as systemd-analyze computes it, where there is one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eventcron.migrate.assemble import Import
from eventcron.migrate.model import WrongFormat
from tests.unit.migrate.imports import END, FILES, START, due_in_a_year, import_text, instant, only, unsaid

#: Calendar event → how eventcron writes it.
EVENTS = {
    "Sun *-*-1..7": "0 0 * * 0#1",
    "weekly": "0 0 * * 1",
    "hourly": "0 * * * *",
    "quarterly": "0 0 1 */3 *",
    "Mon..Fri *-*-* 09:00:00": "0 9 * * 1-5",
    "Mon,Thu..Sat 22:15": "15 22 * * 1,4-6",
    "*:0/15": "*/15 * * * *",
    "*-*-* 4,16:00/20:30": "30 0-40/20 4,16 * * *",
    "*-02~03": "0 0 L-2 2 *",
    "Mon *-05~07/1": "0 0 * 5 1L",
    "Fri *-*-13 12:00": "0 12 13 * *",
    "2027/2-1,7-1..5/2 06:30": "0 30 6 1-5/2 1,7 * 2027-2199/2",
    "*-*~01..03 01:00": "0 1 L,L-1,L-2 * *",
    "Saturday *-*-8..14,22..28 03:00": "0 3 * * 6#2,6#4",
    "10-05 08:05:40": "40 5 8 5 10 *",
    "*-*~* 09:00": "0 9 * * *",
    "*-*~05..12/4 01:00": "0 1 L-4,L-8 * *",
    "Sun..Sun *-*-* 12:00": None,
}
#: Calendar event in Oslo, where the clocks change.
NIGHTS = ["*-*-* 02:30 Europe/Oslo", "Sun 02:00 Europe/Oslo", "*-*-* 01,03:15 Europe/Oslo"]

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")


def _timer(*events: str) -> str:
    return "[Timer]\n" + "".join(f"OnCalendar={event}\n" for event in events)


#: As many as systemd computes in a second. A daily event has a year in it, an hourly one two months.
ITERATIONS = 1_500


def _by_systemd(event: str) -> list[int]:
    """The instants of 2027, by systemd itself, ``ITERATIONS`` at most."""
    begin = f"--base-time={START - timedelta(seconds=1):%Y-%m-%d %H:%M:%S} UTC"
    done = subprocess.run(
        ["systemd-analyze", "calendar", f"--iterations={ITERATIONS}", begin, event],
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.findall(r"(?:Next elapse|Iter\. #[0-9]+): \w+ ([0-9-]+ [0-9:]+) UTC", done.stdout)
    moments = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in found)
    return [instant(moment) for moment in moments if moment < END]


@pytest.mark.slow
@needs_systemd
@pytest.mark.parametrize("event", [*EVENTS, *NIGHTS])
def test_a_calendar_event_fires_for_a_year_when_systemd_says(event: str) -> None:
    expected = _by_systemd(event)

    found = due_in_a_year(only(import_text("systemd", _timer(event))).detail)
    assert len(expected) == min(len(found), ITERATIONS)
    assert found[: len(expected)] == expected


@pytest.mark.parametrize("event", [event for event, expression in EVENTS.items() if expression])
def test_a_calendar_event_is_written_as(event: str) -> None:
    assert only(import_text("systemd", _timer(event))).detail["expression"] == EVENTS[event]


def test_days_that_both_restrict_become_an_exclusion() -> None:
    assert only(import_text("systemd", _timer("Fri *-*-13 12:00"))).detail["exclude"] == ["* * * * 0-4,6"]


def test_a_timestamp_fires_once_in_utc() -> None:
    assert only(import_text("systemd", _timer("@1800000000"))).detail["expression"] == "at(2027-01-15T08:00:00)"


def test_a_date_and_a_time_fire_once() -> None:
    assert only(import_text("systemd", _timer("2030-01-31 12:30"))).detail["expression"] == "at(2030-01-31T12:30:00)"


def test_a_drop_in_has_the_name_of_its_timer() -> None:
    result = import_text("systemd", _timer("", "03:00"), path="/etc/systemd/system/backup.timer.d/override.conf")

    assert only(result).detail["name"] == "backup"
    assert only(result).detail["input"] == {"unit": "backup.service"}


def test_a_date_that_never_comes_is_run_by_hand() -> None:
    assert only(import_text("systemd", _timer("*-02-30"))).detail["expression"] == "manual"


def test_events_in_two_zones_are_two_schedules() -> None:
    result = _import("backup.timer")

    assert [written.detail["name"] for written in result.schedules] == ["local-backup", "Europe-Oslo-backup"]
    assert result.unsaid == []
    assert result.schedules[1].detail == {
        "tenant": "acme",
        "name": "Europe-Oslo-backup",
        "display_name": "backup",
        "expression": "30 2 * * 1-5",
        "timezone": "Europe/Oslo",
        "description": "Weekly backup of the first Sunday",
        "input": {"unit": "backup-all.service"},
        "daylight_saving": {"gap": "skip", "overlap": "once"},
        "flexible_window_seconds": 5400,
        "misfire": {"policy": "fire_once", "grace_seconds": 604_800},
        "labels": {"imported-from": "timers/backup.timer:7"},
    }


def _import(name: str) -> Import:
    path = Path("timers") / name
    return import_text("systemd", (FILES / path).read_text(), path=str(path))


def test_a_timer_that_counts_from_a_start_is_listed() -> None:
    result = _import("refresh.timer")

    assert result.schedules == []
    assert [(listed.unsaid.given, listed.unsaid.nearest) for listed in result.unsaid] == [
        ("OnBootSec=10min", "manual, and Run Schedule from what starts up"),
        ("OnUnitActiveSec=15min", "rate(900 seconds), from creation or start"),
    ]


def test_several_events_of_one_zone_are_one_schedule() -> None:
    detail = only(import_text("systemd", _timer("09:00", "Sat 12:00"))).detail

    assert detail["expression"] == ["0 9 * * *", "0 12 * * 6"]


def test_an_empty_event_takes_back_those_before_it() -> None:
    assert only(import_text("systemd", _timer("daily", "", "weekly"))).detail["expression"] == "0 0 * * 1"


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("RandomizedDelaySec=2d", "RandomizedDelaySec=2d"),
        ("RandomizedDelaySec=soon", "RandomizedDelaySec=soon"),
        ("WakeSystem=yes", "WakeSystem=yes"),
    ],
)
def test_part_of_a_timer_is_listed(line: str, given: str) -> None:
    result = import_text("systemd", f"{_timer('daily')}{line}\n")

    assert len(result.schedules) == 1
    assert [(listed.unsaid.given, listed.unsaid.whole) for listed in result.unsaid] == [(given, False)]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("*-*-*/2", "day_of_month: got '*/2'"),
        ("Fri..Mon", "day_of_week: got 'Fri..Mon'"),
        ("09:00:00.5", "second: got '00.5'"),
        ("25:00", "hour: got '25'"),
        ("Foo 09:00", "day_of_week: got 'Foo'"),
        ("9", "expression: got '9'"),
        ("5..2:00", "hour: got '5..2'"),
        ("*:0/0", "minute: got '0/0'"),
    ],
)
def test_what_is_no_calendar_event_is_listed(event: str, reason: str) -> None:
    assert unsaid(import_text("systemd", _timer(event))) == [(f"OnCalendar={event}", reason)]


def test_a_unit_without_timer_is_refused() -> None:
    with pytest.raises(WrongFormat, match=r"it has no settings in a section \[Timer\]") as raised:
        import_text("systemd", "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/x\n")

    assert raised.value.line == 2
