"""What is stored: schedules, backfills and calendars as the tables hold them."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple

from msgspec import Struct

from eventcron.model.codes import CancelReason
from eventcron.model.commands import Misfire, Schedule
from eventcron.model.names import BackfillKey, CalendarKey, Instant, Key, Window


class State(StrEnum):
    """What the planner does with a schedule. Only ``ENABLED`` costs it anything."""

    ENABLED = "ENABLED"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"  # has no occurrence left
    DELETED = "DELETED"  # a tombstone: keeps a late put from raising the dead


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
    reason: CancelReason | None = None
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
