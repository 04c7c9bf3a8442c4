"""A schedule's life: how a command that acts changes what is stored. Pure.

A schedule's past and future are one list of eras. Each is a definition in force for a half-open span of due instants.
A change cuts the last era and appends one, in one conditional write::

    put 7                   pause 8           resume 9              put 10             delete 11
    |---- era 7: fires -----|-- era 8: none --|---- era 9: fires ---|-- era 10: fires -|- era 11: nothing
                           now + 1 s         sent                  now + 1 s          now

- Put, pause and a resume of what is enabled cut one second after they are applied, because the executor may hold
  those fires already. A resume cuts a pause at the instant at which it was sent; a delete cuts at once.
- A definition counts from the instant at which its command was sent. Until it is applied, the era before fires too,
  so the two overlap. A due instant belongs to the earliest era that has it.
- The planner enqueues an era's fires up to some instant, ``planned_through``. When the era is cut, the registrar
  enqueues the rest under the revision of the next era. The executor accepts each fire from its one sender only.
- The planner starts with a new era at its ``handoff``, far enough ahead that the index shows the era by then. The
  registrar enqueues what is to be published before.

``rules/ordering.py`` decides which command acts, ``rules/timeline.py`` answers questions about eras, and
``rules/handover.py`` says what the registrar delivers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from eventcron.errors import InvalidExpression
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import MisfirePolicy, Schedule
from eventcron.model.names import Instant, Key
from eventcron.model.records import Era, LastCommands, Record, State
from eventcron.rules.definition import (
    MAX_LOOKS,
    Calendars,
    calendars_of,
    canonical_of,
    continues,
    count_fires,
    end_of,
    held_from,
    readable_trigger,
    spent_before,
)
from eventcron.rules.handover import catch_up_from, leaves_work
from eventcron.rules.ordering import Version, is_paused, next_revision
from eventcron.rules.planning import DENSE, first_occurrence, is_readable
from eventcron.timing.exclusions import calendar_names
from eventcron.timing.hashing import flexible_offset_ms, segment_of
from eventcron.timing.hints import BY_HAND
from eventcron.timing.instant import from_datetime, rfc3339
from eventcron.timing.trigger import is_manual

#: Milliseconds. Fires of the old era due within it after an update or a pause are still published: the executor may be
#: holding them already. It is the "one lead" of guarantee 3.
CUTOVER_MS = 1_000

#: Eras that a record keeps: the one in force, and eight whose fires may still be on their way.
MAX_ERAS = 9


#: Bytes of their triggers. A DynamoDB item holds 400 KB (409,600 bytes): these, the trigger in force (58 KB with the
#: longest calendars, expressions and exclusions) and everything else (80 KB). So there is always room for four of the
#: longest triggers, and for eight with a calendar of 1,000 ranges (22 KB).
MAX_EARLIER_BYTES = 240_000


class When(NamedTuple):
    """When a command acts: the event's own time and the registrar's now. Clocks may differ; the earlier one counts."""

    time: Instant
    now: Instant
    #: Milliseconds from now that the registrar plans itself: horizon and guard.
    reach: int
    segments: int
    #: Through which the planner has planned the schedule's segment.
    planned_through: Instant = 0

    @property
    def sent(self) -> Instant:
        """The first instant after the command was sent."""
        return min(self.time, self.now) + 1


def put(
    stored: Record | None,
    schedule: Schedule,
    version: Version,
    when: When,
    *,
    expires: int,
    calendars: Calendars | None = None,
) -> Record:
    """The record after ``Put Schedule``. *calendars* has those that it excludes.

    A put that continues the stored schedule may find it at its end: the schedule is then completed with the new
    definition, and removed at *expires* if it is to be deleted after completion.

    Raises:
        InvalidSchedule: the trigger does not parse, or has no occurrence left to fire.
    """
    alive = stored is not None and stored.schedule is not None
    last = LastCommands() if stored is None else stored.last_commands
    paused = is_paused(stored, schedule, version.revision)
    decides = not alive or schedule.state is not UNSET
    start = _earliest(schedule, when)
    if paused:
        start = held_from(stored, schedule, start, cut=when.now + CUTOVER_MS)
    blank = Record(
        schedule=schedule,
        tenant=schedule.tenant,
        name=schedule.name,
        revision=next_revision(stored, version.revision),
        state=State.ENABLED,
        created=stored.created if stored is not None and alive else min(when.time, when.now),
        last_commands=replace(
            last,
            put_revision=version.revision,
            pause=paused,
            state_revision=version.revision if decides else last.state_revision,
        ),
        spent=spent_before(stored, schedule, start),
        eras=_cut(stored, when, at=when.now + CUTOVER_MS, pause_ends=when.sent),
        recent_event_ids=version.recent_event_ids,
    )
    trigger = canonical_of(schedule, blank.created, calendars or {})
    record = _fire_from(blank, trigger, start, when, max_looks=MAX_LOOKS)
    if record is None:
        if stored is None or not continues(stored, schedule):
            raise _never_fires(schedule, when)
        record = _over(blank, trigger, start, when, is_completed=stored.state is State.COMPLETED, expires=expires)
    if paused:
        record = replace(blank, state=State.PAUSED, eras=(*blank.eras, _pause_of(record.era, schedule, start=start)))
    return _finished(record, when)


def delete(stored: Record | None, key: Key, version: Version, when: When, *, expires: int) -> Record:
    """The tombstone after ``Delete Schedule``; *expires* is when TTL may remove it, seconds since 1970."""
    last = LastCommands() if stored is None else stored.last_commands
    revision = next_revision(stored, version.revision)
    return _finished(
        Record(
            schedule=None,
            tenant=key.tenant,
            name=key.name,
            revision=revision,
            state=State.DELETED,
            created=stored.created if stored is not None else when.now,
            last_commands=replace(last, delete_revision=version.revision),
            eras=(*_cut(stored, when, at=when.now), Era(revision, "", when.now)),
            recent_event_ids=version.recent_event_ids,
            expires=expires,
        ),
        when,
    )


def pause(stored: Record | None, key: Key, version: Version, when: When, *, expires: int) -> Record:
    """The record after ``Pause Schedule``.

    Where there is no schedule, only the revision is kept (until *expires*), for a put that is still on its way.
    """
    stored = stored or _unborn(key, State.PAUSED, when, expires=expires)
    record = _after_switch(stored, version, pause=True)
    if record.schedule is None or record.state is State.PAUSED:
        return record
    if record.state is State.COMPLETED:
        return _repeated(stored, record)
    cutover = when.now + CUTOVER_MS
    pause_era = _pause_of(stored.era, record.schedule, start=max(stored.era.start, cutover))
    return _finished(
        replace(
            record,
            state=State.PAUSED,
            segment=None,
            wake=None,
            spent=record.spent + count_fires(stored, cutover),
            eras=(*_cut(stored, when, at=cutover), replace(pause_era, revision=record.revision)),
        ),
        when,
    )


def resume(
    stored: Record | None, key: Key, version: Version, when: When, *, missed: MisfirePolicy, expires: int
) -> Record:
    """The record after ``Resume Schedule``. *missed* says which of the occurrences that the pause kept back still fire.

    Where there is no schedule, only the revision is kept (until *expires*), for a put that is still on its way.
    """
    stored = stored or _unborn(key, State.ENABLED, when, expires=expires)
    record = _after_switch(stored, version, pause=False)
    if record.schedule is None:
        return record
    if record.state is State.COMPLETED:
        return _repeated(stored, record)
    earliest = _earliest(record.schedule, when)
    trigger = readable_trigger(stored)
    if record.state is State.ENABLED and not is_readable(trigger):
        return _resumed_unread(stored, record, when)
    if record.state is State.ENABLED:
        # What was due up to now is used up, however long ago the command was sent: what is left counts from now.
        record = replace(
            record,
            spent=record.spent + count_fires(stored, when.now),
            eras=_cut(stored, when, at=when.now + CUTOVER_MS),
        )
        return _resumed(record, trigger, max(earliest, when.now), when, expires=expires)
    resumed_from = max(earliest, stored.era.start)
    ended = _cut(stored, when, at=when.now, pause_ends=resumed_from)
    start = catch_up_from(ended[-1], missed, now=when.now)
    record = replace(record, eras=(*ended[:-1], replace(ended[-1], end=start)))
    return _resumed(record, trigger, min(start, resumed_from), when, expires=expires, catch_up_until=resumed_from)


def worked_out_anew(record: Record, calendars: Calendars | None = None) -> Record:
    """*record* with its trigger and its end as this release works them out, by the zone rules of today.

    A calendar that *calendars* lacks was deleted; its days stay as they were.

    Raises:
        InvalidSchedule: its expression does not parse by this release.
    """
    schedule, era = record.schedule, record.era
    assert schedule is not None  # noqa: S101  # callers pass defined schedules only
    calendars = calendars or {}
    if set(calendar_names(schedule.exclude)) - calendars.keys():
        calendars = {**calendars_of(era.trigger), **calendars}
    trigger = canonical_of(schedule, record.created, calendars)
    end = era.end if era.paused else end_of(trigger, schedule, era.start, spent=record.spent)
    return replace(record, eras=(*record.eras[:-1], replace(era, trigger=trigger, end=end)))


# --- Eras ------------------------------------------------------------------------------------------------------------


def _cut(stored: Record | None, when: When, *, at: Instant, pause_ends: Instant | None = None) -> tuple[Era, ...]:
    """The eras of *stored*, the last one ended *at* that due instant.

    A pause ends at *pause_ends*. None: it ends without a trace, as nobody is going to report what it kept back.
    """
    if stored is None or not stored.eras:
        return ()
    era = stored.era
    if era.paused:
        end = era.start if pause_ends is None else max(era.start, pause_ends)
        cut = replace(era, end=end if era.end is None else min(end, era.end))
    else:
        cut = replace(era, end=at if era.end is None else min(at, era.end), planned_through=_planned(stored, when))
    return _latest((*stored.eras[:-1], cut)[1 - MAX_ERAS :])


def _latest(earlier: Sequence[Era]) -> tuple[Era, ...]:
    """The latest of the *earlier* eras whose triggers, each counted once, fit into ``MAX_EARLIER_BYTES``."""
    texts: set[str] = set()
    for place in reversed(range(len(earlier))):
        texts.add(earlier[place].trigger)
        if sum(map(len, texts)) > MAX_EARLIER_BYTES:
            return (*earlier[place + 1 :],)
    return (*earlier,)


def _planned(stored: Record, when: When) -> Instant | None:
    """Up to where the planner has planned the era in force; None = all of it.

    The planner moves a timed ``wake`` when it plans the schedule. If it has planned the segment beyond ``wake``, the
    index did not show it the schedule, and it has planned nothing from ``wake`` on. It plans a dense schedule with the
    segment; where the index shows it an older entry, it reads the table.
    """
    if not stored.fires or (stored.state is State.COMPLETED and stored.wake is None):
        return None
    # A completed schedule is in the index still where a pass failed after it had sent the last fire.
    planned = max(when.planned_through, stored.handoff)
    return planned if stored.wake is None or stored.wake == DENSE else min(planned, stored.wake)


def _pause_of(era: Era, schedule: Schedule, *, start: Instant) -> Era:
    """A pause of *era*'s definition: it remembers what would have fired, up to the end of the schedule."""
    end = None if schedule.end is None else from_datetime(schedule.end)
    return replace(era, start=start, end=end, paused=True, planned_through=None, catch_up_until=0)


def _fire_from(
    record: Record,
    trigger: str,
    start: Instant,
    when: When,
    *,
    catch_up_until: Instant = 0,
    max_looks: int | None = None,
) -> Record | None:
    """*record* with an era that fires from *start* on, and with all that planning needs. None: nothing is left."""
    schedule = record.schedule
    assert schedule is not None  # noqa: S101  # callers pass defined schedules only
    if not is_readable(trigger) or is_manual(trigger):
        return _fire_unplanned(record, trigger, start, when)
    end = end_of(trigger, schedule, start, spent=record.spent, max_looks=max_looks)
    next_due = first_occurrence(trigger, start, end) if end is None or start < end else None
    if next_due is None:
        return None
    offset = flexible_offset_ms(record.key, schedule.flexible_window_seconds)
    # What is due before the cutover may belong to the era before as well: that is for the registrar to sort out.
    handoff = when.now + max(when.reach, CUTOVER_MS + offset)
    wake_due = first_occurrence(trigger, max(start, handoff - offset), end)
    era = Era(
        record.revision,
        trigger,
        start,
        end,
        catch_up_until=catch_up_until,
        misfire=schedule.misfire,
        flexible_window_seconds=schedule.flexible_window_seconds,
    )
    return replace(
        record,
        eras=(*record.eras, era),
        handoff=handoff,
        segment=None if wake_due is None else segment_of(record.key, when.segments),
        wake=None if wake_due is None else wake_due + offset,
        pending=when.now if next_due + offset < handoff or next_due < catch_up_until else None,
    )


def _fire_unplanned(record: Record, trigger: str, start: Instant, when: When) -> Record:
    """*record* with an era of which nobody can say, now, when it fires.

    A manual one never does by itself. A *trigger* that this release cannot read is the planner's to report, each tick,
    and to plan from its start on once a release runs that can read it.
    """
    schedule = record.schedule
    assert schedule is not None  # noqa: S101  # callers pass defined schedules only
    end = None if schedule.end is None else from_datetime(schedule.end)
    flexible = schedule.flexible_window_seconds
    era = Era(record.revision, trigger, start, end, misfire=schedule.misfire, flexible_window_seconds=flexible)
    record = replace(record, eras=(*record.eras, era), handoff=when.now, segment=None, wake=None)
    if is_readable(trigger):
        return record
    return _planned_from(record, start + flexible_offset_ms(record.key, flexible), when)


def _planned_from(record: Record, wake: Instant, when: When) -> Record:
    """*record* for the planner to plan from *wake* on, however late it sees it."""
    return replace(record, handoff=wake, segment=segment_of(record.key, when.segments), wake=wake)


def _resumed_unread(stored: Record, record: Record, when: When) -> Record:
    """*record* resumed while it is enabled, with a trigger that this release cannot read.

    The era goes on from the cutover. It keeps its start and its end, because nobody can count, now, what it has fired.
    """
    cutover = when.now + CUTOVER_MS
    eras = (*_cut(stored, when, at=cutover), replace(stored.era, revision=record.revision))
    wake = cutover + flexible_offset_ms(record.key, stored.era.flexible_window_seconds)
    return _finished(_planned_from(replace(record, eras=eras), wake, when), when)


def _resumed(
    record: Record, trigger: str, start: Instant, when: When, *, expires: int, catch_up_until: Instant = 0
) -> Record:
    """*record* enabled, or completed where it is resumed after its last occurrence: nothing is wrong, nothing left."""
    enabled = _fire_from(
        replace(record, state=State.ENABLED, segment=None, wake=None),
        trigger,
        start,
        when,
        catch_up_until=catch_up_until,
    )
    if enabled is None:
        enabled = _over(record, trigger, start, when, is_completed=True, expires=expires)
    return _finished(enabled, when)


def _over(record: Record, trigger: str, start: Instant, when: When, *, is_completed: bool, expires: int) -> Record:
    """*record* with a definition that has nothing left to fire from *start* on.

    Unless it *is_completed* already, it is pending: the registrar completes it once it has delivered the rest.
    """
    schedule = record.schedule
    assert schedule is not None  # noqa: S101  # callers pass defined schedules only
    end = end_of(trigger, schedule, start, spent=record.spent)
    return replace(
        record,
        state=State.COMPLETED if is_completed else State.ENABLED,
        segment=None,
        wake=None,
        handoff=when.now,
        pending=None if is_completed else when.now,
        expires=expires if is_completed and schedule.after_completion == "DELETE" else None,
        eras=(*record.eras, Era(record.revision, trigger, start, start if end is None else min(start, end))),
    )


def _finished(record: Record, when: When) -> Record:
    """*record*, marked as pending if the era that was cut left something to the registrar."""
    if record.pending is None and len(record.eras) > 1 and leaves_work(record, record.eras[-2]):
        return replace(record, pending=when.now)
    return record


def _repeated(stored: Record, record: Record) -> Record:
    """A completed schedule's *record* under a new revision. The planner may still be planning its last fires."""
    before = replace(stored.era, planned_through=None)
    return replace(record, eras=(*stored.eras[:-1], before, replace(stored.era, revision=record.revision))[-MAX_ERAS:])


# --- Records ---------------------------------------------------------------------------------------------------------


def _unborn(key: Key, state: State, when: When, *, expires: int) -> Record:
    """What is kept of a pause or a resume that arrived before its schedule's put."""
    return Record(
        schedule=None, tenant=key.tenant, name=key.name, revision=-1, state=state, created=when.now, expires=expires
    )


def _after_switch(stored: Record, version: Version, *, pause: bool) -> Record:
    return replace(
        stored,
        revision=next_revision(stored, version.revision),
        last_commands=replace(stored.last_commands, pause_revision=version.revision, pause=pause, refused=""),
        recent_event_ids=version.recent_event_ids,
        pending=None,
    )


def _earliest(schedule: Schedule, when: When) -> Instant:
    """The first instant at which a definition may fire: after its command, and not before ``start``."""
    return when.sent if schedule.start is None else max(when.sent, from_datetime(schedule.start))


def _never_fires(schedule: Schedule, when: When) -> InvalidExpression:
    after = _earliest(schedule, when)
    bounds = f"an occurrence after {rfc3339(after - 1)}"
    if schedule.end is not None:
        bounds += f" and before {rfc3339(from_datetime(schedule.end))}"
    code = RejectionCode.NEVER_FIRES
    if schedule.expressions[0].lstrip().lower().startswith("at("):
        code, bounds = RejectionCode.IN_THE_PAST, f"{bounds}; this time is past or beyond them"
    else:
        bounds += f"; {BY_HAND}"
    return InvalidExpression(field="expression", given=repr(schedule.expression), allowed=bounds, code=code)
