"""When ``rate()`` fires: a fixed period from its anchor on, across clock changes, without what is excluded."""

from __future__ import annotations

import pytest

from eventcron.errors import InvalidSchedule
from eventcron.model.names import BEGINNING_OF_TIME, END_OF_TIME, Instant, Window
from eventcron.oracle.occurrences import zone_info
from eventcron.timing.exclusions import excluder, read_exclusions
from eventcron.timing.expression import Rate
from eventcron.timing.instant import to_datetime
from eventcron.timing.rates import Looks, dues, dues_left
from eventcron.timing.remaining import Remaining
from eventcron.timing.trigger import next_occurrence, occurrences, parse, walk
from eventcron.timing.zones import load_zone
from tests.unit.timing.moments import at, seconds, utc

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def rate(period: int, anchor: str = "2026-01-01") -> Rate:
    return Rate(period, at(anchor) % period)


def left(
    one: Rate, exclude: list[str], since: str, until: str, *, zone: str = "UTC", looks: int | None = None
) -> list[Instant]:
    remaining = Remaining([], read_exclusions(exclude))
    counted = None if looks is None else Looks(looks)
    return list(dues_left(one, remaining, load_zone(zone), Window(at(since), at(until)), counted))


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        pytest.param("2026-03-01T00:00", "2026-03-01T00:20", ["00:01:02", "00:08:02", "00:15:02"], id="after"),
        pytest.param("2026-02-28T23:45", "2026-03-01T00:01", ["23:47:02", "23:54:02"], id="before"),
        pytest.param("2026-03-01T00:01:02", "2026-03-01T00:08:02", ["00:01:02"], id="from-one-to-the-next"),
        pytest.param("2026-03-01T00:01:03", "2026-03-01T00:08:02", [], id="between-two"),
        pytest.param("2026-03-01T00:01:02", "2026-03-01T00:01:02", [], id="empty"),
        pytest.param("2026-03-01T00:08:02", "2026-03-01T00:01:02", [], id="the-end-first"),
    ],
)
def test_a_rate_counts_from_its_anchor_in_both_directions(since: str, until: str, expected: list[str]) -> None:
    seven = rate(7 * MINUTE, "2026-03-01T00:01:02")

    assert [text[11:] for text in utc(dues(seven, Window(at(since), at(until))))] == expected
    assert left(seven, ["2020-01-01"], since, until) == list(dues(seven, Window(at(since), at(until))))


def test_a_rate_goes_from_1970_to_2199() -> None:
    found = dues(Rate(DAY, 1_500), Window(-(10**15), 10**15))

    assert (found[0], found[-1]) == (BEGINNING_OF_TIME + 1_500, END_OF_TIME - DAY + 1_500)
    assert list(dues(Rate(DAY, 0), Window(END_OF_TIME, END_OF_TIME + DAY))) == []
    assert list(dues(Rate(DAY, 0), Window(-DAY, 0))) == []


def test_a_rate_keeps_its_milliseconds() -> None:
    two_seconds = Rate(2_000, 1_250)

    assert list(dues(two_seconds, Window(0, 6_000))) == [1_250, 3_250, 5_250]
    # The second of a local time is excluded with all its milliseconds.
    assert [due % MINUTE for due in left(two_seconds, ["3 * * * * *"], "2026-01-01", "2026-01-01T00:00:06")] == [
        1_250,
        5_250,
    ]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        pytest.param("2026-03-29T00:00", "2026-03-29T03:00", ["00:00:00", "01:00:00", "02:00:00"], id="a-gap"),
        pytest.param("2026-10-24T23:00", "2026-10-25T03:00", ["23:00:00", "02:00:00"], id="an-overlap"),
    ],
)
def test_exclusions_are_of_local_times(since: str, until: str, expected: list[str]) -> None:
    """In Oslo 02:00 does not come on 29 March, and comes twice on 25 October, at 00:00 and 01:00 UTC."""
    hourly = rate(HOUR)

    assert [text[11:] for text in utc(left(hourly, ["0 2 * * *"], since, until, zone="Europe/Oslo"))] == expected


@pytest.mark.parametrize(
    ("period", "exclude"),
    [
        pytest.param(7 * MINUTE, ["* 1-23 * * *", "*/2 * * * *"], id="often"),
        pytest.param(90 * MINUTE, ["0 * * * *", "2026-03-28/2026-03-30"], id="some-a-day"),
        pytest.param(25 * HOUR, ["* 6-17 * * *", "* * * * SUN"], id="about-once-a-day"),
        pytest.param(2 * DAY, ["* * 1-14 * *"], id="once-in-two-days"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Australia/Lord_Howe"])
def test_what_is_left_is_what_no_entry_covers(period: int, exclude: list[str], zone: str) -> None:
    """Through a clock change of each zone: New York's on 8 March, Lord Howe's on 5 April."""
    since, until = "2026-03-01", "2026-04-12"
    covered = excluder(read_exclusions(exclude))
    assert covered is not None
    every = dues(rate(period), Window(at(since), at(until)))
    local = (to_datetime(due).astimezone(zone_info(zone)).replace(tzinfo=None).isoformat() for due in every)
    expected = [due for due, text in zip(every, local, strict=True) if covered(seconds(text)) is None]

    assert 0 < len(expected) < len(every)
    assert left(rate(period), exclude, since, until, zone=zone) == expected


def test_a_rate_goes_on_after_a_clock_change_that_moves_it_out_of_an_excluded_hour() -> None:
    expressions, exclude = "rate(1 day)", ["* 11 1-15 * *", "* 11 16-31 * *"]
    trigger = parse(expressions, exclude=exclude, timezone="Europe/Oslo", anchor=at("2026-01-01T10:00"))

    assert next_occurrence(trigger, at("2026-01-01")) == at("2026-03-29T10:00"), "12:00 in summer"


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "UTC"])
@pytest.mark.parametrize("window", [("1970-01-01", "1970-01-04"), ("2199-12-29", "2199-12-31T23:59:59")])
@pytest.mark.parametrize("exclude", [["30-59 * * * *"], ["* * * * *"], ["1969-12-31/1970-01-01"], ["* * * * * * 2199"]])
def test_excluded_rates_fire_in_the_first_and_last_local_hours(
    zone: str, window: tuple[str, str], exclude: list[str]
) -> None:
    """There it is 1969 or 2200 already, where no cron expression matches."""
    trigger = parse(["rate(20 minutes)", "rate(7 hours)"], exclude=exclude, timezone=zone, anchor=0)
    span = Window(*map(at, window))

    assert list(occurrences(trigger, span)) == [found.due for found in walk(trigger, span) if found.skipped is None]


def test_looks_are_counted_up_to_a_limit() -> None:
    looks = Looks(1_000)
    looks.add(400)
    looks.add(600)

    with pytest.raises(InvalidSchedule) as caught:
        looks.add(1)
    error = caught.value
    assert (error.code, error.field) == ("out_of_range", "max_fires")
    assert error.given == "a last fire after more than 1,000 due instants of rate(), most of them excluded"
    assert error.allowed == "fewer max_fires, an earlier end, or exclusions that leave more of rate()"


@pytest.mark.parametrize("period", [pytest.param(7_919_000, id="often"), pytest.param(100_003_000, id="rarely")])
def test_a_search_that_has_to_look_at_many_due_instants_is_stopped(period: int) -> None:
    """The period has no large divisor in common with a day, so no day can be passed over."""
    exclude, since, until = ["1-59 * * * * *", "1-59 * * * *"], "2026-01-01", "2026-12-31"

    assert left(rate(period), exclude, since, until, looks=10**6) == left(rate(period), exclude, since, until)
    with pytest.raises(InvalidSchedule, match="more than 100 due instants"):
        left(rate(period), exclude, since, until, looks=100)
