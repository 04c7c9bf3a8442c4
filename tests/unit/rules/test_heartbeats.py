"""Whether a schedule that expects reports is silent, has failed or is heard again: each is said once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.errors import InvalidSchedule
from eventcron.model.commands import Schedule
from eventcron.model.messages import EXPECTED, Fire
from eventcron.model.names import Instant
from eventcron.model.records import Era, Record, State
from eventcron.model.runs import Lane, Outage, PastRun
from eventcron.model.tracking import Expect, RunEnd
from eventcron.rules import heartbeats
from eventcron.rules.heartbeats import MAX_BEATS, Heard, deadline_of, expected_pack, is_expected
from eventcron.rules.runs import ALLOWANCE_MS
from eventcron.timing.trigger import parse
from eventcron.wire.encode import fire_id
from tests.records import record_of

DUE = 1_796_112_000_000  # 2026-12-01T08:00:00Z
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
WITHIN = 600
DEADLINE = DUE + WITHIN * SECOND
HOURLY, HALF_PAST = (parse(text, anchor=0, exclude=["2026-12-24"]).canonical for text in ("0 * * * *", "30 8 * * *"))
WELL = Lane(tenant="acme", name="backup", secret="s")


def instant(due: Instant = DUE, *, revision: int = 7, **more: Any) -> Fire:
    """An instant at which a report is expected."""
    return Fire("acme", "backup", revision, due, due, **more)


def check(lane: Lane, due: Instant = DUE, *, revision: int = 7) -> Heard:
    """What the deadline of *due* comes to."""
    one = instant(due, revision=revision)
    deadline = deadline_of(one, WITHIN)
    return heartbeats.at_deadline(lane, one, deadline=deadline, now=deadline)


def report(lane: Lane, sent: Instant, how: RunEnd = RunEnd.SUCCEEDED, *, created: Instant = 0, by: str = "") -> Heard:
    """What a report that was *sent* then comes to, as soon as it is sent."""
    one = instant(sent, cause="run", cause_id=by or str(sent))
    return heartbeats.report(lane, one, how, created=created, now=sent)


def said(*found: Heard) -> list[RunEnd]:
    return [one.end for heard in found for one in (heard.past, heard.back) if one is not None]


# --- What is expected ------------------------------------------------------------------------------------------------


def test_the_pack_of_an_instant_asks_at_its_deadline_and_is_the_same_each_time() -> None:
    pack = expected_pack(instant(), WITHIN)

    assert (pack.at, pack.kind, pack.fires) == (DEADLINE, EXPECTED, [instant()])
    assert pack.attempt == 2, "its quota was acquired before"
    assert pack.id == expected_pack(instant(), WITHIN).id != expected_pack(instant(DUE + HOUR), WITHIN).id


def a_record(trigger: str = HOURLY, *, expects: bool = True, **more: Any) -> Record:
    expect = Expect(WITHIN) if expects else None
    schedule = Schedule(tenant="acme", name="backup", expression="0 * * * *", expect=expect)
    created = DUE - DAY
    return record_of(schedule, **{"trigger": trigger, "start": created, "created": created, "revision": 7, **more})


#: Revision 7 was replaced at 08:05, after its instant of 08:00.
REPLACED: dict[str, Any] = {
    "revision": 8,
    "start": DUE + 5 * MINUTE,
    "earlier": [Era(7, HOURLY, DUE - DAY, DUE + 5 * MINUTE)],
}


@pytest.mark.parametrize(
    ("record", "one", "expected"),
    [
        pytest.param(a_record(), instant(), True, id="of-the-definition-in-force"),
        pytest.param(a_record(state=State.COMPLETED), instant(), True, id="the-last-one"),
        pytest.param(a_record(**REPLACED), instant(), True, id="replaced-by-one-that-has-it-too"),
        pytest.param(a_record(HALF_PAST, **REPLACED), instant(), False, id="replaced-by-one-that-has-it-not"),
        pytest.param(a_record(**REPLACED), instant(DUE + 23 * DAY), False, id="replaced-by-one-that-excludes-it"),
        pytest.param(a_record(**{**REPLACED, "created": DUE}), instant(), False, id="another-schedule-of-that-name"),
        pytest.param(a_record(state=State.PAUSED), instant(), False, id="paused"),
        pytest.param(
            a_record(**{**REPLACED, "earlier": [Era(7, HOURLY, 0, DUE), Era(7, HOURLY, DUE, DUE + 1, paused=True)]}),
            instant(revision=6),
            False,
            id="in-a-pause-that-is-over",
        ),
        pytest.param(a_record(expects=False), instant(), False, id="it-fires-by-now"),
        pytest.param(record_of(None, state=State.DELETED), instant(), False, id="deleted"),
        pytest.param(None, instant(), False, id="gone"),
        pytest.param(a_record(), instant(cause_id="resume:5"), False, id="nobody-waits-for-what-is-past"),
        pytest.param(a_record(), instant(cause="run", cause_id="r"), False, id="a-report-itself"),
    ],
)
def test_a_report_is_expected_as_long_as_nobody_took_its_instant_away(
    record: Record | None, one: Fire, *, expected: bool
) -> None:
    assert is_expected(record, one) is expected


def test_whether_a_report_is_expected_is_not_known_where_nobody_can_read_what_replaced_its_definition() -> None:
    with pytest.raises(InvalidSchedule, match="9;later"):
        is_expected(a_record("9;later", **REPLACED), instant())


# --- Silence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beats", "heard"),
    [
        pytest.param((), False, id="never"),
        pytest.param((DUE - ALLOWANCE_MS - 1,), False, id="for-the-instant-before"),
        pytest.param((DUE - ALLOWANCE_MS,), True, id="early-as-clocks-differ"),
        pytest.param((DEADLINE,), True, id="just-in-time"),
        pytest.param(tuple(range(DEADLINE + 1, DEADLINE + 1 + MAX_BEATS)), True, id="before-all-that-is-remembered"),
    ],
)
def test_a_report_counts_from_just_before_its_instant_to_its_deadline(beats: Sequence[Instant], *, heard: bool) -> None:
    lane = Lane(tenant="acme", name="backup", secret="s", beats=tuple(beats))

    assert said(check(lane)) == ([] if heard else [RunEnd.OVERDUE])
    assert not heard or check(lane).lane is lane, "there is nothing to store"


def test_silence_is_said_once_until_a_success_which_says_how_long_it_was() -> None:
    first = check(WELL)
    second = check(first.lane, DUE + HOUR)
    back = report(second.lane, DUE + HOUR + 20 * MINUTE)
    third = check(back.lane, DUE + 2 * HOUR)

    assert said(first, second, back, third) == [RunEnd.OVERDUE, RunEnd.SUCCEEDED, RunEnd.OVERDUE]
    assert first.lane.outage == Outage(instant(), DUE)
    assert second.lane is first.lane
    assert (back.lane.outage, back.past and back.past.opened) == (None, DUE)
    assert first.past == PastRun(instant(), fire_id(instant()), DUE, DEADLINE, RunEnd.OVERDUE, DEADLINE, EXPECTED)
    assert check(first.lane) == Heard(first.lane, first.past), "the same deadline again"


def test_silence_under_another_revision_is_news_again_and_goes_on_since_it_began() -> None:
    resumed = check(check(WELL).lane, DUE + HOUR, revision=9)

    assert said(resumed) == [RunEnd.OVERDUE]
    assert resumed.lane.outage == Outage(instant(DUE + HOUR, revision=9), DUE)


def test_a_late_check_finds_the_silence_and_its_end_together_once_for_all_instants_between_two_reports() -> None:
    """Reports came an hour before and two hours after; three instants had none."""
    lane = report(report(WELL, DUE - HOUR).lane, DUE + 3 * HOUR - MINUTE).lane

    found = check(lane)
    later = check(found.lane, DUE + HOUR)

    assert said(found) == [RunEnd.OVERDUE, RunEnd.SUCCEEDED]
    assert found.back is not None
    assert (found.back.opened, found.back.fire.due) == (DUE, DUE + 3 * HOUR - MINUTE)
    assert (found.lane.outage, said(later)) == (None, [])
    assert check(found.lane) == found, "the same deadline again"


# --- Reports ---------------------------------------------------------------------------------------------------------


def test_each_failure_is_said_at_once_and_the_outage_began_with_the_first() -> None:
    first = report(WELL, DUE, RunEnd.FAILED)
    second = report(first.lane, DUE + HOUR, RunEnd.FAILED)
    silent = check(second.lane, DUE + 2 * HOUR)
    third = report(silent.lane, DUE + 3 * HOUR, RunEnd.FAILED)

    assert said(first, second, silent, third) == [RunEnd.FAILED, RunEnd.FAILED, RunEnd.OVERDUE, RunEnd.FAILED]
    assert [one.lane.outage and one.lane.outage.since for one in (first, second, silent, third)] == [DUE] * 4
    assert [one.lane.outage and one.lane.outage.is_silence for one in (second, silent, third)] == [False, True, True]


def test_a_report_that_comes_again_or_that_a_later_one_has_overtaken_says_nothing_new() -> None:
    silent = check(WELL).lane
    back = report(silent, DEADLINE + MINUTE, by="e1")
    again = report(back.lane, DEADLINE + MINUTE, by="e1")
    overtaken = report(back.lane, DEADLINE + 1, RunEnd.FAILED)

    assert again == Heard(back.lane, back.past)
    assert (overtaken.past, overtaken.lane.beats) == (None, (DEADLINE + 1, DEADLINE + MINUTE))


@pytest.mark.parametrize(("early_ms", "ends"), [(ALLOWANCE_MS, True), (ALLOWANCE_MS + 1, False)])
def test_a_success_ends_no_silence_that_fell_after_it_was_sent(early_ms: int, *, ends: bool) -> None:
    silent = check(WELL).lane

    late = report(silent, DUE - early_ms)

    assert said(late) == ([RunEnd.SUCCEEDED] if ends else [])
    assert (late.lane.outage is None) is ends


def test_a_schedule_knows_nothing_of_the_outage_of_a_deleted_one() -> None:
    silent = check(WELL).lane

    assert said(report(silent, DUE + HOUR, created=DUE)) == [RunEnd.SUCCEEDED]
    assert said(report(silent, DUE + HOUR, created=DUE + 1)) == []
    assert report(silent, DUE + HOUR, created=DUE + 1).lane.outage is None


@given(st.lists(st.integers(0, 60), max_size=50))
def test_a_lane_keeps_the_latest_reports_in_order_and_each_once(minutes: list[int]) -> None:
    lane = WELL
    for number, minute in enumerate(minutes):
        lane = report(lane, DUE + minute * MINUTE, by=f"e{number}").lane

    assert lane.beats == tuple(sorted({DUE + minute * MINUTE for minute in minutes}))[-MAX_BEATS:]
