"""What a definition means: its trigger, where it ends, and how many of its fires are used up when it is replaced."""

from __future__ import annotations

from typing import Any

import pytest

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant
from eventcron.model.records import Era, Record, State
from eventcron.rules.definition import (
    calendars_of,
    canonical_of,
    continues,
    count_fires,
    end_of,
    fires_alike,
    held_from,
    readable_trigger,
    spent_before,
)
from eventcron.timing.exclusions import parse_dates
from eventcron.timing.instant import to_datetime
from tests.records import record_of

T = 1_796_112_000_000  # 2026-12-01T08:00:00Z
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NORWAY = {"norway": [parse_dates("2026-12-24/2026-12-26")]}


def schedule(expression: str | list[str] = "* * * * *", **fields: Any) -> Schedule:
    return Schedule(tenant="acme", name="report", expression=expression, **fields)


def stored(given: Schedule | None = None, *, trigger: str | None = None, **more: Any) -> Record:
    """*given*, or five fires of a minutely schedule, that counts from T on."""
    given = given or schedule(max_fires=5)
    trigger = canonical_of(given, T, NORWAY) if trigger is None else trigger
    return record_of(given, **{"trigger": trigger, "start": T, "created": T, **more})


# --- The trigger -----------------------------------------------------------------------------------------------------


def test_intervals_count_from_the_start_or_from_the_second_of_the_creation() -> None:
    rate = schedule("rate(7 minutes)")

    assert canonical_of(rate, T + 999, {}) == canonical_of(rate, T, {}) != canonical_of(rate, T + 1_000, {})
    started = schedule("rate(7 minutes)", start=to_datetime(T + 500))
    assert canonical_of(started, 0, {}) == canonical_of(started, T, {}) != canonical_of(rate, T, {})


def test_a_trigger_holds_the_days_of_its_calendars_and_they_can_be_read_from_it() -> None:
    excluding = schedule("0 9 * * *", exclude=["2026-12-31", "calendar:norway"])

    assert calendars_of(canonical_of(excluding, T, NORWAY)) == {"norway": tuple(NORWAY["norway"])}
    assert calendars_of(canonical_of(schedule(), T, NORWAY)) == {}


def test_a_calendar_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InvalidSchedule) as refused:
        canonical_of(schedule(exclude=["2026-12-31", "calendar:sweden"]), T, NORWAY)

    assert (refused.value.code, refused.value.field) == (RejectionCode.UNKNOWN_CALENDAR, "exclude.1")
    assert (refused.value.given, refused.value.allowed) == ("'calendar:sweden'", "a known calendar, such as norway")


def test_an_equal_definition_means_something_else_once_its_calendar_or_the_form_of_triggers_has_changed() -> None:
    excluding = schedule("0 9 * * *", exclude=["calendar:norway"])
    moved = {"norway": [parse_dates("2026-12-24")]}

    assert fires_alike(stored(excluding), excluding, calendars=NORWAY)
    assert not fires_alike(stored(excluding), excluding, calendars=moved)
    assert not fires_alike(stored(excluding, trigger="9;later"), excluding, calendars=NORWAY)


@pytest.mark.parametrize(
    ("record", "trigger"),
    [
        pytest.param(stored(trigger="9;later"), canonical_of(schedule(), T, {}), id="worked-out-anew"),
        pytest.param(stored(schedule("every full moon"), trigger="9;later"), "9;later", id="which-cannot-be"),
        pytest.param(
            stored(schedule(exclude=["calendar:norway"]), trigger="9;later"), "9;later", id="without-its-calendar"
        ),
        pytest.param(record_of(None, trigger="9;later"), "9;later", id="nothing-is-defined"),
        pytest.param(stored(schedule("0 9 * * *")), canonical_of(schedule("0 9 * * *"), T, {}), id="readable-as-it-is"),
    ],
)
def test_a_trigger_of_a_later_release_is_replaced_by_this_one_s_reading_if_it_has_one(
    record: Record, trigger: str
) -> None:
    assert readable_trigger(record) == trigger


# --- The end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "spent", "end"),
    [
        pytest.param({}, 0, None, id="none"),
        pytest.param({"end": to_datetime(T + HOUR)}, 0, T + HOUR, id="its-own"),
        pytest.param({"max_fires": 3}, 0, T + 2 * MINUTE + 1, id="after-the-last-of-its-fires"),
        pytest.param({"max_fires": 3}, 2, T + 1, id="after-the-only-one-left"),
        pytest.param({"max_fires": 3}, 3, T, id="at-once-if-none-is-left"),
        pytest.param({"max_fires": 3, "end": to_datetime(T - HOUR)}, 3, T - HOUR, id="or-before"),
        pytest.param({"max_fires": 3, "end": to_datetime(T + 2 * MINUTE)}, 0, T + 2 * MINUTE, id="its-own-comes-first"),
        pytest.param({"max_fires": 3, "end": to_datetime(T + HOUR)}, 0, T + 2 * MINUTE + 1, id="its-own-comes-later"),
    ],
)
def test_it_ends_at_its_end_or_with_the_last_of_its_fires(
    fields: dict[str, Any], spent: int, end: Instant | None
) -> None:
    given = schedule(**fields)

    assert end_of(canonical_of(given, T, {}), given, T, spent=spent) == end


# --- Fires that are used up ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        pytest.param({"max_fires": 9, "exclude": ["2026-12-31"], "description": "of the night"}, True, id="the-rest"),
        pytest.param({"expression": ["* * * * *"]}, True, id="a-list-of-the-same-expression"),
        pytest.param({"expression": "*/2 * * * *"}, False, id="another-expression"),
        pytest.param({"timezone": "Europe/Oslo"}, False, id="another-zone"),
        pytest.param({"start": to_datetime(T)}, False, id="another-start"),
    ],
)
def test_a_put_goes_on_counting_if_it_fires_by_the_same_expression_from_the_same_start(
    changes: dict[str, Any], *, same: bool
) -> None:
    given = schedule(**{"max_fires": 5, **changes})

    assert continues(stored(), given) is same
    assert spent_before(stored(spent=2), given, T + 90_000) == (4 if same else 0)
    assert not continues(record_of(None), given), "a new schedule counts anew"


@pytest.mark.parametrize(
    ("record", "end", "count"),
    [
        pytest.param(stored(), T + 2 * MINUTE, 2, id="before-the-end-that-is-exclusive"),
        pytest.param(stored(), T + 2 * MINUTE + 1, 3, id="and-at-it"),
        pytest.param(stored(), T, 0, id="before-it-starts"),
        pytest.param(stored(end=T + MINUTE), T + HOUR, 1, id="its-era-ended"),
        pytest.param(stored(), T + HOUR, 5, id="no-more-than-it-may"),
        pytest.param(stored(schedule()), T + HOUR, 0, id="they-are-not-limited"),
        pytest.param(stored(trigger="9;later"), T + 2 * MINUTE, 2, id="by-this-release-s-reading"),
        pytest.param(stored(schedule("every full moon", max_fires=5), trigger="9;later"), T + HOUR, 0, id="unreadable"),
    ],
)
def test_the_fires_before_an_instant_are_counted(record: Record, end: Instant, count: int) -> None:
    assert count_fires(record, end) == count


def test_a_pause_uses_up_none_and_what_fired_before_it_was_counted_when_it_began() -> None:
    paused = stored(state=State.PAUSED, spent=2)

    assert spent_before(paused, schedule(max_fires=5), T + DAY) == 2
    assert spent_before(paused, schedule(), T + DAY) == 0, "nothing is limited any more"
    assert spent_before(None, schedule(max_fires=5), T + DAY) == 0


@pytest.mark.parametrize(
    ("record", "given", "since"),
    [
        pytest.param(stored(), schedule(max_fires=5), T + HOUR, id="the-era-in-force-fires-until-it-is-cut"),
        pytest.param(stored(end=T + 30 * MINUTE), schedule(max_fires=5), T + 30 * MINUTE, id="or-until-its-end"),
        pytest.param(stored(end=T), schedule(max_fires=5), T + MINUTE, id="it-had-ended-before"),
        pytest.param(stored(), schedule(), T + MINUTE, id="nothing-is-limited"),
        pytest.param(stored(), schedule("0 9 * * *", max_fires=5), T + MINUTE, id="another-series"),
        pytest.param(stored(state=State.PAUSED), schedule(max_fires=5), T + MINUTE, id="paused-already"),
        pytest.param(None, schedule(max_fires=5), T + MINUTE, id="new"),
    ],
)
def test_a_put_that_pauses_holds_back_what_the_era_before_does_not_fire(
    record: Record | None, given: Schedule, since: Instant
) -> None:
    """The put was sent a minute after T, and cuts the era in force an hour after T."""
    assert held_from(record, given, T + MINUTE, cut=T + HOUR) == since


def test_of_several_eras_the_one_in_force_counts() -> None:
    earlier = Era(1, canonical_of(schedule(), T, {}), T - DAY, T)

    assert count_fires(stored(earlier=[earlier]), T + 2 * MINUTE) == 2
