"""What exclusions leave of expressions: of all, of the fixed times, of the wildcards, and of every second."""

from __future__ import annotations

import pytest

from eventcron.model.names import Window
from eventcron.timing.daylight import Times
from eventcron.timing.exclusions import read_exclusions
from eventcron.timing.remaining import Remaining
from eventcron.timing.sets import LocalTimes
from eventcron.timing.trigger import occurrences, parse
from tests.unit.timing.moments import at, cron, dates, day, seconds, times

FRIDAY = ("2026-01-02 00:00:00", "2026-01-03 00:00:00")


def remaining(expressions: list[str], exclude: list[str]) -> Remaining:
    return Remaining([cron(text) for text in expressions], read_exclusions(exclude))


def clock(found: Times | None, span: tuple[str, str] = FRIDAY) -> list[str]:
    """The times of day in *span*, without seconds of zero."""
    assert found is not None
    return [text[11:].removesuffix(":00") for text in times(found.local_times(*map(seconds, span)))]


def test_one_expression_without_exclusions_is_what_is_left() -> None:
    item = cron("0 9 * * *")
    left = Remaining([item], ())

    assert left.all is item
    assert left.fixed is item
    assert left.wild is None
    assert clock(left.sets) == ["09:00"]


def test_fixed_times_and_wildcards_are_parts_of_all() -> None:
    left = remaining(["0 9 * * *", "0 */12 * * *", "30 12 * * *"], [])

    assert clock(left.all) == ["00:00", "09:00", "12:00", "12:30"]
    assert clock(left.fixed) == ["09:00", "12:30"]
    assert clock(left.wild) == ["00:00", "12:00"]


def test_exclusions_are_taken_from_each_part() -> None:
    left = remaining(["0 9,10 * * *", "0 */6 * * *"], ["* 9-12 * * FRI", "2026-01-03"])
    weekend = (FRIDAY[0], "2026-01-05 00:00:00")

    assert clock(left.all) == ["00:00", "06:00", "18:00"]
    assert clock(left.fixed) == []
    assert clock(left.wild, weekend) == ["00:00", "06:00", "18:00", "00:00", "06:00", "12:00", "18:00"]


def test_what_no_expression_has_is_none_and_counts_nothing() -> None:
    left = remaining([], ["2026-12-24"])

    assert (left.all, left.fixed, left.wild) == (None, None, None)
    assert clock(left.sets) == []
    assert left.sets.first_day(0, day("2199-12-31")) is None


def test_the_sets_count_what_all_has() -> None:
    """2026 has 261 days from Monday to Friday; one is the 24th of December, and eight are the first of a month."""
    left = remaining(["0 9 * * MON-FRI", "*/20 9 1 * *"], ["* * 24 12 *"])

    assert left.sets is left.all
    assert left.sets.count(2026, (1 << 365) - 1) == 260 + 12 * 3 - 8


def test_a_day_is_left_to_a_step_if_one_of_its_seconds_is() -> None:
    left = remaining(["0 9 * * *"], ["* 0-22 * * *", "0 23 * * MON-SAT", "2026-01-04"])
    first, last = day("2026-01-01"), day("2026-12-31")

    assert dates([left.every(3_600, 0).first_day(first, last) or 0]) == ["2026-01-11"], "the second Sunday"
    assert dates([left.every(3_600, 60).first_day(first, last) or 0]) == ["2026-01-01"]
    assert left.every(7_200, 0).first_day(first, last) is None, "23:00 is an odd hour"
    assert left.every(3_600, 60) is left.every(3_600, 60), "several rates of a schedule share it"


@pytest.mark.parametrize(
    "expressions",
    [
        pytest.param(["0 9 * * *", "0 9 * * *"], id="the-same-twice"),
        pytest.param(["0 9 * * *", "0 9 1 * *", "0 9 * * *"], id="the-same-around-what-they-contain"),
        pytest.param(["0 9 * * FRI", "0 9 * * *"], id="the-narrow-first"),
    ],
)
def test_what_several_expressions_have_is_there_once(expressions: list[str]) -> None:
    left = remaining(expressions, [])

    assert isinstance(left.all, LocalTimes)
    assert clock(left.all) == clock(left.fixed) == ["09:00"]


def test_a_wildcard_within_a_fixed_time_stays_a_wildcard() -> None:
    left = remaining(["0-59 0-23 * * *", "*/30 9 * * *"], [])

    assert clock(left.wild) == ["09:00", "09:30"]
    assert len(clock(left.fixed)) == len(clock(left.all)) == 1_440


def test_expressions_that_others_contain_change_nothing() -> None:
    wide, narrow = "*/5 8-18 * * MON-FRI", ["30 9 * * MON", "*/10 12 * * WED", "0 8-18 1 1 MON"]
    exclude, window = ["0-29 9 * * *"], Window(at("2026-01-01"), at("2026-03-01"))

    alone = occurrences(parse(wide, exclude=exclude, anchor=0), window)

    assert list(occurrences(parse([wide, *narrow, wide], exclude=exclude, anchor=0), window)) == list(alone)
