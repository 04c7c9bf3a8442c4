"""Rejections that several commands share: what each names, was given, and allows."""

from __future__ import annotations

import pytest

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import Schedule
from eventcron.model.names import BackfillKey, CalendarKey, Key
from eventcron.model.records import Record, State
from eventcron.model.tracking import Expect
from eventcron.rules.rejections import not_found, stale, to_fire
from tests.records import record_of

KEY = Key("acme", "report")


def parts(error: InvalidSchedule) -> tuple[str, str, str, str]:
    return error.code, error.field, error.given, error.allowed


@pytest.mark.parametrize(
    ("key", "field", "given", "allowed"),
    [
        pytest.param(KEY, "name", "'acme/report'", "a schedule that exists", id="schedule"),
        pytest.param(
            CalendarKey("acme", "norway"), "name", "'acme/calendar:norway'", "a calendar that exists", id="calendar"
        ),
        pytest.param(
            BackfillKey("acme", "report", "november"),
            "backfill_id",
            "'acme/report/november'",
            "a backfill that exists",
            id="backfill",
        ),
        pytest.param(
            BackfillKey("acme", "report", "resume:7"),
            "backfill_id",
            "'acme/report/resume:7'",
            "a backfill that exists",
            id="catch-up",
        ),
    ],
)
def test_what_is_not_there_is_named_by_the_field_that_names_it(
    key: Key | CalendarKey | BackfillKey, field: str, given: str, allowed: str
) -> None:
    assert parts(not_found(key)) == (RejectionCode.NOT_FOUND, field, given, allowed)
    assert str(not_found(key)) == f"{field}: got {given}; allowed: {allowed}"


def test_a_command_that_comes_too_late_learns_which_revision_it_has_to_exceed() -> None:
    assert parts(stale(4, applied=5)) == (
        RejectionCode.STALE_REVISION, "revision", "4", "more than 5, the revision already applied",
    )  # fmt: skip


@pytest.mark.parametrize("state", [State.ENABLED, State.PAUSED, State.COMPLETED])
def test_a_schedule_may_be_fired_outside_its_time_whatever_its_state_is(state: State) -> None:
    record = record_of(Schedule(tenant="acme", name="report", expression="manual"), state=state)

    assert to_fire(record, KEY) is record


@pytest.mark.parametrize(
    "record", [pytest.param(None, id="nothing"), pytest.param(record_of(None, state=State.DELETED), id="a-tombstone")]
)
def test_what_was_never_put_or_was_deleted_cannot_be_fired(record: Record | None) -> None:
    with pytest.raises(InvalidSchedule) as refused:
        to_fire(record, KEY)

    assert parts(refused.value) == parts(not_found(KEY))


def test_a_schedule_that_expects_reports_cannot_be_fired() -> None:
    expecting = record_of(Schedule(tenant="acme", name="report", expression="@daily", expect=Expect(600)))

    with pytest.raises(InvalidSchedule) as refused:
        to_fire(expecting, KEY)

    assert parts(refused.value) == (
        RejectionCode.OUT_OF_RANGE,
        "name",
        "'acme/report'",
        "a schedule without 'expect'; one with it fires nothing",
    )
