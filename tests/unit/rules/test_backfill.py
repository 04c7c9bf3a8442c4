"""A backfill's slices: even, bounded, never early, and the same when made again."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import CancelReason
from eventcron.model.commands import BackfillSchedule, Schedule
from eventcron.model.messages import Fire
from eventcron.model.names import Window
from eventcron.model.records import Backfill, BackfillState, Record
from eventcron.rules import backfill as rules
from eventcron.rules.backfill import MAX_LOOKED_AT, SLICE_MS, claim, gap_ms, make_slice, open_backfill
from eventcron.timing.trigger import from_canonical, occurrences, parse
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
HOUR = 3_600_000
DAY = 24 * HOUR
#: How a later release might store a trigger: in a form that this one cannot read.
UNREADABLE = "2;UTC;shift,once;s sunrise"


def record(expression: str = "* * * * *", **more: Any) -> Record:
    schedule = Schedule(tenant="acme", name="report", expression=expression, **more)
    trigger = parse(expression, anchor=NOW, exclude=schedule.exclude)
    return record_of(schedule, trigger=trigger.canonical, revision=7, created=NOW - DAY)


def unreadable(stored: Record) -> Record:
    return replace(stored, eras=tuple(replace(era, trigger=UNREADABLE) for era in stored.eras))


def moment(instant: int) -> datetime:
    return datetime.fromtimestamp(instant / 1000, UTC)


def opened(since: int, until: int, *, per_minute: int = 60, stored: Record | None = None) -> Backfill:
    command = BackfillSchedule(
        tenant="acme", name="report", since=moment(since), until=moment(until), per_minute=per_minute
    )
    return open_backfill(command, stored or record(), event_id="e-1", now=NOW)


def taken(backfill: Backfill, *, now: int = NOW, ahead: int = 10 * SLICE_MS) -> Backfill:
    claimed = claim(backfill, now=now, horizon_end=now + ahead, lease_until=now + 1)
    assert claimed is not None
    return claimed


def all_fires(backfill: Backfill, *, now: int = NOW) -> list[Fire]:
    """Every fire, by a planner that comes each five minutes and sees twelve ahead."""
    fires: list[Fire] = []
    for _ in range(1_000_000):
        claimed = claim(backfill, now=now, horizon_end=now + 720_000, lease_until=now + 1)
        if claimed is None:
            if rules.is_spent(backfill):
                return fires
            now += 300_000
            continue
        part = make_slice(claimed)
        fires += part.fires
        backfill = part.after
    raise AssertionError("it does not end")


def test_a_past_span_fires_at_the_rate_from_now_on() -> None:
    part = make_slice(taken(opened(NOW - DAY, NOW - DAY + HOUR, per_minute=30)))

    assert [(fire.due, fire.at) for fire in part.fires[:3]] == [
        (NOW - DAY + minute * 60_000, NOW + minute * 2_000) for minute in range(3)
    ]
    assert {(fire.cause, fire.cause_id, fire.revision) for fire in part.fires} == {("backfill", "e-1", 7)}
    assert len(part.fires) == 30, "a slice is a minute's worth"
    assert (part.after.enqueued_through, part.after.at) == (NOW - DAY + 30 * 60_000, NOW + SLICE_MS)
    assert (part.after.fires, part.after.slice) == (30, None)


def test_an_occurrence_to_come_waits_until_it_is_due() -> None:
    fires = all_fires(opened(NOW - 120_000, NOW + HOUR))

    assert [fire.at - NOW for fire in fires[:5]] == [0, 1_000, 2_000, 60_000, 120_000]
    assert all(fire.at >= fire.due for fire in fires)
    assert len(fires) == 62


def test_beyond_the_horizon_there_is_nothing_to_hand_over() -> None:
    later = opened(NOW + HOUR, NOW + 2 * HOUR)

    assert claim(later, now=NOW, horizon_end=NOW + 720_000, lease_until=1) is None
    assert claim(later, now=NOW + HOUR - 719_999, horizon_end=NOW + HOUR + 1, lease_until=1) is not None


def test_a_slice_that_someone_died_at_is_made_again_as_it_was() -> None:
    claimed = taken(opened(NOW - DAY, NOW))

    again = taken(claimed, now=NOW + HOUR)

    assert make_slice(again).fires == make_slice(claimed).fires
    assert again.version == claimed.version + 1


def test_after_an_outage_it_does_not_catch_up_by_going_faster() -> None:
    part = make_slice(taken(opened(NOW - DAY, NOW)))

    following = make_slice(taken(part.after, now=NOW + HOUR))

    assert [fire.at for fire in following.fires[:2]] == [NOW + HOUR, NOW + HOUR + 1_000]


def test_what_is_excluded_is_counted_and_told() -> None:
    stored = record("0 * * * *", exclude=["2026-11-20"])
    since = NOW - 11 * DAY - 8 * HOUR
    part = make_slice(taken(opened(since, since + DAY + 2 * HOUR, stored=stored)))

    (notice,) = part.skips
    assert (len(part.fires), notice.reason, notice.count, notice.by) == (2, "excluded", 24, "2026-11-20")
    assert (notice.cause, notice.cause_id) == ("backfill", "e-1")
    assert (part.after.fires, part.after.skipped, part.after.enqueued_through) == (2, 24, since + DAY + 2 * HOUR)


def test_a_long_exclusion_is_walked_in_bounded_steps() -> None:
    stored = record("* * * * * *", exclude=["2026-11-20"])
    since = NOW - 11 * DAY - 8 * HOUR
    part = make_slice(taken(opened(since, since + DAY, stored=stored)))

    assert (part.fires, part.after.skipped) == ([], MAX_LOOKED_AT)
    assert part.after.enqueued_through == since + MAX_LOOKED_AT * 1000


@pytest.mark.parametrize(
    ("since", "until", "code"),
    [
        pytest.param(NOW, NOW, "out_of_range", id="empty"),
        pytest.param(NOW, NOW - 1_000, "out_of_range", id="backwards"),
        pytest.param(NOW, NOW + 366 * DAY + 1_000, "out_of_range", id="too-long"),
        pytest.param(NOW + 1_000, NOW + 59_000, "nothing_due", id="nothing-due"),
    ],
)
def test_a_span_that_cannot_be_is_refused(since: int, until: int, code: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        opened(since, until)

    assert (caught.value.code, caught.value.field) == (code, "until")


@pytest.mark.parametrize(
    ("zone", "trigger"),
    [
        pytest.param("UTC", record().era.trigger, id="the-definition-says-what-is-due"),
        pytest.param("Mars/Olympus", UNREADABLE, id="a-later-release-will-say-what-is-due"),
    ],
)
def test_a_trigger_that_this_release_cannot_read_is_no_fault_of_the_sender(zone: str, trigger: str) -> None:
    stored = record()
    assert stored.schedule is not None
    stored = replace(stored, schedule=replace(stored.schedule, timezone=zone), eras=unreadable(stored).eras)

    assert opened(NOW - HOUR, NOW, stored=stored).trigger == trigger


def test_a_slice_nobody_claimed_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="backfill acme/report/e-1 has no leased slice"):
        make_slice(opened(NOW - DAY, NOW))


def test_a_trigger_that_new_zone_rules_left_without_occurrences_ends_all_the_same() -> None:
    never = replace(opened(NOW - DAY, NOW), trigger=record("at(2020-01-01T00:00:00)").era.trigger)

    part = make_slice(taken(never))

    assert (part.fires, rules.is_spent(part.after)) == ([], True)


@given(
    expression=st.sampled_from(["* * * * *", "*/7 * * * *", "0 */3 * * *", "rate(17 seconds)", "* * * * * *"]),
    start=st.integers(-2 * DAY, HOUR),
    length=st.integers(1, 4 * HOUR),
    per_minute=st.integers(1, 6_000),
)
def test_it_fires_each_occurrence_once_in_order_never_early_never_faster(
    expression: str, start: int, length: int, per_minute: int
) -> None:
    stored = record(expression)
    span = Window(NOW + start, NOW + start + length)
    expected = list(occurrences(from_canonical(stored.era.trigger), span))
    if not expected:
        return
    backfill = opened(*span, per_minute=per_minute, stored=stored)
    if len(expected) > 2_000:
        backfill = replace(backfill, enqueued_through=expected[-2_000])
        expected = expected[-2_000:]
    fires = all_fires(backfill)

    assert [fire.due for fire in fires] == expected
    assert all(fire.at >= max(NOW, fire.due) for fire in fires)
    gaps = [later.at - earlier.at for earlier, later in pairwise(fires)]
    assert min(gaps, default=60_000) >= gap_ms(per_minute) >= 60_000 / per_minute


def test_an_ended_one_holds_nothing() -> None:
    claimed = taken(opened(NOW - DAY, NOW))

    ended = rules.cancel(claimed, CancelReason.DELETED, expires=9)

    assert (ended.state, ended.reason, ended.slice, ended.lease_until, ended.expires) == (
        BackfillState.CANCELLED, "deleted", None, 0, 9,
    )  # fmt: skip
    assert ended.version == claimed.version + 1


@given(
    per_minute=st.sampled_from([1, 7, 60, 6_000]),
    start=st.integers(-48, 2),
    hours=st.integers(1, 24),
    slices=st.integers(0, 3),
    in_hand=st.booleans(),
)
def test_what_is_said_to_be_left_is_what_then_fires(
    per_minute: int, start: int, hours: int, slices: int, in_hand: bool
) -> None:
    stored = record("*/7 * * * *", exclude=["0 3 * * *"])
    backfill = opened(NOW + start * HOUR, NOW + (start + hours) * HOUR, per_minute=per_minute, stored=stored)
    for _ in range(slices):
        claimed = claim(backfill, now=NOW, horizon_end=NOW + DAY, lease_until=NOW + 1)
        backfill = backfill if claimed is None else make_slice(claimed).after
    if in_hand:
        backfill = claim(backfill, now=NOW, horizon_end=NOW + DAY, lease_until=NOW + 1) or backfill
    fires = all_fires(backfill)

    found = rules.left(backfill, now=NOW)

    assert (found.fires, found.more) == (len(fires), False)
    assert found.ends == (fires[-1].at if fires else backfill.at)


def test_what_is_left_is_counted_up_to_a_bound() -> None:
    every_second = record("* * * * * *")
    at_most, more = (
        rules.left(opened(NOW - DAY * 3, NOW - DAY * 3 + seconds * 1000, stored=every_second), now=NOW)
        for seconds in (rules.MAX_COUNTED, rules.MAX_COUNTED + 1)
    )

    assert at_most[:2] == (rules.MAX_COUNTED, False)
    assert more[:2] == (rules.MAX_COUNTED, True)
