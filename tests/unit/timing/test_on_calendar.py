"""systemd's calendar events, read and written. ``tests/unit/migrate`` compares their instants with systemd's own."""

from __future__ import annotations

import pytest

from eventcron.errors import InvalidExpression
from eventcron.timing.cron import Cron
from eventcron.timing.expression import At, read_expression
from eventcron.timing.fields import LastDay
from eventcron.timing.on_calendar import CalendarEvent, read_calendar_event, write_calendar_event
from tests.unit.timing.moments import at


def written(text: str) -> str:
    item, zone = read_calendar_event(text)
    assert zone is None
    return write_calendar_event(item)


def crontab(text: str) -> str:
    """An expression of eventcron as a calendar event."""
    return write_calendar_event(read_expression(text, anchor=0))


# --- Reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("minutely", "*-*-* *:*:00"),
        ("hourly", "*-*-* *:00:00"),
        ("Daily", "*-*-* 00:00:00"),
        ("monthly", "*-*-01 00:00:00"),
        ("weekly", "Mon *-*-* 00:00:00"),
        ("yearly", "*-01-01 00:00:00"),
        ("quarterly", "*-01/3-01 00:00:00"),
        ("semiannually", "*-01,07-01 00:00:00"),
        ("mon,wed,FRIDAY 9:00", "Mon,Wed,Fri *-*-* 09:00:00"),
        ("Mon-Fri, 9:00", "Mon..Fri *-*-* 09:00:00"),
        ("Sat,Thu,Mon..Wed *-*-* 11:12:13", "Mon..Thu,Sat *-*-* 11:12:13"),
        ("*:0/15", "*-*-* *:00/15:00"),
        ("*-*-* 1..5/2:00", "*-*-* 01..05/2:00:00"),
        ("12-24", "*-12-24 00:00:00"),
        ("Thu 2026-12-24", "Thu 2026-12-24 00:00:00"),
        ("27/3-1-1", "2027/3-01-01 00:00:00"),
        ("1999..2001-12-31", "1999..2001-12-31 00:00:00"),
        ("*-*~07/1", "*-*~01..07 00:00:00"),
        ("*-*~05..12/4 01:00", "*-*~05,09 01:00:00"),
        ("*-*~10/3", "*-*~01..10/3 00:00:00"),
    ],
)
def test_a_calendar_event_is_read_as_systemd_reads_it(text: str, event: str) -> None:
    assert written(text) == written(event) == event


def test_a_day_has_to_match_weekday_and_date() -> None:
    item, _ = read_calendar_event("Fri *-*-13 12:00")

    assert isinstance(item, Cron)
    assert (item.days, item.weekdays, item.either) == ((13,), (5,), False)


def test_days_from_the_end_count_from_one() -> None:
    item, _ = read_calendar_event("*-02~01,03")

    assert isinstance(item, Cron)
    assert (item.days, item.day_rules) == ((), (LastDay(0), LastDay(2)))


@pytest.mark.parametrize(
    ("text", "fixed"),
    [("9..17:00/15", True), ("*-*-* 09:00:*", True), ("*:00", False), ("09:*", False), ("hourly", False)],
)
def test_a_wildcard_in_the_hour_or_the_minute_follows_real_time(text: str, fixed: bool) -> None:
    item, _ = read_calendar_event(text)

    assert isinstance(item, Cron)
    assert item.fixed is fixed


@pytest.mark.parametrize(
    ("text", "item", "zone"),
    [
        pytest.param("2028-02-29 10:00:30", At(at("2028-02-29T10:00:30")), None, id="a-date-and-a-time"),
        pytest.param("69-12-31", At(at("2069-12-31")), None, id="69-is-of-this-century"),
        pytest.param("70-1-1 0:0 Europe/Oslo", At(0), "Europe/Oslo", id="70-is-of-the-last"),
        pytest.param("@1800000000", At(1_800_000_000_000), "UTC", id="an-instant"),
    ],
)
def test_what_comes_once_is_an_instant(text: str, item: At, zone: str | None) -> None:
    assert read_calendar_event(text) == CalendarEvent(item, zone)


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("Mon..Fri 09:00 Europe/Oslo", "Europe/Oslo"),
        ("*-*-* 09:00:00 America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("daily UTC", "UTC"),
        ("daily utc", "UTC"),
        ("daily", None),
    ],
)
def test_a_zone_stands_last(text: str, zone: str | None) -> None:
    assert read_calendar_event(text).timezone == zone


@pytest.mark.parametrize(
    ("text", "field", "given"),
    [
        pytest.param("every day", "expression", "'every day'", id="words"),
        pytest.param("Someday 09:00", "day_of_week", "'Someday'", id="no-weekday"),
        pytest.param("", "expression", "''", id="empty"),
        pytest.param("09:00 Mon", "expression", "'09:00 Mon'", id="the-time-first"),
        pytest.param("Mon 09:00 10:00", "expression", "'Mon 09:00 10:00'", id="two-times"),
        pytest.param("Sun..Mon", "day_of_week", "'Sun..Mon'", id="around-the-end-of-the-week"),
        pytest.param("Mon..Tue..Wed", "day_of_week", "'Mon..Tue..Wed'", id="a-range-of-three"),
        pytest.param("24:00", "hour", "'24'", id="hour"),
        pytest.param("17..9:00", "hour", "'17..9'", id="the-later-hour-first"),
        pytest.param("*:0/0", "minute", "'0/0'", id="a-step-of-0"),
        pytest.param("*-13-01", "month", "'13'", id="month"),
        pytest.param("*-*-0", "day_of_month", "'0'", id="day"),
        pytest.param("*-*~32", "day_of_month", "'32'", id="day-from-the-end"),
        pytest.param("0:0:30.5", "second", "'30.5'", id="a-fraction"),
        pytest.param("2200-01-01", "year", "'2200'", id="year"),
        pytest.param("@7258118400", "year", "'@7258118400'", id="the-first-second-of-2200"),
    ],
)
def test_what_is_no_calendar_event_is_refused(text: str, field: str, given: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        read_calendar_event(text)

    assert (caught.value.field, caught.value.given, caught.value.code) == (field, given, "invalid_expression")


@pytest.mark.parametrize("text", ["*-02-30", "2100-02-29", "2026-04-31 09:00", "Mon 2026-12-24", "*-04~31"])
def test_a_date_that_never_comes_is_refused(text: str) -> None:
    with pytest.raises(InvalidExpression, match="can never match; allowed: a date that comes") as caught:
        read_calendar_event(text)

    assert (caught.value.field, caught.value.code) == ("day_of_month", "never_matches")


# --- Writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "event"),
    [
        pytest.param("0 9 * * 1-5", "Mon..Fri *-*-* 09:00:00", id="weekdays"),
        pytest.param("*/5 9-17 * * 0,6", "Sat..Sun *-*-* 09..17:00/5:00", id="a-wildcard"),
        pytest.param("10,20,45 3,7 1,15 */3 *", "*-01/3-01,15 03,07:10,20,45:00", id="lists"),
        pytest.param("0 12 1-10/3 1-6/2 *", "*-01..05/2-01..10/3 12:00:00", id="steps"),
        pytest.param("0 0 * * 1#1,2#1,1#5,2#5", "Mon..Tue *-*-01..07,29..31 00:00:00", id="weeks-of-the-month"),
        pytest.param("0 0 * * 5L", "Fri *-*~07/1 00:00:00", id="last-weekday"),
        pytest.param("0 0 L,L-2 * *", "*-*~01,03 00:00:00", id="last-days"),
        pytest.param("30 0 0 1 1 ? 2027-2030", "2027..2030-01-01 00:00:30", id="years"),
        pytest.param("at(2028-02-29T10:00:30)", "2028-02-29 10:00:30", id="once"),
    ],
)
def test_an_expression_is_written_as(expression: str, event: str) -> None:
    assert crontab(expression) == event


@pytest.mark.parametrize(
    ("expression", "given", "reason"),
    [
        pytest.param("0 0 1 * 1", "both day fields", "systemd requires a day to match weekday and date", id="either"),
        pytest.param("0 0 15W * *", "15W", "knows no W", id="W"),
        pytest.param("0 0 LW * *", "LW", "knows no W", id="LW"),
        pytest.param("0 0 L,15 * *", "L", "from the start or from the end of a month", id="L-and-a-day"),
        pytest.param("0 0 * * 1#1,2", "1#1", "the same weeks of each weekday", id="a-week-and-a-day"),
        pytest.param("0 0 * * 1#1,2#2", "1#1,2#2", "the same weeks of each weekday", id="two-weeks"),
        pytest.param("0 0 * * 1#1,1L", "1#1,1L", "the same weeks of each weekday", id="first-and-last"),
        pytest.param("rate(5 minutes)", "rate()", "OnUnitActiveSec=", id="rate"),
        pytest.param("manual", "manual", "never elapses", id="manual"),
        pytest.param("at(2026-12-01T09:00:00.5)", "500 milliseconds", "whole seconds", id="milliseconds"),
    ],
)
def test_what_systemd_cannot_say_is_refused(expression: str, given: str, reason: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        crontab(expression)

    assert (caught.value.code, caught.value.field, caught.value.given) == ("cannot_convert", "expression", given)
    assert reason in caught.value.allowed
