"""What the doctor says of what it sees: where it is well, where a warning begins, and where a failure."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from eventcron.app import diagnosis
from eventcron.app.diagnosis import Level, failed, ok, warning
from eventcron.ports import SegmentState
from eventcron.settings import FireSource
from eventcron.testing.world import SETTINGS

NOW = 1_796_112_000_000
MINUTES = replace(SETTINGS, tick_seconds=300, horizon_seconds=720)


@pytest.mark.parametrize(
    ("before", "after", "offset"),
    [
        pytest.param(10_100, 10_200, 0, id="within-the-second"),
        pytest.param(9_900, 10_100, 0, id="began-before"),
        pytest.param(10_900, 11_900, 0, id="ended-after"),
        pytest.param(14_000, 14_100, 3_000, id="ahead"),
        pytest.param(4_000, 4_100, -5_900, id="behind"),
    ],
)
def test_an_offset_counts_only_where_it_is_certain(before: int, after: int, offset: int) -> None:
    assert diagnosis.clock_offset_ms(10_000, before=before, after=after) == offset


@pytest.mark.parametrize(
    ("offset", "level", "says"),
    [
        (0, Level.OK, "is that of AWS"),
        (1_000, Level.OK, "is that of AWS"),
        (-1_001, Level.WARNING, "1.0 s behind"),
        (299_999, Level.WARNING, "300.0 s ahead of"),
        (-300_000, Level.FAILED, "300.0 s behind that of AWS, so AWS refuses"),
    ],
)
def test_a_clock_that_is_off(offset: int, level: Level, says: str) -> None:
    found = diagnosis.clock(offset)

    assert (found.level, says in found.what) == (level, True)


def segment(number: int, lag_seconds: int) -> SegmentState:
    """A segment that lags by so much."""
    return SegmentState(segment=number, planned_through=NOW + (720 - 300 - lag_seconds) * 1_000)


@pytest.mark.parametrize(
    ("lag", "level"), [(0, Level.OK), (300, Level.OK), (301, Level.WARNING), (420, Level.WARNING), (421, Level.FAILED)]
)
def test_a_segment_is_late_after_a_tick_and_stuck_after_what_is_planned_ahead(lag: int, level: Level) -> None:
    (found,) = diagnosis.segments([segment(0, 0), segment(7, lag)], now=NOW, settings=MINUTES)

    assert found.level == level
    assert ("segment 7 is" in found.what) == (level is not Level.OK)


def test_a_segment_that_was_never_planned_is_a_warning() -> None:
    (found,) = diagnosis.segments([SegmentState(segment=3)], now=NOW, settings=MINUTES)

    assert (found.level, found.what) == (Level.WARNING, "segment 3 is not planned yet")


def test_a_dead_letter_queue_that_is_not_empty_is_named_with_the_command() -> None:
    (found,) = diagnosis.dead_letters({"commands": 0, "fires": 2})

    assert (found.level, found.what) == (Level.FAILED, "2 dead letters of fires")
    assert "`eventcron redrive show fires`" in found.remedy
    assert diagnosis.dead_letters({"commands": 0})[0].level is Level.OK


@pytest.mark.parametrize(("count", "level"), [(89, Level.OK), (90, Level.WARNING), (100, Level.FAILED)])
def test_a_tenant_near_its_limit(count: int, level: Level) -> None:
    (found,) = diagnosis.tenants({"acme": count, "beta": 1}, most=100, complete=True)

    assert found.level == level


def test_tenants_that_were_not_all_looked_at_are_not_vouched_for() -> None:
    (found,) = diagnosis.tenants({}, most=100, complete=False)

    assert "no tenant that was looked at" in found.what
    assert "any number" in diagnosis.tenants({"acme": 5}, most=0, complete=True)[0].what


def test_pollers_that_ask_for_more_than_lambda_has() -> None:
    assert diagnosis.concurrency(wanted=101, unreserved=100).level is Level.WARNING
    assert diagnosis.concurrency(wanted=100, unreserved=100).level is Level.OK


def test_a_bus_that_is_nearly_full_of_rules() -> None:
    assert diagnosis.rules_on_bus(269) == []
    assert diagnosis.rules_on_bus(270)[0].level is Level.WARNING


def test_the_status_is_that_of_the_worst() -> None:
    assert diagnosis.exit_status([ok("a", ""), warning("b", "", ""), failed("c", "", "")]) == 1
    assert diagnosis.exit_status([ok("a", ""), warning("b", "", "")]) == 3
    assert diagnosis.exit_status([ok("a", "")]) == 0


def test_sources_of_tenants_are_expected_only_where_fires_have_them() -> None:
    shared = diagnosis.on_bus(SETTINGS, account="1", region="eu-north-1")
    apart = diagnosis.on_bus(replace(SETTINGS, fire_source=FireSource.PER_TENANT), account="1", region="eu-north-1")

    assert "eventcron.fires." not in shared.prefixes
    assert "eventcron.fires." in apart.prefixes
