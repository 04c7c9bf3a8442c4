"""From local times to instants across clock changes. ``tests/time/test_nights.py`` has the nights of each policy."""

from __future__ import annotations

from itertools import pairwise

import pytest

from eventcron.model.codes import SkipReason
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import END_OF_TIME, Occurrence, Window
from eventcron.timing.daylight import (
    LATEST,
    ZoneRules,
    counted,
    end_of_gap,
    fires,
    leap,
    seconds_of,
    to_instants,
    walk_cron,
)
from eventcron.timing.exclusions import excluder, read_exclusions
from eventcron.timing.remaining import Remaining
from eventcron.timing.zones import Zone, load_zone
from tests.unit.timing.moments import at, cron, seconds, times, utc

OSLO, LORD_HOWE, APIA = map(load_zone, ("Europe/Oslo", "Australia/Lord_Howe", "Pacific/Apia"))
#: The clocks of Oslo go from 02:00 to 03:00 at the first instant, and from 03:00 back to 02:00 at the second.
SPRING, AUTUMN = "2026-03-29T01:00", "2026-10-25T01:00"
SHIFT, SKIP, TWICE = DaylightSaving(), DaylightSaving(gap="skip"), DaylightSaving(overlap="twice")


def walked(
    expression: str, since: str, until: str, *exclude: str, policy: DaylightSaving = SHIFT
) -> list[tuple[str, SkipReason | None, str | None]]:
    """What is due in Oslo in [since, until), with its time of day in UTC."""
    covered = excluder(read_exclusions(exclude))
    found = list(walk_cron(cron(expression), OSLO, policy, Window(at(since), at(until)), excluded=covered))
    return [(text[11:16], one.skipped, one.by) for text, one in zip(utc(one.due for one in found), found, strict=True)]


def fired(expressions: list[str], since: str, until: str, policy: DaylightSaving = SHIFT) -> list[str]:
    """The same for several expressions at once: what fires."""
    left = Remaining([cron(text) for text in expressions], ())
    assert left.all is not None
    found = fires(left.all, left.fixed, left.wild, ZoneRules(OSLO, policy), Window(at(since), at(until)))
    return [text[11:16] for text in utc(found)]


# --- One local time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        pytest.param(OSLO, "2026-07-01 12:00", ["2026-07-01 10:00:00"], id="once"),
        pytest.param(OSLO, "2026-03-29 01:59:59", ["2026-03-29 00:59:59"], id="just-before-a-gap"),
        pytest.param(OSLO, "2026-03-29 02:00", [], id="in-a-gap"),
        pytest.param(OSLO, "2026-03-29 03:00", ["2026-03-29 01:00:00"], id="just-after-a-gap"),
        pytest.param(OSLO, "2026-10-25 02:00", ["2026-10-25 00:00:00", "2026-10-25 01:00:00"], id="twice-in-order"),
        pytest.param(OSLO, "2026-10-25 03:00", ["2026-10-25 02:00:00"], id="just-after-an-overlap"),
        pytest.param(LORD_HOWE, "2026-04-05 01:45", ["2026-04-04 14:45:00", "2026-04-04 15:15:00"], id="half-an-hour"),
        pytest.param(APIA, "2011-12-30 12:00", [], id="a-day-that-does-not-come"),
    ],
)
def test_a_local_time_has_no_instant_in_a_gap_two_in_an_overlap(zone: Zone, local: str, expected: list[str]) -> None:
    assert utc(to_instants(at(local), zone)) == expected
    assert [instant % 1_000 for instant in to_instants(at(local) + 250, zone)] == [250] * len(expected)


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        pytest.param(OSLO, "2026-03-29 02:00", "2026-03-29 01:00:00", id="its-first-time"),
        pytest.param(OSLO, "2026-03-29 02:59:59", "2026-03-29 01:00:00", id="its-last"),
        pytest.param(LORD_HOWE, "2026-10-04 02:15", "2026-10-03 15:30:00", id="half-an-hour"),
        pytest.param(APIA, "2011-12-30 00:00", "2011-12-30 10:00:00", id="the-start-of-a-whole-day"),
        pytest.param(APIA, "2011-12-30 23:59:59", "2011-12-30 10:00:00", id="the-end-of-a-whole-day"),
    ],
)
def test_a_gap_ends_at_the_first_instant_after_it(zone: Zone, local: str, expected: str) -> None:
    assert utc([end_of_gap(at(local) + 999, zone)]) == [expected]


# --- One expression --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "until", "due"),
    [
        pytest.param("2026-03-29T00:00", SPRING, [], id="ends-at-the-change"),
        pytest.param("2026-03-29T00:00", "2026-03-29T01:00:01", ["01:00"], id="ends-a-second-later"),
        pytest.param(SPRING, "2026-03-29T02:00", ["01:00"], id="begins-at-the-change"),
        pytest.param("2026-03-29T01:00:01", "2026-03-29T02:00", [], id="begins-a-second-later"),
        pytest.param(SPRING, SPRING, [], id="empty"),
        pytest.param("2026-03-29T02:00", "2026-03-29T00:00", [], id="the-end-first"),
    ],
)
def test_what_a_gap_moves_is_due_at_the_change_alone(since: str, until: str, due: list[str]) -> None:
    assert walked("*/9 30 2 * * *", since, until) == [(text, None, None) for text in due]
    assert [text for text, _, _ in walked("*/9 30 2 * * *", since, until, policy=SKIP)] == due
    assert fired(["*/9 30 2 * * *"], since, until) == due


@pytest.mark.parametrize(
    ("since", "policy", "due"),
    [
        pytest.param("2026-10-25T00:00", SHIFT, ["00:30"], id="once"),
        pytest.param("2026-10-25T00:30:01", SHIFT, [], id="once-and-it-was"),
        pytest.param("2026-10-25T00:00", TWICE, ["00:30", "01:30"], id="twice"),
        pytest.param("2026-10-25T00:30:01", TWICE, ["01:30"], id="the-second-of-two"),
        pytest.param(AUTUMN, SHIFT, [], id="from-the-change-on"),
    ],
)
def test_what_an_overlap_repeats_is_due_by_the_policy_wherever_the_window_begins(
    since: str, policy: DaylightSaving, due: list[str]
) -> None:
    assert [text for text, _, _ in walked("30 2 * * *", since, "2026-10-25T03:00", policy=policy)] == due
    assert fired(["30 2 * * *"], since, "2026-10-25T03:00", policy) == due


def test_what_is_due_and_does_not_fire_has_its_reason() -> None:
    day, gap = ("2026-03-28T12:00", "2026-03-30T12:00"), SkipReason.DAYLIGHT_SAVING_GAP

    assert walked("30 2 * * *", *day, policy=SKIP) == [("01:00", gap, None), ("00:30", None, None)]
    assert walked("30 2 * * *", *day, "30 2 30 * *") == [
        ("01:00", None, None),
        ("00:30", SkipReason.EXCLUDED, "30 2 30 * *"),
    ]
    assert walked("0,30 2 * * *", *day, "30 2 * * *", "0 2 * * *")[0] == ("01:00", SkipReason.EXCLUDED, "0 2 * * *")
    assert walked("30 2 * * *", *day, "2026-03-29", policy=SKIP)[0] == ("01:00", SkipReason.EXCLUDED, "2026-03-29")


# --- Several expressions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "policy", "expected"),
    [
        pytest.param("2026-10-25T00:00", SHIFT, ["00:15", "00:45", "01:45", "02:45"], id="fixed-times-once"),
        pytest.param("2026-10-25T00:00", TWICE, ["00:15", "00:45", "01:15", "01:45", "02:45"], id="all-twice"),
        pytest.param("2026-10-25T01:30", SHIFT, ["01:45", "02:45"], id="from-inside-the-second-pass"),
    ],
)
def test_in_an_overlap_wildcards_fire_twice_next_to_fixed_times(
    since: str, policy: DaylightSaving, expected: list[str]
) -> None:
    assert fired(["15 2 * * *", "45 * * * *"], since, "2026-10-25T03:00", policy) == expected


@pytest.mark.parametrize(
    ("expressions", "policy", "expected"),
    [
        pytest.param(["15 2 * * *", "30 2 * * *"], SHIFT, ["01:00"], id="several-in-the-gap-are-one"),
        pytest.param(["15 2 * * *", "0 3 * * *"], SKIP, ["01:00"], id="what-comes-at-its-end-fires-anyway"),
        pytest.param(["15 2 * * *", "5 3 * * *"], SKIP, ["01:05"], id="skipped"),
        pytest.param(["15 2 * * *", "10 * * * *"], SHIFT, ["00:10", "01:00", "01:10"], id="next-to-a-wildcard"),
        pytest.param(["10 * * * *"], SHIFT, ["00:10", "01:10"], id="a-wildcard-alone"),
    ],
)
def test_a_gap_is_one_fire_at_its_end(expressions: list[str], policy: DaylightSaving, expected: list[str]) -> None:
    night = ("2026-03-29T00:00", "2026-03-29T01:30")

    assert fired(expressions, *night, policy) == expected
    due = {one for text in expressions for one, skipped, _ in walked(text, *night, policy=policy) if skipped is None}
    assert sorted(due) == expected, "each by itself"


def test_a_gap_and_what_comes_at_its_end_are_due_once() -> None:
    assert walked("0,30 2-3 * * *", SPRING, "2026-03-29T02:00") == [("01:00", None, None), ("01:30", None, None)]


# --- Searching and counting ------------------------------------------------------------------------------------------


def test_a_window_is_whole_seconds_of_1970_to_2199() -> None:
    assert seconds_of(Window(1, 2_001)) == (1, 3)
    assert seconds_of(Window(1_000, 2_000)) == (1, 2)
    assert seconds_of(Window(-(10**15), 10**15)) == (0, END_OF_TIME // 1_000)


def test_a_search_leaps_to_just_before_the_next_day_that_matches() -> None:
    leap_days = cron("0 0 29 2 *")

    assert times([leap(leap_days, seconds("2096-03-03"))]) == ["2104-02-27 00:00:00"]
    assert leap(leap_days, seconds("2104-02-28 12:00")) == seconds("2104-02-28 12:00"), "never back"
    assert leap(leap_days, seconds("2196-03-03")) == LATEST, "the next would be in 2204"


def test_a_sparse_expression_is_found_through_many_clock_changes() -> None:
    assert list(walk_cron(cron("0 12 29 2 *"), OSLO, SHIFT, Window(at("2096-03-01"), END_OF_TIME)))[:2] == [
        Occurrence(at("2104-02-29 11:00")),
        Occurrence(at("2108-02-29 11:00")),
    ]


@pytest.mark.parametrize("expressions", [["30 2 * * *"], ["0 9 * * MON-FRI", "30 */2 * * *"]])
def test_parts_that_are_counted_are_consecutive_and_count_what_fires(expressions: list[str]) -> None:
    """From one winter to the next but one: two gaps, two overlaps and two new years."""
    left, rules = Remaining([cron(text) for text in expressions], ()), ZoneRules(OSLO, SHIFT)
    window = Window(at("2026-02-01 10:00") + 1, at("2028-02-01 10:00") + 1)
    parts = list(counted(left.sets, rules, window))

    assert (parts[0][0].start, parts[-1][0].end) == (window.start + 999, window.end + 999), "from full second to second"
    assert all(one.end == other.start for (one, _), (other, _) in pairwise(parts))
    known = [(part, number) for part, number in parts if number is not None]
    assert sum(part.end - part.start for part, _ in known) > (window.end - window.start) * 0.98
    for part, number in known:
        assert number == len(list(fires(left.sets, left.fixed, left.wild, rules, part)))
