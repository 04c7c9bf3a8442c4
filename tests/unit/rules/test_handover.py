"""What the registrar delivers after a change, because no planner will."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from eventcron.model.commands import Misfire, MisfirePolicy, Schedule
from eventcron.model.names import Instant, Window
from eventcron.model.records import Era, Record
from eventcron.rules import handover as rules
from eventcron.rules.handover import MAX_COUNTED, PART_FIRES, catch_up_from, last_fire, leaves_work
from eventcron.timing.trigger import from_canonical, occurrences, parse
from tests.records import handed_over as handover
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
SECOND = 1_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def canonical(expression: str = "* * * * *", **more: Any) -> str:
    return parse(expression, anchor=NOW, **more).canonical


def pause(expression: str = "* * * * *", *, start: Instant = NOW - HOUR, end: Instant = NOW, **more: Any) -> Era:
    """A pause that ended."""
    return Era(7, canonical(expression), start, end, paused=True, **more)


def resumed(before: Era, *, start: Instant = NOW, end: Instant | None = None, catch_up_until: Instant = 0) -> Record:
    """A minutely schedule after its resume, applied now; the planner takes over in twelve minutes."""
    schedule = Schedule(tenant="acme", name="report", expression="* * * * *")
    era = Era(8, before.trigger, start, end, catch_up_until=catch_up_until)
    record = record_of(schedule, revision=8, handoff=NOW + 12 * MINUTE, pending=NOW)
    return replace(record, eras=(before, era))


# --- Parts -----------------------------------------------------------------------------------------------------------


def test_a_resume_that_catches_up_on_a_day_of_seconds_holds_few_fires_at_once() -> None:
    record = resumed(pause("* * * * * *", start=NOW - DAY, end=NOW - DAY), start=NOW - DAY, catch_up_until=NOW)

    parts = [len(part.fires) for part in rules.handover(record, now=NOW)]

    assert (sum(parts), max(parts) <= PART_FIRES) == (86_400 + 12 * 60, True)


def test_a_command_that_waited_for_a_day_and_a_planner_that_is_a_day_behind_leave_few_fires_at_once() -> None:
    everything = Misfire(policy=MisfirePolicy.FIRE_ALL, grace_seconds=7 * 86_400)
    before = Era(
        7, canonical("* * * * * *"), NOW - 30 * DAY, NOW + SECOND, planned_through=NOW - DAY, misfire=everything
    )
    record = resumed(before, start=NOW - DAY // 2)
    record = replace(record, eras=(before, replace(record.era, misfire=everything)))

    found = list(rules.handover(record, now=NOW))
    dues = [fire.due for part in found for fire in part.fires]

    assert max(len(part.fires) for part in found) <= PART_FIRES
    assert dues == [NOW - DAY + second * SECOND for second in range(86_400 + 12 * 60)], "each of them once"


@pytest.mark.parametrize("end", [NOW + 10 * MINUTE, NOW - DAY // 2 + 1])
def test_of_many_parts_only_the_last_fire_ends_the_schedule(end: Instant) -> None:
    old = pause("* * * * * *", start=NOW - DAY, end=NOW - DAY)

    parts = list(rules.handover(resumed(old, start=NOW - DAY, end=end, catch_up_until=NOW), now=NOW))

    fires = [fire for part in parts for fire in part.fires]
    assert len(parts) > 2
    assert [fire.due for fire in fires if fire.last] == [(end - 1) // SECOND * SECOND]
    assert not any(part.is_over for part in parts)


def test_what_two_eras_missed_is_told_apart_though_it_overlaps() -> None:
    """A put was applied late: its own occurrences begin before the replaced ones end.

    The latest of either definition still fires.
    """
    before = Era(7, canonical("7,37 * * * * *"), NOW - DAY, NOW - 3 * MINUTE, planned_through=NOW - 20 * MINUTE)
    record = resumed(before, start=NOW - 5 * MINUTE - 1)
    record = replace(record, eras=(before, replace(record.era, trigger=canonical("* * * * *"))))

    missed = [(notice.first_due, notice.last_due, notice.count) for notice in handover(record, now=NOW).skips]

    assert missed == [
        (NOW - 20 * MINUTE + 7 * SECOND, NOW - 4 * MINUTE + 7 * SECOND, 33),
        (NOW - 5 * MINUTE, NOW - 2 * MINUTE, 4),
    ]


# --- What the registrar enqueues of the new era ----------------------------------------------------------------------


def test_it_enqueues_what_is_to_be_published_before_the_handoff() -> None:
    work = handover(resumed(pause(start=NOW, end=NOW)), now=NOW)

    assert [fire.due for fire in work.fires] == [NOW + minute * MINUTE for minute in range(12)]
    assert [fire.at for fire in work.fires] == [fire.due for fire in work.fires]
    assert {fire.revision for fire in work.fires} == {8}
    assert not work.is_over


def test_the_fire_that_no_other_follows_is_marked() -> None:
    work = handover(resumed(pause(start=NOW, end=NOW), end=NOW + MINUTE + 1), now=NOW)

    assert [fire.last for fire in work.fires] == [False, True]


def test_a_due_instant_belongs_to_the_earliest_era_that_has_it() -> None:
    """The update took two minutes to arrive. What the old definition fired meanwhile does not fire again."""
    old = Era(7, canonical("*/2 * * * *"), NOW - HOUR, NOW + SECOND, planned_through=NOW + HOUR)
    record = replace(resumed(old, start=NOW - 3 * MINUTE + 1), handoff=NOW + 1)
    record = replace(record, eras=(old, replace(record.era, trigger=canonical())))

    assert [fire.due for fire in handover(record, now=NOW).fires] == [NOW - MINUTE]


def test_where_an_earlier_era_has_the_last_fire_the_schedule_is_over() -> None:
    old = Era(7, canonical(), NOW - HOUR, NOW + SECOND, planned_through=NOW + HOUR)
    work = handover(resumed(old, start=NOW - MINUTE, end=NOW + 1), now=NOW)

    assert (work.fires, work.is_over) == ([], True)


# --- What the planner had not planned of the era before --------------------------------------------------------------


def test_it_enqueues_what_the_planner_left_of_the_era_before() -> None:
    old = Era(7, canonical(), NOW - HOUR, NOW + SECOND, planned_through=NOW - 2 * MINUTE + 1)
    record = resumed(old, start=NOW + SECOND)

    fires = [fire for fire in handover(record, now=NOW).fires if fire.due <= NOW]
    assert [(fire.due, fire.revision, fire.last) for fire in fires] == [(NOW - MINUTE, 8, False), (NOW, 8, False)]
    assert leaves_work(record, old)


@pytest.mark.parametrize("planned_through", [None, NOW + 1])
def test_it_leaves_alone_what_the_planner_enqueued(planned_through: Instant | None) -> None:
    old = Era(7, canonical(), NOW - HOUR, NOW + SECOND, planned_through=planned_through)
    record = resumed(old, start=NOW + SECOND)

    assert [fire.due for fire in handover(record, now=NOW).fires if fire.due <= NOW] == []
    assert not leaves_work(record, old)


# --- What a pause kept back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "grace_seconds", "start"),
    [
        pytest.param(MisfirePolicy.SKIP, 86_400, NOW, id="skip-fires-none"),
        pytest.param(MisfirePolicy.FIRE_ONCE, 86_400, NOW - MINUTE, id="fire_once-fires-the-latest"),
        pytest.param(MisfirePolicy.FIRE_ONCE, 60, NOW - MINUTE, id="as-old-as-the-grace-fires"),
        pytest.param(MisfirePolicy.FIRE_ONCE, 59, NOW, id="older-than-the-grace-does-not"),
        pytest.param(MisfirePolicy.FIRE_ALL, 86_400, NOW - HOUR, id="fire_all-fires-every-one"),
        pytest.param(MisfirePolicy.FIRE_ALL, 600, NOW - 600_000, id="of-those-within-the-grace"),
        pytest.param(MisfirePolicy.FIRE_ALL, 0, NOW, id="without-grace-none"),
    ],
)
def test_the_policy_says_from_where_on_it_catches_up(policy: MisfirePolicy, grace_seconds: int, start: Instant) -> None:
    assert catch_up_from(pause(misfire=Misfire(grace_seconds=grace_seconds)), policy, now=NOW) == start


def test_what_it_catches_up_on_is_published_at_once_and_the_rest_is_reported() -> None:
    record = resumed(pause(end=NOW - MINUTE), start=NOW - MINUTE, catch_up_until=NOW)
    work = handover(record, now=NOW + 5 * SECOND)

    assert [(fire.due, fire.at) for fire in work.fires[:2]] == [(NOW - MINUTE, NOW), (NOW, NOW)]
    (notice,) = work.skips
    assert (notice.reason, notice.count, notice.revision) == ("paused", 59, 8)
    assert (notice.first_due, notice.last_due) == (NOW - HOUR, NOW - 2 * MINUTE)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(pause("0 12 * * *"), id="nothing-was-due"),
        pytest.param(pause(start=NOW), id="it-was-no-time-at-all"),
        pytest.param(Era(7, "", NOW - HOUR, NOW, paused=True), id="nothing-was-defined"),
    ],
)
def test_a_pause_that_kept_nothing_back_is_not_reported(before: Era) -> None:
    record = resumed(before)
    record = replace(record, eras=(before, replace(record.era, trigger=canonical())))

    assert handover(record, now=NOW).skips == []
    assert not leaves_work(record, before)


def test_a_long_pause_is_reported_without_being_counted_to_its_end() -> None:
    (notice,) = handover(resumed(pause("* * * * * *", start=NOW - 300 * DAY)), now=NOW).skips

    assert (notice.count, notice.first_due, notice.last_due) == (MAX_COUNTED, NOW - 300 * DAY, NOW - SECOND)


def test_a_notice_leaves_out_what_an_era_before_the_pause_has() -> None:
    start = NOW - 2 * DAY
    record = resumed(pause("* * * * * *", start=start))
    fired = Era(6, canonical("* * * * * *"), start - DAY, start + 3 * SECOND, planned_through=NOW)
    (notice,) = handover(replace(record, eras=(fired, *record.eras)), now=NOW).skips

    assert (notice.count, notice.first_due, notice.last_due) == (MAX_COUNTED, start + 3 * SECOND, NOW - SECOND)


@given(
    expression=st.sampled_from(["* * * * *", "0 3 * * *", "0 0 1 * *", "0 0 29 2 *", "at(2026-11-30T12:00:00)"]),
    start=st.integers(-900 * DAY, 0),
    length=st.integers(0, 900 * DAY),
)
def test_the_last_fire_is_the_last(expression: str, start: int, length: int) -> None:
    window = Window(NOW + start, NOW + start + min(length, 3 * DAY if expression == "* * * * *" else length))
    every = deque(occurrences(from_canonical(canonical(expression)), window), maxlen=1)

    assert last_fire(canonical(expression), window) == (every[0] if every else None)
