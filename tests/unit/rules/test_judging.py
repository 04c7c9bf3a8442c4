"""What becomes of a fire when it is due: it is published, dropped, skipped with a reason, or waits to be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from eventcron.model.codes import CancelReason, SkipReason
from eventcron.model.commands import Misfire, MisfirePolicy, Schedule
from eventcron.model.messages import Fire
from eventcron.model.names import BackfillKey, Instant, Key
from eventcron.model.records import Backfill, BackfillState, Era, Record, State
from eventcron.model.tracking import Expect, Runs
from eventcron.rules.judging import MAX_WAIT_MS, Judgement, Known, Verdict, backfill_of, sort_fires
from eventcron.rules.misfire import LATE_MS, TIMELY_MS
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.trigger import parse
from tests.records import record_of

DUE = 1_796_112_000_000  # 2026-12-01T08:00:00Z
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
KEY = Key("acme", "report")
MINUTELY, HOURLY = (parse(expression, anchor=0).canonical for expression in ("* * * * *", "0 * * * *"))

LOCAL = "2026-12-01T08:00:00.000+00:00"
PUBLISH = Judgement(Verdict.PUBLISH, local_time=LOCAL)
DROP = Judgement(Verdict.DROP)


def skip(reason: SkipReason) -> Judgement:
    return Judgement(Verdict.SKIP, reason)


def fire(revision: int = 7, due: Instant = DUE, *, name: str = "report", **more: Any) -> Fire:
    return Fire("acme", name, revision, due, more.pop("at", due), **more)


def a_record(trigger: str = MINUTELY, *, schedule: dict[str, Any] | None = None, **more: Any) -> Record:
    """A schedule that was created a day before, in revision 7."""
    given = Schedule(tenant="acme", name=more.pop("name", "report"), expression="* * * * *", **(schedule or {}))
    created = DUE - 24 * HOUR
    return record_of(given, **{"trigger": trigger, "start": created, "created": created, "revision": 7, **more})


def tombstone(*earlier: Era, deleted: Instant) -> Record:
    return record_of(
        None, state=State.DELETED, start=deleted, earlier=earlier, revision=8, created=DUE - HOUR, name="report"
    )


def known(*records: Record, **more: Any) -> Known:
    stored = {one.key: one for one in records}
    return Known(**{"records": stored, "backfills": {}, "lost_records": {}, "lost_backfills": {}, **more})


# --- Which revision has it -------------------------------------------------------------------------------------------


def test_a_fire_of_the_definition_in_force_is_published_with_the_time_of_day_in_its_zone() -> None:
    oslo = known(a_record(schedule={"timezone": "Europe/Oslo"}))

    assert oslo.judge(fire(), now=DUE) == Judgement(Verdict.PUBLISH, local_time="2026-12-01T09:00:00.000+01:00")


#: An hourly definition, revision 8, was sent at 08:00:10, and replaced the minutely one at 08:01:00.
REPLACED = a_record(
    HOURLY,
    start=DUE + 10 * SECOND,
    revision=8,
    earlier=(Era(7, MINUTELY, DUE - HOUR, DUE + MINUTE, planned_through=DUE + 20 * MINUTE),),
)


@pytest.mark.parametrize(
    ("revision", "due", "judgement"),
    [
        pytest.param(7, DUE + MINUTE - 1, Verdict.PUBLISH, id="before-the-cutover-the-old-one-fires"),
        pytest.param(7, DUE + MINUTE, SkipReason.SUPERSEDED, id="at-the-cutover-the-new-one-does-not-have-it"),
        pytest.param(7, DUE + HOUR, Verdict.DROP, id="the-new-one-has-it-too-and-fires-it"),
        pytest.param(8, DUE + HOUR, Verdict.PUBLISH, id="that-is-the-new-one-s"),
        pytest.param(6, DUE + HOUR, Verdict.DROP, id="of-a-revision-that-is-not-stored-any-more"),
        pytest.param(6, DUE + HOUR + MINUTE, SkipReason.SUPERSEDED, id="of-such-a-revision-alone"),
    ],
)
def test_at_a_cutover_each_occurrence_is_fired_by_one_revision_or_skipped_as_superseded(
    revision: int, due: Instant, judgement: Verdict | SkipReason
) -> None:
    verdict, reason, *_ = known(REPLACED).judge(fire(revision, due), now=due)

    assert (reason or verdict) == judgement


def test_what_falls_due_in_a_pause_is_left_to_its_resume_and_what_fell_due_before_still_fires() -> None:
    before = Era(7, MINUTELY, DUE - HOUR, DUE, planned_through=DUE + HOUR)
    paused = known(a_record(state=State.PAUSED, start=DUE, revision=8, earlier=(before,)))

    assert paused.judge(fire(due=DUE - MINUTE), now=DUE).verdict is Verdict.PUBLISH
    assert paused.judge(fire(due=DUE), now=DUE) == DROP
    assert paused.judge(fire(cause="run", cause_id="by-hand"), now=DUE).verdict is Verdict.PUBLISH


@pytest.mark.parametrize(
    ("one", "judgement"),
    [
        pytest.param(fire(due=DUE - MINUTE), skip(SkipReason.DELETED), id="due-before-the-deletion"),
        pytest.param(fire(due=DUE), DROP, id="due-at-the-deletion-which-reports-it"),
        pytest.param(fire(cause="run", cause_id="by-hand"), skip(SkipReason.DELETED), id="a-run"),
        pytest.param(fire(cause="backfill", cause_id="november"), skip(SkipReason.DELETED), id="a-backfill"),
        pytest.param(fire(due=DUE - MINUTE, cause_id="resume:5"), skip(SkipReason.DELETED), id="a-catch-up"),
    ],
)
def test_of_a_deleted_schedule_nothing_is_published(one: Fire, judgement: Judgement) -> None:
    deleted = known(tombstone(Era(7, MINUTELY, DUE - HOUR, DUE, planned_through=DUE + HOUR), deleted=DUE))

    assert deleted.judge(one, now=DUE) == judgement


# --- Lateness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("misfire", "late_ms", "published"),
    [
        pytest.param(Misfire(MisfirePolicy.SKIP, 0), TIMELY_MS, True, id="a-second-is-timely-without-any-grace"),
        pytest.param(Misfire(MisfirePolicy.SKIP, 0), TIMELY_MS + 1, False, id="a-millisecond-more-is-not"),
        pytest.param(Misfire(MisfirePolicy.SKIP), LATE_MS, True, id="a-minute-is-within-the-precision"),
        pytest.param(Misfire(MisfirePolicy.SKIP), LATE_MS + 1, False, id="skip-from-there-on"),
        pytest.param(Misfire(MisfirePolicy.FIRE_ALL, 600), 600 * SECOND, True, id="fire-all-up-to-the-grace"),
        pytest.param(Misfire(MisfirePolicy.FIRE_ALL, 600), 600 * SECOND + 1, False, id="and-no-further"),
        pytest.param(Misfire(), HOUR - 1, True, id="fire-once-while-no-later-one-is-due"),
        pytest.param(Misfire(), HOUR, False, id="fire-once-leaves-it-to-the-later-one"),
    ],
)
def test_a_late_fire_of_an_hourly_schedule_is_judged_by_its_misfire_policy(
    misfire: Misfire, late_ms: int, *, published: bool
) -> None:
    hourly = known(a_record(HOURLY, schedule={"misfire": misfire}))

    assert hourly.judge(fire(), now=DUE + late_ms) == (PUBLISH if published else skip(SkipReason.MISFIRE))


def test_a_flexible_window_makes_no_fire_late() -> None:
    offset = flexible_offset_ms(KEY, 600)
    spread = known(a_record(schedule={"misfire": Misfire(MisfirePolicy.SKIP), "flexible_window_seconds": 600}))

    assert offset > LATE_MS
    assert spread.judge(fire(at=DUE + offset), now=DUE + offset + LATE_MS) == PUBLISH
    assert spread.judge(fire(at=DUE + offset), now=DUE + offset + LATE_MS + 1) == skip(SkipReason.MISFIRE)


def test_what_a_resume_catches_up_on_is_ended_by_the_grace_alone_which_begins_where_its_window_would_move_it() -> None:
    last = DUE + flexible_offset_ms(KEY, 600) + HOUR
    misfire = Misfire(MisfirePolicy.SKIP, 3_600)
    spread = known(a_record(schedule={"misfire": misfire, "flexible_window_seconds": 600}))

    assert spread.judge(fire(cause_id="resume:5"), now=last) == PUBLISH
    assert spread.judge(fire(cause_id="resume:5"), now=last + 1) == skip(SkipReason.MISFIRE)


def test_what_a_resume_catches_up_on_stands_whatever_was_put_since_but_for_another_schedule() -> None:
    created = REPLACED.created

    assert known(REPLACED).judge(fire(5, DUE, cause_id="resume:5"), now=DUE) == PUBLISH
    assert known(REPLACED).judge(fire(5, created, cause_id="resume:5"), now=created) == skip(SkipReason.DELETED)
    assert known(REPLACED).judge(fire(5, created + 1, cause_id="resume:5"), now=created).verdict is Verdict.PUBLISH


def test_an_instant_at_which_a_report_is_expected_is_never_too_late_and_never_published() -> None:
    expecting = known(a_record(schedule={"expect": Expect(600), "misfire": Misfire(MisfirePolicy.SKIP, 0)}))

    assert expecting.judge(fire(), now=DUE + 24 * HOUR) == PUBLISH
    assert not expecting.may_publish(fire(), now=DUE)


# --- Backfills -------------------------------------------------------------------------------------------------------

NOVEMBER = Backfill(tenant="acme", name="report", id="november", event_id="e", schedule_created=DUE - 24 * HOUR)


@pytest.mark.parametrize(
    ("changes", "judgement"),
    [
        pytest.param({}, PUBLISH, id="running"),
        pytest.param({"state": BackfillState.COMPLETED}, PUBLISH, id="its-last-fires-are-on-their-way"),
        pytest.param({"state": BackfillState.CANCELLED}, skip(SkipReason.CANCELLED), id="cancelled"),
        pytest.param(
            {"state": BackfillState.CANCELLED, "event_id": "", "schedule_created": 0},
            skip(SkipReason.CANCELLED),
            id="cancelled-before-it-arrived",
        ),
        pytest.param(
            {"state": BackfillState.CANCELLED, "reason": CancelReason.DELETED},
            skip(SkipReason.DELETED),
            id="cancelled-by-the-deletion",
        ),
        pytest.param({"schedule_created": 5}, skip(SkipReason.DELETED), id="of-the-schedule-that-was-deleted-before"),
    ],
)
def test_a_fire_of_a_backfill_is_published_as_long_as_the_backfill_stands(
    changes: dict[str, Any], judgement: Judgement
) -> None:
    judge = known(a_record(), backfills={NOVEMBER.key: replace(NOVEMBER, **changes)}).judge

    assert judge(fire(cause="backfill", cause_id="november"), now=DUE) == judgement
    assert judge(fire(cause="backfill", cause_id="october"), now=DUE) == PUBLISH
    assert judge(fire(cause="run", cause_id="november"), now=DUE) == PUBLISH


def test_backfills_and_catch_ups_are_known_by_their_fires_and_nothing_else_is_one() -> None:
    assert backfill_of(fire(cause="backfill", cause_id="november")) == BackfillKey("acme", "report", "november")
    assert backfill_of(fire(cause_id="resume:5")) == BackfillKey("acme", "report", "resume:5")
    assert backfill_of(fire(cause="run", cause_id="november")) is None
    assert backfill_of(fire()) is None


# --- What cannot be read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        pytest.param({"lost_records": {KEY: "stored in format 2"}}, "stored in format 2", id="its-record"),
        pytest.param(
            {"lost_backfills": {BackfillKey("acme", "report", "november"): "format 3"}}, "format 3", id="its-backfill"
        ),
        pytest.param(
            {"records": {KEY: a_record(schedule={"timezone": "Moon/Tranquility"})}}, "Moon/Tranquility", id="its-zone"
        ),
    ],
)
def test_a_fire_waits_while_this_release_cannot_read_what_decides_and_holds_up_no_other(
    lost: dict[str, Any], reason: str
) -> None:
    other = a_record(name="other")
    all_known = known(**{"records": {KEY: a_record()}, **lost})
    all_known = all_known._replace(records={**all_known.records, other.key: other})
    november = fire(cause="backfill", cause_id="november")

    verdict, *_, unreadable = all_known.judge(november, now=DUE)

    assert verdict is Verdict.WAIT
    assert reason in unreadable
    assert all_known.may_publish(november, now=DUE), "once it can be read"
    assert all_known.judge(fire(name="other"), now=DUE) == PUBLISH


def test_a_fire_of_a_replaced_revision_waits_while_nobody_can_read_what_replaced_it() -> None:
    before = Era(7, MINUTELY, DUE - HOUR, DUE, planned_through=DUE + HOUR)
    newer = known(a_record("9;later", start=DUE, revision=8, earlier=(before,)))

    assert newer.judge(fire(), now=DUE).unreadable.startswith("trigger: got '9;later'")
    assert newer.judge(fire(8), now=DUE) == PUBLISH, "that is the definition in force, whatever its trigger is"


# --- The tenant's limit ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "now", "until", "waits"),
    [
        pytest.param(fire(), DUE + MINUTE - 1, DUE + MINUTE, False, id="its-own-minute-is-not-over"),
        pytest.param(fire(), DUE + MINUTE, DUE + 2 * MINUTE, True, id="it-is-over"),
        pytest.param(fire(), DUE + MINUTE, DUE + HOUR + 1, False, id="its-grace-is-over-by-then"),
        pytest.param(fire(cause="backfill", cause_id="b"), DUE, DUE + MINUTE, True, id="a-backfill-at-once"),
        pytest.param(fire(cause_id="resume:5"), DUE, DUE + MINUTE, True, id="a-catch-up-at-once"),
        pytest.param(fire(cause="run", cause_id="r"), DUE + HOUR, DUE + HOUR, False, id="a-run-never"),
        pytest.param(fire(cause="backfill", cause_id="b"), DUE, DUE + MAX_WAIT_MS, True, id="the-longest-wait"),
        pytest.param(fire(cause="backfill", cause_id="b"), DUE, DUE + MAX_WAIT_MS + 1, False, id="too-long-a-wait"),
    ],
)
def test_what_is_caught_up_on_waits_for_its_tenant_s_limit(
    one: Fire, now: Instant, until: Instant, *, waits: bool
) -> None:
    patient = known(a_record(schedule={"misfire": Misfire(MisfirePolicy.FIRE_ALL, 3_600)}))

    assert patient.may_wait(one, now=now, until=until) is waits


def test_fires_are_sorted_by_verdict_and_those_over_the_limit_are_skipped_for_it() -> None:
    records = {
        "plain": a_record(name="plain"),
        "over": a_record(name="over"),
        "tracked": a_record(name="tracked", schedule={"runs": Runs(track=True)}),
        "expects": a_record(name="expects", schedule={"expect": Expect(600)}),
        "deleted": record_of(None, name="deleted", revision=7),
        "zone": a_record(name="zone", schedule={"timezone": "Moon/Tranquility"}),
    }
    fires = {name: fire(name=name) for name in (*records, "gone")}

    found = sort_fires([*fires.values()], known(*records.values()), frozenset({fires["over"], fires["gone"]}), now=DUE)

    assert found.publish == [(fires["plain"], records["plain"], LOCAL)]
    assert found.tracked == [(fires["tracked"], records["tracked"], LOCAL)]
    assert found.expected == [(fires["expects"], records["expects"], LOCAL)]
    assert found.skip == [(fires["over"], SkipReason.QUOTA), (fires["deleted"], SkipReason.DELETED)]
    assert [(one, "Moon/Tranquility" in reason) for one, reason in found.unreadable] == [(fires["zone"], True)]
    assert (found.dropped, found.is_any) == (1, True)
    assert not sort_fires([fires["gone"]], known(), frozenset(), now=DUE).is_any


@given(
    revision=st.integers(6, 9),
    minute=st.integers(-2, 3),
    cause=st.sampled_from(
        [{}, {"cause_id": "resume:5"}, {"cause": "run", "cause_id": "r"}, {"cause": "backfill", "cause_id": "november"}]
    ),
    late_ms=st.sampled_from([0, TIMELY_MS, TIMELY_MS + 1, LATE_MS + 1, HOUR]),
)
def test_the_short_way_of_most_fires_comes_to_what_a_closer_look_does(
    revision: int, minute: int, cause: dict[str, str], late_ms: int
) -> None:
    cancelled = replace(NOVEMBER, state=BackfillState.CANCELLED)
    all_known, due = known(REPLACED, backfills={cancelled.key: cancelled}), DUE + minute * MINUTE
    one = fire(revision, due, **cause)
    verdict, reason, local, _ = all_known.judge(one, now=due + late_ms)

    found = sort_fires([one], all_known, frozenset(), now=due + late_ms)

    assert [shown for _, _, shown in found.publish] == ([local] if verdict is Verdict.PUBLISH else [])
    assert found.skip == ([(one, reason)] if verdict is Verdict.SKIP else [])
    assert found.dropped == int(verdict is Verdict.DROP)


def test_what_the_planner_left_to_the_registrar_is_dropped_without_an_event_and_fired_under_the_next_revision() -> None:
    """Both enqueued it: the planner was amid a pass when the definition was replaced."""
    left = Era(7, MINUTELY, DUE - HOUR, DUE + MINUTE, planned_through=DUE - MINUTE)
    replaced = known(a_record(HOURLY, start=DUE + 10 * SECOND, revision=8, earlier=(left,)))

    assert replaced.judge(fire(7, DUE - MINUTE), now=DUE) == DROP
    assert replaced.judge(fire(8, DUE - MINUTE), now=DUE).verdict is Verdict.PUBLISH


def test_of_a_tracked_fire_that_copy_is_reported_because_a_lane_may_have_no_other() -> None:
    """The simulator's seed 256: the fire waited for a run when the registrar's copy came, and the lane took one."""
    left = Era(7, MINUTELY, DUE - HOUR, DUE + MINUTE, planned_through=DUE - MINUTE)
    tracked = a_record(
        HOURLY, start=DUE + 10 * SECOND, revision=8, earlier=(left,), schedule={"runs": Runs(track=True)}
    )

    assert known(tracked).judge(fire(7, DUE - MINUTE), now=DUE) == Judgement(Verdict.SKIP, SkipReason.SUPERSEDED)
