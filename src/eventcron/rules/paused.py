"""What fell due while a schedule was paused: which of it fires when it is resumed, and what is told of the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice

from eventcron.model.codes import SkipReason
from eventcron.model.commands import Misfire, MisfirePolicy
from eventcron.model.events import SkipNotice
from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Window
from eventcron.model.records import Missed, Record
from eventcron.rules.planning import nth_fire
from eventcron.rules.shared import is_own
from eventcron.timing.trigger import from_canonical, next_occurrence, occurrences

#: Occurrences of one pause that are counted at most: half a second's work. A secondly schedule has as many in a day.
MAX_COUNTED = 100_000
#: Milliseconds. How far back the last occurrence is looked for at first; four times further each time.
LOOK_BACK_MS = 60_000


def missed(record: Record, *, until: Instant, misfire: Misfire, now: Instant) -> Missed | None:
    """What *record*, paused since its ``first``, did not fire before *until*; None: nothing.

    By *misfire* ``fire_once`` the latest still fires, ``fire_all`` every one; none that is older than the grace.
    """
    span = Window(record.first, until)
    if span.start >= span.end or next_occurrence(from_canonical(record.trigger), span.start, before=span.end) is None:
        return None
    oldest = now - misfire.grace_seconds * 1000
    fire_from = span.end
    if misfire.policy is MisfirePolicy.FIRE_ALL:
        fire_from = min(max(span.start, oldest), span.end)
    elif misfire.policy is MisfirePolicy.FIRE_ONCE:
        latest = last_fire(record.trigger, span)
        fire_from = latest if latest is not None and latest >= oldest else span.end
    return _within_max_fires(record, Missed(span.start, fire_from, span.end, now))


def last_fire(canonical: str, window: Window, own: Callable[[Instant], bool] = lambda _due: True) -> Instant | None:
    """The last instant in *window* at which the trigger fires, of those *own*; quick, however long the window is."""
    trigger, reach = from_canonical(canonical), LOOK_BACK_MS
    while window.start < window.end:
        start = max(window.start, window.end - reach)
        found = deque(filter(own, occurrences(trigger, Window(start, window.end))), maxlen=1)
        if found or start == window.start:
            return found[0] if found else None
        reach *= 4
    return None


def fires_missed(record: Record) -> list[Fire]:
    """The fires of what was missed, all to be published at once."""
    if record.missed is None:
        return []
    _, fire_from, end, at = record.missed
    dues = occurrences(from_canonical(record.missed_trigger or record.trigger), Window(fire_from, end))
    own = is_own(record)
    return [Fire(record.tenant, record.name, record.revision, due, at) for due in dues if own(due)]


def skips_missed(record: Record) -> list[SkipNotice]:
    """One notice of all that was missed and does not fire, reason ``paused``; none if all of it does."""
    if record.missed is None:
        return []
    window = Window(record.missed.start, record.missed.fire_from)
    trigger, own = record.missed_trigger or record.trigger, is_own(record)
    last = last_fire(trigger, window, own)
    if last is None:
        return []
    dues = filter(own, occurrences(from_canonical(trigger), window))
    first = next(dues)
    count = 1 + sum(1 for _ in islice(dues, MAX_COUNTED - 1))
    return [
        SkipNotice(
            tenant=record.tenant,
            name=record.name,
            revision=record.revision,
            reason=SkipReason.PAUSED,
            first_due=first,
            last_due=last,
            count=count,
        )
    ]


def _within_max_fires(record: Record, found: Missed) -> Missed:
    """*found*, ended where ``max_fires`` is used up: what would have come after are no occurrences of the schedule."""
    if record.schedule is None or record.schedule.max_fires is None:
        return found
    final = nth_fire(record.trigger, found.fire_from, max(1, record.schedule.max_fires - record.spent))
    return found if final is None else found._replace(end=min(found.end, final + 1))
