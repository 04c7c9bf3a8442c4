"""What is kept of a schedule's past: one entry for each of its events that a deployment keeps."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from eventcron.model.names import Instant, Key


class KeepHistory(StrEnum):
    """Which events a deployment keeps. ``TRACKED``: tracked fires and what became of them."""

    NONE = "NONE"
    TRACKED = "TRACKED"
    ALL = "ALL"


class EntryKind(StrEnum):
    """What an entry says about its schedule."""

    FIRED = "fired"
    SKIPPED = "skipped"
    FAILED = "failed"  # a fire that could not be published
    RUN = "run"  # how a tracked fire ended, or that nobody said so in time
    CHANGED = "changed"  # a command was applied, or the schedule was completed
    REJECTED = "rejected"  # a command was refused


#: What an event says that is no fire. Of others no entry is kept; a fire may have any detail-type.
KINDS = {
    "Schedule Backfilled": EntryKind.CHANGED,
    "Schedule Completed": EntryKind.CHANGED,
    "Schedule Created": EntryKind.CHANGED,
    "Schedule Deleted": EntryKind.CHANGED,
    "Schedule Failed": EntryKind.FAILED,
    "Schedule Paused": EntryKind.CHANGED,
    "Schedule Rejected": EntryKind.REJECTED,
    "Schedule Resumed": EntryKind.CHANGED,
    "Schedule Skipped": EntryKind.SKIPPED,
    "Schedule Updated": EntryKind.CHANGED,
    "Run Failed": EntryKind.RUN,
    "Run Overdue": EntryKind.RUN,
    "Run Succeeded": EntryKind.RUN,
}


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """One event of a schedule. ``at``, ``kind`` and ``id`` identify it: an event that comes twice is kept once."""

    tenant: str
    name: str
    #: By which entries are ordered: the due instant, of several the first; of a change, when it was published.
    at: Instant
    kind: EntryKind
    id: str
    detail_type: str
    #: When it was published, in whole seconds, as EventBridge has it.
    time: Instant
    #: The event's own fields. The input, labels and tokens are not kept; ``input_bytes`` says how long the input was.
    detail: dict[str, Any]

    @property
    def key(self) -> Key:
        return Key(self.tenant, self.name)
