"""The examples that EventBridge and Quartz publish, each with what its documentation says it does."""

from __future__ import annotations

from itertools import islice

import pytest

from eventcron.entrypoints.cli.moments import read_moment
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import Window
from eventcron.timing.canonical import Parts, encode
from eventcron.timing.notation import Notation, read
from eventcron.timing.trigger import from_canonical, occurrences, parse, rfc3339

END = read_moment("2199-12-31", "end")


def fires(expression: str, since: str, count: int) -> list[str]:
    window = Window(read_moment(since, "since"), END)
    return [rfc3339(due, millis=False) for due in islice(occurrences(parse(expression, anchor=0), window), count)]


# https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
@pytest.mark.parametrize(
    ("expression", "since", "expected"),
    [
        pytest.param(
            "cron(0 10 * * ? *)", "2026-01-01", ["2026-01-01T10:00:00Z", "2026-01-02T10:00:00Z"], id="10:00-every-day"
        ),
        pytest.param(
            "cron(15 12 * * ? *)", "2026-01-01", ["2026-01-01T12:15:00Z", "2026-01-02T12:15:00Z"], id="12:15-every-day"
        ),
        pytest.param(
            "cron(0 18 ? * MON-FRI *)",
            "2026-01-02",  # a Friday
            ["2026-01-02T18:00:00Z", "2026-01-05T18:00:00Z"],
            id="18:00-monday-to-friday",
        ),
        pytest.param(
            "cron(0 8 1 * ? *)", "2026-01-02", ["2026-02-01T08:00:00Z", "2026-03-01T08:00:00Z"], id="first-of-the-month"
        ),
        pytest.param(
            "cron(0/15 * * * ? *)",
            "2026-01-01T00:01",
            ["2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z"],
            id="every-15-minutes",
        ),
        pytest.param(
            "cron(0/10 * ? * MON-FRI *)",
            "2026-01-02T23:45",
            ["2026-01-02T23:50:00Z", "2026-01-05T00:00:00Z"],
            id="every-10-minutes-monday-to-friday",
        ),
        pytest.param(
            "cron(0/5 8-17 ? * MON-FRI *)",
            "2026-01-02T17:54",
            ["2026-01-02T17:55:00Z", "2026-01-05T08:00:00Z"],
            id="every-5-minutes-8:00-to-17:55",
        ),
        pytest.param(
            "cron(0/30 20-2 ? * MON-FRI *)",
            "2026-01-01T23:15",
            ["2026-01-01T23:30:00Z", "2026-01-02T00:00:00Z", "2026-01-02T00:30:00Z"],
            id="hours-20-to-2-around-midnight",
        ),
        pytest.param(
            "cron(15 10 ? * 6L 2022-2023)",
            "2022-01-01",
            ["2022-01-28T10:15:00Z", "2022-02-25T10:15:00Z", "2022-03-25T10:15:00Z"],
            id="last-friday-2022-2023",
        ),
        pytest.param("cron(0 9 ? * 2#1 *)", "2026-01-01", ["2026-01-05T09:00:00Z"], id="first-monday"),
        pytest.param("cron(0 9 ? * 3#2 *)", "2026-01-01", ["2026-01-13T09:00:00Z"], id="second-tuesday"),
        pytest.param("cron(0 9 3W * ? *)", "2026-01-01", ["2026-01-02T09:00:00Z"], id="weekday-nearest-to-the-3rd"),
        pytest.param("cron(0 9 L * ? *)", "2026-02-01", ["2026-02-28T09:00:00Z"], id="last-day"),
        pytest.param("cron(0 9 LW * ? *)", "2026-02-01", ["2026-02-27T09:00:00Z"], id="last-weekday"),
        pytest.param("cron(0 9 ? * L *)", "2026-01-01", ["2026-01-03T09:00:00Z"], id="L-alone-is-saturday"),
        pytest.param("at(2022-11-20T13:00:00)", "2022-01-01", ["2022-11-20T13:00:00Z"], id="at"),
    ],
)
def test_an_eventbridge_example_does_what_its_guide_says(expression: str, since: str, expected: list[str]) -> None:
    assert fires(expression, since, len(expected)) == expected


# https://www.quartz-scheduler.org/documentation/quartz-2.3.0/tutorials/crontrigger.html
QUARTZ = [
    pytest.param("0 0 12 * * ?", "2026-01-01", ["2026-01-01T12:00:00Z", "2026-01-02T12:00:00Z"], id="noon"),
    pytest.param("0 15 10 ? * *", "2026-01-01", ["2026-01-01T10:15:00Z", "2026-01-02T10:15:00Z"], id="10:15"),
    pytest.param("0 15 10 * * ? *", "2026-01-01", ["2026-01-01T10:15:00Z"], id="10:15-with-a-year"),
    pytest.param("0 15 10 * * ? 2005", "2005-12-31", ["2005-12-31T10:15:00Z"], id="10:15-in-2005-only"),
    pytest.param(
        "0 * 14 * * ?", "2026-01-01T14:58:30", ["2026-01-01T14:59:00Z", "2026-01-02T14:00:00Z"], id="14:00-14:59"
    ),
    pytest.param(
        "0 0/5 14 * * ?", "2026-01-01T14:51", ["2026-01-01T14:55:00Z", "2026-01-02T14:00:00Z"], id="every-5-from-14"
    ),
    pytest.param(
        "0 0/5 14,18 * * ?", "2026-01-01T14:51", ["2026-01-01T14:55:00Z", "2026-01-01T18:00:00Z"], id="and-18"
    ),
    pytest.param(
        "0 0-5 14 * * ?", "2026-01-01T14:04:30", ["2026-01-01T14:05:00Z", "2026-01-02T14:00:00Z"], id="14:00-14:05"
    ),
    pytest.param(
        "0 10,44 14 ? 3 WED", "2026-01-01", ["2026-03-04T14:10:00Z", "2026-03-04T14:44:00Z"], id="wednesdays-of-march"
    ),
    pytest.param("0 15 10 ? * MON-FRI", "2026-01-03", ["2026-01-05T10:15:00Z"], id="monday-to-friday"),
    pytest.param("0 15 10 15 * ?", "2026-01-01", ["2026-01-15T10:15:00Z", "2026-02-15T10:15:00Z"], id="the-15th"),
    pytest.param("0 15 10 L * ?", "2028-02-01", ["2028-02-29T10:15:00Z"], id="last-day"),
    pytest.param("0 15 10 L-2 * ?", "2026-02-01", ["2026-02-26T10:15:00Z"], id="two-before-the-last"),
    pytest.param("0 15 10 ? * 6L", "2026-01-01", ["2026-01-30T10:15:00Z"], id="last-friday"),
    pytest.param("0 15 10 ? * 6L 2002-2005", "2002-01-01", ["2002-01-25T10:15:00Z"], id="last-friday-2002-2005"),
    pytest.param("0 15 10 ? * 6#3", "2026-01-01", ["2026-01-16T10:15:00Z"], id="third-friday"),
    pytest.param(
        "0 0 12 1/5 * ?", "2026-01-27", ["2026-01-31T12:00:00Z", "2026-02-01T12:00:00Z"], id="every-5-days-from-the-1st"
    ),
    pytest.param("0 11 11 11 11 ?", "2026-01-01", ["2026-11-11T11:11:00Z"], id="11-11"),
]


@pytest.mark.parametrize(("expression", "since", "expected"), QUARTZ)
def test_a_quartz_example_does_what_its_tutorial_says(expression: str, since: str, expected: list[str]) -> None:
    item = read(expression, Notation.QUARTZ)
    trigger = from_canonical(encode(Parts("UTC", DaylightSaving(), (item,), ())))
    window = Window(read_moment(since, "since"), END)

    assert [rfc3339(due, millis=False) for due in islice(occurrences(trigger, window), len(expected))] == expected


@pytest.mark.parametrize(("expression", "since", "expected"), QUARTZ)
def test_bare_fields_differ_from_quartz_in_the_number_of_friday_only(
    expression: str, since: str, expected: list[str]
) -> None:
    assert fires(expression.replace("6L", "5L").replace("6#", "5#"), since, len(expected)) == expected
