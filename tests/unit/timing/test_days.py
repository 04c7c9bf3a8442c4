"""Days and times of day as bits and signs: one bit for each expression, and for each exclusion of a part of a day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from eventcron.timing.cron import EVERY_SECOND
from eventcron.timing.days import Members, joined, parted, signs_of
from eventcron.timing.exclusions import read_exclusions
from tests.unit.timing.moments import cron, dates_in

YEAR_BITS = 8 * 46


def members(expressions: list[str], exclude: list[str]) -> Members:
    return Members([cron(text) for text in expressions], read_exclusions(exclude))


def dates_of(year: int, signs: list[int], bit: int) -> list[str]:
    return dates_in(year, sum(1 << position for position, sign in enumerate(signs) if sign >> bit & 1))


def test_expressions_come_first_then_the_exclusions_of_a_part_of_a_day() -> None:
    """A date, and an expression that has every second of its days, are no members: they exclude whole days."""
    of_whole_days, of_parts = ["2026-12-24", "* * * * SUN", "* * * * * SAT"], ["0 * * * *", "* 0-22 * * *"]
    found = members(["0 9 * * *", "@daily"], [of_parts[0], *of_whole_days, of_parts[1]])

    assert found.crons[:2] == [cron("0 9 * * *"), cron("@daily")]
    assert [(len(item.hours), len(item.minutes)) for item in found.crons[2:]] == [(24, 1), (23, 60)]
    assert found.top == 0b100


def test_a_value_has_the_bit_of_each_field_that_has_it() -> None:
    assert signs_of([(0, 2), (2,), ()], 4) == [0b01, 0, 0b11, 0]


def test_a_time_of_day_has_the_bits_of_the_members_that_match_it() -> None:
    found = members(["0,30 9,10 * * *", "15 0 9 * * *"], ["* 10 * * *"])

    assert [(hour, sign) for hour, sign in enumerate(found.hour_signs) if sign] == [(9, 0b011), (10, 0b101)]
    assert [found.minute_signs[minute] for minute in (0, 15, 30)] == [0b111, 0b100, 0b101]
    assert [found.second_signs[second] for second in (0, 15, 30)] == [0b101, 0b110, 0b100]
    assert [found.of_hour[second] for second in (0, 15, 1_800, 1_815)] == [0b101, 0b110, 0b101, 0b100]


def test_a_day_has_the_bits_of_the_members_that_match_it() -> None:
    """In 2026 the first of June is a Monday."""
    found = members(["0 0 1 * *", "0 0 * 6 MON", "0 0 0 28 2 ? 2028"], ["* 0 1 6 *"])

    assert dates_of(2026, found.signs(2026), 0) == [f"2026-{month:02}-01" for month in range(1, 13)]
    assert dates_of(2026, found.signs(2026), 1) == [f"2026-06-{day:02}" for day in (1, 8, 15, 22, 29)]
    assert dates_of(2026, found.signs(2026), 2) == []
    assert dates_of(2028, found.signs(2028), 2) == ["2028-02-28"]
    assert dates_of(2026, found.signs(2026), 3) == ["2026-06-01"]
    assert [len(found.signs(year)) for year in (2026, 2028)] == [365, 366]


@pytest.mark.parametrize("year", [1969, 2200])
def test_outside_1970_to_2199_no_exclusion_but_a_date_applies(year: int) -> None:
    found = members(["0 9 * * *", "@daily"], ["* 9 * * *", f"{year}-12-31"])

    assert found.signs(year) == [0b11] * 365
    assert found.without_spans(year) == (1 << 364) - 1


def test_whole_days_that_are_excluded_are_not_left() -> None:
    found = members(["0 9 * * *"], ["* * * * SUN", "2027-12-20/2028-01-09", "* * * * * * 2029", "0 9 * * *"])
    left = parted(found.left(range(2027, 2030)), range(2027, 2030))

    first = date(2027, 1, 1)
    every_day = [first + timedelta(days=number) for number in range(365 + 366)]
    expected = [
        day.isoformat()
        for day in every_day
        if day.isoweekday() != 7 and not date(2027, 12, 20) <= day <= date(2028, 1, 9)
    ]
    assert [*dates_in(2027, left[2027]), *dates_in(2028, left[2028]), *dates_in(2029, left[2029])] == expected


@pytest.mark.parametrize(
    ("spans", "excluded"),
    [
        pytest.param(["2025-12-30/2026-01-02"], ["2026-01-01", "2026-01-02"], id="from-the-year-before"),
        pytest.param(["2026-12-31/2027-02-01"], ["2026-12-31"], id="into-the-next-year"),
        pytest.param(["2026-03-01", "2025-01-01", "2026-02-28"], ["2026-02-28", "2026-03-01"], id="any-order"),
        pytest.param(["2027-01-01", "2025-12-31"], [], id="only-other-years"),
        pytest.param(["2026-06-01/2026-06-02", "2026-06-02/2026-06-03"], ["2026-06-01", "2026-06-02", "2026-06-03"],
                     id="overlapping"),
    ],
)  # fmt: skip
def test_a_span_excludes_its_days_in_each_year_that_it_touches(spans: list[str], excluded: list[str]) -> None:
    left = members([], spans).without_spans(2026)

    assert dates_in(2026, ~left & (1 << 365) - 1) == excluded
    assert left < 1 << 365


def test_a_span_of_years_leaves_none_of_their_days() -> None:
    assert members([], ["2024-07-01/2029-07-01"]).without_spans(2028) == 0


def test_members_with_the_same_days_share_a_pattern_and_the_most_days_come_first() -> None:
    """2026 has 52 Mondays."""
    found = members(["0 9 1 1 *", "0 10 * * MON", "30 11 * * 1"], ["* 5 * * *"])

    assert [(days.bit_count(), sign) for days, sign in found.patterns(range(2026, 2027))] == [
        (365, 0b1000),
        (52, 0b0110),
        (1, 0b0001),
    ]


def test_the_days_of_several_years_are_one_number_and_apart_again() -> None:
    days = {2027: 1 << 364, 2028: 1 << 365, 2029: 0b101}
    together = joined(days, days.__getitem__)

    assert together == days[2027] | days[2028] << YEAR_BITS | days[2029] << 2 * YEAR_BITS
    assert parted(together, range(2027, 2030)) == days


def test_alike_years_are_asked_for_once() -> None:
    """Years that begin on the same weekday and are as long: fourteen kinds."""
    years, asked = range(1970, 2200), []

    def days_in(year: int) -> int:
        asked.append(year)
        return cron("0 0 29 2,3 SUN").days_in(year)

    assert joined(years, days_in, alike=True) == joined(years, cron("0 0 29 2,3 SUN").days_in)
    assert len(asked) == 14
    assert joined(years, EVERY_SECOND.days_in).bit_count() == (date(2200, 1, 1) - date(1970, 1, 1)).days
