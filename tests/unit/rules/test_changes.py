"""What a declared schedule changes: told by examples, and held against what is really put by a rule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.errors import InvalidSchedule
from eventcron.model.commands import DeleteSchedule, Schedule
from eventcron.model.names import Instant, Window
from eventcron.model.records import Record
from eventcron.rules import lifecycle, ordering
from eventcron.rules.changes import MAX_FIRES, Change, change_of, later_than, removal_of
from eventcron.rules.lifecycle import When
from eventcron.timing.instant import rfc3339

NOW = 1_796_083_200_000  # 2026-12-01T00:00:00Z
DAY = 86_400_000
WEEK = Window(NOW + 1, NOW + 7 * DAY)


def schedule(expression: str = "0 2 * * *", **more: Any) -> Schedule:
    fields = {"tenant": "acme", "name": "report", "expression": expression, **more}
    return msgspec.json.decode(msgspec.json.encode(fields), type=Schedule)


def stored(declared: Schedule, *, at: Instant = NOW - DAY) -> Record:
    """What the registrar stores of *declared*, put a day ago."""
    version = ordering.version_of(None, given=declared.revision, time=at, event_id="e-1")
    assert version is not None
    return lifecycle.put(None, declared, version, When(at, at, 0, 1), expires=0)


def change(declared: Schedule, record: Record | None) -> Change | None:
    return change_of(declared, record, {}, now=NOW, window=WEEK)


def test_what_is_stored_as_declared_is_no_change() -> None:
    assert change(schedule(), stored(schedule())) is None
    assert change(schedule(timezone="UTC", priority=5), stored(schedule())) is None  # defaults that are spelled out


def test_spaces_in_an_input_are_no_change() -> None:
    fields = '{"tenant":"acme","name":"report","expression":"0 2 * * *","input":{"a": [1.0,  "ü"]}}'

    assert change(msgspec.json.decode(fields, type=Schedule), stored(schedule(input={"a": [1.0, "ü"]}))) is None


def test_a_new_schedule_adds_its_fires() -> None:
    made = change(schedule(), None)

    assert made is not None
    assert not made.exists
    assert made.fields == {}
    assert (len(made.moves.added), made.moves.removed) == (7, [])
    assert rfc3339(made.moves.added[0], millis=False) == "2026-12-01T02:00:00Z"


def test_another_time_of_day_moves_each_fire() -> None:
    made = change(schedule("0 3 * * *"), stored(schedule()))

    assert made is not None
    assert made.fields == {"expression": ("0 2 * * *", "0 3 * * *")}
    assert [(rfc3339(a, millis=False), rfc3339(b, millis=False)) for a, b in made.moves.moved][:1] == [
        ("2026-12-01T02:00:00Z", "2026-12-01T03:00:00Z")
    ]
    assert len(made.moves.moved) == 7


def test_what_moves_no_fire_says_so() -> None:
    made = change(schedule(input={"n": 2}, labels={"team": "billing"}), stored(schedule()))

    assert made is not None
    assert made.fields == {"labels": (None, {"team": "billing"}), "input": ("4 bytes", "7 bytes")}
    assert made.moves.added == made.moves.removed == []


def test_a_pause_removes_fires_and_is_a_change_of_state() -> None:
    made = change(schedule(state="PAUSED"), stored(schedule()))

    assert made is not None
    assert made.fields == {"state": ("ENABLED", "PAUSED")}
    assert (made.moves.added, len(made.moves.removed)) == ([], 7)


def test_a_put_without_state_leaves_a_pause() -> None:
    assert change(schedule(), stored(schedule(state="PAUSED"))) is None


def test_a_removal_removes_the_fires() -> None:
    made = removal_of(stored(schedule()), window=WEEK)

    assert made.command == DeleteSchedule(tenant="acme", name="report")
    assert len(made.moves.removed) == 7


def test_an_exported_revision_changes_only_what_is_older() -> None:
    record = stored(schedule(revision=50))

    assert [later_than(schedule(revision=revision), record) for revision in (49, 50, 51)] == [-1, 0, 1]
    assert later_than(schedule(), record) == 1
    assert later_than(schedule(revision=1), None) == 1


def test_what_the_registrar_would_reject_is_an_error() -> None:
    with pytest.raises(InvalidSchedule, match="never match"):
        change(schedule("0 0 31 2 *"), None)


def test_a_schedule_of_every_second_is_compared_as_far_as_its_first_fires_go() -> None:
    made = change(schedule("* * * * * *"), stored(schedule()))

    assert made is not None
    assert MAX_FIRES <= len(made.moves.added) < MAX_FIRES + 400
    assert made.moves.until < WEEK.end


FIELDS = st.fixed_dictionaries(
    {"expression": st.sampled_from(["0 2 * * *", "0 */6 * * *", "rate(90 minutes)", "30 1-3 * * *"])},
    optional={
        "timezone": st.sampled_from(["UTC", "Europe/Oslo"]),
        "exclude": st.sampled_from([["2026-12-02"], ["* 2 * * *"]]),
        "max_fires": st.integers(1, 9),
        "flexible_window_seconds": st.sampled_from([600]),
        "end": st.sampled_from(["2026-12-04T00:00:00Z"]),
        "state": st.sampled_from(["PAUSED", "ENABLED"]),
    },
)


@given(before=FIELDS, after=FIELDS)
def test_once_it_is_put_nothing_is_left_to_change(before: dict[str, Any], after: dict[str, Any]) -> None:
    record = stored(schedule(**before))
    try:
        made = change(schedule(**after), record)
    except InvalidSchedule:
        return
    if made is None:
        return
    version = ordering.version_of(record, given=None, time=NOW, event_id="e-2")
    assert version is not None
    put = lifecycle.put(record, schedule(**after), version, When(NOW, NOW, 0, 1), expires=0)

    assert change_of(schedule(**after), put, {}, now=NOW + 1_000, window=WEEK) is None
    assert datetime.fromtimestamp(made.moves.until / 1000, UTC) <= datetime(2026, 12, 8, tzinfo=UTC)
    assert not set(made.moves.added) & set(made.moves.removed)
