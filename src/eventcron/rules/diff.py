"""How a declared schedule differs from the stored one, and which of its fires move. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from eventcron.model.commands import Schedule
from eventcron.model.names import Instant
from eventcron.model.records import Record, State
from eventcron.rules.inputs import has_input
from eventcron.rules.ordering import is_paused

#: What ``changed_fields`` compares in a way of its own: who orders, who pauses, and what may be stored apart.
_APART = frozenset({"revision", "state", "input"})


class FieldChange(NamedTuple):
    """A field of a definition, as JSON before and after. An input is named only, as it may be long."""

    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.field}: {self.before} → {self.after}" if self.before or self.after else self.field


class Moves(NamedTuple):
    """How the fires of one schedule change. Instants ascend."""

    added: list[Instant]
    removed: list[Instant]
    #: From, to.
    moved: list[tuple[Instant, Instant]]


def changed_fields(stored: Record, schedule: Schedule, revision: int) -> list[FieldChange]:
    """The fields in which *schedule*, put under *revision*, differs from the schedule that is stored.

    There is none exactly if ``rules.ordering.is_stored`` holds.
    """
    before = stored.schedule
    assert before is not None  # noqa: S101  # a tombstone has no fields
    changes = [
        FieldChange(field, _json(old), _json(new))
        for field in Schedule.__struct_fields__
        if field not in _APART and (old := getattr(before, field)) != (new := getattr(schedule, field))
    ]
    was, becomes = stored.state is State.PAUSED, is_paused(stored, schedule, revision)
    if was != becomes:
        changes.append(FieldChange("state", _state(paused=was), _state(paused=becomes)))
    if not has_input(stored, schedule.input):
        changes.append(FieldChange("input", "", ""))
    return changes


def with_stored_input(stored: Record, schedule: Schedule) -> Schedule:
    """*schedule* with the input of *stored*, a whole record, in place of its own, if the two are the same JSON.

    A bus writes JSON anew: other blanks and other escapes are no other input.
    """
    before = stored.schedule
    if before is None or stored.input is not None or _value(before.input) != _value(schedule.input):
        return schedule
    return replace(schedule, input=before.input)


def _value(given: msgspec.Raw) -> str:
    return json.dumps(json.loads(bytes(given)), sort_keys=True)


def moves(before: Iterable[Instant], after: Iterable[Instant]) -> Moves:
    """How the fires at *before* become those at *after*.

    A fire that goes and one that comes are one that moves, if no other fire of the schedule is between the two.

    >>> moves([2, 26, 50], [3, 27, 50, 60])
    Moves(added=[60], removed=[], moved=[(2, 3), (26, 27)])
    """
    old, new = set(before), set(after)
    found = Moves([], [], [])
    open_at: Instant | None = None
    for at in sorted(old | new):
        if at in old and at in new:
            _close(found, open_at, old)
            open_at = None
        elif open_at is None:
            open_at = at
        elif (at in old) == (open_at in old):
            _close(found, open_at, old)
            open_at = at
        else:
            found.moved.append((open_at, at) if open_at in old else (at, open_at))
            open_at = None
    _close(found, open_at, old)
    return found


def _close(found: Moves, at: Instant | None, old: set[Instant]) -> None:
    """Count the fire at *at*, which has no partner."""
    if at is not None:
        (found.removed if at in old else found.added).append(at)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _state(*, paused: bool) -> str:
    return '"PAUSED"' if paused else '"ENABLED"'
