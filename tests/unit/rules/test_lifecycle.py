"""A schedule's life, told as stories: one command after another, and the eras that they leave.

Instants are seconds on one day, so that a story can be followed with a finger. The planner's horizon and guard reach
600 seconds ahead.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from eventcron.errors import InvalidExpression, InvalidSchedule
from eventcron.model.commands import MisfirePolicy, Schedule
from eventcron.model.names import Instant, Key, Window
from eventcron.model.records import Era, Record, State
from eventcron.rules import lifecycle
from eventcron.rules.lifecycle import MAX_ERAS, When
from eventcron.rules.ordering import Version
from eventcron.rules.planning import DENSE, WindowMemo, contribution, index_entry_of
from eventcron.rules.timeline import is_superseded, may_publish
from eventcron.timing.hashing import flexible_offset_ms
from tests.records import handed_over as handover

DAY = 1_796_083_200_000  # 2026-12-01T00:00:00Z
KEY = Key("acme", "report")
REACH = 600
EXPIRES = 1_797_000_000
MINUTELY = "* * * * *"
#: Fires however late it is, so that a story shows every fire.
PATIENT = {"policy": "fire_all"}
#: The revisions that commands carry in these stories: far below any revision that a record counts up to by itself.
FIRST, SECOND, THIRD, FOURTH = 10, 20, 30, 40


def at(second: float) -> Instant:
    return DAY + round(second * 1000)


def when(applied: float, *, sent: float | None = None, planned: float = 0) -> When:
    """A command applied at that second of the day; the planner has planned the segment through *planned*."""
    time = at(applied if sent is None else sent)
    return When(time, at(applied), REACH * 1000, segments=4, planned_through=at(planned) if planned else 0)


def put(
    stored: Record | None, revision: int, applied: When, expression: str | list[str] = MINUTELY, **fields: Any
) -> Record:
    schedule = msgspec.convert({"tenant": "acme", "name": "report", "expression": expression, **fields}, Schedule)
    return lifecycle.put(stored, schedule, Version(revision, (f"e{revision}",)), applied, expires=EXPIRES)


def pause(stored: Record | None, revision: int, applied: When) -> Record:
    return lifecycle.pause(stored, KEY, Version(revision, (f"e{revision}",)), applied, expires=EXPIRES)


def resume(stored: Record | None, revision: int, applied: When, missed: MisfirePolicy = MisfirePolicy.SKIP) -> Record:
    version = Version(revision, (f"e{revision}",))
    return lifecycle.resume(stored, KEY, version, applied, missed=missed, expires=EXPIRES)


def delete(stored: Record | None, revision: int, applied: When) -> Record:
    return lifecycle.delete(stored, KEY, Version(revision, (f"e{revision}",)), applied, expires=EXPIRES)


def unseen(record: Record) -> Record:
    """*record*, delivered by the registrar, and not yet shown to the planner by the index."""
    return msgspec.structs.replace(record, pending=None)


def delivered(record: Record) -> Record:
    """*record*, delivered by the registrar, and planned with each window since."""
    return msgspec.structs.replace(record, pending=None, wake=None if record.wake is None else DENSE)


def span(era: Era) -> tuple[float, float | None]:
    """When *era* is in force, in seconds of the day; a millisecond is .001."""
    return (era.start - DAY) / 1000, None if era.end is None else (era.end - DAY) / 1000


def spans(record: Record) -> list[tuple[float, float | None]]:
    return [span(era) for era in record.eras]


def enqueued(record: Record, now: float) -> list[float]:
    """The due instants of what the registrar enqueues."""
    return [(fire.due - DAY) / 1000 for fire in handover(record, now=at(now)).fires]


# --- Put -------------------------------------------------------------------------------------------------------------


def test_a_new_schedule_fires_from_the_instant_after_its_command_was_sent() -> None:
    record = put(None, FIRST, when(100, sent=98))

    assert spans(record) == [(98.001, None)]
    assert (record.state, record.revision, record.created) == (State.ENABLED, FIRST, at(98))


def test_the_planner_starts_where_it_is_sure_to_see_the_schedule() -> None:
    """Horizon and guard after it was stored. What is due before is pending: the registrar enqueues that."""
    record = put(None, FIRST, when(100))

    assert (record.handoff, record.wake) == (at(100 + REACH), at(720))
    assert record.pending == at(100)
    assert enqueued(record, 100) == [120, 180, 240, 300, 360, 420, 480, 540, 600, 660]


def test_what_is_due_far_ahead_leaves_the_registrar_nothing_to_do() -> None:
    record = put(None, FIRST, when(100), "0 12 * * *")

    assert (record.pending, record.wake) == (None, at(43_200))


def test_a_schedule_that_never_fires_is_refused() -> None:
    with pytest.raises(InvalidExpression) as refused:
        put(None, FIRST, when(100), "at(2026-11-30T00:00:00)")

    assert refused.value.code == "in_the_past"
    assert "this time is past" in refused.value.allowed


def test_a_year_that_is_past_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(InvalidExpression, match="or 'manual', for a schedule that only Run Schedule fires") as refused:
        put(None, FIRST, when(100), "0 0 0 1 1 * 1970")

    assert refused.value.code == "never_fires"


def test_a_last_fire_that_only_looking_for_decades_would_find_is_refused() -> None:
    """The period shares one second with a day, and one minute in sixty is left: 60 due instants for each fire."""
    sparse: dict[str, Any] = {"expression": "rate(43201 seconds)", "exclude": ["1-59 * * * *"]}
    with pytest.raises(
        InvalidSchedule, match=r"max_fires: .*30,000 due instants.*; allowed: fewer max_fires"
    ) as refused:
        put(None, FIRST, when(100), max_fires=10_000, **sparse)

    assert refused.value.code == "out_of_range"
    assert put(None, FIRST, when(100), max_fires=100, **sparse).era.end is not None
    assert put(None, FIRST, when(100), max_fires=10_000, end="2027-06-01T00:00:00Z", **sparse).era.end is not None
    assert put(None, FIRST, when(100), **sparse).era.end is None, "without max_fires nothing has to be counted"


def test_it_ends_with_the_last_of_its_max_fires() -> None:
    assert spans(put(None, FIRST, when(100), max_fires=2)) == [(100.001, 180.001)]


def test_updated_at_noon_the_old_definition_fires_for_one_more_second() -> None:
    """The executor may hold those fires already."""
    noon = 43_200
    record = delivered(put(None, FIRST, when(100)))
    record = put(record, SECOND, when(noon, planned=noon + 300), "*/5 * * * *")

    assert spans(record) == [(100.001, noon + 1), (noon + 0.001, None)]
    assert record.eras[0].planned_through == at(noon + 300)


def test_an_update_that_travels_for_three_minutes_fires_what_only_it_has() -> None:
    """Old: every even minute. New: every minute, from the instant at which it was sent."""
    record = delivered(put(None, FIRST, when(100), "*/2 * * * *"))
    record = put(record, SECOND, when(1_000, sent=815, planned=1_300), MINUTELY, misfire=PATIENT)

    assert spans(record) == [(100.001, 1_001), (815.001, None)]
    assert enqueued(record, 1_000)[:3] == [900, 1_020, 1_080], "840 and 960 are the old definition's"


def test_where_the_planner_is_behind_the_registrar_enqueues_what_is_left_of_the_old_definition() -> None:
    """Two minutes late: the planner is through to 900 only, and the update comes at 1,020."""
    record = delivered(put(None, FIRST, when(100), misfire=PATIENT))
    record = put(record, SECOND, when(1_020, planned=900), "at(2026-12-01T12:00:00)")

    assert enqueued(record, 1_020) == [900, 960, 1_020]
    (first, second) = record.eras[0].revision, record.eras[1].revision
    due = at(960)
    assert not may_publish(record.eras, first, due=due, at=due), "were the planner to enqueue it late, it would repeat"
    assert may_publish(record.eras, second, due=due, at=due)
    assert may_publish(record.eras, first, due=at(840), at=at(840)), "this one the planner had enqueued"


@pytest.mark.parametrize("replaced_by", ["put", "pause", "delete", "resume"])
def test_what_the_index_never_showed_the_planner_is_left_to_the_registrar(replaced_by: str) -> None:
    """The index was stuck: the planner has passed the schedule's ``wake``, 720, without seeing it."""
    record = unseen(put(None, FIRST, when(100), misfire=PATIENT))
    late = when(1_020, planned=1_300)
    changed = {
        "put": lambda: put(record, SECOND, late, "at(2026-12-01T12:00:00)", misfire=PATIENT),
        "pause": lambda: pause(record, SECOND, late),
        "delete": lambda: delete(record, SECOND, late),
        "resume": lambda: resume(record, SECOND, late),
    }[replaced_by]()

    assert changed.eras[0].planned_through == at(720)
    assert enqueued(changed, 1_020)[:5] == [720, 780, 840, 900, 960]
    assert may_publish(changed.eras, changed.era.revision, due=at(900), at=at(900))


def test_what_was_planned_from_a_wake_that_has_moved_on_is_not_enqueued_again() -> None:
    record = delivered(put(None, FIRST, when(100), "0 * * * *", misfire=PATIENT))
    record = msgspec.structs.replace(record, wake=at(7_200))
    record = put(record, SECOND, when(4_000, planned=4_300), "at(2026-12-01T12:00:00)")

    assert record.eras[0].planned_through == at(4_300)
    assert enqueued(record, 4_000) == []


def test_what_is_dense_was_planned_with_each_window() -> None:
    record = delivered(put(None, FIRST, when(100)))
    record = put(record, SECOND, when(1_020, planned=1_300), "at(2026-12-01T12:00:00)")

    assert record.eras[0].planned_through == at(1_300)


def test_a_finished_schedule_that_is_still_in_the_index_does_not_fire_again() -> None:
    """Its last pass left it there with the end of that pass as ``wake``; it was due only before."""
    record = delivered(put(None, FIRST, when(100), max_fires=20, misfire=PATIENT))
    record = msgspec.structs.replace(record, wake=at(1_320))
    record = put(record, SECOND, when(1_340, planned=2_000), "at(2026-12-01T12:00:00)")

    assert enqueued(record, 1_340) == []


def test_a_definition_that_is_over_and_not_yet_completed_when_it_is_paused_takes_nothing_from_a_later_one() -> None:
    """Seed 913542: the put was sent before the pause, and came after it."""
    record = delivered(put(None, FIRST, when(100), max_fires=3))
    record = delivered(pause(record, THIRD, when(500, planned=1_000)))
    record = put(record, SECOND, when(900, sent=499, planned=1_400), MINUTELY, misfire=PATIENT)
    record = resume(delivered(record), FOURTH, when(1_000, planned=1_400), MisfirePolicy.FIRE_ALL)

    assert [due for due in enqueued(record, 1_000) if due < 1_000] == [540, 600, 660, 720, 780, 840, 900, 960]


def test_a_flexible_window_may_leave_the_registrar_fires_that_are_published_much_later() -> None:
    record = delivered(put(None, FIRST, when(100), flexible_window_seconds=3_600))
    record = put(record, SECOND, when(10_000, planned=10_300), "at(2026-12-01T12:00:00)")

    offset = handover(record, now=at(10_000)).fires[0].at - handover(record, now=at(10_000)).fires[0].due
    assert all(fire.at >= at(10_300) for fire in handover(record, now=at(10_000)).fires)
    assert enqueued(record, 10_000)[-1] == 9_960, "due before the update"
    assert offset > 0


def test_what_the_new_definition_has_not_is_superseded() -> None:
    record = delivered(put(None, FIRST, when(100)))
    record = put(record, SECOND, when(1_000, planned=1_300), "*/5 * * * *")

    assert not may_publish(record.eras, FIRST, due=at(1_080), at=at(1_080))
    assert is_superseded(record.eras, FIRST, due=at(1_080), at=at(1_080))
    assert not is_superseded(record.eras, FIRST, due=at(1_200), at=at(1_200)), "20 past: the new definition fires that"


# --- Pause and resume ------------------------------------------------------------------------------------------------


def test_paused_over_midnight_it_leaves_the_index_and_remembers() -> None:
    record = delivered(put(None, FIRST, when(100), "0 0 * * *"))
    record = pause(record, SECOND, when(80_000, planned=80_300))

    assert (record.state, record.segment, record.wake) == (State.PAUSED, None, None)
    assert spans(record) == [(100.001, 80_001), (80_001, None)]
    assert [era.paused for era in record.eras] == [False, True]

    record = resume(delivered(record), THIRD, when(90_000, sent=89_998))
    (notice,) = handover(record, now=at(90_000)).skips
    assert (notice.reason, notice.count, notice.first_due) == ("paused", 1, at(86_400))
    assert spans(record) == [(100.001, 80_001), (80_001, 89_998.001), (89_998.001, None)]


@pytest.mark.parametrize(
    ("missed", "at_once", "reported"),
    [
        pytest.param(MisfirePolicy.SKIP, [], (480, 4), id="skip-reports-all"),
        pytest.param(MisfirePolicy.FIRE_ONCE, [660], (480, 3), id="fire_once-fires-the-latest"),
        pytest.param(MisfirePolicy.FIRE_ALL, [480, 540, 600, 660], None, id="fire_all-fires-every-one"),
    ],
)
def test_a_resume_catches_up_as_it_was_asked_to(
    missed: MisfirePolicy, at_once: list[float], reported: tuple[float, int] | None
) -> None:
    record = delivered(put(None, FIRST, when(100)))
    record = delivered(pause(record, SECOND, when(425, planned=1_000)))
    record = resume(record, THIRD, when(700, planned=1_300), missed)
    work = handover(record, now=at(700))

    assert [(fire.due - DAY) / 1000 for fire in work.fires if fire.due < at(700)] == at_once
    assert {fire.at for fire in work.fires if fire.due < at(700)} <= {at(700)}
    assert [((notice.first_due - DAY) / 1000, notice.count) for notice in work.skips] == (
        [] if reported is None else [reported]
    )


def test_a_pause_does_not_start_max_fires_anew() -> None:
    """Five in all, two before the pause. What the pause kept back does not count."""
    record = delivered(put(None, FIRST, when(100), max_fires=5))
    record = delivered(pause(record, SECOND, when(200)))
    assert record.spent == 2

    record = resume(record, THIRD, when(700))
    assert span(record.era) == (700.001, 840.001)


def test_a_put_that_pauses_counts_what_fired_while_it_travelled() -> None:
    """Three in all: 120, and 180, which is due after the put was sent and before it arrived."""
    record = delivered(put(None, FIRST, when(100), max_fires=3))
    record = delivered(put(record, SECOND, when(240.5, sent=150), max_fires=3, state="PAUSED"))
    assert record.spent == 3

    record = delivered(put(None, FIRST, when(100), max_fires=4))
    record = delivered(put(record, SECOND, when(190, sent=150), max_fires=4, state="PAUSED"))
    assert record.spent == 2
    record = resume(record, THIRD, when(700), MisfirePolicy.FIRE_ALL)
    assert span(record.era) == (191, 300.001)


def test_pausing_what_is_paused_changes_nothing_that_fires() -> None:
    record = delivered(put(None, FIRST, when(100)))
    paused = delivered(pause(record, SECOND, when(425)))
    again = pause(paused, THIRD, when(500))

    assert again.eras == paused.eras
    assert (again.revision, again.last_commands.pause_revision) == (THIRD, THIRD)


def test_resumed_after_its_last_occurrence_it_is_completed() -> None:
    record = delivered(put(None, FIRST, when(100), "at(2026-12-01T00:10:00)"))
    record = delivered(pause(record, SECOND, when(200)))
    record = resume(record, THIRD, when(900))

    assert (record.state, record.segment, record.wake) == (State.COMPLETED, None, None)
    assert [notice.count for notice in handover(record, now=at(900)).skips] == [1]


def test_a_one_shot_that_a_pause_kept_back_may_fire_when_it_is_resumed() -> None:
    record = delivered(put(None, FIRST, when(100), "at(2026-12-01T00:10:00)"))
    record = delivered(pause(record, SECOND, when(200)))
    record = resume(record, THIRD, when(900), MisfirePolicy.FIRE_ONCE)

    (fire,) = handover(record, now=at(900)).fires
    assert (fire.due, fire.at, fire.last) == (at(600), at(900), True)


def test_a_put_over_a_pause_reports_what_the_pause_kept_back() -> None:
    record = delivered(put(None, FIRST, when(100)))
    record = delivered(pause(record, SECOND, when(425)))
    record = put(record, THIRD, when(700), "*/5 * * * *", state="ENABLED")

    (notice,) = handover(record, now=at(700)).skips
    assert (notice.reason, notice.count, notice.first_due) == ("paused", 4, at(480))
    assert record.state is State.ENABLED


def test_a_pause_that_comes_before_its_put_holds_it() -> None:
    early = pause(None, SECOND, when(100))
    assert (early.schedule, early.expires) == (None, EXPIRES)

    record = put(early, FIRST, when(101))
    assert (record.state, record.era.paused) == (State.PAUSED, True)


def test_a_put_that_a_later_pause_overtook_waits_for_the_resume() -> None:
    """The pause was applied at 425. The put was sent at 400, arrives at 500 and has another trigger."""
    record = delivered(put(None, FIRST, when(100), "*/2 * * * *"))
    record = delivered(pause(record, THIRD, when(425, planned=1_000)))
    record = delivered(put(record, SECOND, when(500, sent=400), MINUTELY))

    assert record.state is State.PAUSED
    record = resume(record, FOURTH, when(700, planned=1_300), MisfirePolicy.FIRE_ALL)
    assert [due for due in enqueued(record, 700) if due < 700] == [420, 480, 540, 600, 660]


def test_a_put_that_a_later_pause_overtook_keeps_what_its_definition_had_when_the_one_before_was_over() -> None:
    """The first definition ended at 300. What the second has after that is its own."""
    record = delivered(put(None, FIRST, when(100), MINUTELY, end="2026-12-01T00:05:00Z"))
    record = delivered(pause(record, THIRD, when(500)))
    record = delivered(put(record, SECOND, when(600, sent=299), MINUTELY))
    record = resume(record, FOURTH, when(700), MisfirePolicy.FIRE_ALL)

    assert [due for due in enqueued(record, 700) if due < 700] == [300, 360, 420, 480, 540, 600, 660]


# --- Delete ----------------------------------------------------------------------------------------------------------


def test_deleted_nothing_due_afterwards_is_published() -> None:
    record = delivered(put(None, FIRST, when(100)))
    record = delete(record, SECOND, when(1_000, planned=1_300))

    assert (record.state, record.schedule, record.expires) == (State.DELETED, None, EXPIRES)
    assert spans(record) == [(100.001, 1_000), (1_000, None)]
    assert not may_publish(record.eras, FIRST, due=at(1_020), at=at(1_020))
    assert not is_superseded(record.eras, FIRST, due=at(1_020), at=at(1_020)), "the delete is report enough"


def test_a_late_put_overtaken_by_a_delete_counts_from_when_it_was_sent() -> None:
    """Its revision is higher, so it is a new schedule; what the deleted one fired since it was sent does not repeat."""
    record = delivered(put(None, FIRST, when(100), "*/2 * * * *"))
    record = delivered(delete(record, SECOND, when(500, planned=1_000)))
    record = put(record, THIRD, when(600, sent=400, planned=1_000), MINUTELY, misfire=PATIENT)

    assert [due for due in enqueued(record, 600) if due < 600] == [420, 540], "480 was the deleted schedule's"
    assert record.created == at(400)


def test_a_tombstone_reports_what_the_planner_had_not_planned() -> None:
    """The fires go out under the tombstone's revision; the executor then skips them, reason ``deleted``."""
    record = delivered(put(None, FIRST, when(100), misfire=PATIENT))
    record = delete(record, SECOND, when(1_000, planned=900))

    assert enqueued(record, 1_000) == [900, 960]
    assert may_publish(record.eras, record.era.revision, due=at(960), at=at(960))


# --- Many changes ----------------------------------------------------------------------------------------------------


def test_only_the_latest_eras_are_kept() -> None:
    record = put(None, FIRST, when(100))
    for number in range(1, 30):
        record = put(delivered(record), FIRST + number, when(100 + number))

    assert len(record.eras) == MAX_ERAS
    assert record.eras[-1].revision == record.revision


def test_a_fire_is_accepted_from_one_sender_only_however_often_the_schedule_changed() -> None:
    record = put(None, FIRST, when(100))
    for number in range(1, 5):
        record = put(delivered(record), FIRST + number, when(1_000 * number, planned=1_000 * number - 100))

    revisions = [era.revision for era in record.eras]
    for due in range(120, 6_000, 60):
        senders = [one for one in revisions if may_publish(record.eras, one, due=at(due), at=at(due))]
        senders = [one for one in senders if one != revisions[-1] or due >= 4_000 - 100]
        assert len(senders) == 1, due


# --- After a rollback ------------------------------------------------------------------------------------------------


def unread(record: Record) -> Record:
    """*record* as a release reads it that knows neither the form of its triggers nor its zone."""
    assert record.schedule is not None
    eras = tuple(msgspec.structs.replace(era, trigger="newer! " + era.trigger) for era in record.eras)
    schedule = msgspec.structs.replace(record.schedule, timezone="Mars/Olympus")
    return msgspec.structs.replace(record, eras=eras, schedule=schedule)


def read_again(record: Record) -> Record:
    """*record* as the newer release reads it."""
    eras = tuple(msgspec.structs.replace(era, trigger=era.trigger.removeprefix("newer! ")) for era in record.eras)
    return msgspec.structs.replace(record, eras=eras)


def planned(record: Record, window: Window) -> list[tuple[float, float]]:
    """When what the planner plans of *record* in *window* is due, and when it is published."""
    entry = index_entry_of(record)
    assert entry is not None
    fires = contribution(entry, window, WindowMemo(window), now=window.start).fires
    return [((fire.due - DAY) / 1000, (fire.at - DAY) / 1000) for fire in fires]


def test_resumed_while_nobody_can_read_it_an_enabled_schedule_goes_on_where_it_was_once_it_can_be_read() -> None:
    """The planner has planned through 700. What it planned after the cutover is of the old revision, so it is planned
    once more, under the new one. Two of five fires are used up by then; nobody could count them."""
    before = unread(delivered(put(None, FIRST, when(0), max_fires=5, misfire=PATIENT)))
    after = resume(before, SECOND, when(130, planned=700))

    assert (after.revision, after.state, after.pending) == (SECOND, State.ENABLED, None)
    assert after.wake == at(131)
    assert planned(read_again(after), Window(at(700), at(1300))) == [(180, 180), (240, 240), (300, 300)]
    assert not may_publish(after.eras, FIRST, due=at(180), at=at(180))


def test_resumed_while_nobody_can_read_it_what_the_index_never_showed_is_planned_once_it_can_be_read() -> None:
    before = unread(unseen(put(None, FIRST, when(0), misfire=PATIENT)))
    after = resume(before, SECOND, when(1000, planned=1700))

    assert [(notice.first_due, notice.last_due) for notice in handover(after, now=at(1000)).skips] == [
        (at(600), at(1001) - 1)
    ]
    assert planned(read_again(after), Window(at(1700), at(1800)))[0] == (1020, 1020)


def test_resumed_after_a_pause_while_nobody_can_read_it_a_schedule_fires_from_then_on_once_it_can_be_read() -> None:
    offset = flexible_offset_ms(KEY, 600)
    fields: dict[str, Any] = {"misfire": PATIENT, "flexible_window_seconds": 600}
    paused = pause(delivered(put(None, FIRST, when(0), **fields)), SECOND, when(1000, planned=1700))
    after = resume(unread(delivered(paused)), THIRD, when(2000, planned=2700))

    assert [(notice.reason, notice.last_due) for notice in handover(after, now=at(2000)).skips] == [
        ("unreadable_trigger", at(2000))
    ]
    dues = [second for second, _ in planned(read_again(after), Window(at(2700), at(2700) + offset))]
    assert dues == [float(second) for second in range(2040, 2700, 60)]


def test_deleted_while_nobody_can_read_it_a_schedule_with_a_flexible_window_reports_what_was_not_published_yet() -> (
    None
):
    """What is due is published up to ten minutes later, so the planner has planned less of what is due."""
    offset = flexible_offset_ms(KEY, 600)
    before = unread(delivered(put(None, FIRST, when(0), flexible_window_seconds=600)))
    assert before.handoff < at(1000) + offset
    after = delete(before, SECOND, when(2000, planned=2050))

    (notice,) = handover(after, now=at(2000)).skips
    assert offset > 50_000
    assert (notice.reason, notice.first_due, notice.last_due) == ("unreadable_trigger", at(2050) - offset, at(2000) - 1)
    assert after.pending == at(2000)


def test_what_a_dead_registrar_left_to_deliver_is_reported_where_nobody_can_read_it() -> None:
    """It died between the write and the fires. The repeated command meets a release that cannot read the schedule."""
    left = unread(put(None, FIRST, when(100), misfire=PATIENT))
    assert left.pending is not None

    delivered_now = handover(left, now=at(400))

    assert delivered_now.fires == []
    assert [(notice.reason, notice.first_due, notice.last_due) for notice in delivered_now.skips] == [
        ("unreadable_trigger", at(100.001), at(100 + REACH) - 1)
    ]


def test_what_a_dead_registrar_left_to_catch_up_on_is_reported_where_nobody_can_read_it() -> None:
    paused = pause(delivered(put(None, FIRST, when(0), misfire=PATIENT)), SECOND, when(1000, planned=1700))
    left = unread(resume(paused, THIRD, when(2000, planned=2700), MisfirePolicy.FIRE_ALL))
    assert left.era.catch_up_until > left.era.start

    spans = [(notice.first_due, notice.last_due) for notice in handover(left, now=at(2400)).skips]

    assert (left.era.start, left.handoff - 1) in spans
