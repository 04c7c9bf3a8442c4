"""``exclude``: dates, ranges, expressions and calendars, and which entry skips an occurrence."""

from __future__ import annotations

import pytest

from eventcron.entrypoints.cli.moments import read_moment
from eventcron.errors import InvalidSchedule
from eventcron.model.names import Instant, Occurrence, Window
from eventcron.timing.calendars import read_dates
from eventcron.timing.instant import rfc3339
from eventcron.timing.trigger import next_occurrence, nth_occurrence, parse, walk
from tests.counting import calls_of


def at(text: str) -> Instant:
    return read_moment(text, "test")


def excluded(expression: str, since: str, until: str, *exclude: str, zone: str = "UTC") -> list[tuple[str, str]]:
    trigger = parse(expression, timezone=zone, exclude=exclude, anchor=0)
    found = walk(trigger, Window(at(since), at(until)))
    return [(rfc3339(o.due, millis=False), o.by or "") for o in found if o.skipped == "excluded"]


@pytest.mark.parametrize(
    ("expression", "entry", "expected"),
    [
        pytest.param("0 9 * * *", "2026-12-24", ["2026-12-24T09:00:00Z"], id="date"),
        pytest.param(
            "0 9 * * *", "2026-12-24/2026-12-25", ["2026-12-24T09:00:00Z", "2026-12-25T09:00:00Z"], id="range"
        ),
        pytest.param("0 9,10 24 12 *", "0 10 * * *", ["2026-12-24T10:00:00Z"], id="expression"),
        pytest.param("30 0 9 24 12 *", "0 9 * * *", ["2026-12-24T09:00:30Z"], id="five-fields-cover-the-whole-minute"),
        pytest.param("*/30 0 9 24 12 *", "30 0 9 * * *", ["2026-12-24T09:00:30Z"], id="six-fields-cover-a-second"),
        pytest.param("0 9 24 12 *", "cron(0 9 ? * THU *)", ["2026-12-24T09:00:00Z"], id="eventbridge-expression"),
        pytest.param("at(2026-12-24T09:00:00.5)", "2026-12-24", ["2026-12-24T09:00:00.500Z"], id="at"),
        pytest.param("rate(12 hours)", "* 0-11 24 * *", ["2026-12-24T00:00:00Z"], id="rate"),
    ],
)
def test_an_entry_excludes_what_it_covers(expression: str, entry: str, expected: list[str]) -> None:
    found = excluded(expression, "2026-12-23", "2026-12-28", entry)

    assert found == [(instant, entry) for instant in expected]


def test_the_first_entry_that_applies_is_named() -> None:
    assert excluded("0 9 * * *", "2026-12-24", "2026-12-25", "2026-12-23", "0 9 * * *", "2026-12-24") == [
        ("2026-12-24T09:00:00Z", "0 9 * * *")
    ]


def test_dates_are_local() -> None:
    assert excluded("0 0 * * *", "2026-12-23", "2026-12-25", "2026-12-24", zone="Europe/Oslo") == [
        ("2026-12-23T23:00:00Z", "2026-12-24")
    ]


def test_a_fire_that_a_gap_moves_to_the_next_day_is_excluded_by_its_own_date() -> None:
    window = ("2011-12-30T00:00", "2011-12-30T12:00")

    assert excluded("0 9 * * *", *window, "2011-12-30", zone="Pacific/Apia") == [("2011-12-30T10:00:00Z", "2011-12-30")]
    assert excluded("0 9 * * *", *window, "2011-12-31", zone="Pacific/Apia") == []


def test_a_fire_after_a_gap_is_excluded_only_if_all_its_local_times_are() -> None:
    trigger = parse("0,30 2 * * *", timezone="Europe/Oslo", exclude=["30 2 * * *"], anchor=0)

    assert list(walk(trigger, Window(at("2026-03-29"), at("2026-03-29T12:00")))) == [Occurrence(at("2026-03-29T01:00"))]


@pytest.mark.parametrize(
    ("exclude", "entry"),
    [
        pytest.param(["0 2 * * *", "30 2 * * *"], "0 2 * * *", id="the-first-of-the-skipped"),
        pytest.param(["0 2 * * *", "30 2 * * *", "0 3 * * *"], "0 3 * * *", id="the-landing-before-the-skipped"),
    ],
)
def test_a_fire_after_a_gap_is_excluded_by(exclude: list[str], entry: str) -> None:
    expression = "0,30 2 * * *" if len(exclude) == 2 else "0 2,3 * * *"
    window = ("2026-03-29T00:00", "2026-03-29T01:30")

    assert excluded(expression, *window, *exclude, zone="Europe/Oslo") == [("2026-03-29T01:00:00Z", entry)]


def test_a_calendar_excludes_its_days_and_travels_in_the_canonical_text() -> None:
    days = read_dates(["2026-12-24/2026-12-26", "2026-12-26", "2027-01-01"])
    trigger = parse("0 9 * * *", exclude=["calendar:no"], calendars={"no": days}, anchor=0)

    assert trigger.canonical.endswith(";x calendar:no 2026-12-24/2026-12-26 2027-01-01")
    assert next_occurrence(trigger, at("2026-12-24")) == at("2026-12-27T09:00")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        pytest.param("2026-13-01", "exclude.1: got '2026-13-01'; allowed: dates that exist", id="no-such-date"),
        pytest.param("Christmas", "exclude.1: got 'Christmas'; allowed: a date (2026-12-24)", id="a-word"),
        pytest.param("rate(5 minutes)", "exclude.1: got 'rate(5 minutes)'", id="rate"),
        pytest.param("61 * * * *", "exclude.1.minute: got '61'; allowed: 0-59", id="bad-expression"),
        pytest.param(
            "calendar:no", "exclude.1: got 'calendar:no'; allowed: a known calendar, such as se", id="unknown-calendar"
        ),
        pytest.param("H 2 * * *", "exclude.1.minute: got 'H'", id="hash"),
    ],
)
def test_a_bad_entry_is_rejected_with_its_index(entry: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        parse("0 9 * * *", exclude=["2026-12-24", entry], calendars={"se": []}, anchor=0)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "exclude", "expected"),
    [
        pytest.param("* * * * * *", ["2026-01-01/2099-12-31"], "2100-01-01T00:00:00.000Z", id="a-century-of-seconds"),
        pytest.param("*/2 * * * *", ["*/2 * * 1-11 *"], "2026-12-01T00:00:00.000Z", id="eleven-months-of-minutes"),
        pytest.param("rate(1 second)", ["2026-01-01/2099-12-31"], "2100-01-01T00:00:00.000Z", id="a-century-of-a-rate"),
        pytest.param("* * * * *", ["* * * * *"], None, id="everything"),
        pytest.param("0 3 * * *", ["0 3 * * 1-5", "* 3 * * 0,6"], None, id="everything-by-parts"),
    ],
)
def test_the_search_jumps_over_a_long_exclusion(expression: str, exclude: list[str], expected: str | None) -> None:
    found = next_occurrence(parse(expression, exclude=exclude, anchor=0), at("2026-06-01"))

    assert (None if found is None else rfc3339(found)) == expected


def test_the_search_does_not_jump_over_a_day_that_is_partly_excluded() -> None:
    trigger = parse("0 3,4 * * *", exclude=["0 3 * * *"], anchor=0)

    assert next_occurrence(trigger, at("2026-06-01")) == at("2026-06-01T04:00")


def test_the_search_gives_up_on_a_rate_that_is_always_excluded() -> None:
    """Without that, the search would take two billion steps."""
    trigger = parse("rate(2 seconds)", exclude=["*/2 * * * * *"], anchor=0)

    assert next_occurrence(trigger, at("2026-06-01")) is None


def test_counting_the_fires_of_a_trigger_that_excludes_them_all_walks_over_days_not_over_occurrences() -> None:
    """Nine million occurrences on 63,000 days until the end of time, none of which fires."""
    trigger = parse("*/10 * * * *", exclude=["*/10 * * * *"], anchor=0)

    assert nth_occurrence(trigger, 1_796_112_000_000, 5) is None
    assert calls_of(lambda: nth_occurrence(trigger, 1_796_112_000_000, 5)) < 30 * 63_000
