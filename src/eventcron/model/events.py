"""The events that eventcron publishes: the ``detail`` of each, and the detail-types that only eventcron may use.

Readers should ignore fields they do not know: later releases add fields and remove none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from eventcron.model.codes import CancelReason, RejectionCode, SkipReason
from eventcron.model.commands import COMMANDS
from eventcron.model.names import Cause, FireId, Instant
from eventcron.model.tracking import RunStatus

EVENT_SOURCE = "eventcron"
#: What the source of fires starts with, before the tenant, in a deployment that separates them.
FIRE_SOURCE_PREFIX = "eventcron.fires."


class SkipNotice(Struct, frozen=True, kw_only=True):
    """Occurrences of one schedule that will not fire, for one reason. It becomes one ``Schedule Skipped`` event."""

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


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One entry for PutEvents. ``detail`` is JSON text; ``time`` is cut to whole seconds by EventBridge."""

    source: str
    detail_type: str
    detail: bytes
    time: Instant
    #: The schedule or calendar that the event is about, as ``tenant/name``; at most one.
    resources: tuple[str, ...] = ()
    #: The fire's id, "" for every other event. A bus that removes duplicates recognises a repeated fire by it.
    fire_id: str = ""


class Answer(Struct, frozen=True, kw_only=True):
    """An event of eventcron, as whoever listens gets it."""

    detail_type: str
    detail: dict[str, Any]
    #: RFC 3339. EventBridge cuts it to whole seconds.
    time: str


Time = Annotated[
    str,
    Meta(
        description="RFC 3339 in UTC with milliseconds.",
        extra_json_schema={"format": "date-time", "examples": ["2026-12-01T01:00:00.000Z"]},
    ),
]
LocalTime = Annotated[
    str,
    Meta(
        description="The due instant as RFC 3339 in the schedule's time zone.",
        extra_json_schema={"format": "date-time", "examples": ["2026-12-01T02:00:00.000+01:00"]},
    ),
]
CauseId = Annotated[str, Meta(description="The id of the run or backfill. Absent for an ordinary fire.")]
AnswerTo = Annotated[
    str, Meta(description="The event id of the command that this answers. Absent if it answers no command.")
]


class ScheduleCreated(Struct, frozen=True, kw_only=True):
    """A schedule was stored for the first time, or again after its deletion."""

    tenant: str
    name: str
    revision: int
    state: Literal["ENABLED", "PAUSED", "COMPLETED", "DELETED"]
    expression: Annotated[str | list[str], Meta(description="Absent after a deletion.")] | UnsetType = UNSET
    timezone: Annotated[str, Meta(description="Absent after a deletion.")] | UnsetType = UNSET
    event_id: AnswerTo | UnsetType = UNSET


class ScheduleUpdated(ScheduleCreated, frozen=True):
    """A later revision replaced a stored schedule."""


class ScheduleUnchanged(ScheduleCreated, frozen=True):
    """A put found its own schedule stored already. Nothing changed, and the revision is the one that was stored."""


class ScheduleDeleted(ScheduleCreated, frozen=True):
    """A schedule was deleted. Nothing due a second later or more fires."""


class SchedulePaused(ScheduleCreated, frozen=True):
    """A schedule was paused. It does not fire until it is resumed."""

    reason: (
        Annotated[
            Literal["failures"],
            Meta(description="Why eventcron paused it: pause_after_failures. Absent if a command did."),
        ]
        | UnsetType
    ) = UNSET


class ScheduleResumed(ScheduleCreated, frozen=True):
    """A schedule fires again. Schedule Skipped, reason ``paused``, reports the missed occurrences that do not fire."""


class ScheduleCompleted(ScheduleCreated, frozen=True):
    """A schedule has no occurrence left."""


class ScheduleFired(Struct, frozen=True, kw_only=True, gc=False):
    """An occurrence, published at its instant. What targets subscribe to."""

    tenant: str
    name: str
    fire_id: FireId
    due: Annotated[Time, Meta(description="The nominal instant. A flexible window publishes the fire later than due.")]
    local_time: LocalTime
    timezone: str
    cause: Cause
    cause_id: CauseId | UnsetType = UNSET
    attempt: Annotated[int, Meta(description="Rounds of the fire through the fire queue, from 1.")]
    revision: Annotated[int, Meta(description="The revision whose expression gave the occurrence.")]
    route: Annotated[str, Meta(description="The schedule's route, if it has one.")] | UnsetType = UNSET
    priority: Annotated[int, Meta(description="The schedule's priority, 0 to 9.")]
    labels: dict[str, str]
    input: Annotated[msgspec.Raw, Meta(description="The schedule's input, byte for byte.")]
    run_token: (
        Annotated[
            str,
            Meta(
                description="Whoever presents it may report how the run went. The same for every delivery of the fire. "
                "Absent if the schedule does not track its runs."
            ),
        ]
        | UnsetType
    ) = UNSET


class ScheduleSkipped(Struct, frozen=True, kw_only=True):
    """Occurrences that will not fire, and why."""

    tenant: str
    name: str
    revision: int
    reason: Annotated[SkipReason, Meta(description="Why they do not fire.")]
    by: (
        Annotated[str, Meta(description="The exclusion or limit at work, or why the schedule cannot be read.")]
        | UnsetType
    ) = UNSET
    first_due: Time
    last_due: Time
    count: Annotated[
        int,
        Meta(description="How many occurrences, first and last included. Of one pause, at most 100,000 are counted."),
    ]
    fire_id: Annotated[FireId, Meta(description="The fire_id of the first occurrence.")]
    cause: (
        Annotated[Cause, Meta(description="What the occurrences would have been. Absent for ordinary ones.")]
        | UnsetType
    ) = UNSET
    cause_id: CauseId | UnsetType = UNSET


class ScheduleFailed(Struct, frozen=True, kw_only=True):
    """A fire that could not be published after all retries. The dead-letter queue of fires holds it."""

    tenant: str
    name: str
    fire_id: FireId
    due: Time
    cause: Cause
    cause_id: CauseId | UnsetType = UNSET
    revision: int
    labels: dict[str, str]
    attempts: int
    code: Annotated[str, Meta(description="The service's own error code.")]
    message: str


class RunEnded(Struct, frozen=True, kw_only=True):
    """The end of a run, which its fire's ``fire_id`` names. Each run has one end.

    A fire that could not be published and is sent back from the dead letters begins its run anew. Of a schedule that
    expects reports, the event is about silence, a failure or a return, and is named by the instant or by the report.
    """

    tenant: str
    name: str
    fire_id: FireId
    due: Annotated[Time, Meta(description="The due instant of the fire.")]
    cause: Cause
    cause_id: CauseId | UnsetType = UNSET
    revision: Annotated[int, Meta(description="That of the fire.")]
    started: Annotated[Time, Meta(description="When eventcron opened the run, to publish the fire.")]
    duration_ms: Annotated[int, Meta(description="Milliseconds from there to the end, as eventcron learnt of it.")]
    failures: (
        Annotated[
            int,
            Meta(
                description="How many runs of the schedule in a row have failed or been overdue by now. Absent if runs "
                "may overlap and nothing pauses the schedule."
            ),
        ]
        | UnsetType
    ) = UNSET
    message: Annotated[str, Meta(description="What the report says, for people.")] = ""
    event_id: AnswerTo | UnsetType = UNSET


class RunSucceeded(RunEnded, frozen=True):
    """A run was reported as succeeded."""

    result: Annotated[msgspec.Raw, Meta(description="As reported, byte for byte.")] = msgspec.Raw(b"null")


class RunFailed(RunSucceeded, frozen=True):
    """A run was reported as failed, or its fire could not be published; the message says so."""


class RunOverdue(RunEnded, frozen=True):
    """A run did not end within its timeout. Later reports on it change nothing."""

    deadline: Annotated[Time, Meta(description="When the run should have ended.")]


class RunReported(Struct, frozen=True, kw_only=True):
    """A report that ended nothing: ``started``, ``progress``, or a report on a run that had ended already."""

    tenant: str
    name: str
    fire_id: FireId
    status: Annotated[RunStatus, Meta(description="As reported.")]
    ended: (
        Annotated[
            Literal["succeeded", "failed", "overdue", "forgotten"],
            Meta(description="How the run had ended; forgotten: too long ago. Absent if it is open."),
        ]
        | UnsetType
    ) = UNSET
    message: Annotated[str, Meta(description="What the report says, for people.")] = ""
    result: Annotated[msgspec.Raw, Meta(description="As reported, byte for byte.")] = msgspec.Raw(b"null")
    event_id: AnswerTo | UnsetType = UNSET


class ScheduleBackfilled(Struct, frozen=True, kw_only=True, rename={"since": "from"}):
    """How far a backfill has come: published when the backfill starts, as it proceeds, and when it ends."""

    tenant: str
    name: str
    backfill_id: str
    state: Literal["RUNNING", "COMPLETED", "CANCELLED"]
    reason: (
        Annotated[
            CancelReason,
            Meta(description="Why it was cancelled: by Cancel Backfill, or with the deletion of its schedule."),
        ]
        | UnsetType
    ) = UNSET
    since: (
        Annotated[
            Time,
            Meta(description="First due instant, inclusive. Absent if the backfill was cancelled before it arrived."),
        ]
        | UnsetType
    ) = UNSET
    until: Annotated[Time, Meta(description="Last due instant, exclusive.")] | UnsetType = UNSET
    through: (
        Annotated[
            Time,
            Meta(
                description="The fire queue holds every occurrence due before this instant. "
                "A cancelled backfill may not fire all of them."
            ),
        ]
        | UnsetType
    ) = UNSET
    per_minute: int
    fires: Annotated[int, Meta(description="How many of those occurrences fire.")]
    skipped: Annotated[int, Meta(description="How many do not fire, as an exclusion or a clock change drops them.")]
    event_id: AnswerTo | UnsetType = UNSET


class CalendarUpdated(Struct, frozen=True, kw_only=True):
    """A calendar was stored or replaced. A schedule takes the days over when the schedule is put, and daily."""

    tenant: str
    name: str
    revision: int
    days: Annotated[int, Meta(description="How many days the calendar has.")]
    event_id: AnswerTo | UnsetType = UNSET


class CalendarUnchanged(CalendarUpdated, frozen=True):
    """A put found its own calendar stored already. Nothing changed, and the revision is the one that was stored."""


class CalendarDeleted(Struct, frozen=True, kw_only=True):
    """A calendar was deleted. A schedule that excludes it keeps the days until the schedule is put."""

    tenant: str
    name: str
    revision: int
    event_id: AnswerTo | UnsetType = UNSET


class ScheduleRejected(Struct, frozen=True, kw_only=True):
    """A command that its sender has to change. Nothing was stored."""

    code: Annotated[RejectionCode, Meta(description="Machine-readable and stable.")]
    field: Annotated[str, Meta(description="Dotted path into the command's detail.")]
    given: Annotated[str, Meta(description="A short form of the value that was sent.")]
    allowed: Annotated[str, Meta(description="What eventcron takes there.")]
    message: Annotated[str, Meta(description="Field, given and allowed in one sentence.")]
    command: Annotated[str, Meta(description="The command's detail-type.")]
    event_id: Annotated[str, Meta(description="The command's event id.")]
    source: Annotated[str, Meta(description="The command's source.")]
    tenant: Annotated[str, Meta(description="The sender's tenant, if it could be read.")] | UnsetType = UNSET
    name: Annotated[str, Meta(description="The name of the schedule or calendar, if it could be read.")] | UnsetType = (
        UNSET
    )


EventDetail: TypeAlias = (
    ScheduleCreated
    | ScheduleFired
    | ScheduleSkipped
    | ScheduleFailed
    | ScheduleBackfilled
    | RunEnded
    | RunReported
    | ScheduleRejected
    | CalendarUpdated
    | CalendarDeleted
)

#: ``detail-type`` → what its ``detail`` is.
EVENT_DETAILS: dict[str, type[EventDetail]] = {
    "Schedule Created": ScheduleCreated,
    "Schedule Updated": ScheduleUpdated,
    "Schedule Unchanged": ScheduleUnchanged,
    "Schedule Deleted": ScheduleDeleted,
    "Schedule Paused": SchedulePaused,
    "Schedule Resumed": ScheduleResumed,
    "Schedule Completed": ScheduleCompleted,
    "Schedule Rejected": ScheduleRejected,
    "Schedule Fired": ScheduleFired,
    "Schedule Skipped": ScheduleSkipped,
    "Schedule Failed": ScheduleFailed,
    "Schedule Backfilled": ScheduleBackfilled,
    "Run Succeeded": RunSucceeded,
    "Run Failed": RunFailed,
    "Run Overdue": RunOverdue,
    "Run Reported": RunReported,
    "Calendar Updated": CalendarUpdated,
    "Calendar Unchanged": CalendarUnchanged,
    "Calendar Deleted": CalendarDeleted,
}


def is_fire(detail: Mapping[str, object]) -> bool:
    """Whether *detail* is that of a fire, which may have any detail-type."""
    return "fire_id" in detail and "local_time" in detail


#: What a fire may have as its detail-type, though an event has it.
_FIRED = "Schedule Fired"


def plainly(detail_type: str) -> str:
    """*detail_type* by its letters and digits alone: ``PutSchedule`` and ``put-schedule`` mean ``Put Schedule``."""
    return "".join(filter(str.isalnum, detail_type.casefold()))


#: The commands by what ``plainly`` makes of them.
PLAIN_COMMANDS = {plainly(name): name for name in COMMANDS}
_RESERVED = (PLAIN_COMMANDS.keys() | {plainly(name) for name in EVENT_DETAILS}) - {plainly(_FIRED)}


def is_reserved(detail_type: str) -> bool:
    """Whether a schedule's fires must not have this detail-type, because it is that of a command or of another event.

    Only letters and digits count, as patterns may ignore case, and commands that are misspelt are answered.

    >>> is_reserved("schedule-deleted"), is_reserved("Schedule Fired"), is_reserved("Nightly Export Due")
    (True, False, False)
    """
    return plainly(detail_type) in _RESERVED
