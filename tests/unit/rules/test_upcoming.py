"""What is about to fire, of stored schedules and without a store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.errors import InvalidSchedule
from eventcron.model.commands import Schedule
from eventcron.model.events import SkipNotice
from eventcron.model.messages import Fire
from eventcron.model.names import Key, Unreadable, Window
from eventcron.model.records import Era, Record, State
from eventcron.model.tracking import Expect
from eventcron.rules.planning import why_unreadable
from eventcron.rules.upcoming import (
    SLICE_MS,
    UpcomingFire,
    next_fires,
    slices,
    upcoming_entries,
    upcoming_fires,
)
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.trigger import parse
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
MINUTELY, TENTHS = (parse(expression, anchor=0).canonical for expression in ("* * * * *", "*/10 * * * *"))
HOUR_AHEAD = Window(NOW, NOW + HOUR)


def a_record(trigger: str = TENTHS, *, name: str = "report", expects: bool = False, **more: Any) -> Record:
    """A schedule that was put a day before."""
    expect = Expect(600) if expects else None
    window = more.pop("flexible_window_seconds", 0)
    schedule = Schedule(tenant="acme", name=name, expression="* * * * *", expect=expect, flexible_window_seconds=window)
    return record_of(schedule, **{"trigger": trigger, "start": NOW - DAY, "revision": 7, **more})


def minutes(record: Record, window: Window = HOUR_AHEAD, **more: Any) -> list[tuple[float, int]]:
    """In which minutes from now on *record* fires in *window*, each with the revision."""
    found = upcoming_fires(upcoming_entries(record, since=window.start), window, **more)
    return [((one.at - NOW) / MINUTE, one.fire.revision) for one in found if isinstance(one, UpcomingFire)]


#: Each ten minutes until 08:40, and each minute from 08:30 to 09:00: the second definition replaced the first.
REPLACED = a_record(
    MINUTELY,
    start=NOW + 30 * MINUTE,
    revision=8,
    earlier=[Era(7, TENTHS, NOW - DAY, NOW + 40 * MINUTE)],
    end=NOW + HOUR,
)


@pytest.mark.parametrize(
    ("record", "spans"),
    [
        pytest.param(a_record(), [(NOW - DAY, None)], id="one-definition"),
        pytest.param(REPLACED, [(NOW - DAY, NOW + 40 * MINUTE), (NOW + 30 * MINUTE, NOW + HOUR)], id="two"),
        pytest.param(a_record(state=State.PAUSED), [], id="paused"),
        pytest.param(
            a_record(state=State.PAUSED, start=NOW + 1, earlier=[Era(6, TENTHS, NOW - DAY, NOW + 1)]),
            [(NOW - DAY, NOW + 1)],
            id="paused-with-fires-of-before-on-their-way",
        ),
        pytest.param(a_record(end=NOW + 1), [(NOW - DAY, NOW + 1)], id="its-last-instant-is-now"),
        pytest.param(a_record(end=NOW), [], id="it-ended"),
        pytest.param(
            a_record(end=NOW - MINUTE, flexible_window_seconds=61),
            [(NOW - DAY, NOW - MINUTE)],
            id="its-flexible-window-is-not-over",
        ),
        pytest.param(a_record(end=NOW - MINUTE, flexible_window_seconds=60), [], id="its-window-is-over"),
        pytest.param(a_record(state=State.COMPLETED), [(NOW - DAY, None)], id="completed-with-fires-on-their-way"),
        pytest.param(a_record(expects=True), [], id="it-expects-reports"),
        pytest.param(record_of(None, start=NOW, earlier=[Era(6, TENTHS, NOW - DAY, NOW + 1)]), [], id="deleted"),
    ],
)
def test_each_definition_that_may_still_fire_has_an_entry(record: Record, spans: list[tuple[int, int | None]]) -> None:
    assert [(entry.start, entry.end) for entry in upcoming_entries(record, since=NOW)] == spans


def test_the_fires_of_a_window_are_those_published_in_it() -> None:
    assert minutes(a_record()) == [(0, 7), (10, 7), (20, 7), (30, 7), (40, 7), (50, 7)]
    spread = a_record(MINUTELY, flexible_window_seconds=600)
    assert flexible_offset_ms(Key("acme", "report"), 600) == 571_000
    assert minutes(spread)[0] == (31 / 60, 7), "due nine minutes before the window"


def test_an_occurrence_of_a_revision_and_its_successor_comes_once() -> None:
    found = minutes(REPLACED)

    assert [minute for minute, revision in found if revision == 7] == [0, 10, 20, 30]
    assert [minute for minute, revision in found if revision == 8] == [*range(31, 60)]
    assert [one.fire.revision for one in next_fires(REPLACED, since=NOW, count=5)] == [7, 7, 7, 7, 8]


def test_the_fires_of_another_schedule_at_the_same_instants_are_its_own() -> None:
    entries = [entry for name in ("a", "b") for entry in upcoming_entries(a_record(name=name), since=NOW)]
    found = [one for one in upcoming_fires(entries, Window(NOW, NOW + 1)) if isinstance(one, UpcomingFire)]

    assert found == [UpcomingFire(NOW, Fire("acme", name, 7, NOW, NOW), "UTC") for name in ("a", "b")]


def test_what_does_not_fire_comes_as_a_notice_for_each_slice() -> None:
    excluded = parse("*/10 * * * *", anchor=0, exclude=["*/20 * * * *"]).canonical
    found = [*upcoming_fires(upcoming_entries(a_record(excluded), since=NOW), HOUR_AHEAD, slice_ms=30 * MINUTE)]

    notices = [(one.first_due - NOW, one.count, one.by) for one in found if isinstance(one, SkipNotice)]
    assert notices == [(0, 2, "*/20 * * * *"), (40 * MINUTE, 1, "*/20 * * * *")]
    assert [one.at - NOW for one in found if isinstance(one, UpcomingFire)] == [10 * MINUTE, 30 * MINUTE, 50 * MINUTE]


def test_an_entry_that_cannot_be_read_is_named_once_and_stops_no_other() -> None:
    records = [a_record("9;later", name="later"), a_record()]
    entries = [entry for record in records for entry in upcoming_entries(record, since=NOW)]
    found = [*upcoming_fires(entries, HOUR_AHEAD)]

    assert found[0] == Unreadable(Key("acme", "later"), why_unreadable("9;later"))
    assert len(found) == 7
    assert {type(one) for one in found[1:]} == {UpcomingFire}


def test_a_window_is_cut_into_slices_of_which_the_last_may_be_shorter() -> None:
    assert [*slices(Window(5, 5 + SLICE_MS))] == [Window(5, 5 + SLICE_MS)]
    assert [*slices(Window(0, 25), 10)] == [Window(0, 10), Window(10, 20), Window(20, 25)]
    assert [*slices(Window(5, 5))] == []


@given(
    st.sampled_from(["*/10 * * * *", "rate(7 minutes)", "30 8 * * *", "* * * * *"]),
    st.integers(1, 90),
    st.sampled_from([0, 600]),
)
def test_it_does_not_matter_how_a_window_is_cut(expression: str, slice_minutes: int, flexible: int) -> None:
    record = a_record(parse(expression, anchor=NOW + 1).canonical, flexible_window_seconds=flexible)

    assert minutes(record, slice_ms=slice_minutes * MINUTE) == minutes(record)


@pytest.mark.parametrize(
    ("record", "count", "dues"),
    [
        pytest.param(a_record(), 3, [0, 10, 20], id="from-now-on"),
        pytest.param(a_record(end=NOW + 10 * MINUTE), 3, [0], id="there-are-no-more"),
        pytest.param(REPLACED, 6, [0, 10, 20, 30, 31, 32], id="of-two-definitions"),
        pytest.param(a_record(state=State.PAUSED), 3, [], id="paused"),
        pytest.param(
            a_record(parse("* * * * *", anchor=0, exclude=["0-57 * * * *"]).canonical), 3, [58, 59, 118], id="excluded"
        ),
    ],
)
def test_the_next_fires_are_those_of_what_is_stored(record: Record, count: int, dues: list[int]) -> None:
    found = next_fires(record, since=NOW, count=count)

    assert [(one.fire.due - NOW) / MINUTE for one in found] == dues
    assert [one.at for one in found] == [one.fire.due for one in found]


def test_the_next_fires_with_a_flexible_window_begin_with_one_that_is_due_and_not_yet_published() -> None:
    (first,) = next_fires(a_record(MINUTELY, flexible_window_seconds=600), since=NOW, count=1)

    assert (first.at, first.fire.due) == (NOW + 31_000, NOW - 9 * MINUTE)


def test_the_next_fires_of_what_cannot_be_read_are_an_error_and_not_an_empty_list() -> None:
    with pytest.raises(InvalidSchedule, match="9;later"):
        next_fires(a_record("9;later"), since=NOW, count=1)
