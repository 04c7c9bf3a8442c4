"""Which events are kept, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventcron.model.history import KINDS, EntryKind, HistoryEntry, KeepHistory
from eventcron.model.names import Instant

#: How to have a history, for whoever asks for one that is not kept.
HOW_TO_KEEP = (
    "deploy with KeepHistory=ALL to keep every fire, skip and outcome, or KeepHistory=TRACKED for those of schedules"
    " with runs.track"
)
#: Events without a ``fire_id`` that are kept.
CHANGES = frozenset(name for name, kind in KINDS.items() if kind in {EntryKind.CHANGED, EntryKind.REJECTED})
#: What becomes of a tracked fire.
RUN_ENDS = frozenset(name for name, kind in KINDS.items() if kind is EntryKind.RUN)
#: Events with a ``fire_id`` that are not kept: they end nothing.
NOT_KEPT = frozenset({"Run Reported"})

#: Digits of an instant, so that texts sort as numbers do. The last instant, of the year 2199, has 13.
DIGITS = 14


def place(entry: HistoryEntry) -> str:
    """Where *entry* stands among those of its schedule, and what tells it from the others.

    >>> from eventcron.model.history import EntryKind
    >>> place(HistoryEntry(tenant="acme", name="tea", at=1_764_550_800_000, kind=EntryKind.FIRED, id="5f",
    ...     detail_type="Schedule Fired", time=1_764_550_800_000, detail={}))
    '01764550800000#fired#5f'
    """
    return f"{first_place(entry.at)}#{entry.kind}#{entry.id}"


def first_place(at: Instant) -> str:
    """What stands before every entry of the instant *at*, and after every earlier one.

    >>> first_place(-1), first_place(5)
    ('00000000000000', '00000000000005')
    """
    return f"{max(0, at):0{DIGITS}}"


def is_kept(keep: KeepHistory, detail_type: str, detail: Mapping[str, Any]) -> bool:
    """Whether an event of eventcron is kept: what the template's ``HistoryRule`` says as a pattern.

    >>> is_kept(KeepHistory.TRACKED, "Run Failed", {"fire_id": "5f"})
    True
    >>> is_kept(KeepHistory.TRACKED, "Schedule Fired", {"fire_id": "5f"})
    False
    """
    if keep is KeepHistory.ALL:
        return detail_type in CHANGES or ("fire_id" in detail and detail_type not in NOT_KEPT)
    of_run = detail_type in RUN_ENDS or "run_token" in detail
    because = (detail_type, detail.get("reason"))
    by_run = because in {("Schedule Skipped", "still_running"), ("Schedule Paused", "failures")}
    return keep is KeepHistory.TRACKED and (of_run or by_run)
