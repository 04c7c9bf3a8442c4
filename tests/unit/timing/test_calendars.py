"""The days of a ``Put Calendar`` command: merged, in order, and refused by their position."""

from __future__ import annotations

import pytest

from eventcron.errors import InvalidSchedule
from eventcron.timing.calendars import read_dates
from eventcron.timing.exclusions import DateSpan


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["2027-05-17", "2026-12-24"], ["2026-12-24", "2027-05-17"], id="put-in-order"),
        pytest.param(["2026-07-10", "2026-07-10"], ["2026-07-10"], id="each-once"),
        pytest.param(["2026-07-01/2026-07-31", "2026-07-10"], ["2026-07-01/2026-07-31"], id="one-within-another"),
        pytest.param(["2026-07-10/2026-07-20", "2026-07-01/2026-07-12"], ["2026-07-01/2026-07-20"], id="overlapping"),
        pytest.param(["2027-01-01", "2026-12-31"], ["2026-12-31/2027-01-01"], id="neighbours-over-a-year's-end"),
        pytest.param(["2026-12-24", "2026-12-26"], ["2026-12-24", "2026-12-26"], id="a-day-between-stays-free"),
        pytest.param(["2028-02-28", "2028-03-01"], ["2028-02-28", "2028-03-01"], id="the-29th-of-february-stays-free"),
        pytest.param(["2026-02-28", "2026-03-01"], ["2026-02-28/2026-03-01"], id="no-29th-of-february-between"),
    ],
)
def test_dates_and_ranges_become_as_few_spans_as_possible(dates: list[str], expected: list[str]) -> None:
    assert [str(span) for span in read_dates(dates)] == expected


def test_days_count_from_1970_and_a_range_includes_its_last() -> None:
    assert read_dates(["1970-01-01/1970-01-03", "1971-01-01"]) == (DateSpan(0, 2), DateSpan(365, 365))


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        pytest.param("2026-02-29", "dates that exist (day is out of range for month)", id="no-leap-year"),
        pytest.param("2026-12-26/2026-12-24", "the earlier date first", id="the-later-first"),
        pytest.param("24.12.2026", "a date (2026-12-24) or a range of dates (2026-12-24/2026-12-26)", id="no-date"),
        pytest.param("2026-12-24/", "a date (2026-12-24) or a range of dates (2026-12-24/2026-12-26)", id="no-end"),
    ],
)
def test_a_bad_entry_is_refused_by_its_position(text: str, allowed: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        read_dates(["2026-12-24", "2026-12-25", text, "nor this"])

    error = caught.value
    assert (error.code, error.field, error.given, error.allowed) == ("invalid_date", "dates.2", repr(text), allowed)


def test_a_calendar_has_a_limit() -> None:
    every_other_day = [str(DateSpan(number, number)) for number in range(0, 2_002, 2)]

    assert len(read_dates(every_other_day[:-1])) == 1_000
    with pytest.raises(InvalidSchedule, match="1001 spans of days; allowed: at most 1000") as caught:
        read_dates(every_other_day)
    assert (caught.value.code, caught.value.field) == ("calendar_too_long", "dates")


def test_the_limit_is_one_of_merged_spans() -> None:
    every_day = [str(DateSpan(number, number)) for number in range(1_500)]

    assert read_dates(every_day) == (DateSpan(0, 1_499),)
