"""What is stored: schedules, backfills and calendars as the tables hold them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, Protocol

from msgspec import Raw, Struct

from eventcron.model.codes import CancelReason
from eventcron.model.commands import Misfire, Schedule
from eventcron.model.names import BackfillKey, CalendarKey, Instant, Key, Window
from eventcron.model.tracking import Expect, Runs


class State(StrEnum):
    """What the planner does with a schedule. Only ``ENABLED`` costs it anything."""

    ENABLED = "ENABLED"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"  # has no occurrence left
    DELETED = "DELETED"  # a tombstone: keeps a late put from raising the dead


class IndexEntry(Struct, frozen=True, kw_only=True, gc=False):
    """The part of a stored schedule that the planner reads, projected into the index ``plan``."""

    tenant: str
    name: str
    revision: int
    #: Canonical trigger text, see ``timing.canonical``.
    trigger: str
    #: The era in force: due instants in ``[start, end)``; None = no end.
    start: Instant
    end: Instant | None = None
    #: The planner plans nothing that is to be published before it: the registrar enqueued that.
    handoff: Instant
    #: 0 = dense: the planner looks each tick. Otherwise when the next fire is to be published.
    wake: Instant = 0
    misfire: Misfire = Misfire()
    flexible_window_seconds: int = 0

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)


class Era(Struct, frozen=True, array_like=True, gc=False):
    """One definition in force for the due instants in ``[start, end)``.

    A schedule's past and future are a list of eras. ``rules/lifecycle.py`` draws it.
    """

    #: The revision of the record that began it. Its fires carry this number.
    revision: int
    #: Canonical trigger text, see ``timing.canonical``; "" = nothing is defined, as in a tombstone.
    trigger: str
    start: Instant
    #: None = no end.
    end: Instant | None = None
    #: A pause fires nothing, but remembers what would have fired.
    paused: bool = False
    #: Of an era that was cut: the planner enqueued what is to be published before this instant. The registrar enqueues
    #: the rest, under the revision of the next era. None = the planner enqueued all of it.
    planned_through: Instant | None = None
    #: A resume catches up on what is due before it.
    catch_up_until: Instant = 0
    misfire: Misfire = Misfire()
    flexible_window_seconds: int = 0
    #: Fires a minute, of those that are caught up on.
    per_minute: int = 60

    def contains(self, due: Instant) -> bool:
        """Whether *due* lies in the era's span, whatever its trigger says."""
        return self.start <= due and (self.end is None or due < self.end)


class LastCommands(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The latest command of each kind that was applied, by its revision; -1 = never.

    Commands may arrive in any order. These numbers decide which of them acts.
    """

    put_revision: int = -1
    delete_revision: int = -1
    #: Of a pause or a resume.
    pause_revision: int = -1
    #: Whether the latest of those two was a pause.
    pause: bool = False
    #: Of a put that decided whether the schedule is paused: it gave ``state``, or made the schedule. Other puts leave
    #: that as it is, so a pause or a resume is ordered by this number and not by ``put_revision``.
    state_revision: int = -1
    #: Why the last of all was refused although it was recorded; a replay gets the same answer.
    refused: Literal["", "not_found", "completed"] = ""


class InputRef(Struct, frozen=True, array_like=True, gc=False):
    """Where a large input is stored: apart from its schedule's record."""

    #: Of the record that was stored together with it.
    revision: int
    #: BLAKE2b over the input, 32 hexadecimal digits.
    digest: str
    #: Bytes of JSON.
    size: int

    @property
    def id(self) -> str:
        return f"{self.revision}-{self.digest}"


class StoredInput(Struct, frozen=True, kw_only=True):
    """An input that is stored apart, without its content."""

    key: Key
    #: See ``InputRef.id``.
    id: str
    written: Instant
    #: When TTL may remove it, seconds since 1970; None = a record may refer to it.
    expires: int | None = None


class Record(Struct, frozen=True, kw_only=True):
    """A schedule as stored: what was put, what state it is in, and what the planner needs."""

    #: None: it was deleted, or paused or resumed before its put arrived.
    schedule: Schedule | None
    tenant: str
    name: str
    #: Rises with each change. Writes are conditional on it.
    revision: int
    state: State
    created: Instant
    #: Where the schedule's input is stored; ``schedule.input`` is null then. None = the input is in ``schedule``.
    input: InputRef | None = None
    last_commands: LastCommands = LastCommands()
    #: The timeline, the era in force last. Earlier ones stay while their fires may be on the way.
    eras: tuple[Era, ...] = ()
    #: The planner plans nothing that is to be published before it: the registrar enqueues that.
    handoff: Instant = 0
    #: The segment and the instant at which the planner must look again; None = the planner has no work with it.
    segment: int | None = None
    wake: Instant | None = None
    #: When the change was applied whose fires and notices the registrar has yet to deliver; None = all are delivered.
    pending: Instant | None = None
    #: How many of ``max_fires`` were used up before the era in force.
    spent: int = 0
    #: The events applied within the last one's second, the last one included: tells a replay from a second command.
    recent_event_ids: tuple[str, ...] = ()
    #: When TTL may remove it, seconds since 1970 (DynamoDB's unit); None = never.
    expires: int | None = None

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)

    @property
    def latest(self) -> int:
        """The highest revision of all commands that were applied, and of puts that changed nothing."""
        return max(self.revision, self.last_commands.put_revision)

    @property
    def era(self) -> Era:
        """The era in force."""
        return self.eras[-1] if self.eras else NO_ERA

    @property
    def in_force(self) -> int:
        """The revision of the era in force; -1 = nothing was ever defined."""
        return self.era.revision

    @property
    def size(self) -> int:
        """Roughly the bytes that it takes up where it is stored, without an input that is stored apart."""
        size, schedule = 1_000 + sum(len(era.trigger) for era in self.eras), self.schedule
        if schedule is None:
            return size
        given = [schedule.expression] if isinstance(schedule.expression, str) else schedule.expression
        texts = [*given, *schedule.exclude, *schedule.labels, *schedule.labels.values()]
        return size + len(bytes(schedule.input)) + sum(map(len, texts))

    @property
    def fires(self) -> bool:
        """Whether the era in force may still enqueue fires. A completed schedule may, after a failed planner pass."""
        return self.state in {State.ENABLED, State.COMPLETED} and self.schedule is not None


class FiredSchedule(Protocol):
    """What of a schedule is needed to fire it. ``Schedule`` describes each part."""

    @property
    def expression(self) -> str | list[str]: ...
    @property
    def exclude(self) -> Sequence[str]: ...
    @property
    def timezone(self) -> str: ...
    @property
    def input(self) -> Raw: ...
    @property
    def detail_type(self) -> str: ...
    @property
    def labels(self) -> dict[str, str]: ...
    @property
    def route(self) -> str | None: ...
    @property
    def priority(self) -> int: ...
    @property
    def flexible_window_seconds(self) -> int: ...
    @property
    def misfire(self) -> Misfire: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def expect(self) -> Expect | None: ...
    @property
    def after_completion(self) -> Literal["KEEP", "DELETE"]: ...


class FireRecord(Protocol):
    """What of a record is needed to fire its schedule. ``Record`` describes each part.

    A store may read it for less than a whole record.
    """

    @property
    def key(self) -> Key: ...
    @property
    def tenant(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> int: ...
    @property
    def state(self) -> State: ...
    @property
    def created(self) -> Instant: ...
    @property
    def eras(self) -> Sequence[Era]: ...
    @property
    def in_force(self) -> int: ...
    @property
    def schedule(self) -> FiredSchedule | None: ...
    @property
    def input(self) -> InputRef | None: ...
    @property
    def size(self) -> int: ...


def expect_of(record: FireRecord | None) -> Expect | None:
    """What reports the schedule of *record* expects; None: it fires, or there is none."""
    return None if record is None or record.schedule is None else record.schedule.expect


def is_tracked(record: FireRecord | None) -> bool:
    """Whether the runs of the schedule of *record* are followed."""
    return record is not None and record.schedule is not None and record.schedule.runs.track


#: Nothing was ever defined.
NO_ERA = Era(revision=-1, trigger="", start=0)


class BackfillState(StrEnum):
    """As EventBridge has them for a replay."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class Backfill(Struct, frozen=True, kw_only=True):
    """A span of a schedule's occurrences, fired on purpose, slice by slice.

    A resume's catch-up is one too, if it is long; its fires are ordinary ones.

    Each write is conditional on ``version`` and raises it. A planner stores the ``slice`` when it claims it, and clears
    it after the queue took its packs. After a crash the next planner sends the same slice again.
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
    #: The due instant before which every occurrence has been handed to the fire queue.
    enqueued_through: Instant = 0
    #: No fire after those is published before it: the rate.
    at: Instant = 0
    #: The instants of publication of the slice in hand; None = no slice is.
    slice: Window | None = None
    #: When the claim of the slice ends; 0 = it is not claimed.
    lease_until: Instant = 0
    version: int = 0
    #: Occurrences before ``enqueued_through`` that fire, and that do not.
    fires: int = 0
    skipped: int = 0
    #: Why it was cancelled: by ``command``, or because its schedule was ``deleted``.
    reason: CancelReason | None = None
    #: Whether its schedule is completed once it has ended: a resume's catch-up may hold the last occurrences.
    completes: bool = False
    #: When TTL may remove it, seconds since 1970; None = never.
    expires: int | None = None

    @property
    def key(self) -> BackfillKey:
        return BackfillKey(self.tenant, self.name, self.id)


class Sweep(Struct, frozen=True, kw_only=True):
    """One check of every record by the reconciler, in as many runs as it needs. Only the latest one is stored."""

    #: Counts up, so that a run of an earlier sweep learns that a later one has begun.
    number: int
    began: Instant
    #: The number of segments to which it moves schedules.
    segments: int
    #: The zone rules and the release by which it computes triggers again; "" = it keeps triggers.
    rules: str = ""
    #: Those by which triggers were computed when the sweep began, or after it ended; "" = unknown.
    computed_by: str = ""
    #: When the first sweep began that came after the last one to end: earlier than ``began`` if sweeps were replaced.
    unfinished_since: Instant
    #: The parts of the parallel scan.
    shares: int
    #: None = it is open.
    ended: Instant | None = None

    @property
    def key(self) -> tuple[str, ...]:
        return ("latest",)

    @property
    def expires(self) -> None:
        """Never."""


class Share(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far one share of the table has been read in a sweep.

    ``version`` rises with each write: whoever comes second with the same one is refused.
    """

    part: int
    #: The sweep's number.
    sweep: int
    version: int = 0
    #: The page to be read next; None = the first one.
    cursor: str | None = None
    done: bool = False
    #: Until when a run may be reading it; 0 = no run is.
    lease_until: Instant = 0
    #: Records read in this sweep, by state, and those that the release cannot read.
    states: dict[State, int] = {}
    unreadable: int = 0

    @property
    def key(self) -> tuple[str, ...]:
        return (str(self.part),)

    @property
    def expires(self) -> None:
        """Never."""


class Calendar(Struct, frozen=True, kw_only=True):
    """Days by name, as stored."""

    tenant: str
    name: str
    revision: int
    #: As they were put; None: deleted.
    dates: tuple[str, ...] | None
    #: See ``Record``.
    recent_event_ids: tuple[str, ...] = ()
    expires: int | None = None

    @property
    def key(self) -> CalendarKey:
        return CalendarKey(self.tenant, self.name)

    @property
    def latest(self) -> int:
        """As that of ``Record``: here each change counts."""
        return self.revision
