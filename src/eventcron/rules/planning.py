"""Plan one schedule for one window: its fires, its skips, and its next ``wake``.

There are two kinds of instants. An entry's ``start`` and ``end`` bound due instants (``due``). Windows, ``handoff`` and
``wake`` are instants of publication (``at``). The two kinds differ by the offset of the flexible window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import SkipReason
from eventcron.model.events import SkipNotice
from eventcron.model.messages import Fire
from eventcron.model.names import END_OF_TIME, Cause, Instant, Key, Occurrence, Window
from eventcron.model.records import Era, IndexEntry, Record
from eventcron.rules.misfire import TIMELY_MS, sort_late
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.trigger import from_canonical, next_occurrence, walk

#: Milliseconds between fires under which a schedule is dense. A dense schedule is read each tick: 288 ticks a day x
#: 150 bytes / 4 KiB x 0.5 = 5.3 read units a day. A timed one takes 3 write units a fire (item, index delete, index
#: put), and a write unit costs as much as five read units. Both cost the same at 15 / 5.3 = 2.8 days, rounded up.
DENSE_GAP_MS = 3 * 86_400_000

#: Occurrences that a memo remembers at most: 5 MB at 100 bytes each.
MAX_REMEMBERED = 50_000
#: Memos that are kept. All segments are planned for the same few windows.
MAX_MEMOS = 8

#: ``wake`` of a dense schedule.
DENSE: Instant = 0
#: The start of the first window of a new segment.
NEVER_PLANNED: Instant = 0


class Contribution(NamedTuple):
    """What one schedule adds to a window.

    ``following`` is the publication instant of the first occurrence after the window; None if there is none.
    """

    fires: list[Fire]
    skips: list[SkipNotice]
    following: Instant | None


#: Takes a trigger, an instant, and the trigger's first occurrence from then on; None: it has none.
Note: TypeAlias = Callable[[str, Instant, "Instant | None"], None]


class InWindow(NamedTuple):
    """A trigger in one window: its occurrences in it, and the first at or after its end."""

    occurrences: tuple[Occurrence, ...]
    following: Instant | None
    #: When the occurrences are due, if none of them is skipped; else None.
    dues: tuple[Instant, ...] | None


class WindowMemo:
    """Each trigger's occurrences in one window, computed once. A million schedules share a few thousand triggers.

    It holds ``MAX_REMEMBERED`` occurrences and those of one trigger at most; then it forgets all of them. *note* gets
    each trigger's first occurrence after the window, so that the next window need not search it.
    """

    def __init__(self, window: Window, note: Note | None = None) -> None:
        self.window = window
        self._note = note
        self._known: dict[str, InWindow] = {}
        self._held = 0

    def look_up(self, canonical: str) -> InWindow:
        """What the trigger comes to in the window.

        Raises:
            InvalidSchedule, ValueError: it cannot be read.
        """
        known = self._known.get(canonical)
        if known is None:
            known = self._compute(canonical)
            if self._note is not None:
                self._note(canonical, self.window.end, known.following)
            if self._held > MAX_REMEMBERED:
                self._known.clear()
                self._held = 0
            self._held += len(known.occurrences) + 1
            self._known[canonical] = known
        return known

    def _compute(self, canonical: str) -> InWindow:
        start, end = self.window
        found: list[Occurrence] = []
        following = None
        for occurrence in walk(from_canonical(canonical), Window(start, END_OF_TIME)):
            if occurrence.due >= end:
                following = occurrence.due
                break
            found.append(occurrence)
        all_fire = all(occurrence.skipped is None for occurrence in found)
        return InWindow(tuple(found), following, tuple([one.due for one in found]) if all_fire else None)


def is_readable(canonical: str) -> bool:
    """Whether this release can read a stored trigger. One of a later release may have another form, or a new zone."""
    return why_unreadable(canonical) == ""


def why_unreadable(canonical: str) -> str:
    """Why this release cannot read a stored trigger; "" if it can."""
    try:
        from_canonical(canonical)
    except (InvalidSchedule, ValueError) as error:
        return str(error)
    return ""


def unread_notice(key: Key, window: Window, *, revision: int = 0, reason: SkipReason, by: str) -> SkipNotice:
    """The notice that a schedule that cannot be read does not fire in *window*. How often it was due is unknown."""
    return SkipNotice(
        tenant=key.tenant,
        name=key.name,
        revision=revision,
        reason=reason,
        first_due=window.start,
        last_due=window.end - 1,
        by=by,
    )


class Memos:
    """The memos of the windows that are being planned, the ``MAX_MEMOS`` that were asked for last."""

    def __init__(self, note: Note | None = None) -> None:
        self._memos: dict[Window, WindowMemo] = {}
        self._note = note

    def of(self, window: Window) -> WindowMemo:
        """The memo of *window*."""
        memo = self._memos.pop(window, None) or WindowMemo(window, self._note)
        self._memos[window] = memo
        if len(self._memos) > MAX_MEMOS:
            del self._memos[next(iter(self._memos))]
        return memo


def first_occurrence(canonical: str, since: Instant, until: Instant | None = None) -> Instant | None:
    """The first occurrence at or after *since* and before *until*, whether it fires or is skipped."""
    trigger = from_canonical(canonical)
    window = Window(since, END_OF_TIME if until is None else until)
    return next((occurrence.due for occurrence in walk(trigger, window)), None)


def index_entry_of(record: Record) -> IndexEntry | None:
    """The index entry of *record*; None if *record* has nothing to plan."""
    if not record.fires or record.wake is None:
        return None
    return index_entry(record, record.era, handoff=record.handoff, wake=record.wake)


def index_entry(record: Record, era: Era, *, handoff: Instant, wake: Instant) -> IndexEntry:
    """The index entry of one *era* of *record*, with that *handoff* and *wake*."""
    return IndexEntry(
        tenant=record.tenant,
        name=record.name,
        revision=era.revision,
        trigger=era.trigger,
        start=era.start,
        end=era.end,
        handoff=handoff,
        wake=wake,
        misfire=era.misfire,
        flexible_window_seconds=era.flexible_window_seconds,
    )


def contribution(
    entry: IndexEntry, window: Window, memo: WindowMemo, *, now: Instant, since: Instant | None = None
) -> Contribution:
    """The fires of *entry* to be published in *window*, and its skips.

    A timed entry is planned from its ``wake``, even if the window starts later. The index may show a new entry too
    late for that entry's own window; its fires are then late, not lost. If *since* is given, the entry is planned from
    there. The last fire before the schedule ends is marked ``last``.
    """
    # Most entries are like all others with their trigger. For the others it is worked out what is their own.
    if (
        entry.end is None
        and not entry.flexible_window_seconds
        and window is memo.window
        and window.start > NEVER_PLANNED
    ):
        _, following, dues = memo.look_up(entry.trigger)
        first = opening(entry, window) if since is None else max(since, entry.handoff, entry.start)
        shares = following is not None and first >= window.start
        # Where the first is not late by any policy, none is.
        if shares and dues is not None and (not dues or dues[0] >= max(first, now - TIMELY_MS)):
            tenant, name, revision = entry.tenant, entry.name, entry.revision
            return Contribution([Fire(tenant, name, revision, due, due) for due in dues], [], following)
    return _own_contribution(entry, window, memo, now=now, since=since)


def _own_contribution(
    entry: IndexEntry, window: Window, memo: WindowMemo, *, now: Instant, since: Instant | None
) -> Contribution:
    """The contribution of *entry*, whatever sets it apart from others with its trigger."""
    offset = offset_of(entry)
    first = opening(entry, window, since) - offset
    occurrences, following = _between(entry, first, window.end - offset, memo)
    fires, skips = _sort(entry, occurrences, offset, window.end, now=now)
    if following is None and fires:
        last = fires[-1]
        fires[-1] = Fire(last.tenant, last.name, last.revision, last.due, last.at, last=True)
    return Contribution(fires, skips, None if following is None else following + offset)


def opening(entry: IndexEntry, window: Window, since: Instant | None = None) -> Instant:
    """The instant of publication from which *entry* is planned in *window*: from *since* on, if that is given."""
    if since is None:
        since = entry.wake if entry.wake != DENSE else window.start
    return max(since, entry.handoff, entry.start + offset_of(entry))


def offset_of(entry: IndexEntry) -> int:
    """By how many milliseconds the fires of *entry* follow their due instants."""
    seconds = entry.flexible_window_seconds
    return flexible_offset_ms(entry.key, seconds) if seconds else 0


def next_wake(fired: Instant | None, following: Instant | None) -> Instant | None:
    """The ``wake`` of an entry after its window was planned: ``DENSE``, a later instant, or None to leave the index.

    *fired* is when its last fire in the window is published, *following* when its first one after the window is.
    """
    if fired is None or following is None:
        return following
    return following if following - fired >= DENSE_GAP_MS else DENSE


def _between(
    entry: IndexEntry, first: Instant, end: Instant, memo: WindowMemo
) -> tuple[Sequence[Occurrence], Instant | None]:
    """Occurrences due in ``[first, end)`` before the entry's end, and the first one after them."""
    if end == memo.window.end and first >= memo.window.start > NEVER_PLANNED:
        occurrences, following, _ = memo.look_up(entry.trigger)
        if first > memo.window.start:
            occurrences = tuple(o for o in occurrences if o.due >= first)
    else:
        # With a flexible window, after a late read, and in a segment's first window, each entry has its own span.
        occurrences = tuple(walk(from_canonical(entry.trigger), Window(first, end))) if first < end else ()
        following = first_occurrence(entry.trigger, max(first, end), entry.end)
    if entry.end is not None:
        until = entry.end
        occurrences = tuple(o for o in occurrences if o.due < until)
        following = following if following is not None and following < until else None
    return occurrences, following


def _sort(
    entry: IndexEntry, occurrences: Sequence[Occurrence], offset: int, end: Instant, *, now: Instant
) -> tuple[list[Fire], list[SkipNotice]]:
    """The fires and notices of the *occurrences* published before *end*."""
    if not occurrences:
        return [], []
    at = [occurrence.due + offset for occurrence in occurrences if occurrence.skipped is None]
    fire, missed = sort_late(at, entry.misfire, now=now, fires_later=_is_due(entry, end - offset, now - offset))
    fires = [Fire(entry.tenant, entry.name, entry.revision, instant - offset, instant) for instant in fire]
    silent = [(o.due, o.skipped, o.by) for o in occurrences if o.skipped is not None]
    silent += [(instant - offset, SkipReason.MISFIRE, None) for instant in missed]
    return fires, notices(entry.key, entry.revision, silent)


def _is_due(entry: IndexEntry, since: Instant, now: Instant) -> bool:
    """Whether *entry* has a fire that is due from *since* on and no later than *now*."""
    until = now + 1 if entry.end is None else min(now + 1, entry.end)
    return since < until and next_occurrence(from_canonical(entry.trigger), since, before=until) is not None


def joined(before: SkipNotice | None, after: SkipNotice) -> SkipNotice:
    """One notice for two of one schedule, reason and ``by``. Notices come in order, one slice after the other."""
    if before is None:
        return after
    return replace(before, last_due=after.last_due, count=before.count + after.count)


def notices(
    key: Key,
    revision: int,
    silent: Iterable[tuple[Instant, SkipReason, str | None]],
    *,
    cause: Cause = "schedule",
    cause_id: str = "",
) -> list[SkipNotice]:
    """One notice for each reason and ``by``, instead of one for each of perhaps thousands of due instants.

    *silent* holds due instants, each with the reason of the skip and ``by``, the text that says what caused it.
    """
    found = []
    by_reason = sorted(silent, key=lambda item: (item[1], item[2] or "", item[0]))
    for (reason, by), group in groupby(by_reason, key=lambda item: (item[1], item[2])):
        dues = [due for due, _, _ in group]
        found.append(
            SkipNotice(
                tenant=key.tenant,
                name=key.name,
                revision=revision,
                reason=reason,
                first_due=dues[0],
                last_due=dues[-1],
                count=len(dues),
                by=by,
                cause=cause,
                cause_id=cause_id,
            )
        )
    return found
