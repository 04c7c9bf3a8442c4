"""The days and local times that a cron expression matches, against the calendar of ``datetime``."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventcron.timing.cron import (
    EVERY_SECOND,
    MonthShape,
    Shape,
    first_match,
    month_shapes,
    year_of,
    year_shape,
)
from eventcron.timing.cron import MONTH_SHAPES as SHAPES
from tests.unit.timing.moments import cron, dates, dates_in, day, seconds, times


@pytest.mark.parametrize(
    ("year", "shape"),
    [
        pytest.param(1970, Shape(0, 365, 4), id="begins-on-a-thursday"),
        pytest.param(2026, Shape(20_454, 365, 4), id="and-again"),
        pytest.param(2028, Shape(21_184, 366, 6), id="leap-year-from-a-saturday"),
        pytest.param(2100, Shape(47_482, 365, 5), id="2100-is-no-leap-year"),
    ],
)
def test_a_year_has_a_first_day_a_length_and_a_weekday(year: int, shape: Shape) -> None:
    assert year_shape(year) == shape
    assert [year_of(shape.first - 1), year_of(shape.first), year_of(shape.first + shape.length - 1)] == [
        year - 1, year, year,
    ]  # fmt: skip


def test_a_year_is_made_of_months_of_known_shapes() -> None:
    """2028: the 1st of January is a Saturday, the 1st of March a Wednesday."""
    shapes = [(SHAPES[shape], start) for shape, start in month_shapes(2028)]

    assert shapes[:3] == [(MonthShape(31, 6), 0), (MonthShape(29, 2), 31), (MonthShape(31, 3), 60)]
    assert shapes[-1] == (MonthShape(31, 5), 335)


# --- Days ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "first", "last", "expected"),
    [
        # 2026: Feb 1, Mar 1, May 31 and Nov 1 are Sundays; Aug 1 and Oct 31 are Saturdays.
        pytest.param("0 0 1W * *", "2026-08-01", "2026-08-31", ["08-03"], id="saturday-1st-stays-in-its-month"),
        pytest.param("0 0 1W * *", "2026-11-01", "2026-11-30", ["11-02"], id="sunday-1st"),
        pytest.param("0 0 31W * *", "2026-05-01", "2026-05-31", ["05-29"], id="sunday-31st-stays-in-its-month"),
        pytest.param("0 0 31W * *", "2026-10-01", "2026-11-30", ["10-30"], id="saturday-31st-and-no-31st"),
        pytest.param("0 0 15W * *", "2026-02-01", "2026-02-28", ["02-16"], id="sunday-15th-goes-to-monday"),
        pytest.param("0 0 14W * *", "2026-02-01", "2026-02-28", ["02-13"], id="saturday-14th-goes-to-friday"),
        pytest.param("0 0 LW * *", "2026-05-01", "2026-06-30", ["05-29", "06-30"], id="LW"),
        pytest.param("0 0 L * *", "2028-01-01", "2028-03-31", ["01-31", "02-29", "03-31"], id="L-in-a-leap-year"),
        pytest.param("0 0 L-30 * *", "2026-01-01", "2026-03-31", ["01-01", "03-01"], id="L-30-needs-31-days"),
        pytest.param("0 0 L-1W * *", "2026-05-01", "2026-05-31", ["05-29"], id="L-1W"),
        pytest.param("0 0 1,L-3,LW 2 *", "2026-02-01", "2026-02-28", ["02-01", "02-25", "02-27"], id="rules-in-a-list"),
        pytest.param("0 0 * * MON#5", "2026-03-01", "2026-04-30", ["03-30"], id="no-fifth-monday-in-april"),
        pytest.param("0 0 * * 5L", "2026-01-01", "2026-02-28", ["01-30", "02-27"], id="last-friday"),
        pytest.param("0 0 * * 7L,0#1", "2026-02-01", "2026-02-28", ["02-01", "02-22"], id="first-and-last-sunday"),
        pytest.param("0 0 13 * FRI", "2026-02-01", "2026-02-15", ["02-06", "02-13"], id="either-day-field"),
        pytest.param("0 0 */2 * MON", "2026-02-01", "2026-02-28", ["02-09", "02-23"], id="star-in-days-means-both"),
        pytest.param("0 0 1-7 * */7", "2026-02-01", "2026-02-28", ["02-01"], id="star-in-weekdays-means-both"),
        pytest.param("0 0 ? * MON", "2026-02-01", "2026-02-10", ["02-02", "02-09"], id="question-mark"),
        pytest.param("0 0 29 2 *", "2096-01-01", "2104-12-31", ["02-29", "02-29"], id="2100-is-no-leap-year"),
        pytest.param("0 0 31 12 *", "2026-12-31", "2027-12-30", ["12-31"], id="both-ends-are-included"),
        pytest.param("0 0 31 12 *", "2027-01-01", "2026-12-31", [], id="no-days-at-all"),
    ],
)
def test_days_that_match(expression: str, first: str, last: str, expected: list[str]) -> None:
    assert [found[5:] for found in dates(cron(expression).matching_days(day(first), day(last)))] == expected


def test_day_rules_with_equal_numbers_are_different_days() -> None:
    last_workday, first_sunday = cron("0 0 LW * *"), cron("0 0 * * SUN#1")

    assert last_workday.day_rules == first_sunday.weekday_rules, "as tuples they are equal, so a cache may confuse them"
    assert dates_in(2026, last_workday.days_in(2026))[:2] == ["2026-01-30", "2026-02-27"]
    assert dates_in(2026, first_sunday.days_in(2026))[:2] == ["2026-01-04", "2026-02-01"]


@settings(max_examples=30)
@given(
    st.sets(st.integers(1, 31), min_size=1),
    st.sets(st.integers(1, 12), min_size=1),
    st.sets(st.integers(0, 6), min_size=1),
    st.booleans(),
    st.integers(1970, 2199),
)
def test_the_days_of_a_year_are_those_of_its_fields(
    days: set[int], months: set[int], weekdays: set[int], either: bool, year: int
) -> None:
    fields = [tuple(sorted(values)) for values in (days, months, weekdays)]
    item = replace(EVERY_SECOND, days=fields[0], months=fields[1], weekdays=fields[2], either=either)
    every_day = (date(year, 1, 1) + timedelta(days=number) for number in range(year_shape(year).length))
    join = any if either else all

    assert dates_in(year, item.days_in(year)) == [
        one.isoformat()
        for one in every_day
        if one.month in months and join((one.day in days, one.isoweekday() % 7 in weekdays))
    ]


def test_no_day_of_another_year_matches() -> None:
    item = cron("0 0 0 1 1 ? 2027,2030")

    assert [item.days_in(year) for year in range(2026, 2032)] == [0, 1, 0, 0, 1, 0]
    assert dates(item.matching_days(day("2027-01-02"), day("2199-12-31"))) == ["2030-01-01"]


def test_the_search_is_one_of_1970_to_2199() -> None:
    every_day = list(EVERY_SECOND.matching_days(-400, 10**6))

    assert dates([every_day[0], every_day[-1]]) == ["1970-01-01", "2199-12-31"]
    assert len(every_day) == (date(2200, 1, 1) - date(1970, 1, 1)).days
    assert EVERY_SECOND.first_day(day("2200-01-01"), 10**6) is None


@pytest.mark.parametrize(
    ("expression", "months", "expected"),
    [
        pytest.param("0 0 0 29 * *", (2,), "1972-02-29", id="the-first-leap-day"),
        pytest.param("0 0 0 L * ? 2199", (12,), "2199-12-31", id="the-very-last-day"),
        pytest.param("0 0 0 29 * ? 2100", (2,), None, id="2100-is-no-leap-year"),
        pytest.param("0 0 0 30 * *", (2,), None, id="30-february"),
    ],
)
def test_the_first_match_is_searched_in_all_years(
    expression: str, months: tuple[int, ...], expected: str | None
) -> None:
    found = first_match(replace(cron(expression), months=months))

    assert (None if found is None else dates([found])[0]) == expected


# --- Times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        pytest.param("2026-12-31 23:59:20", "2027-01-01 23:00:20", ["2026-12-31 23:59:20", "2026-12-31 23:59:40",
                     "2027-01-01 23:00:00"], id="low-is-included-and-high-is-not"),
        pytest.param("2026-12-31 23:00:41", "2026-12-31 23:59:01", ["2026-12-31 23:59:00"], id="within-one-hour"),
        pytest.param("2026-12-31 23:59:41", "2027-01-01 23:00:00", [], id="between-two-days"),
        pytest.param("2026-12-31 23:59:20", "2026-12-31 23:59:20", [], id="empty"),
        pytest.param("2026-12-31 23:59:20", "2026-12-31 23:00:00", [], id="the-end-first"),
        pytest.param("2199-12-31 23:59:21", "2203-01-01 00:00:00", ["2199-12-31 23:59:40"], id="the-end-of-2199"),
    ],
)  # fmt: skip
def test_local_times_are_those_of_a_half_open_span(low: str, high: str, expected: list[str]) -> None:
    item = cron("*/20 0,59 23 * * *")

    found = list(item.local_times(seconds(low), seconds(high)))
    assert times(found) == expected
    assert all(item.matches(local) for local in found)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2026-02-02 09:30:16", id="second"),
        pytest.param("2026-02-02 09:31:15", id="minute"),
        pytest.param("2026-02-02 10:30:15", id="hour"),
        pytest.param("2026-02-03 09:30:15", id="day"),
        pytest.param("2026-03-02 09:30:15", id="month"),
        pytest.param("2032-02-02 09:30:15", id="year"),
    ],
)
def test_a_time_has_to_match_in_every_field(text: str) -> None:
    """2 February and 2 March 2026 are Mondays; so is 2 February 2032."""
    item = cron("15 30 9 */1 2 MON 2026-2031")

    assert item.matches(seconds("2026-02-02 09:30:15"))
    assert not item.matches(seconds(text))


def test_the_seconds_of_an_hour_are_a_list_and_bits() -> None:
    item = cron("5,50 0,10 * * * *")

    assert item.within_hour == (5, 50, 605, 650)
    assert item.hour_mask == 1 << 5 | 1 << 50 | 1 << 605 | 1 << 650


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0 9 * * MON", "*/30 * * * MON-FRI"),
        ("0 0 * * MON#1", "0 0 1-7 * *"),
        ("0 0 1 * *", "0 0 1 * MON"),
        ("0 0 1 JAN *", "0 0 1 * *"),
        ("0 0 0 1 1 ? 2027", "0 0 0 1 1 ? 2026-2030"),
        ("0 0 0 1 1 ? 2027", "0 0 1 1 *"),
        ("0 30 9 * * *", "*/15 30 9 * * *"),
    ],
)
def test_an_expression_is_within_another_that_has_all_its_times(one: str, other: str) -> None:
    assert cron(one).is_within(cron(one))
    assert cron(one).is_within(cron(other))
    assert not cron(other).is_within(cron(one))
