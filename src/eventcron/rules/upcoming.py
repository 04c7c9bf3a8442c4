"""What is about to fire: the fires of stored schedules in a span to come, by the planner's own code.

Whoever is to hand a fire over, the planner, the registrar, or nobody any more because it is on its way, makes no
difference here: it counts if it is to be published in the span.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from eventcron.errors import InvalidSchedule
from eventcron.model.events import SkipNotice
from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Key, Unreadable, Window
from eventcron.model.records import Era, IndexEntry, Record
from eventcron.rules.planning import DENSE, WindowMemo, contribution, index_entry
from eventcron.timing.trigger import from_canonical

#: Milliseconds worked out at once, as long as a tick: bounds the occurrences that are held in memory.
SLICE_MS = 300_000


class UpcomingFire(NamedTuple):
    """A fire to come, in order of publication."""

    at: Instant
    fire: Fire
    timezone: str


def upcoming_entries(record: Record, *, since: Instant) -> list[IndexEntry]:
    """What of *record* may be published from *since* on: one entry for each era that fires.

    A paused or deleted schedule has none in force, and an earlier era may still have fires on the way. A completed
    schedule may too: it completes when its last occurrence is skipped, while the fire before waits in the queue.
    """
    if record.schedule is None:
        return []
    return [
        index_entry(record, era, handoff=era.start, wake=DENSE)
        for era in record.eras
        if era.trigger and not era.paused and _may_fire(era, since)
    ]


def _may_fire(era: Era, since: Instant) -> bool:
    """Whether the flexible window may bring a fire of *era* to *since* or later."""
    return era.end is None or era.end + era.flexible_window_seconds * 1000 > since


def slices(window: Window) -> Iterator[Window]:
    """*window* in consecutive parts of at most ``SLICE_MS``.

    >>> list(slices(Window(0, 700_000)))
    [Window(start=0, end=300000), Window(start=300000, end=600000), Window(start=600000, end=700000)]
    """
    for start in range(window.start, window.end, SLICE_MS):
        yield Window(start, min(start + SLICE_MS, window.end))


def upcoming_fires(plans: Sequence[IndexEntry], window: Window) -> Iterator[UpcomingFire | SkipNotice | Unreadable]:
    """All that *plans* fire and skip with an instant of publication in *window*, slice by slice, else unordered.

    An occurrence that both a revision and the one it replaced have comes once: the executor publishes it once.
    A plan that this release cannot read is told of, and stops no other.
    """
    waiting: dict[int, Instant] = dict.fromkeys(range(len(plans)), window.start)
    counts = Counter(plan.key for plan in plans)
    told: dict[Key, set[Instant]] = {key: set() for key, count in counts.items() if count > 1}
    for part in slices(window):
        memo = WindowMemo(part)
        for index in [index for index, following in waiting.items() if following < part.end]:
            plan = plans[index]
            try:
                done = contribution(plan, part, memo, now=part.start)
                zone = from_canonical(plan.trigger).timezone
            except (InvalidSchedule, ValueError) as error:
                del waiting[index]
                yield Unreadable(plan.key, str(error))
                continue
            if done.following is None:
                del waiting[index]
            else:
                waiting[index] = done.following
            for fire in _once(done.fires, told.get(plan.key)):
                yield UpcomingFire(fire.at, fire, zone)
            yield from done.skips


def _once(fires: Iterable[Fire], told: set[Instant] | None) -> Iterator[Fire]:
    """Those of *fires* that are not *told* yet, by due instant; None: there is nothing to confuse them with."""
    for fire in fires:
        if told is None or fire.due not in told:
            yield fire
        if told is not None:
            told.add(fire.due)
