"""What programs send: the ``detail`` of each command, decoded strictly."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from eventcron.model.names import (
    MAX_CALENDAR_SPANS,
    MAX_PER_MINUTE,
    BackfillId,
    CalendarKey,
    CalendarName,
    Days,
    Expression,
    FireId,
    Key,
    Label,
    LabelKey,
    Moment,
    Revision,
    Route,
    RunId,
    RunToken,
    ScheduleName,
    TenantId,
    Timezone,
)
from eventcron.model.tracking import MAX_MESSAGE_CHARS, Expect, Runs, RunStatus


class MisfirePolicy(StrEnum):
    FIRE_ONCE = "fire_once"  # the latest of those missed
    FIRE_ALL = "fire_all"
    SKIP = "skip"


class Misfire(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whether and how occurrences fire that could not be published in time."""

    policy: Annotated[
        MisfirePolicy,
        Meta(description="fire_once publishes the latest missed occurrence, fire_all every one, skip none."),
    ] = MisfirePolicy.FIRE_ONCE
    #: The default is that of EventBridge Scheduler's MaximumEventAgeInSeconds.
    grace_seconds: Annotated[
        int, Meta(ge=0, le=604_800, description="Seconds. How late a fire may still be published.")
    ] = 86_400


class DaylightSaving(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a fixed time of day does on the nights the clocks change. The defaults are those of Debian's cron."""

    gap: Annotated[
        Literal["shift", "skip"],
        Meta(description="A time that the clocks skip: shift fires at the first instant after the gap, skip never."),
    ] = "shift"
    overlap: Annotated[
        Literal["once", "twice"],
        Meta(description="A time that the clocks repeat: once fires the first time, twice both times."),
    ] = "once"


#: The field of every command that changes what is stored.
CommandRevision: TypeAlias = Annotated[
    Revision | None,
    Meta(
        description="Orders commands, in milliseconds since 1970 by convention. A command with a lower revision than "
        "the stored one changes nothing. Default: the event's time."
    ),
]


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A schedule: exactly the ``detail`` of ``Put Schedule``."""

    tenant: TenantId
    name: ScheduleName
    expression: Annotated[
        Expression | Annotated[list[Expression], Meta(min_length=1, max_length=16)],
        Meta(
            description="When the schedule fires. With several expressions it fires whenever one of them matches, "
            "once for each instant."
        ),
    ]
    timezone: Annotated[Timezone, Meta(description="IANA name of the time zone of the expression.")] = "UTC"
    daylight_saving: Annotated[
        DaylightSaving | Literal["eventbridge"],
        Meta(
            description="What a fixed time of day does on the nights the clocks change. eventbridge does what "
            "EventBridge Scheduler does."
        ),
    ] = DaylightSaving()
    exclude: Annotated[
        list[Expression],
        Meta(max_length=64, description="An occurrence that one of these entries matches does not fire."),
    ] = []
    start: Annotated[
        Moment | None,
        Meta(description="The schedule fires at this instant or later. Intervals of rate() count from it."),
    ] = None
    end: Annotated[Moment | None, Meta(description="The schedule fires before this instant.")] = None
    max_fires: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)] | None,
        Meta(description="The schedule completes after this number of fires."),
    ] = None
    state: (
        Annotated[
            Literal["ENABLED", "PAUSED"],
            Meta(
                description="PAUSED stores the schedule paused: it fires only after Resume Schedule. ENABLED ends a "
                "pause. Without it a paused schedule stays paused, and a new one is enabled."
            ),
        ]
        | UnsetType
    ) = UNSET
    input: Annotated[
        msgspec.Raw,
        Meta(
            description="Any JSON. Each fire carries it, byte for byte. A deployment takes 32,768 bytes, unless it is "
            "configured for more or less; none takes more than 200,000."
        ),
    ] = msgspec.Raw(b"null")
    detail_type: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            description="The detail-type of the fires. It must not be that of a command or of another event of "
            "eventcron.",
        ),
    ] = "Schedule Fired"
    labels: Annotated[
        dict[LabelKey, Label],
        Meta(
            max_length=32,
            description="Each fire carries them, so that rules can match on them. At most 16,384 bytes of JSON in all.",
        ),
    ] = {}
    route: Annotated[
        Route | None,
        Meta(description="Each fire carries it, so that one rule can select the fires of many tenants."),
    ] = None
    priority: Annotated[
        int,
        Meta(ge=0, le=9, description="Each fire carries it, for targets that order their work. eventcron ignores it."),
    ] = 5
    description: Annotated[str, Meta(max_length=512, description="For people. Fires do not carry it.")] = ""
    display_name: Annotated[
        str,
        Meta(
            max_length=256,
            description="For people: what the schedule is called elsewhere, if its name had to be made from that. "
            "Fires do not carry it.",
        ),
    ] = ""
    flexible_window_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=86_400,
            description="Seconds. Each fire is published up to this much later than due, always by the same offset, "
            "so that many schedules due at one instant spread.",
        ),
    ] = 0
    misfire: Misfire = Misfire()
    runs: Runs = Runs()
    expect: Annotated[
        Expect | None,
        Meta(
            description="The schedule fires nothing. It expects Report Run by each of its instants, and Run Overdue "
            "says when none came."
        ),
    ] = None
    after_completion: Annotated[
        Literal["KEEP", "DELETE"],
        Meta(description="What happens to the schedule when it has no occurrence left."),
    ] = "KEEP"
    revision: CommandRevision = None

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)

    @property
    def expressions(self) -> Sequence[str]:
        return [self.expression] if isinstance(self.expression, str) else self.expression


class OfSchedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What every command for a stored schedule has: the schedule's name."""

    tenant: TenantId
    name: ScheduleName

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)


class ChangesSchedule(OfSchedule, frozen=True, kw_only=True):
    """What every command that changes a stored schedule has: its revision too."""

    revision: CommandRevision = None


class DeleteSchedule(ChangesSchedule, frozen=True):
    """The ``detail`` of ``Delete Schedule``."""


class PauseSchedule(ChangesSchedule, frozen=True):
    """The ``detail`` of ``Pause Schedule``."""


class ResumeSchedule(ChangesSchedule, frozen=True, kw_only=True):
    """The ``detail`` of ``Resume Schedule``."""

    missed: Annotated[
        MisfirePolicy,
        Meta(
            description="The occurrences that fell due during the pause: skip fires none of them, fire_once the "
            "latest, fire_all every one, except those older than the schedule's misfire grace."
        ),
    ] = MisfirePolicy.SKIP
    per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_PER_MINUTE)] | None,
        Meta(
            description="Of fire_all: fires a minute, evenly spread, the oldest first; at most half of the "
            "deployment's TenantFiresPerMinute. Default: its CatchUpPerMinute."
        ),
    ] = None


class RunSchedule(OfSchedule, frozen=True, kw_only=True):
    """The ``detail`` of ``Run Schedule``: fire once, now, whatever the expression says."""

    run_id: Annotated[
        RunId | None,
        Meta(
            description="Names the run. The same id again is the same fire: it is not published again, or with the "
            "same fire_id. Default: the command's event id."
        ),
    ] = None


class BackfillSchedule(OfSchedule, frozen=True, kw_only=True, rename={"since": "from"}):
    """The ``detail`` of ``Backfill Schedule``: fire every occurrence in a span of time, whether or not it fired before.

    The schedule's ``start``, ``end``, ``max_fires``, ``misfire`` and ``flexible_window_seconds`` do not apply, and a
    paused or completed schedule backfills too. The backfill uses the expression that is stored when the command is
    applied. Each fire carries the input and labels that are stored when it is published. An occurrence in the future
    fires at its due instant. Delete Schedule ends the backfill.
    """

    since: Annotated[Moment, Meta(description="First due instant, inclusive.")]
    until: Annotated[Moment, Meta(description="Last due instant, exclusive. At most 366 days after the first.")]
    backfill_id: Annotated[
        RunId | None,
        Meta(
            description="Names the backfill, for Cancel Backfill. The same id again changes nothing. "
            "Default: the command's event id."
        ),
    ] = None
    per_minute: Annotated[
        int, Meta(ge=1, le=MAX_PER_MINUTE, description="Fires a minute, spread evenly over the minute.")
    ] = 60


class CancelBackfill(OfSchedule, frozen=True, kw_only=True):
    """The ``detail`` of ``Cancel Backfill``: the backfill publishes nothing from one second after it on.

    EventBridge also separates CancelReplay from StartReplay: one command does one thing.
    """

    backfill_id: Annotated[BackfillId, Meta(description="The backfill's id, as Schedule Backfilled gives it.")]


class ReportRun(OfSchedule, frozen=True, kw_only=True):
    """The ``detail`` of ``Report Run``: how the run of a tracked fire goes, or how it ended.

    The first end that is reported counts. The token says whose run it is, whatever the event's source. Without
    ``fire_id`` and ``run_token`` it is a heartbeat, for a schedule with ``expect``, from its tenant's source or a
    trusted one.
    """

    fire_id: Annotated[FireId, Meta(description="The fire's, which names the run.")] = ""
    run_token: Annotated[RunToken, Meta(description="The one that the fire carries.")] = ""
    status: Annotated[RunStatus, Meta(description="succeeded and failed end the run.")]
    message: Annotated[str, Meta(max_length=MAX_MESSAGE_CHARS, description="For people.")] = ""
    result: Annotated[
        msgspec.Raw, Meta(description="Any JSON of at most 4,096 bytes. The event about the run's end carries it.")
    ] = msgspec.Raw(b"null")

    @property
    def is_heartbeat(self) -> bool:
        """Whether it names no run, but a schedule that expects it."""
        return not self.run_token


class PutCalendar(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The ``detail`` of ``Put Calendar``: days that a tenant's schedules may exclude as ``calendar:NAME``.

    A schedule takes the days over when the schedule is put, and again daily.
    """

    tenant: TenantId
    name: CalendarName
    dates: Annotated[
        list[Days],
        Meta(
            max_length=MAX_CALENDAR_SPANS,
            description="All days of the calendar. A range includes its last day.",
        ),
    ]
    revision: CommandRevision = None

    @property
    def key(self) -> CalendarKey:
        return CalendarKey(self.tenant, self.name)


class DeleteCalendar(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The ``detail`` of ``Delete Calendar``. A schedule that excludes it keeps the days until the schedule is put."""

    tenant: TenantId
    name: CalendarName
    revision: CommandRevision = None

    @property
    def key(self) -> CalendarKey:
        return CalendarKey(self.tenant, self.name)


Command: TypeAlias = (
    Schedule
    | DeleteSchedule
    | PauseSchedule
    | ResumeSchedule
    | RunSchedule
    | BackfillSchedule
    | CancelBackfill
    | ReportRun
    | PutCalendar
    | DeleteCalendar
)


#: ``detail-type`` → what its ``detail`` decodes into.
COMMANDS: dict[str, type[Command]] = {
    "Put Schedule": Schedule,
    "Delete Schedule": DeleteSchedule,
    "Pause Schedule": PauseSchedule,
    "Resume Schedule": ResumeSchedule,
    "Run Schedule": RunSchedule,
    "Backfill Schedule": BackfillSchedule,
    "Cancel Backfill": CancelBackfill,
    "Report Run": ReportRun,
    "Put Calendar": PutCalendar,
    "Delete Calendar": DeleteCalendar,
}

_DETAIL_TYPES = {kind: detail_type for detail_type, kind in COMMANDS.items()}


def detail_type_of(command: Command) -> str:
    """The detail type under which *command* is put.

    >>> detail_type_of(RunSchedule(tenant="acme", name="nightly-export"))
    'Run Schedule'
    """
    return _DETAIL_TYPES[type(command)]


TENANT_SOURCE_PREFIX = "eventcron.tenant."
