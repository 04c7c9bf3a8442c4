"""What eventcron says on the bus: the ``detail`` of each fact, and the names that only it may use.

Readers should ignore fields they do not know: later releases add some and remove none.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from eventcron.model.codes import CancelReason, RejectionCode, SkipReason
from eventcron.model.commands import COMMANDS
from eventcron.model.names import Cause, Instant

EVENT_SOURCE = "eventcron"


class SkipNotice(Struct, frozen=True, kw_only=True):
    """Occurrences of one schedule that will not fire, for one reason; becomes one ``Schedule Skipped``."""

    tenant: str
    name: str
    revision: int
    reason: SkipReason
    first_due: Instant
    last_due: Instant
    count: int = 1
    by: str | None = None
    #: See ``Fire``.
    cause: Cause = "schedule"
    cause_id: str = ""


class Event(Struct, frozen=True, kw_only=True):
    """One entry for PutEvents. ``detail`` is JSON text; ``time`` is cut to whole seconds by EventBridge."""

    source: str
    detail_type: str
    detail: bytes
    time: Instant
    #: The schedule or calendar it is about, as ``tenant/name``; at most one.
    resources: tuple[str, ...] = ()
    #: Of a fire: by it, a bus that can tell recognises one that is published again. "" for every other fact.
    fire_id: str = ""


Time = Annotated[
    str,
    Meta(
        description="RFC 3339 in UTC with milliseconds, such as 2026-12-01T01:00:00.000Z",
        extra_json_schema={"format": "date-time"},
    ),
]
LocalTime = Annotated[
    str,
    Meta(
        description="RFC 3339 in the schedule's zone, such as 2026-12-01T02:00:00.000+01:00",
        extra_json_schema={"format": "date-time"},
    ),
]
FireId = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{32}\Z", description="the same for every delivery of the same occurrence")
]


class ScheduleCreated(Struct, frozen=True, kw_only=True):
    """A schedule was stored for the first time, or again after its deletion."""

    tenant: str
    name: str
    revision: int
    state: Literal["ENABLED", "PAUSED", "COMPLETED", "DELETED"]
    #: Absent where only the tombstone is left.
    expression: str | list[str] | UnsetType = UNSET
    timezone: str | UnsetType = UNSET
    #: The first occurrence to come, where it was looked up.
    next_due: Time | UnsetType = UNSET


class ScheduleUpdated(ScheduleCreated, frozen=True):
    """A stored schedule was replaced by a later revision."""


class ScheduleDeleted(ScheduleCreated, frozen=True):
    """A schedule was deleted. Nothing due a second later or more fires."""


class SchedulePaused(ScheduleCreated, frozen=True):
    """A schedule stopped firing until it is resumed."""


class ScheduleResumed(ScheduleCreated, frozen=True):
    """A schedule fires again. What fell due meanwhile and does not fire is told as skipped, reason ``paused``."""


class ScheduleCompleted(ScheduleCreated, frozen=True):
    """A schedule has no occurrence left."""


class ScheduleFired(Struct, frozen=True, kw_only=True):
    """An occurrence, published at its instant. What targets subscribe to."""

    tenant: str
    name: str
    fire_id: FireId
    #: The nominal instant. A flexible window publishes later than that.
    due: Time
    local_time: LocalTime
    timezone: str
    cause: Cause
    #: The run's or backfill's id.
    cause_id: str | UnsetType = UNSET
    #: Rounds through the fire queue, from 1.
    attempt: int
    #: The revision whose trigger it is.
    revision: int
    labels: dict[str, str]
    #: The schedule's input, byte for byte.
    input: msgspec.Raw


class ScheduleSkipped(Struct, frozen=True, kw_only=True):
    """Occurrences that will not fire, and why."""

    tenant: str
    name: str
    revision: int
    reason: SkipReason
    #: The exclusion or limit that did it, or why the schedule cannot be read.
    by: str | UnsetType = UNSET
    first_due: Time
    last_due: Time
    #: How many, first and last included; of one pause at most 100,000 are counted.
    count: int
    #: Of the first.
    fire_id: FireId
    #: Of what they would have been; absent for a schedule's ordinary ones.
    cause: Cause | UnsetType = UNSET
    cause_id: str | UnsetType = UNSET


class ScheduleFailed(Struct, frozen=True, kw_only=True):
    """A fire given up after retries. It is in the dead-letter queue of fires."""

    tenant: str
    name: str
    fire_id: FireId
    due: Time
    cause: Cause
    cause_id: str | UnsetType = UNSET
    revision: int
    labels: dict[str, str]
    attempts: int
    #: The service's own error code.
    code: str
    message: str


class ScheduleBackfilled(Struct, frozen=True, kw_only=True, rename={"since": "from"}):
    """How far a backfill has come: told when it is taken, as it goes on, and when it ends."""

    tenant: str
    name: str
    backfill_id: str
    state: Literal["RUNNING", "COMPLETED", "CANCELLED"]
    #: Why it was cancelled: by ``command``, or because its schedule was ``deleted``.
    reason: CancelReason | UnsetType = UNSET
    #: The span of due instants, the last one exclusive. Absent where it was cancelled before it arrived.
    since: Time | UnsetType = UNSET
    until: Time | UnsetType = UNSET
    #: Occurrences due before it have been handed to the fire queue. Those of a cancelled one may not fire.
    through: Time | UnsetType = UNSET
    per_minute: int
    #: How many of those fire.
    fires: int
    #: How many do not, as the schedule excludes them or the clocks skip them.
    skipped: int


class CalendarUpdated(Struct, frozen=True, kw_only=True):
    """A calendar was stored or replaced. Schedules take its days over when they are put, and daily."""

    tenant: str
    name: str
    revision: int
    #: How many days it has.
    days: int


class CalendarDeleted(Struct, frozen=True, kw_only=True):
    """A calendar was deleted. Schedules that exclude it keep the days they have until they are put."""

    tenant: str
    name: str
    revision: int


class ScheduleRejected(Struct, frozen=True, kw_only=True):
    """A command that has to be changed by its sender. Nothing was stored."""

    #: Machine-readable and stable.
    code: RejectionCode
    #: Dotted path into the command's detail.
    field: str
    #: A short form of what was sent.
    given: str
    #: What would have been taken.
    allowed: str
    #: The same in one sentence.
    message: str
    #: The command's detail-type, id and source.
    command: str
    event_id: str
    source: str
    #: The sender's tenant and the schedule's or calendar's name, where they could be read.
    tenant: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


EventDetail: TypeAlias = (
    ScheduleCreated
    | ScheduleFired
    | ScheduleSkipped
    | ScheduleFailed
    | ScheduleBackfilled
    | ScheduleRejected
    | CalendarUpdated
    | CalendarDeleted
)

#: ``detail-type`` → what its ``detail`` is.
EVENT_DETAILS: dict[str, type[EventDetail]] = {
    "Schedule Created": ScheduleCreated,
    "Schedule Updated": ScheduleUpdated,
    "Schedule Deleted": ScheduleDeleted,
    "Schedule Paused": SchedulePaused,
    "Schedule Resumed": ScheduleResumed,
    "Schedule Completed": ScheduleCompleted,
    "Schedule Rejected": ScheduleRejected,
    "Schedule Fired": ScheduleFired,
    "Schedule Skipped": ScheduleSkipped,
    "Schedule Failed": ScheduleFailed,
    "Schedule Backfilled": ScheduleBackfilled,
    "Calendar Updated": CalendarUpdated,
    "Calendar Deleted": CalendarDeleted,
}

_RESERVED = frozenset(name.casefold() for name in (*COMMANDS, *EVENT_DETAILS)) - {"schedule fired"}


def is_reserved(detail_type: str) -> bool:
    """Whether a schedule's fires may not bear this name: it would pass for a command or for another fact.

    Case and spaces do not count, as patterns may ignore case and people overlook spaces.

    >>> is_reserved("schedule  deleted"), is_reserved("Schedule Fired"), is_reserved("Nightly Export Due")
    (True, False, False)
    """
    return " ".join(detail_type.casefold().split()) in _RESERVED
