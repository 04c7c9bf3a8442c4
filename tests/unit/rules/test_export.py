"""The commands that make what is stored again, at its own revisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.errors import InvalidSchedule
from eventcron.model.commands import DeleteCalendar, PauseSchedule, PutCalendar, ResumeSchedule, Schedule
from eventcron.model.names import CalendarKey
from eventcron.model.records import Calendar, LastCommands, Record, State
from eventcron.rules.definition import canonical_of
from eventcron.rules.export import (
    Exported,
    SchedulesCalendars,
    calendar_commands,
    calendars_in,
    rebuilt_calendar,
    schedule_commands,
)
from eventcron.timing.exclusions import parse_dates
from eventcron.timing.instant import to_datetime
from tests.records import record_of

T = 1_796_112_000_000  # 2026-12-01T08:00:00Z
MINUTE = 60_000
CALENDARS = {"norway": [parse_dates("2026-12-24/2026-12-26"), parse_dates("2026-12-31")], "sweden": []}
NORWAY = CalendarKey("acme", "norway")


def schedule(expression: str | list[str] = "* * * * *", **fields: Any) -> Schedule:
    return Schedule(tenant="acme", name="report", expression=expression, **fields)


def stored(given: Schedule | None = None, **more: Any) -> Record:
    """*given*, or a minutely schedule, put at T under the revision 10."""
    given = given or schedule()
    last = LastCommands(put_revision=10, state_revision=10)
    values = {"trigger": canonical_of(given, T, CALENDARS), "start": T, "created": T, "last_commands": last}
    return record_of(given, **{**values, "revision": 12, **more})


def switched(given: Schedule | None = None, *, pause: bool, revision: int, **more: Any) -> Record:
    """As ``stored``, and paused or resumed under *revision*."""
    last = LastCommands(put_revision=10, state_revision=10, pause_revision=revision, pause=pause)
    return stored(given, state=State.PAUSED if pause else State.ENABLED, last_commands=last, **more)


PUT = schedule(revision=10)


@pytest.mark.parametrize(
    ("record", "commands"),
    [
        pytest.param(stored(), [PUT], id="a-put-under-its-own-revision"),
        pytest.param(
            switched(pause=True, revision=20),
            [PUT, PauseSchedule(tenant="acme", name="report", revision=20)],
            id="paused",
        ),
        pytest.param(
            switched(pause=False, revision=20),
            [PUT, ResumeSchedule(tenant="acme", name="report", revision=20)],
            id="resumed",
        ),
        pytest.param(
            switched(pause=True, revision=10),
            [PUT, PauseSchedule(tenant="acme", name="report", revision=10)],
            id="a-pause-wins-a-tie-against-its-put",
        ),
        pytest.param(switched(pause=True, revision=9), [replace(PUT, state="PAUSED")], id="put-again-while-paused"),
        pytest.param(switched(pause=False, revision=9), [PUT], id="put-again-after-a-resume"),
        pytest.param(stored(state=State.COMPLETED), [], id="over"),
        pytest.param(record_of(None, state=State.DELETED), [], id="a-tombstone"),
        pytest.param(record_of(None, state=State.PAUSED), [], id="a-pause-that-came-before-its-put"),
    ],
)
def test_a_schedule_is_made_again_by_its_put_and_by_the_later_pause_or_resume(
    record: Record, commands: Sequence[Exported]
) -> None:
    assert schedule_commands(record, now=T + MINUTE) == commands


@pytest.mark.parametrize(
    ("given", "created", "start"),
    [
        pytest.param(schedule("rate(7 minutes)"), T + 999, to_datetime(T), id="from-the-second-of-its-creation"),
        pytest.param(schedule(["0 9 * * *", "rate(7 minutes)"]), T, to_datetime(T), id="one-of-several"),
        pytest.param(schedule("rate(7 minutes)", start=to_datetime(5)), T, to_datetime(5), id="from-its-own-start"),
        pytest.param(schedule("0 9 * * *"), T, None, id="cron-needs-none"),
    ],
)
def test_a_rate_gets_the_instant_from_which_it_counts(given: Schedule, created: int, start: object) -> None:
    record = stored(given, created=created)
    (put,) = schedule_commands(record, now=T)

    assert isinstance(put, Schedule)
    assert put.start == start
    assert canonical_of(put, 0, {}) == record.era.trigger, "wherever it is put"


@pytest.mark.parametrize(
    ("record", "minutes", "left"),
    [
        pytest.param(stored(schedule(max_fires=5)), 0, 5, id="none-was-due"),
        pytest.param(stored(schedule(max_fires=5)), 2, 3, id="two-were-and-one-is-due-now"),
        pytest.param(stored(schedule(max_fires=5), spent=2), 2, 1, id="and-two-before-it-was-replaced"),
        pytest.param(
            switched(given=schedule(max_fires=5), pause=True, revision=9, spent=2), 9, 3, id="a-pause-uses-none"
        ),
        pytest.param(stored(schedule(max_fires=5)), 5, None, id="nothing-is-left-to-make-again"),
        pytest.param(stored(schedule(max_fires=5), spent=7), 0, None, id="less-than-nothing"),
    ],
)
def test_only_what_is_left_of_max_fires_is_put(record: Record, minutes: int, left: int | None) -> None:
    commands = schedule_commands(record, now=T + minutes * MINUTE)

    assert [one.max_fires for one in commands if isinstance(one, Schedule)] == ([] if left is None else [left])


def test_a_trigger_that_this_release_cannot_read_is_no_schedule_without_commands() -> None:
    newer = stored(schedule(exclude=["calendar:norway"]), trigger="9;later")

    for ask in (lambda: schedule_commands(newer, now=T), lambda: calendars_in(newer)):
        with pytest.raises(InvalidSchedule, match="9;later"):
            ask()


# --- Calendars -------------------------------------------------------------------------------------------------------


def test_a_schedule_knows_the_days_that_it_has_taken_over() -> None:
    excluding = stored(schedule(exclude=["2026-12-05", "calendar:norway", "calendar:sweden"]))

    assert calendars_in(excluding) == SchedulesCalendars(
        10, {NORWAY: ("2026-12-24/2026-12-26", "2026-12-31"), CalendarKey("acme", "sweden"): ()}
    )
    assert calendars_in(stored()) is None
    assert calendars_in(replace(excluding, state=State.COMPLETED)) is None
    assert calendars_in(record_of(None)) is None


def a_calendar(*dates: str, deleted: bool = False) -> Calendar:
    return Calendar(tenant="acme", name="norway", revision=30, dates=None if deleted else dates)


def test_a_calendar_is_made_again_as_it_was_put_and_a_deleted_one_is_not() -> None:
    put = PutCalendar(tenant="acme", name="norway", dates=["2026-12-24", "2026-12-31"], revision=30)

    assert calendar_commands(a_calendar("2026-12-24", "2026-12-31")) == [put]
    assert calendar_commands(a_calendar()) == [replace(put, dates=[])], "one without days too"
    assert calendar_commands(a_calendar(deleted=True)) == []


@pytest.mark.parametrize(
    ("tombstone", "revisions"),
    [
        pytest.param(None, [10], id="the-ledger-was-lost"),
        pytest.param(a_calendar(deleted=True), [29, 30], id="deleted-after-its-days-were-taken"),
        pytest.param(replace(a_calendar(deleted=True), revision=0), [0, 0], id="deleted-under-the-lowest-revision"),
    ],
)
def test_a_calendar_that_only_schedules_know_is_put_before_it_is_deleted_again(
    tombstone: Calendar | None, revisions: list[int]
) -> None:
    taken = SchedulesCalendars(10, {NORWAY: ("2026-12-24",)})
    commands = [*rebuilt_calendar(NORWAY, taken, tombstone)]

    assert commands == [
        PutCalendar(tenant="acme", name="norway", dates=["2026-12-24"], revision=revisions[0]),
        *(DeleteCalendar(tenant="acme", name="norway", revision=one) for one in revisions[1:]),
    ]
