"""What a declared schedule changes: which of its fields, and which of its fires. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from eventcron.errors import InvalidSchedule
from eventcron.model.commands import DeleteSchedule, PutCalendar, Schedule
from eventcron.model.names import Instant, Window
from eventcron.model.records import Record, State
from eventcron.rules import lifecycle, ordering
from eventcron.rules.definition import Calendars, fires_alike
from eventcron.rules.inputs import has_input
from eventcron.rules.lifecycle import When
from eventcron.rules.upcoming import UpcomingFire, upcoming_entries, upcoming_fires

#: Fires of one schedule that are looked at. A schedule that fires every second has as many in under three hours.
MAX_FIRES = 10_000
#: No event has this id: the plan is no command.
_EVENT_ID = "plan"
#: What orders commands and is no part of a definition; ``state`` is compared as what it leaves.
_NOT_COMPARED = frozenset({"revision", "state", "input"})


class Moves(Struct, frozen=True, kw_only=True):
    """Which fires a change adds and removes. As many of each, and it moves them: the first to the first."""

    added: list[Instant] = []
    removed: list[Instant] = []
    #: Fires are compared that are published before this instant.
    until: Instant = 0

    @property
    def moved(self) -> list[tuple[Instant, Instant]]:
        """Pairs of an instant and the one that it moves to; none if more fires are added than removed, or fewer."""
        alike = len(self.added) == len(self.removed)
        return list(zip(self.removed, self.added, strict=True)) if alike else []


class Change(Struct, frozen=True, kw_only=True):
    """What one declared schedule, calendar or absence of a schedule changes. It is done by *command*."""

    command: Schedule | DeleteSchedule | PutCalendar
    #: Whether something of that name is stored.
    exists: bool
    #: Field → its value before and after, as JSON says it.
    fields: dict[str, tuple[Any, Any]] = {}
    moves: Moves = msgspec.field(default_factory=Moves)


def change_of(
    schedule: Schedule, stored: Record | None, calendars: Calendars, *, now: Instant, window: Window
) -> Change | None:
    """What putting *schedule* at *now* changes; None: nothing. Fires are compared that are published in *window*.

    *calendars* has those of the tenant.

    Raises:
        InvalidSchedule: the registrar would reject the put.
    """
    # A bus may write JSON anew, so spaces around a value are no difference.
    schedule = replace(schedule, input=msgspec.Raw(msgspec.json.format(bytes(schedule.input), indent=-1)))
    version = ordering.version_of(stored, given=schedule.revision, time=now, event_id=_EVENT_ID)
    assert version is not None  # noqa: S101  # no stored event has this id
    same = stored is not None and ordering.is_stored(stored, schedule, version.revision)
    if same and stored is not None and fires_alike(stored, schedule, calendars=calendars):
        return None
    when = When(now, now, 0, 1)
    after = lifecycle.put(stored, schedule, version, when, expires=0, calendars=calendars)
    exists = stored is not None and stored.schedule is not None
    return Change(
        command=schedule,
        exists=exists,
        fields=_fields(stored, after, schedule) if exists and stored is not None else {},
        moves=_moves(_fires(stored, window), _fires(after, window), window),
    )


def later_than(schedule: Schedule, stored: Record | None) -> int:
    """By how much *schedule*, which says its revision, is later than what was applied: at most 0, it changes nothing.

    An exported schedule has the revision under which it is stored. It may differ in words: see ``rules.export``.
    """
    if schedule.revision is None or stored is None:
        return 1
    last = stored.last_commands
    return schedule.revision - max(last.put_revision, last.delete_revision)


def removal_of(stored: Record, *, window: Window) -> Change:
    """What deleting the schedule of *stored* changes."""
    return Change(
        command=DeleteSchedule(tenant=stored.tenant, name=stored.name),
        exists=True,
        moves=_moves(_fires(stored, window), [], window),
    )


def _fields(stored: Record, after: Record, schedule: Schedule) -> dict[str, tuple[Any, Any]]:
    """The fields that differ. The input is shown by its size: it may be stored apart, and may be long."""
    assert stored.schedule is not None  # noqa: S101  # callers pass a schedule that exists
    before, now = (msgspec.json.decode(msgspec.json.encode(one)) for one in (stored.schedule, schedule))
    names = [name for name in (*before, *now) if name not in _NOT_COMPARED]
    fields = {name: (before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)}
    if stored.state is not after.state:
        fields["state"] = (str(stored.state), str(after.state))
    if not has_input(stored, schedule.input):
        size = stored.input.size if stored.input else len(bytes(stored.schedule.input))
        fields["input"] = (f"{size} bytes", f"{len(bytes(schedule.input))} bytes")
    return fields


def _fires(record: Record | None, window: Window) -> list[Instant]:
    """When *record* publishes in *window*, in order: the first ``MAX_FIRES`` and those of their slice."""
    if record is None or record.state is State.COMPLETED:
        return []
    found: list[Instant] = []
    try:
        for one in upcoming_fires(upcoming_entries(record, since=window.start), window):
            if isinstance(one, UpcomingFire):
                found.append(one.at)
                if len(found) > MAX_FIRES and one.at > found[MAX_FIRES]:
                    break
    except InvalidSchedule:  # of a later release: what it fires is not known here
        return []
    return sorted(found)


def _moves(before: Sequence[Instant], after: Sequence[Instant], window: Window) -> Moves:
    """Compare as far as both are known."""
    until = min([window.end, *(fires[-1] for fires in (before, after) if len(fires) > MAX_FIRES)])
    gone, new = ({at for at in fires if at < until} for fires in (before, after))
    return Moves(added=sorted(new - gone), removed=sorted(gone - new), until=until)
