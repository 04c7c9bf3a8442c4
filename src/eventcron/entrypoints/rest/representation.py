"""Schedules as answers show them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from eventcron.errors import InvalidSchedule
from eventcron.model.commands import Schedule
from eventcron.model.events import Time
from eventcron.model.names import Instant
from eventcron.model.records import Record, State
from eventcron.rules.upcoming import next_fires
from eventcron.timing.instant import rfc3339

Shown: TypeAlias = Literal["ENABLED", "PAUSED", "COMPLETED"]
#: Answers do not show a tombstone.
SHOWN: dict[State, Shown] = {
    State.ENABLED: "ENABLED",
    State.PAUSED: "PAUSED",
    State.COMPLETED: "COMPLETED",
}


class StoredSchedule(Struct, frozen=True, kw_only=True):
    """A schedule as stored."""

    schedule: Annotated[
        msgspec.Raw,
        Meta(
            description="The detail of its last Put Schedule, without the revision, and with the state only if that is "
            "PAUSED. To put it again changes nothing."
        ),
    ]
    state: Annotated[Shown, Meta(description="A COMPLETED schedule has no occurrence left.")]
    revision: Annotated[int, Meta(description="Rises with every change. The ETag is this number in quotation marks.")]
    created: Time
    next_due: Annotated[Time, Meta(description="The next fire. Absent if there is none, and in lists.")] | UnsetType = (
        UNSET
    )
    unchanged: (
        Annotated[
            Literal[True],
            Meta(description="The answer to a PUT of what was stored already: nothing changed. Otherwise absent."),
        ]
        | UnsetType
    ) = UNSET


class SchedulePage(Struct, frozen=True, kw_only=True):
    """A page of a tenant's schedules, ordered by name."""

    schedules: list[StoredSchedule]
    next: (
        Annotated[
            str,
            Meta(
                description="The token of the next page; absent on the last page. "
                "A page may be empty without being the last."
            ),
        ]
        | UnsetType
    ) = UNSET


class Accepted(Struct, frozen=True, kw_only=True):
    """A command was accepted. Events on the bus report its result."""

    tenant: str
    name: str
    id: Annotated[str, Meta(description="The cause_id of the fires.")]


def stored_schedule(record: Record, schedule: Schedule) -> StoredSchedule:
    """*record* as a list shows it."""
    # The present state, and only where it matters: a client that puts back later what it read must not end a pause.
    again = replace(schedule, revision=None, state="PAUSED" if record.state is State.PAUSED else UNSET)
    return StoredSchedule(
        schedule=msgspec.Raw(msgspec.json.encode(again)),
        state=SHOWN[record.state],
        revision=record.revision,
        created=rfc3339(record.created),
    )


def in_full(record: Record, schedule: Schedule, *, now: Instant) -> StoredSchedule:
    """*record* with its next fire. Without it, if this release cannot read the trigger."""
    shown = stored_schedule(record, schedule)
    try:
        coming = next_fires(record, since=now, count=1)
    except (InvalidSchedule, ValueError):
        return shown
    return replace(shown, next_due=rfc3339(coming[0].fire.due)) if coming else shown


def entity_tag(revision: int) -> str:
    """The ``ETag`` of *revision*."""
    return f'"{revision}"'
