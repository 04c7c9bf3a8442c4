"""Compute what is about to fire: the fires of stored schedules in a coming window, by the planner's own code.

A fire counts if it will be published in the window, whether the planner or the registrar sends it or the queue already
holds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from eventcron.errors import InvalidSchedule
from eventcron.model.events import SkipNotice
from eventcron.model.messages import Fire
from eventcron.model.names import END_OF_TIME, Instant, Key, Unreadable, Window
from eventcron.model.records import Era, IndexEntry, Record
from eventcron.rules.planning import DENSE, WindowMemo, contribution, index_entry, offset_of
from eventcron.timing.trigger import first_occurrences, from_canonical

#: Milliseconds of a window that are computed at once: one tick. It bounds the occurrences held in memory.
SLICE_MS = 300_000


class UpcomingFire(NamedTuple):
    """A fire that will be published at the instant ``at``."""

    at: Instant
    fire: Fire
    timezone: str


def upcoming_entries(record: Record, *, since: Instant) -> list[IndexEntry]:
    """One entry for each era of *record* that may publish a fire at or after *since*.

    The last era of a paused schedule has no fires, but fires of an earlier era may be in the queue. A completed
    schedule may have such fires too, if its last occurrence was skipped while an earlier fire was in the queue. A
    schedule that expects reports fires nothing.
    """
    if record.schedule is None or record.schedule.expect is not None:
        return []
    return [
        index_entry(record, era, handoff=era.start, wake=DENSE)
        for era in record.eras
        if era.trigger and not era.paused and _may_fire(era, since)
    ]


def _may_fire(era: Era, since: Instant) -> bool:
    """Whether *era*, with its flexible window, may publish a fire at or after *since*."""
    return era.end is None or era.end + era.flexible_window_seconds * 1000 > since


def slices(window: Window, slice_ms: int = SLICE_MS) -> Iterator[Window]:
    """*window* in consecutive parts of at most *slice_ms*.

    >>> list(slices(Window(0, 700_000)))
    [Window(start=0, end=300000), Window(start=300000, end=600000), Window(start=600000, end=700000)]
    """
    for start in range(window.start, window.end, slice_ms):
        yield Window(start, min(start + slice_ms, window.end))


def upcoming_fires(
    entries: Sequence[IndexEntry], window: Window, *, slice_ms: int = SLICE_MS
) -> Iterator[UpcomingFire | SkipNotice | Unreadable]:
    """The fires and skips of *entries* with an instant of publication in *window*.

    They come slice by slice of *slice_ms*, and entry by entry within a slice. If a revision and its successor have the
    same occurrence, it comes once, because the executor publishes it once. An entry that this release cannot read comes
    as ``Unreadable``.
    """
    waiting: dict[int, Instant] = dict.fromkeys(range(len(entries)), window.start)
    counts = Counter(entry.key for entry in entries)
    known: dict[Key, set[Instant]] = {key: set() for key, count in counts.items() if count > 1}
    for part in slices(window, slice_ms):
        memo = WindowMemo(part)
        for index in [index for index, following in waiting.items() if following < part.end]:
            entry = entries[index]
            try:
                done = contribution(entry, part, memo, now=part.start)
                zone = from_canonical(entry.trigger).timezone
            except (InvalidSchedule, ValueError) as error:
                del waiting[index]
                yield Unreadable(entry.key, str(error))
                continue
            if done.following is None:
                del waiting[index]
            else:
                waiting[index] = done.following
            for fire in _once(done.fires, known.get(entry.key)):
                yield UpcomingFire(fire.at, fire, zone)
            yield from done.skips


def _once(fires: Iterable[Fire], known: set[Instant] | None) -> Iterator[Fire]:
    """The *fires* whose due instant is not *known* yet, added to *known*. If *known* is None, all of them."""
    for fire in fires:
        if known is None or fire.due not in known:
            yield fire
        if known is not None:
            known.add(fire.due)


def next_fires(record: Record, *, since: Instant, count: int) -> list[UpcomingFire]:
    """The next *count* fires of *record* to be published at *since* or later, in order: fewer if there are no more.

    They are those of what is stored: pauses, bounds, ``max_fires``, flexible window and exclusions count.

    Raises:
        InvalidSchedule, ValueError: this release cannot read the trigger.
    """
    found: dict[Instant, UpcomingFire] = {}
    for entry in upcoming_entries(record, since=since):
        trigger, offset = from_canonical(entry.trigger), offset_of(entry)
        window = Window(max(since - offset, entry.start), END_OF_TIME if entry.end is None else entry.end)
        for due in islice(first_occurrences(trigger, window), count):
            fire = Fire(entry.tenant, entry.name, entry.revision, due, due + offset)
            found.setdefault(due, UpcomingFire(fire.at, fire, trigger.timezone))
    return sorted(found.values(), key=lambda upcoming: (upcoming.at, upcoming.fire.due))[:count]
