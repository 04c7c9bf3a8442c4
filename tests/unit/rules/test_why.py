"""Why a schedule did or did not fire at an instant: what was published is believed before what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.model.commands import Schedule
from eventcron.model.history import EntryKind, HistoryEntry, KeepHistory
from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Key, Window
from eventcron.model.records import Era, Record, State
from eventcron.model.runs import Lane, OpenRun
from eventcron.model.tracking import Expect, Runs
from eventcron.model.why import Because, DeadFire, Known, Verdict
from eventcron.rules.planning import why_unreadable
from eventcron.rules.why import ON_ITS_WAY_MS, TRIED_MS, due_instants, explain
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.instant import rfc3339, to_datetime
from eventcron.timing.trigger import parse
from eventcron.wire.encode import fire_id
from tests.records import record_of

AT = 1_796_112_000_000  # 2026-12-01T08:00:00Z
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
KEY = Key("acme", "report")
HOURLY, HALF_PAST = (parse(expression, anchor=0).canonical for expression in ("0 * * * *", "30 * * * *"))


def a_record(trigger: str = HOURLY, *, schedule: dict[str, Any] | None = None, **more: Any) -> Record:
    """An hourly schedule that was created two days before."""
    given = Schedule(tenant="acme", name="report", expression="0 * * * *", **(schedule or {}))
    created = AT - 2 * DAY
    return record_of(given, **{"trigger": trigger, "start": created, "created": created, "revision": 7, **more})


def entry(
    kind: EntryKind, *, at: Instant = AT, time: Instant = AT, detail_type: str = "", **detail: Any
) -> HistoryEntry:
    return HistoryEntry(
        tenant="acme", name="report", at=at, kind=kind, id="5f", detail_type=detail_type, time=time, detail=detail
    )


def skipped(reason: str, *, first: Instant = AT, last: Instant = AT, **more: Any) -> HistoryEntry:
    return entry(EntryKind.SKIPPED, at=first, reason=reason, last_due=rfc3339(last), **more)


def ask(record: Record | None, at: Instant = AT, *, now: Instant = AT + DAY, **more: Any) -> Verdict:
    """*now* is long after, and everything is kept, so that what is not there did not happen."""
    return explain(Known(**{"key": KEY, "at": at, "now": now, "record": record, "keeps": KeepHistory.ALL, **more}))


def answer(verdict: Verdict) -> tuple[Because, bool | None, bool | None]:
    return verdict.because, verdict.due, verdict.fired


# --- The order in which sources are believed -------------------------------------------------------------------------

FIRED = entry(EntryKind.FIRED, time=AT + 2 * SECOND, fire_id="5f", cause="schedule")
FAILED = entry(EntryKind.FAILED, code="NotAuthorized", message="no")
RUN = Fire("acme", "report", 7, AT, AT)
RUNNING = Lane(tenant="acme", name="report", secret="s", open=OpenRun(RUN, fire_id(RUN), AT, AT + HOUR))


@pytest.mark.parametrize(
    ("known", "because"),
    [
        pytest.param({"entries": [skipped("misfire"), FAILED, FIRED]}, Because.FIRED, id="it-was-published"),
        pytest.param({"entries": [FAILED, skipped("misfire")]}, Because.MISFIRE, id="then-what-was-skipped"),
        pytest.param({"entries": [FAILED]}, Because.DEAD_LETTER, id="then-what-failed"),
        pytest.param({"dead_fires": [DeadFire(AT, "no")]}, Because.DEAD_LETTER, id="or-is-a-dead-letter"),
        pytest.param(
            {"dead_fires": [DeadFire(AT + HOUR, "no")]}, Because.UNKNOWN, id="a-dead-letter-of-another-instant"
        ),
        pytest.param({"lanes": [RUNNING], "entries": [FAILED]}, Because.DEAD_LETTER, id="rather-than-its-run"),
        pytest.param({"lanes": [RUNNING]}, Because.FIRED, id="then-its-run"),
        pytest.param({}, Because.UNKNOWN, id="then-what-is-stored"),
    ],
)
def test_what_was_published_is_believed_first_then_the_dead_letters_then_what_is_stored(
    known: dict[str, Any], because: Because
) -> None:
    assert ask(a_record(), **known).because is because


def test_of_several_fires_of_one_instant_the_ordinary_one_answers_with_its_delay() -> None:
    run = entry(EntryKind.FIRED, fire_id="6a", cause="run", cause_id="by-hand")
    end = entry(EntryKind.RUN, detail_type="Run Failed", fire_id="5f", duration_ms=1_500, message="no disk")

    verdict = ask(a_record(), entries=[run, end, FIRED])

    assert verdict.says == "it fired, at 2026-12-01T08:00:02Z, 2 s later; the run failed after 1.5 s: no disk"
    assert verdict.entries == [FIRED, end]
    assert ask(a_record(), entries=[run]).says == "it fired by the run by-hand, at 2026-12-01T08:00:00Z"


def test_a_notice_of_several_is_about_the_occurrences_from_its_first_to_its_last_and_no_others() -> None:
    notice = skipped("paused", first=AT - 2 * HOUR, last=AT + 2 * HOUR)
    answers = [ask(a_record(), AT + hours * HOUR, entries=[notice]).because for hours in range(-3, 4)]

    assert answers == [Because.UNKNOWN, *[Because.PAUSE] * 5, Because.UNKNOWN]
    assert ask(a_record(), AT + 30 * MINUTE, entries=[notice]).because is Because.EXPRESSION


def test_a_reason_of_a_later_release_is_named_as_it_is() -> None:
    verdict = ask(a_record(), entries=[skipped("moon_phase")])

    assert answer(verdict) == (Because.UNKNOWN, True, False)
    assert verdict.says == "it was skipped: its reason is moon_phase"


# --- The definition --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "because", "says"),
    [
        pytest.param(
            AT - HOUR, Because.BOUNDS, "it begins at 2026-12-01T08:00:00Z, its `start`", id="before-its-start"
        ),
        pytest.param(AT, Because.UNKNOWN, "it was due", id="at-its-start"),
        pytest.param(AT + HOUR, Because.UNKNOWN, "it was due", id="the-last-one"),
        pytest.param(
            AT + 2 * HOUR, Because.MAX_FIRES, "its `max_fires`, 2, were used up, the last one due", id="used-up"
        ),
        pytest.param(AT + 3 * HOUR, Because.BOUNDS, "it ended at 2026-12-01T11:00:00Z, its `end`", id="at-its-end"),
    ],
)
def test_the_bounds_of_a_schedule_are_its_start_its_max_fires_and_its_end(
    at: Instant, because: Because, says: str
) -> None:
    bounds = {"start": to_datetime(AT), "end": to_datetime(AT + 3 * HOUR), "max_fires": 2}
    verdict = ask(a_record(start=AT, end=AT + HOUR + 1, schedule=bounds), at)

    assert verdict.because is because
    assert verdict.says.startswith(says)


def test_an_instant_of_two_definitions_is_the_earlier_one_s_and_one_of_neither_is_explained_by_its_neighbours() -> None:
    """Half past was sent at 08:00 and applied at 09:30:01. Until then the old definition fires too."""
    applied = AT + 90 * MINUTE + SECOND
    before = Era(7, HOURLY, AT - 2 * DAY, applied, planned_through=applied)
    record = a_record(HALF_PAST, start=AT + 1, revision=8, earlier=(before,))

    assert [ask(record, AT + minutes * MINUTE).because for minutes in (-30, 0, 30, 60, 90, 120)] == [
        Because.SUPERSESSION,  # the new definition counts from 08:00
        Because.UNKNOWN,
        Because.UNKNOWN,
        Because.UNKNOWN,
        Because.UNKNOWN,
        Because.SUPERSESSION,  # the old one was replaced
    ]
    paused = a_record(start=AT - HOUR, state=State.PAUSED, earlier=(replace(before, end=AT + 1),))
    assert [ask(paused, AT + hours * HOUR).because for hours in (0, 1)] == [Because.UNKNOWN, Because.PAUSE]
    neither = ask(record, AT + 10 * MINUTE)
    assert (neither.because, neither.before, neither.after) == (Because.EXPRESSION, None, AT + 30 * MINUTE)


@pytest.mark.parametrize(
    ("record", "at", "expected", "says"),
    [
        pytest.param(None, AT, (Because.NOT_FOUND, None, None), "no schedule of this name is stored", id="nothing"),
        pytest.param(
            record_of(None, state=State.PAUSED),
            AT,
            (Because.NOT_FOUND, None, None),
            "only a pause or a resume of it has arrived, and no put",
            id="a-pause-without-a-put",
        ),
        pytest.param(
            a_record("9;later"),
            AT,
            (Because.UNREADABLE, None, None),
            f"this release cannot read the stored expression: {why_unreadable('9;later')}",
            id="a-trigger-of-a-later-release",
        ),
        pytest.param(
            record_of(None, state=State.DELETED, start=AT, earlier=[Era(7, HOURLY, AT - DAY, AT)]),
            AT,
            (Because.DELETED, False, False),
            "the schedule was deleted at 2026-12-01T08:00:00Z",
            id="at-its-deletion",
        ),
        pytest.param(
            record_of(None, state=State.DELETED, start=AT, earlier=[Era(7, HOURLY, AT - DAY, AT)]),
            AT - HOUR,
            (Because.UNKNOWN, True, None),
            "it was due",
            id="before-its-deletion",
        ),
    ],
)
def test_what_is_not_there_or_cannot_be_read_is_said(
    record: Record | None, at: Instant, expected: tuple[Because, bool | None, bool | None], says: str
) -> None:
    verdict = ask(record, at)

    assert answer(verdict) == expected
    assert verdict.says.startswith(says)


def test_a_pause_that_lasts_and_one_that_is_over_are_told_apart() -> None:
    eras = [Era(7, HOURLY, AT - DAY, AT - 2 * HOUR), Era(8, HOURLY, AT - 2 * HOUR, AT + 1, paused=True)]
    over = a_record(start=AT + 1, revision=9, earlier=eras)
    lasting = a_record(start=AT, state=State.PAUSED)

    assert answer(ask(lasting)) == (Because.PAUSE, True, False)
    assert ask(lasting).says == "the schedule is paused, since 2026-12-01T08:00:00Z; a resume may fire what it misses"
    assert answer(ask(over)) == (Because.PAUSE, True, False)
    assert ask(over).says == "the schedule was paused from 2026-12-01T06:00:00Z until 2026-12-01T08:00:00.001Z"
    unkept = ask(over, keeps=KeepHistory.NONE)
    assert (unkept.fired, len(unkept.unknown)) == (None, 1)
    assert unkept.unknown[0].startswith("whether the resume then fired it late is not kept")


def test_a_schedule_that_expects_reports_fires_nothing_at_its_instants() -> None:
    expecting = a_record(schedule={"expect": Expect(600)})

    assert answer(ask(expecting)) == (Because.EXPECTS, True, False)
    assert "it expects a report by 2026-12-01T08:10:00Z" in ask(expecting).says
    assert ask(expecting, AT + MINUTE).because is Because.EXPRESSION


# --- What is to come, and what nobody knows --------------------------------------------------------------------------

OFFSET = flexible_offset_ms(KEY, 600)
SPREAD = a_record(schedule={"flexible_window_seconds": 600})
#: When the flexible window publishes what is due at AT.
PUBLISHED = AT + OFFSET


@pytest.mark.parametrize(
    ("now", "planned_through", "because", "says"),
    [
        pytest.param(
            PUBLISHED - 1,
            0,
            Because.TO_COME,
            f"it is due and to come; its flexible window publishes it at {rfc3339(PUBLISHED, millis=False)}",
            id="to-come",
        ),
        pytest.param(PUBLISHED, PUBLISHED, Because.PLANNER_BEHIND, "the planner is behind", id="not-planned-yet"),
        pytest.param(PUBLISHED, PUBLISHED + 1, Because.ON_ITS_WAY, "it was due within the last minute", id="planned"),
        pytest.param(
            PUBLISHED + ON_ITS_WAY_MS - 1, 0, Because.ON_ITS_WAY, "it was due within the last minute", id="for-a-minute"
        ),
        pytest.param(
            PUBLISHED + ON_ITS_WAY_MS, 0, Because.ON_ITS_WAY, "it was due, and nothing stored", id="it-may-be-tried"
        ),
        pytest.param(AT + TRIED_MS, 0, Because.UNKNOWN, "it was due, and nothing stored", id="for-ninety-minutes"),
    ],
)
def test_a_fire_is_to_come_then_on_its_way_and_then_missing(
    now: Instant, planned_through: Instant, because: Because, says: str
) -> None:
    verdict = ask(SPREAD, now=now, planned_through=planned_through)

    assert answer(verdict) == (because, True, None)
    assert verdict.says.startswith(says)


@pytest.mark.parametrize(
    ("keeps", "kept_since", "track", "because"),
    [
        pytest.param(KeepHistory.NONE, 0, True, Because.NOT_KEPT, id="no-history"),
        pytest.param(KeepHistory.TRACKED, 0, False, Because.NOT_KEPT, id="only-that-of-tracked-ones"),
        pytest.param(KeepHistory.TRACKED, 0, True, Because.UNKNOWN, id="and-it-is-one"),
        pytest.param(KeepHistory.ALL, AT + 1, False, Because.NOT_KEPT, id="no-longer"),
        pytest.param(KeepHistory.ALL, AT, False, Because.UNKNOWN, id="just-still"),
    ],
)
def test_nothing_is_concluded_from_what_would_not_be_kept(
    keeps: KeepHistory, kept_since: Instant, *, track: bool, because: Because
) -> None:
    record = a_record(schedule={"runs": Runs(track=track)})
    unseen = ["the dead letters of fires could not be looked at"]

    verdict = ask(record, keeps=keeps, kept_since=kept_since, unseen=unseen)

    assert answer(verdict) == (because, True, None)
    assert len(verdict.unknown) == 1 + (because is Because.NOT_KEPT)
    assert verdict.unknown[-1:] == unseen


# --- When it was due -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "limit", "hours"),
    [
        pytest.param(Window(AT - 2 * HOUR, AT + HOUR), 10, [-2, -1, 0], id="a-window-is-half-open"),
        pytest.param(Window(AT - 2 * HOUR, AT + HOUR + 1), 2, [0, 1], id="the-last-ones"),
        pytest.param(Window(AT - 30 * DAY, AT + 1), 3, [-2, -1, 0], id="of-a-long-window"),
        pytest.param(Window(AT + 3 * HOUR, AT + 9 * HOUR), 10, [3, 4.5, 5.5, 6.5, 7.5, 8.5], id="over-a-change"),
        pytest.param(Window(AT + 3 * HOUR, AT + 9 * HOUR), 2, [7.5, 8.5], id="the-last-ones-over-a-change"),
    ],
)
def test_the_due_instants_are_those_of_each_definition_while_it_is_in_force(
    window: Window, limit: int, hours: Sequence[float]
) -> None:
    eras = [Era(5, "9;later", 0, AT - 10 * DAY), Era(7, HOURLY, AT - 10 * DAY, AT + 4 * HOUR)]
    record = a_record(HALF_PAST, start=AT + 4 * HOUR, revision=8, earlier=eras)

    assert [(due - AT) / HOUR for due in due_instants(record, window, limit=limit)] == hours


def test_a_notice_of_what_is_excluded_is_not_about_what_fires_in_between() -> None:
    record = a_record(parse("*/10 * * * *", anchor=0, exclude=["*/20 * * * *"]).canonical)
    notice = skipped("excluded", first=AT, last=AT + 40 * MINUTE, count=3, by="*/20 * * * *")
    answers = [ask(record, AT + minutes * MINUTE, entries=[notice]).because for minutes in (0, 10, 20, 30, 40)]

    assert answers == [Because.EXCLUSION, Because.UNKNOWN] * 2 + [Because.EXCLUSION]
