"""The rules of runs: who opens one, how it ends, and what is remembered."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from eventcron.model.messages import Fire
from eventcron.model.runs import Lane
from eventcron.model.tracking import Overlap, RunEnd, Runs
from eventcron.rules.runs import (
    ALLOWANCE_MS,
    MAX_REMEMBERED,
    REMEMBERED_MS,
    REOPENED_AFTER_MS,
    Known,
    Ruling,
    admit,
    counted,
    deadline_pack,
    end,
    end_at_deadline,
    end_unpublished,
    lane_key,
    past_run,
    released_pack,
    without_waiting,
)
from eventcron.wire.encode import fire_id

SKIP = Runs(track=True, timeout_seconds=60, overlap=Overlap.SKIP)
QUEUE = Runs(track=True, timeout_seconds=60, overlap=Overlap.QUEUE_ONE)
LANE = Lane(tenant="acme", name="report", secret="5f" * 32)
NOW = 1_000_000_000_000


def fire(number: int) -> Fire:
    return Fire("acme", "report", 7, NOW + number * 1000, NOW + number * 1000)


def test_runs_that_may_overlap_have_a_lane_each_and_others_share_one() -> None:
    allow = Runs(track=True)

    assert lane_key(fire(1), allow) != lane_key(fire(2), allow)
    assert lane_key(fire(1), SKIP) == lane_key(fire(2), QUEUE)
    assert lane_key(fire(1), SKIP).is_shared
    assert not lane_key(fire(1), allow).is_shared


def test_a_free_lane_opens_the_run_and_gives_it_its_time() -> None:
    ruling, lane, _, _ = admit(LANE, fire(1), SKIP, now=NOW)

    assert (ruling, lane.version) == (Ruling.PUBLISH, 1)
    assert lane.open is not None
    assert (lane.open.opened, lane.open.deadline) == (NOW, NOW + 60_000)


def test_the_same_fire_again_changes_nothing_at_first_and_later_begins_anew() -> None:
    lane = admit(LANE, fire(1), SKIP, now=NOW).lane

    again = admit(lane, fire(1), SKIP, now=NOW + REOPENED_AFTER_MS - 1)
    assert (again.ruling, again.lane is lane) == (Ruling.PUBLISH, True)
    later = admit(lane, fire(1), SKIP, now=NOW + REOPENED_AFTER_MS)
    assert later.lane.open is not None
    assert later.lane.open.deadline == NOW + REOPENED_AFTER_MS + 60_000


def test_a_fire_that_was_skipped_is_skipped_again_though_the_lane_is_free_by_then() -> None:
    lane = admit(LANE, fire(1), SKIP, now=NOW).lane
    lane = admit(lane, fire(2), SKIP, now=NOW).lane
    lane = end(lane, fire_id(fire(1)), RunEnd.SUCCEEDED, now=NOW, by="e").lane

    ruling, after, by, _ = admit(lane, fire(2), SKIP, now=NOW)
    assert (ruling, after is lane, by) == (Ruling.SKIP, True, fire_id(fire(1)))


def test_a_run_past_its_deadline_and_the_allowance_is_ended_by_the_next_fire() -> None:
    lane = admit(LANE, fire(1), SKIP, now=NOW).lane
    late = NOW + 60_000 + ALLOWANCE_MS

    assert admit(lane, fire(2), SKIP, now=late).ruling is Ruling.SKIP
    ruling, _, _, overdue = admit(lane, fire(2), SKIP, now=late + 1)
    assert ruling is Ruling.PUBLISH
    assert [(run.fire_id, run.end) for run in overdue] == [(fire_id(fire(1)), RunEnd.OVERDUE)]


def test_one_waits_and_stays_in_the_lane_until_it_is_decided() -> None:
    lane = admit(LANE, fire(1), QUEUE, now=NOW).lane
    waiting = admit(lane, fire(2), QUEUE, now=NOW)
    assert (waiting.ruling, admit(waiting.lane, fire(2), QUEUE, now=NOW).ruling) == (Ruling.WAIT, Ruling.WAIT)
    assert admit(waiting.lane, fire(3), QUEUE, now=NOW).ruling is Ruling.SKIP
    assert released_pack(waiting.lane) is None

    ended = end(waiting.lane, fire_id(fire(1)), RunEnd.FAILED, now=NOW, by="e").lane
    pack = released_pack(ended)
    assert pack is not None
    assert (pack.fires, pack.attempt, pack.v) == ([fire(2)], 2, 2)
    assert admit(ended, fire(2), QUEUE, now=NOW).lane.waiting is None
    assert without_waiting(ended, fire(2), now=NOW).waiting is None
    assert without_waiting(ended, fire(3), now=NOW) is ended


def test_what_waits_is_sent_in_another_pack_after_each_run() -> None:
    lane = admit(LANE, fire(1), QUEUE, now=NOW).lane
    lane = admit(lane, fire(2), QUEUE, now=NOW).lane
    first = released_pack(end(lane, fire_id(fire(1)), RunEnd.FAILED, now=NOW, by="e").lane)
    lane = end(lane, fire_id(fire(1)), RunEnd.FAILED, now=NOW, by="e").lane
    lane = admit(lane, fire(3), QUEUE, now=NOW).lane
    second = released_pack(end(lane, fire_id(fire(3)), RunEnd.FAILED, now=NOW, by="e").lane)

    assert first is not None
    assert second is not None
    assert first.id != second.id


def test_the_message_that_ended_a_run_does_so_again_and_no_other_does() -> None:
    lane = admit(LANE, fire(1), SKIP, now=NOW).lane
    ended = end(lane, fire_id(fire(1)), RunEnd.FAILED, now=NOW + 5, by="e-1")
    again = end(ended.lane, fire_id(fire(1)), RunEnd.FAILED, now=NOW + 9, by="e-1")

    assert (again.known, again.lane is ended.lane, again.past) == (Known.ENDED_NOW, True, ended.past)
    assert end(ended.lane, fire_id(fire(1)), RunEnd.SUCCEEDED, now=NOW, by="e-2").known is Known.ENDED_BEFORE
    assert end(ended.lane, fire_id(fire(2)), RunEnd.SUCCEEDED, now=NOW, by="e-2").known is Known.FORGOTTEN
    assert admit(ended.lane, fire(1), SKIP, now=NOW).ruling is Ruling.DROP


def test_a_deadline_that_was_moved_ends_nothing_yet() -> None:
    lane = admit(LANE, fire(1), SKIP, now=NOW).lane
    named = fire_id(fire(1))

    assert end_at_deadline(lane, named, now=NOW + 59_999, by="p").known is Known.OPEN
    assert end_at_deadline(lane, named, now=NOW + 60_000, by="p").known is Known.ENDED_NOW


def test_the_deadline_of_a_run_that_was_opened_again_says_once_more_how_it_ended_first() -> None:
    """Whoever ended it first may have died before it could say so."""
    lane = admit(LANE, fire(1), SKIP, now=NOW).lane
    named = fire_id(fire(1))
    first = end_at_deadline(lane, named, now=NOW + 60_000, by="p")
    again = admit(first.lane, fire(1), SKIP, now=NOW + 90_000)

    second = end_at_deadline(again.lane, named, now=NOW + 150_000, by="q")

    assert (second.known, second.lane.open, second.past) == (Known.ENDED_NOW, None, first.past)


def test_a_fire_that_comes_again_after_its_run_was_overdue_opens_it_and_has_one_end() -> None:
    lane = admit(LANE, fire(1), SKIP, now=NOW).lane
    named = fire_id(fire(1))
    lane = end_at_deadline(lane, named, now=NOW + 60_000, by="p").lane

    again = admit(lane, fire(1), SKIP, now=NOW + 90_000)
    assert again.ruling is Ruling.PUBLISH
    assert [run.fire_id for run in again.overdue] == [named]  # perhaps no event has said so
    ended = end(again.lane, named, RunEnd.SUCCEEDED, now=NOW + 95_000, by="e")
    assert ended.past is not None
    assert ended.past.is_again
    last = past_run(ended.lane, named)
    assert last is not None
    assert last.end is RunEnd.OVERDUE


def test_a_run_whose_fire_cannot_be_published_ends_and_begins_anew_when_the_fire_is_sent_back() -> None:
    named = fire_id(fire(1))
    lane = admit(LANE, fire(1), SKIP, now=NOW).lane
    given_up = end_unpublished(lane, named, now=NOW + 1_000)
    assert given_up.past is not None
    assert (given_up.past.end, given_up.past.is_unpublished, given_up.lane.open) == (RunEnd.FAILED, True, None)

    other = admit(given_up.lane, fire(2), SKIP, now=NOW + 2_000)
    held_up = admit(other.lane, fire(1), SKIP, now=NOW + 3_000)
    assert (other.ruling, held_up.ruling) == (Ruling.PUBLISH, Ruling.SKIP)
    assert held_up.overdue == (given_up.past,)  # perhaps no event has said so

    again = admit(given_up.lane, fire(1), SKIP, now=NOW + 2_000)
    assert again.ruling is Ruling.PUBLISH
    ended = end(again.lane, named, RunEnd.SUCCEEDED, now=NOW + 3_000, by="e")
    assert ended.past is not None
    assert not ended.past.is_again
    assert past_run(ended.lane, named) == ended.past
    assert admit(ended.lane, fire(1), SKIP, now=NOW + 4_000).ruling is Ruling.DROP


def test_a_report_ends_a_run_whose_fire_one_delivery_could_not_publish_and_another_did() -> None:
    named = fire_id(fire(1))
    lane = end_unpublished(admit(LANE, fire(1), SKIP, now=NOW).lane, named, now=NOW + 1_000).lane

    at_deadline = end_at_deadline(lane, named, now=NOW + 60_000, by="p")
    assert (at_deadline.known, at_deadline.lane) == (Known.ENDED_BEFORE, lane)  # nobody is known to have the fire
    ended = end(lane, named, RunEnd.SUCCEEDED, now=NOW + 2_000, by="e")
    assert ended.known is Known.ENDED_NOW
    assert ended.past is not None
    assert (ended.past.end, ended.past.by, ended.lane.failures) == (RunEnd.SUCCEEDED, "e", 0)
    assert end(ended.lane, named, RunEnd.SUCCEEDED, now=NOW + 3_000, by="e").known is Known.ENDED_NOW
    assert end(ended.lane, named, RunEnd.FAILED, now=NOW + 3_000, by="other").known is Known.ENDED_BEFORE
    assert end_unpublished(ended.lane, named, now=NOW + 3_000).known is Known.ENDED_BEFORE
    assert admit(ended.lane, fire(1), SKIP, now=NOW + 4_000).ruling is Ruling.DROP


def test_a_run_in_a_lane_of_its_own_counts_again_when_its_fire_is_published_after_all() -> None:
    policy = Runs(track=True, pause_after_failures=5)
    opened = admit(replace(LANE, id=fire_id(fire(1))), fire(1), policy, now=NOW).lane
    given_up = end_unpublished(opened, fire_id(fire(1)), now=NOW)
    assert given_up.past is not None
    shared, first = counted(LANE, given_up.past, now=NOW)
    again = admit(given_up.lane, fire(1), policy, now=NOW + 1_000).lane
    past = end(again, fire_id(fire(1)), RunEnd.FAILED, now=NOW + 2_000, by="e").past
    assert past is not None

    shared, second = counted(shared, past, now=NOW + 2_000)
    assert (first.failures, second.failures, second.by) == (1, 2, "e")
    assert counted(shared, past, now=NOW + 3_000) == (shared, second)


@pytest.mark.parametrize("limit", [1, 3])
def test_failures_in_a_row_pause_and_a_success_begins_anew(limit: int) -> None:
    lane, policy = LANE, replace(SKIP, pause_after_failures=limit)
    pauses = []
    for number, how in enumerate([RunEnd.FAILED] * limit + [RunEnd.SUCCEEDED] + [RunEnd.OVERDUE] * limit):
        lane = admit(lane, fire(number), policy, now=NOW).lane
        past = end(lane, fire_id(fire(number)), how, now=NOW, by="e")
        lane = past.lane
        assert past.past is not None
        pauses.append(past.past.pauses)

    assert pauses == [False] * (limit - 1) + [True, False] + [False] * (limit - 1) + [True]


def test_a_run_with_a_lane_of_its_own_is_counted_once_in_that_of_its_schedule() -> None:
    alone = replace(LANE, id=fire_id(fire(1)))
    policy = Runs(track=True, pause_after_failures=2)
    opened = admit(alone, fire(1), policy, now=NOW).lane
    past = end(opened, fire_id(fire(1)), RunEnd.FAILED, now=NOW, by="e").past
    assert past is not None
    assert past.failures is None

    lane, known = counted(LANE, past, now=NOW)
    assert (known.failures, lane.failures) == (1, 1)
    assert counted(lane, past, now=NOW) == (lane, known)


def test_a_deadline_is_known_by_its_run_and_instant() -> None:
    first = admit(LANE, fire(1), SKIP, now=NOW).lane.open
    later = admit(LANE, fire(1), SKIP, now=NOW + 1).lane.open
    assert first is not None
    assert later is not None

    assert deadline_pack(first, shared=True) == deadline_pack(first, shared=True)
    assert deadline_pack(first, shared=True).id != deadline_pack(later, shared=True).id


def test_a_lane_remembers_for_an_hour_and_no_more_than_fits() -> None:
    lane = LANE
    for number in range(MAX_REMEMBERED + 5):
        lane = admit(lane, fire(number), SKIP, now=NOW).lane
        lane = end(lane, fire_id(fire(number)), RunEnd.SUCCEEDED, now=NOW, by="e").lane
    assert len(lane.past) == MAX_REMEMBERED

    assert admit(lane, fire(99), SKIP, now=NOW + REMEMBERED_MS).lane.past == ()


STEPS = st.lists(
    st.tuples(st.sampled_from(["due", "ends", "fails", "deadline"]), st.integers(0, 4), st.integers(0, 90_000)),
    max_size=40,
)


@given(STEPS, st.sampled_from([SKIP, QUEUE]))
@settings(max_examples=300)
def test_whatever_comes_in_whatever_order_each_fire_has_one_end_and_none_is_stuck(
    steps: list[tuple[str, int, int]], policy: Runs
) -> None:
    """Fires come again, reports come late and for runs that never were, and deadlines come twice."""
    lane, now = LANE, NOW
    ends: dict[str, set[RunEnd]] = {}
    for what, number, later in steps:
        now += later
        named = fire_id(fire(number))
        before = lane
        if what == "due":
            ruling, lane, _, overdue = admit(lane, fire(number), policy, now=now)
            for run in overdue:
                ends.setdefault(run.fire_id, set()).add(run.end)
            assert ruling is not Ruling.PUBLISH or (lane.open is not None and lane.open.fire_id == named)
            assert ruling in {Ruling.PUBLISH, Ruling.DROP} or before.open is not None or lane is before
        else:
            how = {"ends": RunEnd.SUCCEEDED, "fails": RunEnd.FAILED}.get(what)
            by = f"{what} {number}"
            ending = (
                end_at_deadline(lane, named, now=now, by=by) if how is None else end(lane, named, how, now=now, by=by)
            )
            lane = ending.lane
            if ending.known is Known.ENDED_NOW and ending.past is not None and not ending.past.is_again:
                ends.setdefault(named, set()).add(ending.past.end)
        assert lane is before or lane.version == before.version + 1
    assert all(len(hows) == 1 for hows in ends.values())
    now += 60_000 + ALLOWANCE_MS + 1
    assert admit(lane, fire(9), policy, now=now).ruling is Ruling.PUBLISH
