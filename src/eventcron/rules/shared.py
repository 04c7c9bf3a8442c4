"""What a replaced revision fired, though it is due after the command that replaced it: commands take time to arrive."""

from __future__ import annotations

from collections.abc import Callable

from eventcron.model.names import Instant, Window
from eventcron.model.records import Record, Shared
from eventcron.timing.trigger import from_canonical, next_occurrence, occurrences


def shared(replaced: Record, *, first: Instant, until: Instant) -> tuple[Shared, ...]:
    """What *replaced*, in force until *until*, fires of what is due from *first* on; () if nothing is.

    Counted from where its definition began: a put that is late may find it resumed since.
    """
    start = max(first, replaced.since or replaced.first)
    if start >= until or next_occurrence(from_canonical(replaced.trigger), start, before=until) is None:
        return ()
    return (Shared(replaced.trigger, start, until),)


def is_own(record: Record) -> Callable[[Instant], bool]:
    """Tells the due instants that are *record*'s to fire from those that a revision before it fires."""
    taken = {
        due for one in record.shared for due in occurrences(from_canonical(one.trigger), Window(one.start, one.end))
    }
    return lambda due: due not in taken
