"""``explain``: the sentence about a trigger, and its behaviour at each clock change."""

from __future__ import annotations

import pytest

from eventcron.entrypoints.cli.moments import read_moment
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import Window
from eventcron.timing.explain import describe_trigger, dialect_name, nights
from eventcron.timing.trigger import parse


def test_a_trigger_is_described_in_one_sentence() -> None:
    assert describe_trigger(parse("*/5 9-17 * * MON-FRI", anchor=0)) == (
        "Every 5 minutes during the hours 9 to 17, Monday to Friday."
    )


def test_the_sentence_names_unions_and_exclusions() -> None:
    trigger = parse(
        ["0 9 * * *", "0 12 * * SAT"], exclude=["2026-12-24", "calendar:no"], calendars={"no": []}, anchor=0
    )

    assert describe_trigger(trigger) == (
        "At 12:00, on Saturdays or at 09:00, every day, except 2026-12-24 and calendar:no."
    )


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("0 9 * * *", "Unix cron"),
        ("0 0 9 * * *", "cron with seconds first"),
        ("0 0 9 * * ? 2027", "cron with seconds first and year last"),
        ("cron(0 9 * * ? *)", "EventBridge cron()"),
        ("@daily", "macro for Unix cron"),
        ("rate(1 day)", "rate()"),
        ("at(2026-12-01T09:00:00)", "at()"),
    ],
)
def test_the_dialect_is_named(expression: str, name: str) -> None:
    assert dialect_name(expression) == name


def happens(expression: str, zone: str = "Europe/Oslo", policy: DaylightSaving = DaylightSaving()) -> list[str]:  # noqa: B008  it is immutable
    trigger = parse(expression, timezone=zone, daylight_saving=policy, exclude=[], anchor=0)
    window = Window(read_moment("2026-01-01", "from"), read_moment("2027-01-01", "until"))
    return [night.happens for night in nights(trigger, window)]


@pytest.mark.parametrize(
    ("expression", "policy", "spring", "autumn"),
    [
        pytest.param(
            "30 2 * * *",
            DaylightSaving(),
            "02:30 does not exist: fires once at 03:00+02:00 (2026-03-29T01:00:00Z), the first instant after the gap",
            "02:30 comes twice: fires once, the first time, 02:30+02:00 (2026-10-25T00:30:00Z)",
            id="fixed-time",
        ),
        pytest.param(
            "30 2 * * *",
            DaylightSaving(gap="skip", overlap="twice"),
            "02:30 does not exist: skipped, with reason daylight_saving_gap",
            "02:30 comes twice: fires both times, 02:30+02:00 (2026-10-25T00:30:00Z) "
            "and 02:30+01:00 (2026-10-25T01:30:00Z)",
            id="fixed-time-with-the-other-policy",
        ),
        pytest.param(
            "0,30 2,3 * * *",
            DaylightSaving(),
            "02:00 and 02:30 do not exist; it fires at 03:00+02:00 (2026-03-29T01:00:00Z) as on any day, once",
            "02:00 and 02:30 come twice: fires once, the first time, 02:00+02:00 (2026-10-25T00:00:00Z)",
            id="together-with-what-comes-after-the-gap",
        ),
        pytest.param(
            "30 * * * *",
            DaylightSaving(),
            "02:30 does not exist and is left out, because a wildcard follows real time",
            "02:30 comes twice: fires both times, 02:30+02:00 (2026-10-25T00:30:00Z) "
            "and 02:30+01:00 (2026-10-25T01:30:00Z), "
            "because a wildcard follows real time",
            id="wildcard",
        ),
        pytest.param("30 4 * * *", DaylightSaving(), "no effect", "no effect", id="another-hour"),
        pytest.param("30 2 * * MON", DaylightSaving(), "no effect", "no effect", id="another-day"),
        pytest.param("rate(1 hour)", DaylightSaving(), "no effect", "no effect", id="rate"),
        pytest.param(
            "at(2026-03-29T02:15:00)",
            DaylightSaving(),
            "02:15 does not exist: fires once at 03:00+02:00 (2026-03-29T01:00:00Z), the first instant after the gap",
            "no effect",
            id="at",
        ),
    ],
)
def test_the_behaviour_at_each_clock_change(expression: str, policy: DaylightSaving, spring: str, autumn: str) -> None:
    expected = [] if expression.startswith("rate") else [spring, autumn]  # a rate alone has no zone

    assert happens(expression, policy=policy) == expected


def test_many_times_are_counted_not_listed() -> None:
    assert happens("*/10 * * * *")[0] == (
        "02:00, 02:10, 02:20 and 3 more do not exist and are left out, because a wildcard follows real time"
    )


def test_a_clock_change_does_not_affect_an_excluded_time() -> None:
    trigger = parse("30 2 * * *", timezone="Europe/Oslo", exclude=["2026-03-29"], anchor=0)
    spring = nights(trigger, Window(read_moment("2026-03-01", "from"), read_moment("2026-04-01", "until")))

    assert [(night.affected, night.happens) for night in spring] == [(False, "no effect")]


@pytest.mark.parametrize(
    ("zone", "since", "until", "sentence"),
    [
        pytest.param(
            "Europe/Oslo",
            "2026-03-01",
            "2026-04-01",
            "2026-03-29 (the last Sunday of March): clocks go forward 1 hour, from 02:00 to 03:00",
            id="an-hour",
        ),
        pytest.param(
            "Australia/Lord_Howe",
            "2026-04-01",
            "2026-05-01",
            "2026-04-05 (the first Sunday of April): clocks go back 30 minutes, from 02:00 to 01:30",
            id="half-an-hour",
        ),
        pytest.param(
            "Pacific/Apia",
            "2011-12-01",
            "2012-01-01",
            "2011-12-30 (the last Friday of December): clocks go forward 1 day, "
            "from 2011-12-30 00:00 to 2011-12-31 00:00",
            id="a-day",
        ),
        pytest.param(
            "America/Sao_Paulo",
            "2018-02-01",
            "2018-03-01",
            "2018-02-18 (the third Sunday of February): clocks go back 1 hour, "
            "from 2018-02-18 00:00 to 2018-02-17 23:00",
            id="over-midnight",
        ),
    ],
)
def test_a_clock_change_is_described(zone: str, since: str, until: str, sentence: str) -> None:
    trigger = parse("0 0 * * *", timezone=zone, anchor=0)
    window = Window(read_moment(since, "from"), read_moment(until, "until"))

    assert [night.change.sentence for night in nights(trigger, window)] == [sentence]


def test_a_change_at_the_end_of_a_chunk_is_reported_once() -> None:
    trigger = parse("0 0 * * *", timezone="America/St_Johns", anchor=0)

    assert len(nights(trigger, Window(read_moment("1991-01-01", "from"), read_moment("1992-01-01", "until")))) == 2
