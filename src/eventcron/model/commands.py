"""What programs send: the ``detail`` of each command, decoded strictly."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from eventcron.model.names import (
    MAX_CALENDAR_SPANS,
    MAX_PER_MINUTE,
    CalendarKey,
    CalendarName,
    Days,
    Expression,
    Key,
    Label,
    LabelKey,
    Moment,
    Revision,
    RunId,
    ScheduleName,
    TenantId,
)


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


TENANT_SOURCE_PREFIX = "eventcron.tenant."
