"""Expressions in plain English. ``eventcron explain`` makes sentences of it."""

from __future__ import annotations

from datetime import date

import pytest

from eventcron.timing.describe import describe, join, last_or_nth
from eventcron.timing.expression import read_expression


def described(expression: str) -> str:
    return describe(read_expression(expression, anchor=0))


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ("30 2", "at 02:30"),
        ("0 2,14", "at 02:00 and 14:00"),
        ("0,30 1-3", "at 01:00, 01:30, 02:00, 02:30, 03:00 and 03:30"),
        ("0 0-6", "at minute 0 during the hours 0 to 6"),
        ("* *", "every minute"),
        ("*/15 *", "every 15 minutes"),
        ("5/15 *", "every 15 minutes from minute 5"),
        ("0 *", "at minute 0 of every hour"),
        ("0,20,30 *", "at minutes 0, 20 and 30 of every hour"),
        ("0 */2", "at minute 0 during the hours 0, 2, … 22"),
        ("*/25 *", "at minutes 0, 25 and 50 of every hour"),
        ("* 9", "every minute during the hour 9"),
        ("*/5 9-17", "every 5 minutes during the hours 9 to 17"),
        ("* 22-2", "every minute during the hours 0 to 2, 22 and 23"),
        ("15 30 2", "at 02:30:15"),
        ("* * *", "every second"),
        ("*/10 * *", "every 10 seconds"),
        ("*/20 30 *", "every 20 seconds of minute 30 of every hour"),
        ("30 */20 *", "at second 30 of every 20 minutes"),
    ],
)
def test_times_of_day_are_listed_while_they_are_few(times: str, text: str) -> None:
    assert described(f"{times} * * *") == f"{text}, every day"


@pytest.mark.parametrize(
    ("days", "text"),
    [
        ("1 * *", "on day 1 of the month"),
        ("1,2,15 * *", "on days 1, 2 and 15 of the month"),
        ("1-7 * *", "on days 1 to 7 of the month"),
        ("* * SUN", "on Sundays"),
        ("* * SAT,SUN", "on Sundays and Saturdays"),
        ("* * MON-FRI", "Monday to Friday"),
        ("* * FRI-SUN", "Friday to Sunday"),
        ("* * MON,WED,FRI", "Monday, Wednesday and Friday"),
        ("13 * FRI", "on day 13 of the month or on Fridays, either of them"),
        ("1-31 * FRI", "every day or on Fridays, either of them"),
        ("*/2 * MON", "on days 1, 3, … 31 of the month if it is also on Mondays"),
        ("* 1,6-8 *", "every day in January and June to August"),
        ("29 2 *", "on day 29 of the month in February"),
    ],
)
def test_days_are_named(days: str, text: str) -> None:
    assert described(f"0 0 {days}") == f"at 00:00, {text}"


@pytest.mark.parametrize(
    ("days", "text"),
    [
        ("L * *", "on the last day of the month"),
        ("L-3 * *", "on the day 3 before the last of the month"),
        ("LW * *", "on the last Monday to Friday of the month"),
        ("L-3W * *", "on the Monday to Friday nearest to the day 3 before the last of the month"),
        ("15W * *", "on the Monday to Friday nearest to day 15 of the month"),
        ("1,L * *", "on day 1 of the month and on the last day of the month"),
        ("* * 5L", "on the last Friday of the month"),
        ("* * MON#2", "on the second Monday of the month"),
        ("* * WED,SUN#5", "on Wednesdays and on the fifth Sunday of the month"),
    ],
)
def test_day_rules_are_described(days: str, text: str) -> None:
    assert described(f"0 0 {days}") == f"at 00:00, {text}"


@pytest.mark.parametrize(
    ("years", "text"),
    [
        ("2027", "of 2027"),
        ("2027-2030", "of 2027 to 2030"),
        ("2027,2029", "of 2027 and 2029"),
        ("2020/2", "of 2020, 2022, 2024, 2026, 2028 and 2030…"),
        ("*", ""),
    ],
)
def test_years_are_listed_while_they_are_few(years: str, text: str) -> None:
    assert described(f"0 0 0 1 1 ? {years}") == f"at 00:00, on day 1 of the month in January {text}".rstrip()


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("rate(1 day)", "every day of elapsed time"),
        ("rate(48 hours)", "every 2 days of elapsed time"),
        ("rate(90 minutes)", "every 90 minutes of elapsed time"),
        ("rate(1 second)", "every second of elapsed time"),
        ("at(2028-02-29T00:00:00)", "once, on Tuesday 29 February 2028 at 00:00:00"),
        ("at(2199-12-31T23:59:59.050)", "once, on Tuesday 31 December 2199 at 23:59:59.050"),
        ("manual", "never by itself, only when Run Schedule asks for it"),
    ],
)
def test_what_is_no_cron_is_described(expression: str, text: str) -> None:
    assert described(expression) == text


def test_parts_are_joined_by_commas_and_a_word() -> None:
    assert [join(["a"]), join(["a", "b"]), join(["a", "b", "c"], "or")] == ["a", "a and b", "a, b or c"]


@pytest.mark.parametrize(
    ("day", "text"),
    [
        ("2026-03-29", "the last Sunday of March"),
        ("2026-03-08", "the second Sunday of March"),
        ("2026-03-14", "the second Saturday of March"),
        ("2026-04-05", "the first Sunday of April"),
        ("2026-02-22", "the last Sunday of February"),
        ("2026-05-22", "the fourth Friday of May"),
        ("2026-12-31", "the last Thursday of December"),
        ("2028-02-29", "the last Tuesday of February"),
    ],
)
def test_a_date_is_a_weekday_of_its_month(day: str, text: str) -> None:
    assert last_or_nth(date.fromisoformat(day)) == text
