"""What exclusions leave, by set arithmetic: by hand, against stepping and against the oracle."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.errors import InvalidExpression
from eventcron.model.commands import DaylightSaving, Schedule
from eventcron.model.names import Window
from eventcron.oracle import occurrences as oracle
from eventcron.timing.cron import DAY_S, HOUR_S, bits_of, mask_of
from eventcron.timing.days import Members
from eventcron.timing.exclusions import read_exclusions
from eventcron.timing.instant import rfc3339
from eventcron.timing.remaining import Remaining
from eventcron.timing.sets import LocalTimes, every_nth, seconds_in
from eventcron.timing.trigger import (
    Trigger,
    count_occurrences,
    from_canonical,
    last_occurrence,
    next_occurrence,
    nth_occurrence,
    occurrences,
    parse,
    walk,
)
from tests.time.expressions import ZONES, Maker, changes
from tests.time.test_oracle import instant
from tests.unit.timing.moments import at, cron, dates, dates_in, day, seconds, times

DAY_MS, HOUR_MS = 86_400_000, 3_600_000

seeds = st.integers(0, 2**32)
zones = st.sampled_from(ZONES)


def first(expression: str | list[str], exclude: list[str], since: str = "2026-01-01", zone: str = "UTC") -> str | None:
    trigger = parse(expression, exclude=exclude, anchor=at("2026-01-01"), timezone=zone)
    found = next_occurrence(trigger, at(since))
    return None if found is None else rfc3339(found, millis=False)


def left(expressions: list[str], exclude: list[str], *, chosen: int = -1, only: tuple[int, int] = (1, 0)) -> LocalTimes:
    members = Members([cron(text) for text in expressions], read_exclusions(exclude))
    return LocalTimes(members, chosen & members.top - 1, only=only)


def clock(found: LocalTimes, low: str, high: str) -> list[str]:
    return [text[11:].removesuffix(":00") for text in times(found.local_times(seconds(low), seconds(high)))]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("2026-12-24 00:00", "2026-12-25 00:00", ["09:00", "10:00", "10:10", "10:20", "10:40", "10:50"]),
        ("2026-12-24 09:00:01", "2026-12-24 10:20", ["10:00", "10:10"]),
        ("2026-12-24 10:20", "2026-12-25 09:00:01", ["10:20", "10:40", "10:50", "09:00"]),
        ("2026-12-24 10:30", "2026-12-24 10:40", []),
        ("2026-12-24 10:20", "2026-12-24 10:20", []),
    ],
)
def test_local_times_are_what_is_left_of_a_half_open_span(low: str, high: str, expected: list[str]) -> None:
    assert clock(left(["0,30 9 * * *", "*/10 10 * * *"], ["30 * * * *"]), low, high) == expected


def test_the_chosen_expressions_count_alone() -> None:
    expressions, exclude = ["0 9 * * *", "0 10 * * *", "0 11 * * *"], ["* 11 * * *"]

    assert clock(left(expressions, exclude, chosen=0b110), "2026-12-24", "2026-12-25") == ["10:00"]
    assert clock(left(expressions, exclude, chosen=0b100), "2026-12-24", "2026-12-25") == []


def test_a_day_is_closed_when_exclusions_cover_all_its_times_by_parts() -> None:
    some = left(["*/30 * * * *"], ["* 0-11 24,25 12 *", "0-29 12-23 24 12 *", "30-59 12-23 24 12 *", "2026-01-01"])

    closed = ~some.days_in(2026) & (1 << 365) - 1
    assert dates_in(2026, closed) == ["2026-01-01", "2026-12-24"]
    assert dates(some.matching_days(day("2026-12-23"), day("2026-12-26"))) == ["2026-12-23", "2026-12-25", "2026-12-26"]
    assert some.first_day(day("2026-12-24"), day("2026-12-24")) is None
    assert some.first_day(day("2199-12-31"), 10**6) == day("2199-12-31")
    assert some.first_day(day("2200-01-01"), 10**6) is None


@pytest.mark.parametrize(("only", "first"), [((3_600, 1_800), "2026-01-01"), ((3_600, 0), "2027-01-01")])
def test_a_step_leaves_the_days_on_which_one_of_its_seconds_is_left(only: tuple[int, int], first: str) -> None:
    found = left(["* * * * * *"], ["0 0 * * * * 2026"], only=only)

    assert found.first_day(day("2026-01-01"), day("2199-12-31")) == day(first)


def test_times_are_counted_by_the_kinds_of_days() -> None:
    """2026 has 52 Mondays: one is excluded, the second of March, and one is the first of a month."""
    found = left(["0 9 * * MON", "*/20 10 1 * *"], ["* 9 2 3 *", "20 10 * * *"])
    whole_year = (1 << 365) - 1

    assert found.count(2026, whole_year) == 51 + 12 * 2
    assert found.count(2026, 0b1) == 2, "the 1st of January"
    kinds = found.kinds(2026)
    assert sorted(of_kind.bit_count() for _, of_kind in kinds) == [1, 11, 50]
    assert sum(of_kind for _, of_kind in kinds) == found.days_in(2026)
    assert len(left(["0 9 * * *", "0 10 * * MON"], [], chosen=0b01).kinds(2026)) == 1, "what is not chosen is no kind"


@pytest.mark.parametrize("step", [1, 7, 60, 3_600])
def test_seconds_of_a_day_are_the_same_one_by_one_and_all_at_once(step: int) -> None:
    found = left(["* * * * * *"], ["*/2 * * * *", "30-59 1-59/2 * * * *", "* 3-20 * * *"])
    (sign,) = (sign for sign, _ in found.kinds(2026))
    of_day = [s for s in range(DAY_S) if s % 60 < 30 and s // 60 % 2 and not 3 <= s // 3_600 <= 20]
    asked = range(5, DAY_S, step)

    expected = [s for s in of_day if s in asked]
    assert [s for n in range(0, len(asked), 150) for s in found.seconds_among(sign, asked[n : n + 150])] == expected
    assert list(found.seconds_among(sign, asked)) == expected
    assert list(bits_of(found.seconds_of_day(sign))) == of_day


@pytest.mark.parametrize("year", [1969, 2200])
def test_outside_1970_to_2199_dates_alone_exclude(year: int) -> None:
    """A zone's first and last local hours are there; ``rate()`` fires in them."""
    found = left(["* * * * * *"], ["* * * * *", f"{year}-01-02"])

    assert found.days_in(year) == (1 << 365) - 1 - 0b10


def test_seconds_of_a_year_are_left_on_open_days_alone() -> None:
    found = left(["0 9,10 * * *"], ["0 9 2 1 *"])
    nine, ten = 9 * HOUR_S, 10 * HOUR_S
    asked = [nine, nine + 1, DAY_S + nine, DAY_S + ten, 2 * DAY_S + ten]

    assert found.seconds_left(asked, 2026, (1 << 365) - 1) == [nine, DAY_S + ten, 2 * DAY_S + ten]
    assert found.seconds_left(asked, 2026, 0b011) == [nine, DAY_S + ten]


@pytest.mark.parametrize("wanted", [[], [0], [59, 3_599], list(range(0, HOUR_S, 7)), list(range(HOUR_S))])
def test_seconds_of_an_hour_are_the_positions_of_bits(wanted: list[int]) -> None:
    assert seconds_in(mask_of(wanted)) == tuple(wanted)


@pytest.mark.parametrize("step", [7, 60, DAY_S])
def test_every_nth_second_of_a_day_is_a_bit(step: int) -> None:
    assert list(bits_of(every_nth(step))) == list(range(0, DAY_S, step))


@pytest.mark.parametrize(
    ("expression", "exclude", "expected"),
    [
        pytest.param("rate(2 minutes)", ["*/2 * * 1-11 *"], "2026-12-01T00:00:00Z", id="eleven-months-of-even-minutes"),
        pytest.param("rate(1 minute)", ["0 * * * 1-6 *"], "2026-07-01T00:00:00Z", id="half-a-year-of-whole-minutes"),
        pytest.param("rate(7 minutes)", ["* * 1-30 * *", "1-59 * * * *"], "2026-01-31T01:00:00Z", id="seven-minutes"),
        pytest.param("rate(90 minutes)", ["0 * * * *"], "2026-01-01T01:30:00Z", id="only-the-half-hours"),
        pytest.param("rate(2 days)", ["* * 1-27 * *", "* * 29,31 * *"], "2026-02-28T00:00:00Z", id="two-days"),
        pytest.param("rate(2 hours)", ["* */2 * * *"], None, id="never-as-only-odd-hours-are-left"),
        pytest.param("rate(1 second)", [f"{m} * * * *" for m in range(60)], None, id="every-minute-excluded"),
        pytest.param("rate(1 second)", [f"{s} * * * * *" for s in range(60)], None, id="every-second-excluded"),
        pytest.param(
            [f"{m} 9 * * *" for m in range(16)], [f"{m} * * * *" for m in range(60)], None, id="sixteen-emptied"
        ),
        pytest.param("* * * * * *", ["* * * 1-11 *", "* * * DEC *"], None, id="every-month-excluded"),
        pytest.param("0 * * * *", ["* * * * * * 2026-2198"], "2199-01-01T00:00:00Z", id="in-the-last-year"),
        pytest.param("@every 3h", ["* * * * *"], None, id="always-excluded"),
    ],
)
def test_the_first_fire_is_found_however_much_is_excluded(
    expression: str | list[str], exclude: list[str], expected: str | None
) -> None:
    assert first(expression, exclude) == expected


class Exclusions:
    """Exclusions that leave little: whole fields, their complements, days of all kinds."""

    def __init__(self, maker: Maker) -> None:
        self.choose = maker.random

    def part(self, low: int, high: int) -> list[str]:
        """The values of a field in one to four parts, most of them."""
        cuts = sorted({low, *(self.choose.randint(low, high) for _ in range(self.choose.randint(0, 3)))})
        ends = [cut - 1 for cut in cuts[1:]] + [high]
        parts = [f"{first}-{last}" for first, last in zip(cuts, ends, strict=True)]
        return parts if self.choose.random() < 0.7 else parts[:-1] or parts

    def entries(self) -> list[str]:
        found = []
        for _ in range(self.choose.randint(1, 4)):
            fields = ["*", "*", "*", "*", "*", "*"]
            position = self.choose.choice([0, 1, 2, 3, 5])
            bounds = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
            other = self.choose.choice([1, 2, 3, 5])
            if self.choose.random() < 0.5 and other != position:
                fields[other] = self.choose.choice(self.part(*bounds[other]))
            for values in self.part(*bounds[position]):
                fields[position] = values
                found.append(" ".join(fields))
        return found


def case(seed: int, zone: str, *, rates: bool) -> tuple[Schedule, Window]:
    """A schedule with exclusions that leave little, and three days around a clock change."""
    maker = Maker(seed)
    night = maker.random.choice(changes(zone))
    window = Window(instant(night - timedelta(hours=36)), instant(night + timedelta(hours=36)))
    expressions = [] if rates and maker.random.random() < 0.5 else [maker.expression() for _ in range(2)]
    if rates:
        period = maker.random.choice([60, 77, 300, 420, 900, 3_600, 5_400, 7_919, 86_400, 100_000, 172_800])
        expressions.append(f"rate({period} seconds)")
    schedule = Schedule(
        tenant="acme",
        name="job",
        expression=expressions,
        timezone=zone,
        daylight_saving=DaylightSaving(
            gap=maker.random.choice(["shift", "skip"]), overlap=maker.random.choice(["once", "twice"])
        ),
        exclude=[*Exclusions(maker).entries(), *maker.exclude(night)],
    )
    return schedule, window


def trigger_of(schedule: Schedule, window: Window) -> Trigger | None:
    try:
        return parse(
            schedule.expression,
            timezone=schedule.timezone,
            daylight_saving=schedule.daylight_saving,
            exclude=schedule.exclude,
            anchor=window.start - HOUR_MS,
        )
    except InvalidExpression:
        return None


@pytest.mark.slow
@given(seeds, zones, st.booleans())
def test_what_is_left_fires_as_the_oracle_says(seed: int, zone: str, rates: bool) -> None:
    schedule, window = case(seed, zone, rates=rates)
    trigger = trigger_of(schedule, window)
    if trigger is None:
        return
    found = oracle.occurrences(schedule, window, window.start - HOUR_MS)

    assert list(occurrences(trigger, window)) == [occurrence.due for occurrence in found if occurrence.skipped is None]


@pytest.mark.no_cover
@given(seeds, zones, st.booleans(), st.integers(0, 72 * HOUR_MS), st.integers(1, 500))
def test_counting_is_stepping(seed: int, zone: str, rates: bool, offset: int, nth: int) -> None:
    schedule, window = case(seed, zone, rates=rates)
    trigger = trigger_of(schedule, window)
    if trigger is None:
        return
    window = Window(window.start + offset, window.end + 30 * DAY_MS)
    every = list(occurrences(trigger, window))

    assert count_occurrences(trigger, window, limit=10**6) == len(every)
    assert count_occurrences(trigger, window, limit=7) == min(7, len(every))
    assert last_occurrence(trigger, window) == (every[-1] if every else None)
    if nth <= len(every):
        assert nth_occurrence(trigger, window.start, nth) == every[nth - 1]


@pytest.mark.no_cover
@given(seeds, st.integers(1970, 2199))
def test_all_years_at_once_leave_the_days_that_each_year_by_itself_leaves(seed: int, year: int) -> None:
    maker = Maker(seed)
    exclude = [*Exclusions(maker).entries(), *maker.exclude(changes("UTC")[0])]
    try:
        trigger = parse([maker.expression() for _ in range(9)], exclude=exclude, anchor=0)
    except InvalidExpression:
        return
    times = [Remaining(trigger.items, trigger.exclusions).sets for _ in range(6)]  # type: ignore[arg-type]  # crons
    all_at_once = times.pop()
    all_at_once.days_in(1970)

    assert [one.days_in(year + n) for n, one in enumerate(times) if year + n < 2200] == [
        all_at_once.days_in(year + n) for n in range(5) if year + n < 2200
    ]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Oslo"])
def test_ten_thousand_fires_end_where_stepping_does(zone: str) -> None:
    trigger = parse(["0 9 * * MON-FRI", "30 2 * * *"], exclude=["* * * 7 *"], timezone=zone, anchor=0)
    from_canonical.cache_clear()
    stepping = occurrences(trigger, Window(at("2026-01-01"), at("2100-01-01")))
    every = [next(stepping) for _ in range(10_000)]

    assert nth_occurrence(trigger, at("2026-01-01"), 10_000) == every[-1]
    assert nth_occurrence(parse("0 0 29 2 *", anchor=0), at("2026-01-01"), 10_000) is None


def test_a_midnight_that_comes_twice_is_counted_once() -> None:
    """St. John's put the clocks back at 00:01 to 23:01 of the day before."""
    trigger = parse(["0 0 * * *", "30 12 * * *"], timezone="America/St_Johns", anchor=0)
    year = Window(at("2010-01-01T12:00"), at("2011-01-01T12:00"))

    assert count_occurrences(trigger, year, limit=10_000) == len(list(occurrences(trigger, year))) == 730


@pytest.mark.slow
@given(seeds, zones, st.integers(1, 400), st.booleans())
def test_the_nth_fire_of_several_rates_is_the_nth_that_stepping_finds(
    seed: int, zone: str, count: int, more: bool
) -> None:
    maker = Maker(seed)
    periods = maker.random.sample([1_200, 2_400, 3_601, 5_400, 7_919, 43_201, 86_399, 86_400, 100_003, 172_800], 3)
    expressions = [f"rate({period} seconds)" for period in periods] + (["17 3 * * *"] if more else [])
    exclude = [*Exclusions(maker).entries(), *maker.exclude(maker.random.choice(changes(zone)))]
    trigger = parse(expressions, exclude=exclude, timezone=zone, anchor=at("2026-02-25"))
    since, until = at("2026-02-25"), at("2026-05-05")
    stepped = [found.due for found in walk(trigger, Window(since, until)) if found.skipped is None]

    found = nth_occurrence(trigger, since, count, before=until)

    assert found == (stepped[count - 1] if count <= len(stepped) else None)
    assert count_occurrences(trigger, Window(since, until), limit=count) == min(count, len(stepped))
    assert next_occurrence(trigger, since, before=until) == next(iter(stepped), None)


@pytest.mark.parametrize(("covered", "open_"), [(0, 30), (30, 0)])
def test_an_exclusion_that_covers_one_expression_leaves_another_of_the_same_minute(covered: int, open_: int) -> None:
    expressions = [f"{covered} 0 0 1 * *", f"{open_} 0 0 2 * *"]

    assert first(expressions, ["* 0 * 1 * *"]) == f"2026-01-02T00:00:{open_:02}Z"
