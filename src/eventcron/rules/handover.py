"""What the registrar has to deliver after a change, because no planner will: fires, and notices of skipped fires.

- Fires of the new era that are to be published before its ``handoff``.
- Fires of the era before, due before it was cut, that the planner had not planned.
- A notice of what a pause kept from firing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from msgspec.structs import replace

from eventcron.model.codes import SkipReason
from eventcron.model.commands import MisfirePolicy
from eventcron.model.events import SkipNotice
from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Window
from eventcron.model.records import Backfill, Era, IndexEntry, Record
from eventcron.rules.catch_up import first_fires
from eventcron.rules.planning import (
    DENSE,
    Contribution,
    WindowMemo,
    contribution,
    first_occurrence,
    index_entry,
    is_readable,
    joined,
    unread_notice,
    why_unreadable,
)
from eventcron.rules.portions import SLICE_S
from eventcron.rules.timeline import not_taken
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.trigger import (
    count_occurrences,
    from_canonical,
    is_manual,
    last_occurrence,
    next_occurrence,
    occurrences,
)

#: Occurrences of one pause that a notice counts at most. A secondly schedule has as many in a day and four hours.
MAX_COUNTED = 100_000


#: Fires that one part holds at most, or those of one slice if they are more: 3 MB at 500 bytes for a fire, its pack and
#: its message. A registrar handles ten commands at once.
PART_FIRES = 5_000


class Handover(NamedTuple):
    """A part of what is to be delivered.

    ``is_over``: this is the last part, no occurrence follows, and no fire of any part will end the schedule.
    """

    fires: list[Fire]
    skips: list[SkipNotice]
    is_over: bool


def handover(record: Record, *, now: Instant, remainder: Backfill | None = None) -> Iterator[Handover]:
    """All that the registrar delivers after the change that *record* is the result of, in parts.

    What a resume catches up on is delivered up to where its *remainder* begins, if there is one. If that has the last
    occurrences, its end completes the schedule.

    The same parts however often asked. Fires come before notices. What is to be delivered of an era that this release
    cannot read is reported as skipped.
    """
    before = record.eras[-2] if len(record.eras) > 1 else None
    skips, work = [], []
    if before is not None and before.trigger and not is_readable(before.trigger):
        skips = _unread(record, before)
    elif before is not None:
        skips = _dropped(record, before)
        work.append(_unplanned(record, before, now=now))
    if record.fires and not is_readable(record.era.trigger):
        skips = skips + _unread_until_handoff(record, before)
    elif record.fires and not is_manual(record.era.trigger):
        work.append(_until_handoff(record, remainder, now=now))
    # Notices of two eras stay apart: the spans of their occurrences may overlap.
    noted: dict[tuple[int, SkipReason, str], SkipNotice] = {}
    held: list[Fire] = []
    is_over = False
    for place, part in ((place, part) for place, parts in enumerate(work) for part in parts):
        if held and len(held) + len(part.fires) > PART_FIRES:
            yield Handover(held, [], is_over=False)
            held = []
        held += part.fires
        is_over = part.is_over
        for notice in part.skips:
            which = (place, notice.reason, notice.by or "")
            noted[which] = joined(noted.get(which), notice)
    yield Handover(held, [*skips, *noted.values()], is_over)


def leaves_work(record: Record, before: Era) -> bool:
    """Whether the era *before* the one in force left fires or notices to the registrar."""
    if not before.trigger or before.end is None:
        return False
    if not is_readable(before.trigger):
        return bool(_unread(record, before))
    if before.paused:
        return _fires_in(before.trigger, Window(before.start, before.end))
    if before.planned_through is None:
        return False
    offset = flexible_offset_ms(record.key, before.flexible_window_seconds)
    since = max(before.start, before.planned_through - offset)
    return since < before.end and first_occurrence(before.trigger, since, before.end) is not None


def catch_up_from(pause: Era, policy: MisfirePolicy, *, now: Instant) -> Instant:
    """From which due instant on the occurrences of a *pause* that ends still fire, by *policy*.

    None that is older than the schedule's grace does. ``pause.end`` = none of them.
    """
    assert pause.end is not None  # noqa: S101  # a resume cuts the pause first
    oldest = now - pause.misfire.grace_seconds * 1000
    if not is_readable(pause.trigger):
        return pause.end
    if policy is MisfirePolicy.FIRE_ALL:
        return min(max(pause.start, oldest), pause.end)
    if policy is MisfirePolicy.FIRE_ONCE:
        latest = last_fire(pause.trigger, Window(pause.start, pause.end))
        return latest if latest is not None and latest >= oldest else pause.end
    return pause.end


def last_fire(canonical: str, window: Window, accept: Callable[[Instant], bool] = lambda _due: True) -> Instant | None:
    """The last instant in *window* at which the trigger fires and that is accepted."""
    trigger = from_canonical(canonical)
    found = last_occurrence(trigger, window)
    while found is not None and not accept(found):
        found = last_occurrence(trigger, Window(window.start, found))
    return found


def _until_handoff(record: Record, remainder: Backfill | None, *, now: Instant) -> Iterator[Handover]:
    """Fires of the era in force up to where the planner takes over, but for those that an earlier era has."""
    held = Contribution([], [], None)
    for part in chain(_caught_up(record, remainder), _own(record, now=now)):
        if part.fires and held.fires:
            yield Handover(_not_taken(record, held.fires), held.skips, is_over=False)
            held = part
        else:
            held = Contribution(held.fires or part.fires, held.skips + part.skips, part.following)
    ends = held.following is None and (remainder is None or not remainder.completes)
    fires = [replace(fire, last=False) for fire in held.fires]
    if fires and ends:
        fires[-1] = replace(fires[-1], last=True)
    fires = _not_taken(record, fires)
    yield Handover(fires, held.skips, is_over=ends and not any(fire.last for fire in fires))


def _own(record: Record, *, now: Instant) -> Iterator[Contribution]:
    """The contributions of the era in force up to the handoff, slice by slice; at least one."""
    era = record.era
    start = max(era.start, era.catch_up_until)
    entry = index_entry(record, replace(era, start=start), handoff=start, wake=DENSE)
    return _in_slices(entry, Window(start, max(start, record.handoff)), now=now)


def _not_taken(record: Record, fires: Sequence[Fire]) -> list[Fire]:
    """Those of *fires*, in order, that no earlier era has."""
    if not fires:
        return []
    accept = not_taken(record.eras, Window(fires[0].due, fires[-1].due + 1))
    return [fire for fire in fires if accept(fire.due)]


def _in_slices(entry: IndexEntry, window: Window, *, now: Instant) -> Iterator[Contribution]:
    """What *entry* contributes to *window*, slice by slice, at least one. Slices without occurrences are left out."""
    at = window.start
    while True:
        part = Window(at, min(at + SLICE_S * 1000, window.end))
        found = contribution(entry, part, WindowMemo(part), now=now)
        yield found
        following = found.following
        if following is None or max(following, part.end) >= window.end:
            return
        at = max(following, part.end)


def _caught_up(record: Record, remainder: Backfill | None) -> Iterator[Contribution]:
    """What the registrar sends of what fell due during the pause."""
    fires = first_fires(record, remainder)
    while chunk := list(islice(fires, PART_FIRES)):
        yield Contribution(chunk, [], None)


def _unplanned(record: Record, before: Era, *, now: Instant) -> Iterator[Handover]:
    """What the planner had not planned of the era *before* when it was cut. It fires under the next era's revision."""
    if not before.trigger or before.paused or before.planned_through is None or before.end is None:
        return
    offset = flexible_offset_ms(record.key, before.flexible_window_seconds)
    window = Window(before.planned_through, max(before.planned_through, before.end + offset))
    entry = index_entry(
        record, replace(before, revision=record.era.revision), handoff=before.planned_through, wake=DENSE
    )
    for part in _in_slices(entry, window, now=now):
        # The last fire of an era that was cut does not end the schedule.
        yield Handover([replace(fire, last=False) for fire in part.fires], part.skips, is_over=False)


def _dropped(record: Record, before: Era) -> list[SkipNotice]:
    """One notice, reason ``paused``, of all that the pause *before* kept from firing; none if it kept nothing."""
    if not before.paused or not before.trigger or before.end is None:
        return []
    trigger, window = from_canonical(before.trigger), Window(before.start, before.end)
    if not _fires_in(before.trigger, window):
        return []
    accept = not_taken(record.eras[:-1])
    first = next(filter(accept, occurrences(trigger, window)), None)
    if first is None:
        return []
    # Only eras before the pause can have taken what fell due in it, and they have ended.
    ended = max((era.start if era.end is None else era.end for era in record.eras[:-2]), default=first)
    until = min(max(first, ended), window.end)
    overlapping = filter(accept, occurrences(trigger, Window(first, until)))
    count = sum(1 for _ in islice(overlapping, MAX_COUNTED))
    count += count_occurrences(trigger, Window(until, window.end), limit=MAX_COUNTED - count)
    last = last_fire(before.trigger, Window(first, window.end), accept)
    assert last is not None  # noqa: S101  # the first is accepted
    return [
        SkipNotice(
            tenant=record.tenant,
            name=record.name,
            revision=record.era.revision,
            reason=SkipReason.PAUSED,
            first_due=first,
            last_due=last,
            count=count,
        )
    ]


def _unread(record: Record, before: Era) -> list[SkipNotice]:
    """One notice of all that the era *before* left, if anything; this release cannot read when that was due."""
    assert before.end is not None  # noqa: S101  # callers pass an era that was cut
    offset = flexible_offset_ms(record.key, before.flexible_window_seconds)
    planned = before.end if before.planned_through is None else before.planned_through - offset
    since = before.start if before.paused else max(before.start, planned)
    return _unread_notices(record, before.trigger, since, before.end)


def _unread_until_handoff(record: Record, before: Era | None) -> list[SkipNotice]:
    """One notice of what is due of the era in force before the planner takes over, if anything.

    Somebody who could read it died before it was delivered. What the era *before* has by the same trigger is not in it.
    """
    era = record.era
    taken_until = before.end if before is not None and before.trigger == era.trigger else None
    since = era.start if taken_until is None else max(era.start, taken_until)
    handoff = record.handoff - flexible_offset_ms(record.key, era.flexible_window_seconds)
    until = max(handoff, era.catch_up_until)
    return _unread_notices(record, era.trigger, since, until if era.end is None else min(until, era.end))


def _unread_notices(record: Record, trigger: str, since: Instant, until: Instant) -> list[SkipNotice]:
    """The notice that nobody knows what *trigger* had from *since* until *until*; none if that is no time."""
    if since >= until:
        return []
    reason, by = SkipReason.UNREADABLE_TRIGGER, why_unreadable(trigger)
    return [unread_notice(record.key, Window(since, until), revision=record.era.revision, reason=reason, by=by)]


def _fires_in(canonical: str, window: Window) -> bool:
    if window.start >= window.end:
        return False
    return next_occurrence(from_canonical(canonical), window.start, before=window.end) is not None
