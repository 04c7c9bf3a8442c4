"""How a resume catches up on the occurrences of its pause: evenly spread, the oldest first, never faster than its rate.

The registrar sends what fits into the first minutes, each fire at its own instant. The rest is a remainder, which the
planner continues with each tick like a backfill. Its fires are ordinary ones: a target cannot tell them from others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from msgspec.structs import replace

from eventcron.model.codes import SkipReason
from eventcron.model.events import SkipNotice
from eventcron.model.messages import Fire
from eventcron.model.names import CATCH_UP_PREFIX, BackfillKey, Instant, Key, Window
from eventcron.model.records import Backfill, Era, Record
from eventcron.rules.backfill import gap_ms
from eventcron.rules.planning import first_occurrence, is_readable, unread_notice, why_unreadable
from eventcron.rules.timeline import not_taken
from eventcron.timing.trigger import count_occurrences, from_canonical, is_manual, last_occurrence, occurrences

#: Milliseconds of a catch-up that the registrar sends itself: the longest tick, so that a planner goes on before they
#: are over.
FIRST_MS = 600_000
#: Milliseconds. What takes no longer than this at its rate is sent at once: 10 fires of 60 a minute.
AT_ONCE_MS = 10_000
#: The part of a tenant's limit that catching up may use: half, so that as much is left for what is due now.
PART_OF_LIMIT = 2
#: Occurrences that a notice counts at most, see ``handover.MAX_COUNTED``.
MAX_COUNTED = 100_000


def rate(asked: int | None, *, default: int, limit: int) -> int:
    """Fires a minute of a catch-up: what was *asked*, or the *default*; at most half of the tenant's *limit*, if any.

    >>> rate(None, default=60, limit=0), rate(600, default=60, limit=100), rate(5, default=60, limit=1)
    (60, 50, 1)
    """
    wanted = default if asked is None else asked
    return min(wanted, max(1, limit // PART_OF_LIMIT)) if limit else wanted


def paced(resumed: Record, per_minute: int) -> Record:
    """*resumed*, the record after a resume, which catches up at that rate."""
    if not resumed.eras:
        return resumed
    return replace(resumed, eras=(*resumed.eras[:-1], replace(resumed.era, per_minute=per_minute)))


def remainder_of(record: Record) -> Backfill | None:
    """The remainder that the resume of *record* opens; None if the registrar sends all that there is to catch up on.

    It begins where no earlier era has occurrences, so that it need not ask which of them are its own.
    """
    era, window = record.era, caught_up_window(record)
    if record.pending is None or window.start >= window.end:
        return None
    gap = gap_ms(era.per_minute)
    count = max(1, FIRST_MS // gap)
    ended = max((one.start if one.end is None else one.end for one in record.eras[:-1]), default=0)
    rest = islice(_dues(record, window), count, None)
    first = next((due for due in rest if due >= ended), None)
    if first is None:
        return None
    return Backfill(
        tenant=record.tenant,
        name=record.name,
        id=_id(era),
        event_id=record.recent_event_ids[-1] if record.recent_event_ids else _id(era),
        revision=era.revision,
        schedule_created=record.created,
        trigger=era.trigger,
        span=Window(first, window.end),
        per_minute=era.per_minute,
        enqueued_through=first,
        at=record.pending + count * gap,
        completes=era.end is not None and first_occurrence(era.trigger, window.end, max(era.end, window.end)) is None,
    )


def first_fires(record: Record, remainder: Backfill | None) -> Iterator[Fire]:
    """What the registrar sends of the catch-up: all before the *remainder*, if there is one.

    A few go at once. Where there is no room for a remainder, the fires are closer to each other than their rate.
    """
    era, window = record.era, caught_up_window(record)
    if remainder is not None:
        window = Window(window.start, min(window.end, remainder.span.start))
    if window.start >= window.end or record.pending is None:
        return
    count = count_occurrences(from_canonical(era.trigger), window, limit=MAX_COUNTED)
    gap = min(gap_ms(era.per_minute), FIRST_MS // max(1, count))
    gap = 0 if count * gap <= AT_ONCE_MS else gap
    cause_id = _id(era)
    for number, due in enumerate(_dues(record, window)):
        at = record.pending + min(number * gap, FIRST_MS)
        yield Fire(record.tenant, record.name, era.revision, due, at, cause_id=cause_id)


def caught_up_window(record: Record) -> Window:
    """The due instants that the resume of *record* catches up on; an empty window if there are none."""
    era = record.era
    if not record.fires or not is_readable(era.trigger) or is_manual(era.trigger):
        return Window(era.start, era.start)
    return Window(era.start, era.catch_up_until if era.end is None else min(era.catch_up_until, era.end))


def unsent(remainder: Backfill, reason: SkipReason) -> list[SkipNotice]:
    """One notice, for *reason*, of what a cancelled *remainder* has not sent. Of another backfill there is none."""
    window = Window(remainder.enqueued_through, remainder.span.end)
    if not remainder.key.is_catch_up or window.start >= window.end:
        return []
    key = Key(remainder.tenant, remainder.name)
    if why := why_unreadable(remainder.trigger):
        return [unread_notice(key, window, revision=remainder.revision, reason=SkipReason.UNREADABLE_TRIGGER, by=why)]
    trigger = from_canonical(remainder.trigger)
    first, last = next(iter(occurrences(trigger, window)), None), last_occurrence(trigger, window)
    if first is None or last is None:
        return []
    count = count_occurrences(trigger, window, limit=MAX_COUNTED)
    return [
        SkipNotice(
            tenant=remainder.tenant,
            name=remainder.name,
            revision=remainder.revision,
            reason=reason,
            first_due=first,
            last_due=last,
            count=count,
        )
    ]


def waiting(remainders: Iterable[Backfill], *, limit: int) -> frozenset[BackfillKey]:
    """The catch-ups that wait for others of their tenant: together they use half of its *limit*, or one alone.

    Those of the first resumes go first. Without a *limit* none waits.
    """
    if not limit:
        return frozenset()
    rates: dict[str, int] = {}
    held = set()
    catch_ups = (remainder for remainder in remainders if remainder.key.is_catch_up)
    for remainder in sorted(catch_ups, key=lambda remainder: (remainder.revision, remainder.key)):
        before = rates.get(remainder.tenant, 0)
        if before and before + remainder.per_minute > limit // PART_OF_LIMIT:
            held.add(remainder.key)
        else:
            rates[remainder.tenant] = before + remainder.per_minute
    return frozenset(held)


def _id(era: Era) -> str:
    return f"{CATCH_UP_PREFIX}{era.revision}"


def _dues(record: Record, window: Window) -> Iterator[Instant]:
    """The due instants in *window* that no earlier era has."""
    return filter(not_taken(record.eras, window), occurrences(from_canonical(record.era.trigger), window))
