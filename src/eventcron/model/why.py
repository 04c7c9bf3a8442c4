"""What is known about one instant of a schedule, and the answer to why it did or did not fire then."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from eventcron.model.history import HistoryEntry, KeepHistory
from eventcron.model.names import Instant, Key
from eventcron.model.records import Record
from eventcron.model.runs import Lane


class Because(StrEnum):
    """The answer as a word. Later releases add members and remove none."""

    FIRED = "fired"
    #: It is not due then.
    EXPRESSION = "expression"
    ZONE = "zone"
    CLOCK_CHANGE = "clock_change"
    EXCLUSION = "exclusion"
    BOUNDS = "bounds"
    MAX_FIRES = "max_fires"
    NOT_FOUND = "not_found"
    #: It fires nothing: it expects reports.
    EXPECTS = "expects"
    #: It was due and did not fire.
    PAUSE = "pause"
    SUPERSESSION = "supersession"
    DELETED = "deleted"
    CANCELLED = "cancelled"
    MISFIRE = "misfire"
    QUOTA = "quota"
    OVERLAP = "overlap"
    DEAD_LETTER = "dead_letter"
    PLANNER_BEHIND = "planner_behind"
    UNREADABLE = "unreadable"
    #: It may still fire.
    TO_COME = "to_come"
    ON_ITS_WAY = "on_its_way"
    #: It was due. Whether it fired is not kept, or there is no trace although it would be.
    NOT_KEPT = "not_kept"
    UNKNOWN = "unknown"


class DeadFire(NamedTuple):
    """A fire among the dead letters, and why it is there."""

    due: Instant
    reason: str


class Known(Struct, frozen=True, kw_only=True):
    """What is known about a schedule around the instant *at*."""

    key: Key
    at: Instant
    now: Instant
    #: As it is stored now; None: nothing is stored.
    record: Record | None
    #: What is kept about *at*, in any order.
    entries: Sequence[HistoryEntry] = ()
    keeps: KeepHistory = KeepHistory.NONE
    #: What was published before it is not kept any more.
    kept_since: Instant = 0
    dead_fires: Sequence[DeadFire] = ()
    #: Why commands about the schedule are dead letters.
    dead_commands: Sequence[str] = ()
    #: Those in which its runs are.
    lanes: Sequence[Lane] = ()
    #: The instant of publication through which its segment is planned.
    planned_through: Instant = 0
    #: What could not be looked at, each as a sentence.
    unseen: Sequence[str] = ()


class Verdict(Struct, frozen=True, kw_only=True):
    """Why a schedule did or did not fire at an instant."""

    key: Key
    at: Instant
    because: Because
    #: Whether it should have fired by its definition: expression, zone, exclusions and bounds. None = unknown.
    due: bool | None
    #: Whether it did. None = unknown, or not yet.
    fired: bool | None
    #: The answer, for people.
    says: str
    #: The zone of the definition; "" = unknown.
    timezone: str = ""
    #: The due instants before and after *at*; None = there is none, or it is unknown.
    before: Instant | None = None
    after: Instant | None = None
    #: What the answer rests on.
    entries: Sequence[HistoryEntry] = ()
    #: What is not known, each as a sentence that says how to know it.
    unknown: Sequence[str] = ()
