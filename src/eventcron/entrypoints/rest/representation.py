"""How schedules are shown."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from eventcron.model.commands import Schedule
from eventcron.model.events import Time
from eventcron.model.names import Instant
from eventcron.model.records import Record, State
from eventcron.rules.planning import nth_fire
from eventcron.timing.instant import rfc3339

Shown: TypeAlias = Literal["ENABLED", "PAUSED", "COMPLETED"]
#: A tombstone is not shown.
SHOWN: dict[State, Shown] = {
    State.ENABLED: "ENABLED",
    State.PAUSED: "PAUSED",
    State.COMPLETED: "COMPLETED",
}


class StoredSchedule(Struct, frozen=True, kw_only=True):
    """A schedule as stored."""

    #: What was put, without its revision. To put it again changes nothing but the revision.
    schedule: msgspec.Raw
    #: COMPLETED: it has no occurrence left.
    state: Shown
    #: Rises with every change. The ETag, in quotation marks.
    revision: int
    created: Time
    #: Its next fire, where there is one. Not in lists.
    next_due: Time | UnsetType = UNSET


class SchedulePage(Struct, frozen=True, kw_only=True):
    """Some of a tenant's schedules, by name."""

    schedules: list[StoredSchedule]
    #: Asks for the next page; absent on the last. A page may be empty and not the last.
    next: str | UnsetType = UNSET


class Accepted(Struct, frozen=True, kw_only=True):
    """A command was taken. What comes of it is told on the bus."""

    tenant: str
    name: str
    #: The ``cause_id`` of its fires.
    id: str


def stored_schedule(record: Record, schedule: Schedule) -> StoredSchedule:
    """*record* as it is shown in a list."""
    # As it is now, not as it was put: putting back what was read must not resume what was paused since.
    again = replace(schedule, revision=None, state="PAUSED" if record.state is State.PAUSED else "ENABLED")
    return StoredSchedule(
        schedule=msgspec.Raw(msgspec.json.encode(again)),
        state=SHOWN[record.state],
        revision=record.revision,
        created=rfc3339(record.created),
    )


def in_full(record: Record, schedule: Schedule, *, now: Instant) -> StoredSchedule:
    """*record* with its next fire."""
    shown = stored_schedule(record, schedule)
    era = record.era
    due = nth_fire(era.trigger, max(era.start, now), 1) if record.state is State.ENABLED else None
    if due is None or (era.end is not None and due >= era.end):
        return shown
    return replace(shown, next_due=rfc3339(due))


def entity_tag(revision: int) -> str:
    """The ``ETag`` of a revision."""
    return f'"{revision}"'
