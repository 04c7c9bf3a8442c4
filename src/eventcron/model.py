"""The nouns: schedules, commands, facts, fires. Decoded strictly at every edge.

Instants inside the program are ``Instant``: whole milliseconds since 1970-01-01T00:00:00Z, an ``int``.
They become RFC 3339 text at the edges only. Spans are half-open: ``[start, end)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, Struct

#: Milliseconds since 1970-01-01T00:00:00Z.
Instant: TypeAlias = int

#: Bytes of JSON. An EventBridge entry holds 256 KB; the rest is left to the envelope and the fact around it.
MAX_INPUT_BYTES = 200_000
#: Characters. Long enough for any hand-written cron, short enough to bound parsing.
MAX_EXPRESSION_CHARS = 256
#: Milliseconds. The largest integer every JSON reader keeps exactly, 2**53 - 1.
MAX_REVISION = 9_007_199_254_740_991

TenantId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z", description="1-64 of A-Z a-z 0-9 . _ -")]
ScheduleName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,128}\Z", description="1-128 of A-Z a-z 0-9 . _ -")]
Expression = Annotated[
    str, Meta(min_length=1, max_length=MAX_EXPRESSION_CHARS, description="cron, cron(), rate(), at() or a macro")
]
Revision = Annotated[int, Meta(ge=0, le=MAX_REVISION, description="orders commands; milliseconds by convention")]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset")]
#: Fires a minute. A hundred a second is a quarter of what EventBridge's smallest Regions take in one call each.
MAX_PER_MINUTE = 6_000
#: Milliseconds. A year and a day of occurrences.
MAX_BACKFILL_MS = 366 * 86_400_000

#: Segments that a deployment can have.
MAX_SEGMENTS = 1_024

#: Days and ranges in a calendar. Its days are stored with each schedule that uses it.
MAX_CALENDAR_SPANS = 1_000
CalendarName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z", description="1-64 of A-Z a-z 0-9 . _ -")]
Days = Annotated[str, Meta(max_length=21, description="a date, 2026-12-24, or a range, 2026-12-24/2026-12-26")]
RunId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z", description="1-64 of A-Z a-z 0-9 . _ -")]
Label = Annotated[str, Meta(max_length=256)]
LabelKey = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:/-]{1,64}\Z", description="1-64 of A-Z a-z 0-9 . _ : / -")]


#: Why a fire exists.
Cause: TypeAlias = Literal["schedule", "run", "backfill"]


class State(StrEnum):
    """What the planner does with a schedule. Only ``ENABLED`` costs it anything."""

    ENABLED = "ENABLED"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"  # has no occurrence left
    DELETED = "DELETED"  # a tombstone: keeps a late put from raising the dead


class MisfirePolicy(StrEnum):
    FIRE_ONCE = "fire_once"  # the latest of those missed
    FIRE_ALL = "fire_all"
    SKIP = "skip"


class Misfire(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to do with occurrences not published in time."""

    #: ``fire_once`` the latest of those missed, ``fire_all``, or ``skip``.
    policy: MisfirePolicy = MisfirePolicy.FIRE_ONCE
    #: Seconds. How late a fire may still be published. EventBridge Scheduler's MaximumEventAgeInSeconds default.
    grace_seconds: Annotated[int, Meta(ge=0, le=604_800)] = 86_400


class DaylightSaving(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a fixed time of day does on the nights the clocks change. Defaults are Debian cron's."""

    #: A time the clocks skip: at the first instant after the gap, or not at all.
    gap: Literal["shift", "skip"] = "shift"
    #: A time the clocks repeat: the first time round, or both times.
    overlap: Literal["once", "twice"] = "once"


class Window(NamedTuple):
    """A half-open span ``[start, end)`` of instants."""

    start: Instant
    end: Instant


class Key(NamedTuple):
    """Names a schedule. Prints as ``tenant/name``."""

    tenant: str
    name: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.name}"


class Unreadable(NamedTuple):
    """A schedule that is stored in a form this release cannot read, as a later one may leave it behind."""

    key: Key
    reason: str


class CalendarKey(NamedTuple):
    """Names a calendar. Prints as ``tenant/calendar:name``, which is no schedule's."""

    tenant: str
    name: str

    def __str__(self) -> str:
        return f"{self.tenant}/calendar:{self.name}"


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A standing order, exactly the ``detail`` of ``Put Schedule``."""

    tenant: TenantId
    name: ScheduleName
    #: When it fires. Several expressions fire whenever one of them does, once an instant.
    expression: Expression | Annotated[list[Expression], Meta(min_length=1, max_length=16)]
    #: The zone whose clocks the expression means.
    timezone: Annotated[str, Meta(min_length=1, max_length=64, description="IANA name")] = "UTC"
    #: What a fixed time of day does on the nights the clocks change; ``eventbridge`` = as EventBridge Scheduler.
    daylight_saving: DaylightSaving | Literal["eventbridge"] = DaylightSaving()
    #: Occurrences that one of these matches too do not fire.
    exclude: Annotated[list[Expression], Meta(max_length=64)] = []
    #: First instant at which it may fire, inclusive; also the anchor of rate().
    start: Moment | None = None
    #: Last instant, exclusive.
    end: Moment | None = None
    #: It completes after so many fires.
    max_fires: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    #: A paused schedule is stored and does not fire until it is resumed.
    state: Literal["ENABLED", "PAUSED"] = "ENABLED"
    #: Any JSON of at most 200,000 bytes, handed on unread.
    input: msgspec.Raw = msgspec.Raw(b"null")
    #: The detail-type of its fires; not the name of a command or of another fact.
    detail_type: Annotated[str, Meta(min_length=1, max_length=128)] = "Schedule Fired"
    #: Handed on with each fire, for rules to match on. At most 16,384 bytes of JSON in all.
    labels: Annotated[dict[LabelKey, Label], Meta(max_length=32)] = {}
    #: For people; not handed on.
    description: Annotated[str, Meta(max_length=512)] = ""
    #: Seconds within which its fires may be late, so that many schedules due at once are spread. Always the same.
    flexible_window_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 0
    misfire: Misfire = Misfire()
    #: What becomes of it when no occurrence is left.
    after_completion: Literal["KEEP", "DELETE"] = "KEEP"
    #: A command with a lower one than stored is stale and changes nothing; the event's time if absent.
    revision: Revision | None = None

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)

    @property
    def expressions(self) -> Sequence[str]:
        return [self.expression] if isinstance(self.expression, str) else self.expression


class DeleteSchedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The ``detail`` of ``Delete Schedule``."""

    tenant: TenantId
    name: ScheduleName
    #: A command with a lower one than stored is stale and changes nothing; the event's time if absent.
    revision: Revision | None = None

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)


class PauseSchedule(DeleteSchedule, frozen=True):
    """The ``detail`` of ``Pause Schedule``."""


class ResumeSchedule(DeleteSchedule, frozen=True):
    """The ``detail`` of ``Resume Schedule``."""

    #: What becomes of the occurrences that fell due while it was paused: ``skip`` them all, ``fire_once`` the latest,
    #: or ``fire_all``; those that fire do so at once, and none that is older than the schedule's misfire grace.
    missed: MisfirePolicy = MisfirePolicy.SKIP


class RunSchedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The ``detail`` of ``Run Schedule``: fire once, now, whatever the trigger says."""

    tenant: TenantId
    name: ScheduleName
    #: Tells one run from another; the command's event id if absent.
    run_id: RunId | None = None

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)


class BackfillSchedule(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename={"since": "from"}
):
    """The ``detail`` of ``Backfill Schedule``: fire again, or for the first time, what a span of time holds.

    Every occurrence of the trigger in the span fires, whatever the schedule's ``start``, ``end``, ``max_fires``,
    ``misfire`` and ``flexible_window_seconds`` say, and even if it is paused or completed. The trigger is the one
    stored when the command is taken; the input and labels are those stored when each fires. An occurrence still to
    come fires at its due instant, never before. Deleting the schedule ends the backfill.
    """

    tenant: TenantId
    name: ScheduleName
    #: First due instant, inclusive.
    since: Moment
    #: Last due instant, exclusive. At most 366 days after the first.
    until: Moment
    #: Names the backfill, for ``Cancel Backfill``; the same again changes nothing. The command's event id if absent.
    backfill_id: RunId | None = None
    #: Fires a minute, spread evenly.
    per_minute: Annotated[int, Meta(ge=1, le=MAX_PER_MINUTE)] = 60

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)


class CancelBackfill(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The ``detail`` of ``Cancel Backfill``: nothing of it due to be published a second later or more is.

    A command of its own, as EventBridge has CancelReplay beside StartReplay.
    """

    tenant: TenantId
    name: ScheduleName
    backfill_id: RunId

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)


class PutCalendar(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The ``detail`` of ``Put Calendar``: days that a tenant's schedules may exclude as ``calendar:NAME``.

    A schedule takes the days over when it is put, and again daily.
    """

    tenant: TenantId
    name: CalendarName
    #: All its days. The last day of a range is included.
    dates: Annotated[list[Days], Meta(max_length=MAX_CALENDAR_SPANS)]
    #: A command with a lower one than stored is stale and changes nothing; the event's time if absent.
    revision: Revision | None = None

    @property
    def key(self) -> CalendarKey:
        return CalendarKey(self.tenant, self.name)


class DeleteCalendar(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The ``detail`` of ``Delete Calendar``. Schedules that exclude it keep the days they have until they are put."""

    tenant: TenantId
    name: CalendarName
    #: A command with a lower one than stored is stale and changes nothing; the event's time if absent.
    revision: Revision | None = None

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
    "Put Calendar": PutCalendar,
    "Delete Calendar": DeleteCalendar,
}

FACT_SOURCE = "eventcron"
TENANT_SOURCE_PREFIX = "eventcron.tenant."


class Occurrence(NamedTuple):
    """One instant at which a trigger matches.

    ``skipped`` says why it will not fire: ``daylight_saving_gap`` or ``excluded``; None = it fires.
    """

    due: Instant
    skipped: str | None = None
    by: str | None = None  # the exclusion that did it


class Plan(Struct, frozen=True, kw_only=True):
    """The part of a stored schedule that the planner reads, projected into the index ``plan``."""

    tenant: str
    name: str
    revision: int
    #: Canonical trigger text, see ``core.trigger``.
    trigger: str
    #: Occurrences due before it are not this revision's.
    first: Instant
    #: Occurrences due at or after it are not this revision's; None = no end.
    until: Instant | None = None
    #: The planner plans no fire before it: the registrar sent those itself when it stored the revision.
    handoff: Instant
    #: 0 = dense: look every time. Otherwise when the next fire is to be published.
    wake: Instant = 0
    misfire: Misfire = Misfire()
    flexible_window_seconds: int = 0

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)


class Former(Struct, frozen=True, array_like=True):
    """A revision that was replaced while it fired: which of its fires are still published."""

    revision: int
    #: Not those due at or after it.
    until: Instant
    #: Not those to be published at or after it: they were not planned yet, and are the next revision's ``rest`` …
    planned: Instant
    #: … except those due before it, which the registrar itself had handed over.
    sure: Instant = 0


class Shared(NamedTuple):
    """What is due by *trigger* in ``[start, end)`` was a replaced revision's to fire, and is no later one's."""

    trigger: str
    start: Instant
    end: Instant


class Missed(NamedTuple):
    """What fell due while a schedule was paused: in ``[start, fire_from)`` skipped, in ``[fire_from, end)`` fired."""

    start: Instant
    fire_from: Instant
    end: Instant
    #: When those fire.
    at: Instant


class Record(Struct, frozen=True, kw_only=True):
    """A schedule as stored: what was put, what state it is in, and what the planner needs.

    ``segment`` and ``wake`` are None when the planner has no work with it (paused, finished, deleted).
    ``owed`` is the late path's promise: fires in it were not yet handed to the fire queue.

    ``revision`` rises with every change and is what fires are checked against. Commands are ordered by
    three registers, so that they end in the same state in whatever order they arrive: the revisions of
    the last put (``defined``), delete (``deleted``) and pause or resume (``switched``); -1 = never.
    """

    schedule: Schedule | None  # None: deleted, or switched before its put arrived
    tenant: str
    name: str
    revision: int
    state: State
    created: Instant
    defined: int = -1
    deleted: int = -1
    switched: int = -1
    trigger: str = ""
    #: See ``Plan``.
    first: Instant = 0
    until: Instant | None = None
    handoff: Instant = 0
    #: Earlier revisions of which fires may still be on their way, the latest last.
    former: tuple[Former, ...] = ()
    #: What revisions that it replaced fire, or have fired, of what is due after its own command.
    shared: tuple[Shared, ...] = ()
    #: What the planner had not planned of the revision before; it fires under this one, handed over with ``owed``.
    rest: Plan | None = None
    segment: int | None = None
    wake: Instant | None = None
    owed: Window | None = None
    #: What fell due while it was paused, to be dealt with by whoever hands over what is owed; None = nothing.
    missed: Missed | None = None
    #: The trigger of that; "" = its own, and not that of the definition which a put replaced.
    missed_trigger: str = ""
    #: What the last pause or resume asked for.
    paused: bool = False
    #: From when on its definition has fired; ``first`` is later after a pause or a resume. 0 = as ``first``.
    since: Instant = 0
    #: How many of ``max_fires`` were used up before the last pause.
    spent: int = 0
    #: Ids of the events that wrote it within the last event's second: tells a replay from a second command.
    seen: tuple[str, ...] = ()
    #: Why the command that wrote it last was refused all the same, so that a replay of it gets the same answer.
    refused: Literal["", "not_found", "completed"] = ""
    #: When TTL may remove it, seconds since 1970 (DynamoDB's unit); None = never.
    expires: int | None = None

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)


class Fire(Struct, frozen=True, array_like=True):
    """One occurrence of one schedule on its way to the bus, as carried in a pack.

    The input is not in it: the executor reads the schedule again before it publishes.
    """

    tenant: str
    name: str
    revision: int
    #: The nominal instant, before any flexible window.
    due: Instant
    #: Publish no earlier than this: ``due`` plus the flexible window's offset.
    at: Instant
    cause: Cause = "schedule"
    #: The run's or backfill's id; "" for an ordinary fire.
    cause_id: str = ""
    #: No occurrence follows it.
    last: bool = False

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)


class Pack(Struct, frozen=True, kw_only=True):
    """One queue message: fires to be published within the same second."""

    #: The format, always written, so that an older release can tell that it cannot read it.
    v: int = 1
    id: str
    #: The earliest ``at`` among the fires.
    at: Instant
    fires: list[Fire]
    attempt: int = 1


class SegmentRange(Struct, frozen=True, kw_only=True):
    """One message of the plan queue: consecutive segments that one planner is to plan for one tick."""

    #: The format, always written, so that an older release can tell that it cannot read it.
    v: int = 1
    #: Those that are planned through a horizon from here already are left as they are, however often this comes.
    tick: Instant
    #: The first segment.
    first: Annotated[int, Meta(ge=0, le=MAX_SEGMENTS - 1)]
    #: The one after the last.
    end: Annotated[int, Meta(ge=1, le=MAX_SEGMENTS)]


class SkipNotice(Struct, frozen=True, kw_only=True):
    """Occurrences of one schedule that will not fire, for one reason; becomes one ``Schedule Skipped``."""

    tenant: str
    name: str
    revision: int
    reason: str
    first_due: Instant
    last_due: Instant
    count: int = 1
    by: str | None = None
    #: See ``Fire``.
    cause: Cause = "schedule"
    cause_id: str = ""


class BackfillKey(NamedTuple):
    """Names a backfill. Prints as ``tenant/name/id``."""

    tenant: str
    name: str
    id: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.name}/{self.id}"


class BackfillState(StrEnum):
    """As EventBridge has them for a replay."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class Backfill(Struct, frozen=True, kw_only=True):
    """A span of a schedule's occurrences, fired on purpose, slice by slice.

    ``version`` rises with each write: whoever comes second with the same one is refused. A ``slice`` is set by the
    claim of it and cleared once its packs were taken, so that after a crash the same slice is made again.
    """

    tenant: str
    name: str
    id: str
    state: BackfillState = BackfillState.RUNNING
    #: The event that asked for it; "" if it was cancelled before it arrived.
    event_id: str = ""
    #: Of the schedule, when the backfill was taken: its revision, its creation (another one is another schedule).
    revision: int = 0
    schedule_created: Instant = 0
    trigger: str = ""
    #: The due instants asked for.
    span: Window = Window(0, 0)
    per_minute: int = 60
    #: Occurrences due before it were handed to the fire queue.
    cursor: Instant = 0
    #: No fire after those is published before it: the rate.
    at: Instant = 0
    #: The instants of publication of the slice in hand; None = no slice is.
    slice: Window | None = None
    #: Until when the one who has the slice in hand may be at it; 0 = nobody is.
    lease_until: Instant = 0
    version: int = 0
    #: Occurrences before the cursor that fire, and that do not.
    fires: int = 0
    skipped: int = 0
    #: Why it was cancelled: by ``command``, or because its schedule was ``deleted``.
    reason: Literal["command", "deleted"] | None = None
    #: When TTL may remove it, seconds since 1970; None = never.
    expires: int | None = None

    @property
    def key(self) -> BackfillKey:
        return BackfillKey(self.tenant, self.name, self.id)


class Calendar(Struct, frozen=True, kw_only=True):
    """Days by name, as stored."""

    tenant: str
    name: str
    revision: int
    #: As they were put; None: deleted.
    dates: tuple[str, ...] | None
    #: See ``Record``.
    seen: tuple[str, ...] = ()
    expires: int | None = None

    @property
    def key(self) -> CalendarKey:
        return CalendarKey(self.tenant, self.name)


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
