"""What a tenant may store: examples. A limit concerns what a put changes, never what is stored."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import Schedule
from eventcron.model.names import Key
from eventcron.model.records import Record, State
from eventcron.rules import limits
from eventcron.rules.definition import canonical_of
from eventcron.rules.inputs import set_apart
from tests.records import record_of

NOON = 1_796_126_400_000  # 2026-12-01T12:00:00Z


def schedule(expression: str | list[str] = "* * * * *", *, given: bytes = b"null", **fields: Any) -> Schedule:
    return Schedule(tenant="acme", name="tidy", expression=expression, input=msgspec.Raw(given), **fields)


def text(size: int, character: str = "x") -> bytes:
    return b'"%s"' % (character.encode() * (size - 2))


# --- Inputs ----------------------------------------------------------------------------------------------------------


def test_an_input_at_the_limit_is_taken() -> None:
    limits.check_input(schedule(given=text(100)), None, max_bytes=100)


def test_a_longer_one_is_refused_with_both_sizes() -> None:
    with pytest.raises(InvalidSchedule) as caught:
        limits.check_input(schedule(given=text(32_769)), None, max_bytes=32_768)

    error = caught.value
    assert (error.code, error.field) == (RejectionCode.INPUT_TOO_LARGE, "input")
    assert error.given == "32,769 bytes of JSON"
    assert error.allowed.startswith("at most 32,768 bytes of JSON; store what is longer elsewhere")


@pytest.mark.parametrize("size", [pytest.param(200, id="in-the-record"), pytest.param(5_000, id="stored-apart")])
def test_over_a_lowered_limit_the_stored_input_may_be_put_again_and_no_other(size: int) -> None:
    before = schedule(given=text(size))
    stored = set_apart(record_of(before))[0]

    limits.check_input(replace(before, expression="0 * * * *"), stored, max_bytes=100)
    with pytest.raises(InvalidSchedule):
        limits.check_input(schedule(given=text(size, "y")), stored, max_bytes=100)


def test_an_input_counts_without_its_escapes() -> None:
    escaped = schedule(given=rb'"\u00e6\u00e6\u00e6"')

    assert bytes(limits.fitted(escaped, max_bytes=8).input) == '"æææ"'.encode()
    assert limits.fitted(escaped, max_bytes=20) is escaped


# --- Periods ---------------------------------------------------------------------------------------------------------


def check(after: Schedule, *, seconds: int, before: Schedule | None = None) -> None:
    stored: Record | None = None if before is None else record_of(before)
    made = record_of(after, trigger=canonical_of(after, NOON, {}), start=NOON)
    limits.check_period(after, stored, made, seconds=seconds)


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("* * * * *", id="as-often-as-allowed"),
        pytest.param("0 9 * * *", id="less-often"),
        pytest.param("manual", id="never-by-itself"),
        pytest.param("at(2199-12-01T09:00:00)", id="once"),
    ],
)
def test_a_schedule_within_the_bound_is_taken(expression: str) -> None:
    check(schedule(expression), seconds=60)


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("rate(59 seconds)", id="rate"),
        pytest.param("*/30 * * * * *", id="cron"),
        pytest.param(["0 0 * * * *", "59 59 23 * * *"], id="two-together"),
    ],
)
def test_one_that_fires_more_often_is_refused(expression: str | list[str]) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        check(schedule(expression), seconds=60)

    assert (caught.value.code, caught.value.field) == (RejectionCode.TOO_OFTEN, "expression")


def test_the_refusal_says_how_close_and_how_far() -> None:
    with pytest.raises(InvalidSchedule) as caught:
        check(schedule("*/30 * * * * *"), seconds=60)

    assert caught.value.given == "'*/30 * * * * *', with fires 30 s apart"
    assert caught.value.allowed == "at least 60 s between two fires"


def test_without_a_bound_nothing_is_refused() -> None:
    check(schedule(["at(2199-12-01T09:00:00)", "at(2199-12-01T09:00:00.001)"]), seconds=1)


def test_over_a_raised_bound_a_schedule_may_be_put_with_its_times_and_no_others() -> None:
    stored = schedule("rate(10 seconds)")

    check(schedule("rate(10 seconds)", given=b"1"), seconds=60, before=stored)
    with pytest.raises(InvalidSchedule):
        check(schedule("rate(20 seconds)"), seconds=60, before=stored)


# --- How many --------------------------------------------------------------------------------------------------------

ENABLED = record_of(schedule())
TOMBSTONE = replace(ENABLED, schedule=None, state=State.DELETED, expires=1)
COMPLETED = replace(ENABLED, state=State.COMPLETED)
TO_BE_DELETED = replace(COMPLETED, expires=1)


@pytest.mark.parametrize(
    ("stored", "after", "added"),
    [
        pytest.param(None, ENABLED, 1, id="new"),
        pytest.param(TOMBSTONE, ENABLED, 1, id="again-after-a-deletion"),
        pytest.param(TO_BE_DELETED, ENABLED, 1, id="again-after-it-was-completed-to-be-deleted"),
        pytest.param(ENABLED, ENABLED, 0, id="updated"),
        pytest.param(COMPLETED, ENABLED, 0, id="again-after-it-was-completed-and-kept"),
        pytest.param(ENABLED, TOMBSTONE, -1, id="deleted"),
        pytest.param(COMPLETED, TO_BE_DELETED, -1, id="completed-to-be-deleted"),
        pytest.param(None, TOMBSTONE, 0, id="deleted-before-its-put-arrived"),
        pytest.param(TOMBSTONE, TOMBSTONE, 0, id="deleted-twice"),
    ],
)
def test_what_a_change_adds_to_the_count(stored: Record | None, after: Record, added: int) -> None:
    assert limits.added(stored, after) == added


def test_the_refusal_names_the_limit_and_what_to_do() -> None:
    error = limits.too_many(Key("acme", "tidy"), 10_000)

    assert (error.code, error.field) == (RejectionCode.TOO_MANY_SCHEDULES, "name")
    assert str(error) == (
        "name: got a new schedule 'acme/tidy'; allowed: at most 10,000 schedules of a tenant; delete one first"
    )
