"""What one schedule contributes to a window: its fires, its skips, and where it goes on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.model.commands import Misfire, MisfirePolicy, Schedule
from eventcron.model.names import END_OF_TIME, Key, Window
from eventcron.model.records import IndexEntry, State
from eventcron.rules import planning
from eventcron.rules.planning import (
    DENSE,
    Contribution,
    WindowMemo,
    contribution,
    first_occurrence,
    index_entry_of,
    notices,
)
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.trigger import parse, walk
from tests.records import record_of

T = 1_796_112_000_000  # 2026-12-01T08:00:00Z, a Tuesday
SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
KEY = Key("acme", "report")


def canonical(expression: str, *exclude: str) -> str:
    return parse(expression, anchor=T, exclude=exclude).canonical


def entry(expression: str = "* * * * *", *exclude: str, **fields: Any) -> IndexEntry:
    values: dict[str, Any] = {"revision": 7, "start": T - DAY, "handoff": T - DAY, **fields}
    return IndexEntry(tenant=KEY.tenant, name=KEY.name, trigger=canonical(expression, *exclude), **values)


def plan(one: IndexEntry, start: int, end: int, *, now: int = T) -> Contribution:
    window = Window(start, end)
    return contribution(one, window, WindowMemo(window), now=now)


@pytest.mark.parametrize(
    ("one", "minutes", "following"),
    [
        pytest.param(entry(), [0, 1, 2, 3, 4], 5, id="every-occurrence-of-the-window-and-the-next-one"),
        pytest.param(entry("7 8 * * *"), [], 7, id="nothing-yet"),
        pytest.param(entry(handoff=T + 2 * MINUTE), [2, 3, 4], 5, id="the-registrar-sent-what-is-before-the-handoff"),
        pytest.param(entry(start=T + 3 * MINUTE), [3, 4], 5, id="not-before-the-start"),
        pytest.param(entry(end=T + 2 * MINUTE), [0, 1], None, id="the-end-is-exclusive"),
        pytest.param(entry(end=T + 5 * MINUTE), [0, 1, 2, 3, 4], None, id="an-end-at-the-window-s"),
        pytest.param(entry(end=T), [], None, id="ended-before"),
        pytest.param(entry(wake=T + 3 * MINUTE), [3, 4], 5, id="a-timed-one-from-its-wake"),
        pytest.param(entry(wake=T - 2 * MINUTE), [-2, -1, 0, 1, 2, 3, 4], 5, id="one-that-the-index-showed-too-late"),
    ],
)
def test_the_fires_of_a_window(one: IndexEntry, minutes: list[int], following: int | None) -> None:
    planned = plan(one, T, T + 5 * MINUTE, now=T - 2 * MINUTE)

    assert [(fire.at - T) // MINUTE for fire in planned.fires] == minutes
    assert {(fire.key, fire.revision, fire.cause) for fire in planned.fires} <= {(KEY, 7, "schedule")}
    assert planned.following == (None if following is None else T + following * MINUTE)
    assert planned.skips == []


def test_the_last_fire_before_the_end_is_marked_and_no_other() -> None:
    over = plan(entry(end=T + 3 * MINUTE), T, T + HOUR)
    goes_on = plan(entry(end=T + 2 * HOUR), T, T + HOUR)

    assert [fire.last for fire in over.fires] == [False, False, True]
    assert not any(fire.last for fire in goes_on.fires)


def test_a_flexible_window_moves_fires_and_what_follows_by_its_offset() -> None:
    offset = flexible_offset_ms(KEY, 600)
    assert 0 < offset < 600 * SECOND
    planned = plan(entry("0 * * * *", flexible_window_seconds=600), T + offset, T + offset + HOUR)

    assert [(fire.due, fire.at) for fire in planned.fires] == [(T, T + offset)]
    assert planned.following == T + HOUR + offset


def test_what_is_excluded_is_reported_once_with_its_cause() -> None:
    planned = plan(entry("*/10 * * * *", "2026-12-01"), T, T + HOUR)

    assert planned.fires == []
    (skip,) = planned.skips
    assert (skip.reason, skip.by, skip.count) == ("excluded", "2026-12-01", 6)
    assert (skip.first_due, skip.last_due, planned.following) == (T, T + 50 * MINUTE, T + HOUR)


def test_of_late_fires_the_policy_keeps_the_latest_and_reports_the_others() -> None:
    planned = plan(entry("* * * * *"), T, T + 10 * MINUTE, now=T + 2 * HOUR)

    assert sum(skip.count for skip in planned.skips) + len(planned.fires) == 10
    assert {skip.reason for skip in planned.skips} == {"misfire"}
    assert len(planned.fires) <= 1


@pytest.mark.parametrize(
    ("expression", "since", "until", "found"),
    [
        pytest.param("0 9 * * *", T, None, T + HOUR, id="the-next"),
        pytest.param("0 8 * * *", T, None, T, id="since-is-inclusive"),
        pytest.param("0 9 * * *", T, T + HOUR, None, id="until-is-exclusive"),
        pytest.param("at(2026-12-01T07:59:59)", T, None, None, id="it-is-past"),
    ],
)
def test_the_first_occurrence(expression: str, since: int, until: int | None, found: int | None) -> None:
    assert first_occurrence(canonical(expression), since, until) == found


def test_the_first_occurrence_may_be_a_skipped_one() -> None:
    trigger = canonical("0 9 * * *", "2026-12-02")

    assert first_occurrence(trigger, T + DAY) == T + DAY + HOUR
    assert first_occurrence(trigger, END_OF_TIME) is None


@pytest.mark.parametrize(
    ("state", "wake", "planned"),
    [
        pytest.param(State.ENABLED, DENSE, True, id="dense"),
        pytest.param(State.COMPLETED, T, True, id="completed-while-its-last-fires-are-planned"),
        pytest.param(State.ENABLED, None, False, id="nothing-left-to-plan"),
        pytest.param(State.PAUSED, T, False, id="paused"),
        pytest.param(State.DELETED, T, False, id="deleted"),
    ],
)
def test_the_index_has_what_the_planner_has_work_with(state: State, wake: int | None, *, planned: bool) -> None:
    schedule = Schedule(tenant="acme", name="report", expression="* * * * *", flexible_window_seconds=60)
    record = record_of(
        schedule, trigger=canonical("* * * * *"), start=T, end=T + DAY, state=state, wake=wake, handoff=5
    )
    found = index_entry_of(record)

    assert (found is not None) is planned
    if found is not None:
        assert (found.key, found.trigger, found.start, found.end) == (KEY, record.era.trigger, T, T + DAY)
        assert (found.wake, found.handoff, found.flexible_window_seconds) == (wake, 5, 60)


def test_notices_are_one_for_each_reason_and_cause() -> None:
    silent: list[Any] = [(3, "misfire", None), (1, "excluded", "b"), (2, "misfire", None), (9, "excluded", "a")]
    found = notices(KEY, 7, silent)

    assert [(one.reason, one.by, one.first_due, one.last_due, one.count) for one in found] == [
        ("excluded", "a", 9, 9, 1),
        ("excluded", "b", 1, 1, 1),
        ("misfire", None, 2, 3, 2),
    ]


EXPRESSIONS = st.sampled_from(
    ["* * * * *", "*/7 * * * *", "rate(90 seconds)", "0 9 * * *", "30 * * * * *", "0 0 1 1 *"]
)
SPANS = st.integers(0, 3 * 3_600).map(lambda seconds: seconds * SECOND)


@given(
    expression=EXPRESSIONS,
    first=SPANS,
    second=SPANS,
    flexible=st.sampled_from([0, 600]),
    end=st.none() | SPANS,
    wake=st.sampled_from([DENSE, T + 15 * HOUR]),
)
def test_a_window_in_two_parts_has_the_fires_of_the_whole(
    *, expression: str, first: int, second: int, flexible: int, end: int | None, wake: int
) -> None:
    """The window begins an hour before the end of an excluded day."""
    start = T + 15 * HOUR
    until = None if end is None else start + end
    one = entry(expression, "2026-12-01", "25 * * * *", flexible_window_seconds=flexible, end=until, wake=wake)
    middle, stop = start + first, start + first + second
    later = msgspec.structs.replace(one, wake=DENSE)  # the planner moves the wake after the first part

    whole = plan(one, start, stop, now=start)
    parts = [plan(one, start, middle, now=start), plan(later, middle, stop, now=start)]

    assert [fire.at for part in parts for fire in part.fires] == [fire.at for fire in whole.fires]
    assert sum(skip.count for part in parts for skip in part.skips) == sum(skip.count for skip in whole.skips)
    assert parts[1].following == whole.following
    assert all(start <= fire.at < stop for fire in whole.fires)
    assert whole.following is None or whole.following >= stop


@given(data=st.data())
def test_what_is_shared_by_all_with_a_trigger_is_what_each_would_come_to_by_itself(data: st.DataObject) -> None:
    window = Window(T, T + 12 * MINUTE)
    one = entry(
        data.draw(st.sampled_from(["* * * * *", "*/5 * * * *", "0 8 * * *", "0 0 1 1 *", "rate(7 minutes)"])),
        *data.draw(st.sampled_from([(), ("*/2 * * * *",)])),
        handoff=data.draw(st.sampled_from([0, T - 1, T, T + 1, T + 90_000, T + DAY])),
        wake=data.draw(st.sampled_from([DENSE, T - HOUR, T, T + 1, T + 5 * MINUTE])),
        end=data.draw(st.sampled_from([None, T + 5 * MINUTE])),
        flexible_window_seconds=data.draw(st.sampled_from([0, 60])),
        misfire=Misfire(
            policy=data.draw(st.sampled_from(MisfirePolicy)), grace_seconds=data.draw(st.sampled_from([0, 300]))
        ),
    )
    now = T + data.draw(st.sampled_from([-HOUR, 0, 999, 1_000, 1_001, 3 * MINUTE, HOUR]))
    since = data.draw(st.sampled_from([None, T, T + 1, T + MINUTE]))

    found = contribution(one, window, WindowMemo(window), now=now, since=since)

    assert found == planning._own_contribution(one, window, WindowMemo(window), now=now, since=since)


def test_a_memo_computes_a_trigger_once_in_its_window() -> None:
    trigger = parse("*/20 * * * *", anchor=0)
    window = Window(0, 3_600_000)
    memo = WindowMemo(window)

    known = memo.look_up(trigger.canonical)

    assert known == (tuple(walk(trigger, window)), 3_600_000, (0, 1_200_000, 2_400_000))
    assert memo.look_up(trigger.canonical) is known
