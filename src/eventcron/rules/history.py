"""The order of a schedule's entries, and the page at which reading goes on."""

from __future__ import annotations

from eventcron.model.history import HistoryEntry
from eventcron.model.names import Instant

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
