"""The public functions of ``trigger``: parse, walk, occurrences, next_occurrence."""

from __future__ import annotations

from itertools import islice

import pytest

from eventcron.entrypoints.cli.moments import read_moment
from eventcron.errors import InvalidExpression, InvalidSchedule
from eventcron.model.codes import SkipReason
from eventcron.model.names import Instant, Key, Occurrence, Window
from eventcron.timing import zones
from eventcron.timing.expression import Rate
from eventcron.timing.trigger import (
    Trigger,
    from_canonical,
    local_time,
    next_occurrence,
    occurrences,
    parse,
    rfc3339,
    walk,
)


def at(text: str) -> Instant:
    return read_moment(text, "test")


def utc(instants: list[Instant]) -> list[str]:
    return [rfc3339(instant, millis=False) for instant in instants]


def fires(trigger: Trigger, since: str, count: int = 3) -> list[str]:
    window = Window(at(since), at("2199-12-31"))
    return utc(list(islice(occurrences(trigger, window), count)))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("30 2 * * *", ["2026-01-01T02:30:00Z", "2026-01-02T02:30:00Z"], id="five-fields"),
        pytest.param("5 30 2 * * *", ["2026-01-01T02:30:05Z", "2026-01-02T02:30:05Z"], id="six-fields-seconds-first"),
        pytest.param("0 30 2 1 1 ? 2027", ["2027-01-01T02:30:00Z"], id="seven-fields-year-last"),
        pytest.param(
            "cron(30 2 ? * 2 *)", ["2026-01-05T02:30:00Z", "2026-01-12T02:30:00Z"], id="eventbridge-2-is-monday"
        ),
        pytest.param("rate(36 hours)", ["2026-01-01T12:00:00Z", "2026-01-03T00:00:00Z"], id="rate"),
        pytest.param("at(2026-12-01T09:00:00.250)", ["2026-12-01T09:00:00.250Z"], id="at-with-milliseconds"),
        pytest.param("@monthly", ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"], id="macro"),
    ],
)
def test_each_form_of_expression_fires_when_it_says(expression: str, expected: list[str]) -> None:
    trigger = parse(expression, anchor=at("2025-12-31"))

    assert fires(trigger, "2026-01-01", len(expected)) == expected


def test_an_empty_list_of_expressions_is_refused() -> None:
    with pytest.raises(InvalidSchedule, match="expression: got an empty list; allowed: 1 to 16 expressions"):
        parse([], anchor=0)


def test_a_trigger_shows_its_canonical_text() -> None:
    assert str(parse("@hourly", timezone="Europe/Oslo", anchor=0)) == "1;Europe/Oslo;shift,once;w& 0 0 * * * * *"


def test_a_zone_that_is_gone_is_refused() -> None:
    with pytest.raises(InvalidSchedule, match="timezone: got 'Europe/Atlantis'"):
        from_canonical("1;Europe/Atlantis;shift,once;r 5 0")


def test_a_rate_that_another_one_contains_is_not_computed_twice() -> None:
    trigger = parse(["rate(2 minutes)", "rate(6 minutes)", "rate(3 minutes)", "0 9 * * *"], anchor=0)

    assert len(trigger.items) == 4
    assert sorted(item.period for item in trigger.distinct if isinstance(item, Rate)) == [120_000, 180_000]


def test_an_excluded_rate_is_skipped_by_its_local_date() -> None:
    oslo = parse("rate(1 day)", timezone="Europe/Oslo", exclude=["2026-12-24"], anchor=at("2026-12-23T23:30"))

    assert [occurrence.by for occurrence in walk(oslo, Window(at("2026-12-23"), at("2026-12-25")))] == [
        "2026-12-24",
        None,
    ]


def test_walk_says_why_it_skips_and_occurrences_leaves_it_out() -> None:
    trigger = parse("30 2 * * *", timezone="Europe/Oslo", daylight_saving="eventbridge", anchor=0)
    night = Window(at("2026-03-29"), at("2026-03-30"))

    assert list(walk(trigger, night)) == [Occurrence(at("2026-03-29T01:00"), SkipReason.DAYLIGHT_SAVING_GAP)]
    assert list(occurrences(trigger, night)) == []


def test_the_search_is_bounded() -> None:
    trigger = parse("0 0 12 1 1 ? 2005", anchor=0)

    assert next_occurrence(trigger, at("2004-06-01")) == at("2005-01-01T12:00")
    assert next_occurrence(trigger, at("2005-01-01T12:00:01")) is None
    assert next_occurrence(trigger, at("2004-06-01"), before=at("2005-01-01T12:00")) is None


def test_a_search_over_decades_looks_at_few_years_of_the_zone() -> None:
    """29 February on a Monday: 2044 after 2016."""
    trigger = parse("0 0 29 2 *", timezone="Europe/Oslo", exclude=["0 0 * * 0,2-6"], anchor=0)
    zones._chunk.cache_clear()

    assert next_occurrence(trigger, at("2016-03-01")) == at("2044-02-28T23:00")
    assert zones._chunk.cache_info().misses <= 20


def test_a_union_fires_where_one_of_its_expressions_is_skipped() -> None:
    trigger = parse(["0 3 * * *", "30 2 * * *"], timezone="Europe/Oslo", daylight_saving="eventbridge", anchor=0)

    assert list(walk(trigger, Window(at("2026-03-29"), at("2026-03-30")))) == [Occurrence(at("2026-03-29T01:00"))]


def test_at_just_after_a_change_has_the_new_offset() -> None:
    assert fires(parse("at(2026-03-29T03:30:00)", timezone="Europe/Oslo", anchor=0), "2026-01-01") == [
        "2026-03-29T01:30:00Z"
    ]


def test_hashed_fields_need_a_key_and_are_independent() -> None:
    with pytest.raises(
        InvalidExpression,
        match=r"minute: got 'H'; allowed: no H here: its value depends on a schedule's tenant and name",
    ):
        parse("H H * * *", anchor=0)

    minutes = {parse("H H * * *", anchor=0, key=Key("acme", f"job-{n}")).canonical for n in range(4_000)}

    assert len(minutes) > 1_200  # of the 1,440 minutes of a day


def test_local_time_carries_the_offset() -> None:
    assert local_time(at("2026-03-29T01:00"), "Europe/Oslo") == "2026-03-29T03:00:00.000+02:00"
    assert local_time(at("2026-03-29T00:59:59"), "Europe/Oslo", millis=False) == "2026-03-29T01:59:59+01:00"


@pytest.mark.parametrize(
    ("given", "suggestion"),
    [
        pytest.param("europe/oslo", "did you mean Europe/Oslo?", id="case"),
        pytest.param("Europe/Olso", "did you mean Europe/Oslo?", id="misspelt"),
        pytest.param("Oslo", "did you mean Europe/Oslo?", id="city-alone"),
        pytest.param("../../etc/passwd", "an IANA name such as Europe/Oslo", id="path"),
        pytest.param("", "an IANA name such as Europe/Oslo", id="empty"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_likely_name(given: str, suggestion: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        parse("* * * * *", timezone=given, anchor=0)

    assert caught.value.code == "unknown_timezone"
    assert caught.value.field == "timezone"
    assert suggestion in caught.value.allowed


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("61 * * * *", "minute: got '61'; allowed: 0-59", id="a-field"),
        pytest.param("0 0 30 2 *", "day_of_month: got '30', so it can never match", id="never"),
        pytest.param(
            "x" * 10_240, "expression: got 10240 characters; allowed: at most 256 characters", id="ten-kilobytes"
        ),
        pytest.param(["0 9 * * *", "rate(0 minutes)"], "rate: got '0 minutes'; allowed: 1 second", id="one-of-several"),
    ],
)
def test_a_bad_expression_is_refused_by_field_value_and_allowed(expression: str | list[str], message: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        parse(expression, anchor=0)

    assert message in str(caught.value)
