"""Commands in any order leave the state of the highest revision; a replay changes nothing."""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from eventcron.model.commands import Schedule
from eventcron.model.records import LastCommands, Record
from eventcron.rules.ordering import (
    MAX_RECENT_EVENT_IDS,
    Verdict,
    Version,
    judge_delete,
    judge_pause,
    judge_put,
    judge_resume,
    next_revision,
    version_of,
)
from tests.records import record_of

SCHEDULE = Schedule(tenant="acme", name="nightly", expression="0 2 * * *")
JUDGES = {"put": judge_put, "delete": judge_delete, "pause": judge_pause, "resume": judge_resume}


def stored(put: int, delete: int = 0, pause: int = 0, state: int | None = None) -> Record:
    """After a put, a delete and a pause. *state* is the put that decided the state, by default that put."""
    decided = put if state is None else state
    commands = LastCommands(
        put_revision=put, delete_revision=delete, pause_revision=pause, pause=pause > 0, state_revision=decided
    )
    return record_of(SCHEDULE, revision=max(put, delete, pause), last_commands=commands)


@pytest.mark.parametrize(
    ("kind", "record", "revision", "verdict"),
    [
        pytest.param("put", None, 5, Verdict.APPLY, id="first-put"),
        pytest.param("put", stored(5), 5, Verdict.STALE, id="another-put-of-the-same-revision"),
        pytest.param("put", stored(5), 4, Verdict.STALE, id="earlier-put"),
        pytest.param("put", stored(5), 6, Verdict.APPLY, id="later-put"),
        pytest.param("put", stored(5, delete=7), 7, Verdict.STALE, id="a-delete-wins-a-tie-against-a-put"),
        pytest.param("delete", stored(5), 5, Verdict.APPLY, id="a-delete-of-the-same-revision-as-its-put"),
        pytest.param("delete", stored(5), 4, Verdict.STALE, id="a-delete-of-an-earlier-put"),
        pytest.param("delete", stored(5, delete=7), 7, Verdict.DUPLICATE, id="same-delete-again"),
        pytest.param("pause", stored(5), 5, Verdict.APPLY, id="a-pause-of-the-same-revision-as-its-put"),
        pytest.param("pause", stored(5, delete=7), 7, Verdict.STALE, id="a-delete-wins-a-tie-against-a-pause"),
        pytest.param("pause", stored(5, pause=7), 7, Verdict.DUPLICATE, id="same-pause-again"),
        pytest.param("pause", stored(5), 4, Verdict.STALE, id="a-pause-before-the-put-that-decides"),
        pytest.param("pause", stored(5, state=3), 4, Verdict.APPLY, id="a-pause-before-a-put-that-leaves-the-state"),
        pytest.param("resume", stored(5, pause=7), 6, Verdict.STALE, id="a-resume-before-the-pause"),
        pytest.param("resume", stored(5, pause=7), 7, Verdict.STALE, id="a-resume-of-the-same-revision-as-a-pause"),
        pytest.param("resume", stored(5, pause=7), 8, Verdict.APPLY, id="a-resume-after-the-pause"),
    ],
)
def test_a_command_acts_if_it_is_later_than_what_it_could_undo(
    kind: str, record: Record | None, revision: int, verdict: Verdict
) -> None:
    assert JUDGES[kind](record, revision) is verdict


class Command(NamedTuple):
    kind: str
    revision: int


def handle(record: Record | None, command: Command) -> Record:
    """Judge *command* and, if it acts, remember its revision as the registrar does."""
    if JUDGES[command.kind](record, command.revision) is not Verdict.APPLY:
        assert record is not None
        return record
    last = LastCommands() if record is None else record.last_commands
    if command.kind == "put":
        last = replace(last, put_revision=command.revision, state_revision=command.revision)
    elif command.kind == "delete":
        last = replace(last, delete_revision=command.revision)
    else:
        last = replace(last, pause_revision=command.revision, pause=command.kind == "pause")
    return record_of(SCHEDULE, revision=next_revision(record, command.revision), last_commands=last)


def outcome(commands: tuple[Command, ...]) -> tuple[bool, bool]:
    """Whether the schedule exists at the end, and whether a pause is in force."""
    record: Record | None = None
    for command in commands:
        record = handle(record, command)
    assert record is not None
    last = record.last_commands
    exists = last.put_revision > last.delete_revision
    return exists, exists and last.pause and last.pause_revision >= last.put_revision


commands = st.lists(
    st.builds(Command, st.sampled_from(sorted(JUDGES)), st.integers(0, 6)),
    min_size=1,
    max_size=4,
    unique_by=lambda command: ("switch" if command.kind in {"pause", "resume"} else command.kind, command.revision),
)


@given(commands)
def test_any_order_of_commands_ends_alike(given_ones: list[Command]) -> None:
    assert len({outcome(order) for order in permutations(given_ones)}) == 1


@given(commands)
def test_a_replay_changes_nothing(given_ones: list[Command]) -> None:
    assert outcome((*given_ones, *given_ones)) == outcome(tuple(given_ones))


def test_the_applied_revision_rises() -> None:
    assert next_revision(None, 5) == 5
    assert next_revision(stored(7), 5) == 8
    assert next_revision(stored(7), 9) == 9


class Stored(NamedTuple):
    latest: int
    recent_event_ids: tuple[str, ...]


@pytest.mark.parametrize(
    ("before", "given_revision", "version"),
    [
        pytest.param(None, None, Version(5_000, ("new",)), id="the-events-time"),
        pytest.param(None, 42, Version(42, ("new",)), id="its-own-revision"),
        pytest.param(Stored(5_000, ("new",)), None, None, id="the-same-event-again"),
        pytest.param(Stored(5_000, ("a",)), None, Version(5_001, ("a", "new")), id="second-of-one-second"),
        pytest.param(Stored(4_000, ("a",)), None, Version(5_000, ("new",)), id="a-second-later"),
        pytest.param(Stored(6_000, ("a",)), None, Version(5_000, ("a", "new")), id="a-second-earlier"),
        pytest.param(Stored(5_000, ("a",)), 5_500, Version(5_500, ("a", "new")), id="its-own-revision-within-a-second"),
    ],
)
def test_a_command_acts_under_a_revision(
    before: Stored | None, given_revision: int | None, version: Version | None
) -> None:
    assert version_of(before, given=given_revision, time=5_000, event_id="new") == version


def test_so_many_event_ids_are_remembered() -> None:
    before = Stored(5_000, tuple(map(str, range(MAX_RECENT_EVENT_IDS))))
    version = version_of(before, given=None, time=5_000, event_id="new")

    assert version is not None
    assert version.recent_event_ids == (*before.recent_event_ids[1:], "new")
