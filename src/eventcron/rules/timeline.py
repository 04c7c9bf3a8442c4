"""Decide which of a schedule's eras a fire belongs to, and whether it may still be published.

Eras may overlap, because a command takes time to arrive. A new definition counts from the instant at which its command
was sent; the previous definition fires until the command is applied. One rule decides every overlap: **a due instant
belongs to the earliest era that has it.**
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from eventcron.model.names import Instant, Key, Window
from eventcron.model.records import Era
from eventcron.rules.planning import first_occurrence, is_readable
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.trigger import from_canonical, next_occurrence, occurrences


def may_publish(eras: Sequence[Era], revision: int, *, due: Instant, at: Instant) -> bool:
    """Whether a fire that was enqueued under *revision* is this timeline's to publish.

    Two senders enqueue the fires of an era that was cut: the planner, up to ``planned_through``, under the era's own
    revision; the registrar, from there on, under the next era's. So a fire that both enqueue is published once.
    """
    if eras and revision == eras[-1].revision:
        return True
    for before, era in pairwise((None, *eras)):
        if era is None or era.revision != revision:
            continue
        own = era.contains(due) and not era.paused and (era.planned_through is None or at < era.planned_through)
        return own or (before is not None and _leaves(before, due=due, at=at))
    return False


def is_superseded(eras: Sequence[Era], revision: int, *, due: Instant, at: Instant | None) -> bool:
    """Whether no other revision publishes or reports the occurrence at *due* of a fire that may not be published.

    Another revision does if its era has *due*, or if the fire's own era left a fire *at* that instant of publication to
    the next one; None: whether it did does not matter.

    Raises:
        InvalidSchedule: this release cannot read one of the triggers.
    """
    if not eras or not eras[-1].trigger:
        return False  # deleted: what is due afterwards is no occurrence of anything
    others = (era for era in eras if era.revision != revision or (at is not None and _leaves(era, due=due, at=at)))
    return not any(has(era, due) for era in others)


def has(era: Era, due: Instant) -> bool:
    """Whether the era's trigger has an occurrence at *due*, within the era's span. It may be one that is skipped."""
    return bool(era.trigger) and era.contains(due) and first_occurrence(era.trigger, due, due + 1) is not None


def is_followed(eras: Sequence[Era], key: Key, revision: int, *, due: Instant, now: Instant) -> bool:
    """Whether the schedule *key* fires once more after *due* and by *now*, in the era of that fire or a later one.

    The fire was enqueued under *revision*, so it is of that era or was left by the era before. What an earlier
    definition fires does not stand for a fire of a later one.

    Raises:
        InvalidSchedule: this release cannot read one of the triggers.
    """
    own = next((index for index, era in enumerate(eras) if era.revision == revision), 0)
    first = own - 1 if own and has(eras[own - 1], due) else own
    for era in eras[first:]:
        offset = flexible_offset_ms(key, era.flexible_window_seconds)
        end = now - offset + 1 if era.end is None else min(now - offset + 1, era.end)
        start = max(due + 1, era.start)
        if not era.trigger or era.paused or start >= end:
            continue
        if next_occurrence(from_canonical(era.trigger), start, before=end) is not None:
            return True
    return False


def not_taken(eras: Sequence[Era], within: Window | None = None) -> Callable[[Instant], bool]:
    """Tells the due instants of the last of *eras* that no earlier era has. If given, it tells only those *within*."""
    if not eras:
        return lambda _due: True
    since, until = eras[-1].start, None
    if within is not None:
        since, until = max(since, within.start), within.end
    taken = {due for era in eras[:-1] for due in _fires_of(era, since=since, until=until)}
    return lambda due: due not in taken


def _leaves(era: Era, *, due: Instant, at: Instant) -> bool:
    """Whether the planner left that fire to the registrar when the era was cut."""
    return era.contains(due) and era.planned_through is not None and at >= era.planned_through


def _fires_of(era: Era, *, since: Instant, until: Instant | None) -> Sequence[Instant]:
    """The due instants of an era that was cut, from *since* on and before *until*."""
    end = era.start if era.end is None else era.end
    span = Window(max(era.start, since), end if until is None else min(end, until))
    if not era.trigger or span.start >= span.end or not is_readable(era.trigger):
        return ()  # nobody fires what cannot be read
    return tuple(occurrences(from_canonical(era.trigger), span))
