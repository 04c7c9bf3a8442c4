"""Nights with a clock change. docs/reference/expressions.md explains each one."""

from __future__ import annotations

from typing import Literal

import pytest

from eventcron.entrypoints.cli.moments import read_moment
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import Instant, Window
from eventcron.timing.trigger import local_time, next_occurrence, parse, rfc3339, walk

GAP = "daylight_saving_gap"


def at(text: str) -> Instant:
    return read_moment(text, "test")


def night(
    expression: str,
    zone: str,
    since: str,
    until: str,
    *,
    gap: Literal["shift", "skip"] = "shift",
    overlap: Literal["once", "twice"] = "once",
) -> list[str]:
    """Return what is due in [since, until): UTC, local time, and the reason if it is skipped."""
    trigger = parse(expression, timezone=zone, daylight_saving=DaylightSaving(gap=gap, overlap=overlap), anchor=0)
    return [
        " ".join(filter(None, [rfc3339(o.due, millis=False), local_time(o.due, zone, millis=False)[11:], o.skipped]))
        for o in walk(trigger, Window(at(since), at(until)))
    ]


class TestLordHowe:
    """Half an hour, at 02:00: forward to 02:30 on 2026-10-04, back to 01:30 on 2026-04-05."""

    zone = "Australia/Lord_Howe"
    spring = ("2026-10-03T13:00", "2026-10-03T18:00")
    autumn = ("2026-04-04T13:00", "2026-04-04T18:00")

    def test_a_fixed_time_in_the_half_hour_shifts_to_its_end(self) -> None:
        assert night("15 2 * * *", self.zone, *self.spring) == ["2026-10-03T15:30:00Z 02:30:00+11:00"]

    def test_or_is_skipped(self) -> None:
        assert night("15 2 * * *", self.zone, *self.spring, gap="skip") == [
            f"2026-10-03T15:30:00Z 02:30:00+11:00 {GAP}"
        ]

    def test_two_times_in_the_gap_and_one_at_its_end_are_one_fire(self) -> None:
        assert night("0,15,30 2 * * *", self.zone, *self.spring) == ["2026-10-03T15:30:00Z 02:30:00+11:00"]

    def test_every_15_minutes_stays_every_15_minutes(self) -> None:
        found = night("*/15 * * * *", self.zone, "2026-10-03T15:00", "2026-10-03T16:00")

        assert [line.split()[1][:5] for line in found] == ["01:30", "01:45", "02:30", "02:45"]

    def test_a_repeated_fixed_time_fires_the_first_time(self) -> None:
        assert night("45 1 * * *", self.zone, *self.autumn) == ["2026-04-04T14:45:00Z 01:45:00+11:00"]

    def test_or_both_times(self) -> None:
        assert night("45 1 * * *", self.zone, *self.autumn, overlap="twice") == [
            "2026-04-04T14:45:00Z 01:45:00+11:00",
            "2026-04-04T15:15:00Z 01:45:00+10:30",
        ]


class TestApia:
    """A whole day: 2011-12-29 is followed by 2011-12-31."""

    zone = "Pacific/Apia"
    days = ("2011-12-29T12:00", "2011-12-31T10:00")

    def test_the_missing_days_job_fires_at_the_first_instant_after_it(self) -> None:
        assert night("0 9 * * *", self.zone, *self.days) == [
            "2011-12-29T19:00:00Z 09:00:00-10:00",
            "2011-12-30T10:00:00Z 00:00:00+14:00",
            "2011-12-30T19:00:00Z 09:00:00+14:00",
        ]

    def test_a_job_for_that_friday_alone_fires_too(self) -> None:
        assert night("0 9 30 12 *", self.zone, *self.days) == ["2011-12-30T10:00:00Z 00:00:00+14:00"]

    def test_midnight_after_the_gap_is_one_fire_not_two(self) -> None:
        assert night("0 0 * * *", self.zone, *self.days) == ["2011-12-30T10:00:00Z 00:00:00+14:00"]

    def test_skipping_says_so(self) -> None:
        assert night("0 9 * * FRI", self.zone, *self.days, gap="skip") == [f"2011-12-30T10:00:00Z 00:00:00+14:00 {GAP}"]

    def test_a_wildcard_misses_nothing_in_real_time(self) -> None:
        assert len(night("0 * * * *", self.zone, *self.days)) == 46


@pytest.mark.parametrize(
    ("zone", "since", "midnight"),
    [
        pytest.param(
            "America/Sao_Paulo", "2018-11-03T12:00", "2018-11-04T03:00:00Z 01:00:00-02:00", id="sao-paulo-2018"
        ),
        pytest.param("Asia/Beirut", "2026-03-28T12:00", "2026-03-28T22:00:00Z 01:00:00+03:00", id="beirut-2026"),
        pytest.param("Africa/Cairo", "2026-04-23T12:00", "2026-04-23T22:00:00Z 01:00:00+03:00", id="cairo-2026"),
    ],
)
class TestMidnightGaps:
    """Midnight itself does not exist: the day begins at 01:00."""

    def until(self, since: str) -> str:
        return rfc3339(at(since) + 86_400_000)

    def test_a_daily_job_fires_when_the_day_begins(self, zone: str, since: str, midnight: str) -> None:
        assert night("@daily", zone, since, self.until(since)) == [midnight]

    def test_or_is_skipped(self, zone: str, since: str, midnight: str) -> None:
        assert night("30 0 * * *", zone, since, self.until(since), gap="skip") == [f"{midnight} {GAP}"]

    def test_midnight_and_one_oclock_are_one_fire(self, zone: str, since: str, midnight: str) -> None:
        assert night("0 0,1 * * *", zone, since, self.until(since), gap="skip") == [midnight]

    def test_the_date_is_that_of_the_new_day(self, zone: str, since: str, midnight: str) -> None:
        day = int(local_time(at(midnight.split(maxsplit=1)[0]), zone)[8:10])

        assert night(f"0 0 {day} * *", zone, since, self.until(since)) == [midnight]
        assert night(f"0 0 {day - 1} * *", zone, since, self.until(since)) == []


def test_an_hour_repeated_before_midnight_belongs_to_the_day_before() -> None:
    """São Paulo, 2018-02-18: at 00:00 the clocks went back to 23:00 of Saturday the 17th."""
    window = ("2018-02-17T12:00", "2018-02-18T12:00")

    assert night("30 23 17 * *", "America/Sao_Paulo", *window) == ["2018-02-18T01:30:00Z 23:30:00-02:00"]
    assert night("30 23 17 * *", "America/Sao_Paulo", *window, overlap="twice") == [
        "2018-02-18T01:30:00Z 23:30:00-02:00",
        "2018-02-18T02:30:00Z 23:30:00-03:00",
    ]


class TestOslo:
    """The usual hour: 02:00 to 03:00 on 2026-03-29, 03:00 back to 02:00 on 2026-10-25."""

    zone = "Europe/Oslo"
    spring = ("2026-03-29T00:00", "2026-03-29T02:00")
    autumn = ("2026-10-24T23:45", "2026-10-25T02:15")

    def test_fixed_time_in_spring(self) -> None:
        assert night("30 2 * * *", self.zone, *self.spring) == ["2026-03-29T01:00:00Z 03:00:00+02:00"]

    def test_a_wildcard_does_not_fire_at_three_for_what_was_skipped(self) -> None:
        assert night("* 2 * * *", self.zone, *self.spring) == []

    def test_both_passes_of_a_wildcard(self) -> None:
        assert night("30 * * * *", self.zone, *self.autumn) == [
            "2026-10-25T00:30:00Z 02:30:00+02:00",
            "2026-10-25T01:30:00Z 02:30:00+01:00",
        ]

    def test_one_pass_of_a_fixed_time(self) -> None:
        assert night("30 2 * * *", self.zone, *self.autumn) == ["2026-10-25T00:30:00Z 02:30:00+02:00"]

    def test_hours_written_out_are_fixed_times(self) -> None:
        assert night("30 0-23 * * *", self.zone, *self.autumn) == ["2026-10-25T00:30:00Z 02:30:00+02:00"]

    def test_seconds_first_follows_the_same_rule(self) -> None:
        assert night("*/30 30 2 * * *", self.zone, *self.autumn) == [
            "2026-10-25T00:30:00Z 02:30:00+02:00",
            "2026-10-25T00:30:30Z 02:30:30+02:00",
        ]

    def test_from_inside_the_second_pass_the_next_is_after_it(self) -> None:
        second_pass = at("2026-10-25T01:10")
        hourly = parse("30 * * * *", timezone=self.zone, anchor=0)
        daily = parse("30 2 * * *", timezone=self.zone, anchor=0)

        assert next_occurrence(hourly, second_pass) == at("2026-10-25T01:30")
        assert next_occurrence(daily, second_pass) == at("2026-10-26T01:30")

    def test_at_fires_the_first_time_even_if_twice_is_asked_for(self) -> None:
        assert night("at(2026-10-25T02:30:00.5)", self.zone, *self.autumn, overlap="twice") == [
            "2026-10-25T00:30:00.500Z 02:30:00.500+02:00"
        ]

    def test_at_in_the_gap_shifts_or_is_skipped(self) -> None:
        assert night("at(2026-03-29T02:59:59.999)", self.zone, *self.spring) == ["2026-03-29T01:00:00Z 03:00:00+02:00"]
        assert night("at(2026-03-29T02:00:00)", self.zone, *self.spring, gap="skip") == [
            f"2026-03-29T01:00:00Z 03:00:00+02:00 {GAP}"
        ]

    def test_clock_changes_do_not_affect_a_rate(self) -> None:
        assert len(night("rate(1 hour)", self.zone, "2026-03-28T23:00", "2026-03-29T23:00")) == 24


def test_ramadan_moves_the_clocks_of_el_aaiun_twice_in_a_spring() -> None:
    zone = "Africa/El_Aaiun"

    assert night("30 2 * * *", zone, "2026-02-15T00:00", "2026-02-16T00:00") == ["2026-02-15T01:30:00Z 02:30:00+01:00"]
    assert night("30 2 * * *", zone, "2026-03-22T00:00", "2026-03-23T00:00") == ["2026-03-22T02:00:00Z 03:00:00+01:00"]
