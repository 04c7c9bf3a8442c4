"""How a command changes a stored schedule: pure, and the same end state in whatever order commands arrive.

A record carries three registers, the revisions of its last put, delete, and pause or resume. A command acts only
if its revision is later than those it could undo; a delete and a switch win a tie against a put. So replaying or
reordering commands leaves the state of the highest revision (guarantee 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple, Protocol, TypeAlias

from msgspec.structs import replace

from eventcron.errors import InvalidExpression
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import MisfirePolicy, Schedule
from eventcron.model.names import Instant, Key, Window
from eventcron.model.records import Former, Plan, Record, Shared, State
from eventcron.rules.paused import fires_missed, missed
from eventcron.rules.planning import END_OF_TIME, first_occurrence, nth_fire
from eventcron.rules.shared import shared
from eventcron.timing.exclusions import DateSpan, calendar_names
from eventcron.timing.hashing import flexible_offset_ms, segment_of
from eventcron.timing.instant import from_datetime, rfc3339
from eventcron.timing.trigger import from_canonical, occurrences, parse

#: Milliseconds. EventBridge cuts an event's time to whole seconds, so two commands without a revision of their own
#: that carry times less than this apart cannot be ordered by them.
EVENT_TIME_MS = 1_000

#: Milliseconds. Fires of the old revision due within it after an update or a pause are still published: the executor
#: may be holding them already. It is the "one lead" of guarantee 3.
CUTOVER_MS = 1_000

#: How many replaced revisions are remembered whose fires may still be on their way.
MAX_FORMER = 8

#: How many event ids of one second are remembered.
MAX_SEEN = 16


class Verdict(Enum):
    """What becomes of a command."""

    APPLY = auto()
    DUPLICATE = auto()  # this very command was applied before
    STALE = auto()  # a later one was


class Version(NamedTuple):
    """A command's place among others: its revision, and the ids of the events that share its second."""

    revision: int
    seen: tuple[str, ...]


class Versioned(Protocol):
    """What is stored under a revision."""

    @property
    def revision(self) -> int: ...
    @property
    def seen(self) -> tuple[str, ...]: ...


#: The days of a tenant's calendars, by name.
Calendars: TypeAlias = Mapping[str, Sequence[DateSpan]]


def version_of(stored: Versioned | None, *, given: int | None, time: Instant, event_id: str) -> Version | None:
    """The revision a command acts under; None if this event was applied before.

    Without a revision of its own, a command takes its event's time. Where the stored revision is of that same
    second, the time cannot say which was first, and the order of arrival decides: it counts one up.

    The ids are remembered until the revision has moved on by a second: whatever arrives meanwhile, a replay would
    else count up again.
    """
    if stored is not None and event_id in stored.seen:
        return None
    revision = time if given is None else given
    if given is None and stored is not None and time <= stored.revision < time + EVENT_TIME_MS:
        revision = stored.revision + 1
    near = stored is not None and revision < stored.revision + EVENT_TIME_MS
    seen = stored.seen if stored is not None and near else ()
    return Version(revision, (*seen, event_id)[-MAX_SEEN:])


def judge_put(stored: Record | None, revision: int) -> Verdict:
    if stored is None:
        return Verdict.APPLY
    if revision == stored.defined:
        return Verdict.DUPLICATE
    return Verdict.APPLY if revision > max(stored.defined, stored.deleted) else Verdict.STALE


def judge_delete(stored: Record | None, revision: int) -> Verdict:
    if stored is None:
        return Verdict.APPLY
    if revision == stored.deleted:
        return Verdict.DUPLICATE
    return Verdict.APPLY if revision >= stored.defined and revision > stored.deleted else Verdict.STALE


def judge_switch(stored: Record | None, revision: int) -> Verdict:
    if stored is None:
        return Verdict.APPLY
    if revision == stored.switched:
        return Verdict.DUPLICATE
    later = revision >= stored.defined and revision > max(stored.deleted, stored.switched)
    return Verdict.APPLY if later else Verdict.STALE


class When(NamedTuple):
    """When a command acts: the event's own time and the registrar's now, never the earlier the later of the two."""

    time: Instant
    now: Instant
    #: Milliseconds from now that the registrar plans itself: horizon and guard.
    reach: int
    segments: int
    #: Through which the planner has planned the schedule's segment.
    planned: Instant = 0


def put(
    stored: Record | None, schedule: Schedule, place: Version, when: When, *, calendars: Calendars | None = None
) -> Record:
    """The record after ``Put Schedule``. *calendars* has those that it excludes.

    Raises:
        InvalidSchedule: the trigger does not parse, or has no occurrence left to fire.
    """
    alive = stored is not None and stored.schedule is not None
    created = stored.created if stored is not None and alive else min(when.time, when.now)
    paused = schedule.state == "PAUSED"
    if stored is not None and stored.switched >= place.revision:
        paused = stored.paused
    record = Record(
        schedule=schedule,
        tenant=schedule.tenant,
        name=schedule.name,
        revision=_next_revision(stored, place.revision),
        state=State.PAUSED if paused else State.ENABLED,
        created=created,
        defined=place.revision,
        deleted=stored.deleted if stored is not None else -1,
        switched=stored.switched if stored is not None else -1,
        paused=paused,
        trigger=_canonical(schedule, created, calendars or {}),
        seen=place.seen,
    )
    enabled = _enable(record, when)
    if enabled is None:
        raise _never_fires(schedule, when)
    record = enabled if not paused else replace(record, first=_from(schedule, when))
    record = replace(record, since=record.first)
    if stored is not None and stored.state is State.PAUSED:
        record = _with_missed_before(stored, record, when)
    return _succeed(stored, record, when, cutover=when.now + CUTOVER_MS)


def delete(stored: Record | None, key: Key, place: Version, when: When, *, expires: int) -> Record:
    """The tombstone after ``Delete Schedule``; *expires* is when TTL may remove it, seconds since 1970."""
    tombstone = Record(
        schedule=None,
        tenant=key.tenant,
        name=key.name,
        revision=_next_revision(stored, place.revision),
        state=State.DELETED,
        created=stored.created if stored is not None else when.now,
        defined=stored.defined if stored is not None else -1,
        deleted=place.revision,
        switched=stored.switched if stored is not None else -1,
        paused=stored.paused if stored is not None else False,
        seen=place.seen,
        expires=expires,
    )
    return _succeed(stored, tombstone, when, cutover=when.now)


def switch(
    stored: Record | None,
    key: Key,
    place: Version,
    when: When,
    *,
    pause: bool,
    expires: int,
    policy: MisfirePolicy = MisfirePolicy.SKIP,
) -> Record:
    """The record after ``Pause Schedule`` or ``Resume Schedule``.

    *policy* is what a resume asks for: what becomes of the occurrences that the pause kept from firing.

    Without a schedule to switch, only the register is kept (until *expires*), for a put that is still on its way.
    """
    if stored is None:
        state = State.PAUSED if pause else State.ENABLED
        stored = Record(
            schedule=None,
            tenant=key.tenant,
            name=key.name,
            revision=-1,
            state=state,
            created=when.now,
            expires=expires,
        )
    record = replace(
        stored,
        revision=_next_revision(stored, place.revision),
        switched=place.revision,
        paused=pause,
        seen=place.seen,
        owed=None,
        missed=None,
        missed_trigger="",
        rest=None,
        refused="",
    )
    if record.schedule is None or record.state is State.COMPLETED:
        return _succeed(stored, record, when, cutover=when.now)
    if pause:
        return _succeed(stored, _pause(record, when), when, cutover=when.now + CUTOVER_MS)
    if stored.state is State.ENABLED:
        # What was due up to now is used up, however long ago the command was sent: what is left counts from now.
        spent = record.spent + _fired(record, when.now)
        resumed = _resume(replace(record, spent=spent), when, earliest=when.now)
        return _succeed(stored, resumed, when, cutover=when.now + CUTOVER_MS)
    resumed = _resume(_with_missed(record, record.schedule, policy, when), when, earliest=stored.first)
    return _succeed(stored, resumed, when, cutover=when.now)


def _pause(record: Record, when: When) -> Record:
    """*record*, paused from ``first`` on: what is due before still fires, as the executor may hold it already."""
    if record.state is State.ENABLED:
        cutover = when.now + CUTOVER_MS
        spent = record.spent + _fired(record, cutover)
        record = replace(record, first=max(record.first, cutover), spent=spent)
    return replace(record, state=State.PAUSED, segment=None, wake=None)


def _with_missed(record: Record, schedule: Schedule, policy: MisfirePolicy, when: When) -> Record:
    """The paused *record* with what fell due since, of which some may still fire and count among ``max_fires``."""
    first = max(_from(schedule, when), record.first)
    until = first if schedule.end is None else min(first, from_datetime(schedule.end))
    found = missed(record, until=until, misfire=replace(schedule.misfire, policy=policy), now=when.now)
    record = replace(record, missed=found)
    used = len(fires_missed(record)) if schedule.max_fires is not None else 0
    return replace(record, spent=record.spent + used)


def _with_missed_before(paused: Record, record: Record, when: When) -> Record:
    """*record* with what fell due of the *paused* one that it replaces: none of it fires, and that is to be told."""
    schedule = paused.schedule
    if schedule is None:
        return record
    until = min(when.time, when.now) + 1
    if schedule.end is not None:
        until = min(until, from_datetime(schedule.end))
    found = missed(paused, until=until, misfire=replace(schedule.misfire, policy=MisfirePolicy.SKIP), now=when.now)
    if found is None:
        return record
    owed = record.owed or Window(when.now, when.now)
    return replace(record, missed=found, missed_trigger=paused.trigger, owed=owed)


def _resume(record: Record, when: When, *, earliest: Instant = 0) -> Record:
    """*record* enabled, or completed if it is resumed after its last occurrence: nothing is wrong, and nothing left."""
    resumed = _enable(replace(record, state=State.ENABLED), when, earliest=earliest)
    if resumed is None:
        # Where it ended stays known: what is due after that is free for a definition that comes late.
        until = when.now
        if record.until is not None:
            until = min(until, max(record.until, 0 if record.missed is None else record.missed.end))
        ended = {"segment": None, "wake": None, "first": when.now, "until": until, "handoff": when.now}
        resumed = replace(record, state=State.COMPLETED, **ended)
    return resumed if resumed.missed is None else replace(resumed, owed=Window(resumed.first, resumed.handoff))


def worked_out_anew(record: Record, calendars: Calendars | None = None) -> Record:
    """*record* with its trigger and its end as this release works them out, by the zone rules of today.

    Of a calendar that *calendars* lacks, as it was deleted, the days stay as they were.

    Raises:
        InvalidSchedule: its expression does not parse by this release.
    """
    schedule = record.schedule
    assert schedule is not None  # noqa: S101  # callers pass defined schedules only
    calendars = calendars or {}
    if set(calendar_names(schedule.exclude)) - calendars.keys():
        calendars = {**_calendars_of(record.trigger), **calendars}
    anew = replace(record, trigger=_canonical(schedule, record.created, calendars))
    return replace(anew, until=_until(anew, schedule, record.first))


def _succeed(replaced: Record | None, record: Record, when: When, *, cutover: Instant) -> Record:
    """*record* with what is still to happen of the one it replaces: what is due of it before the *cutover*.

    What was planned of that is on its way; the rest is *record*'s to hand over, decided in this one write.
    """
    if replaced is None:
        return record
    until = cutover if replaced.until is None else min(cutover, replaced.until)
    record = replace(record, shared=_shared(replaced, record, when, until=until))
    sure = max(
        0 if replaced.rest is None or replaced.rest.until is None else replaced.rest.until,
        0 if replaced.missed is None else replaced.missed.end,
    )
    if replaced.schedule is None or replaced.state not in {State.ENABLED, State.COMPLETED}:
        own = (Former(replaced.revision, sure, END_OF_TIME),) if sure else ()
        return replace(record, former=(*replaced.former, *own)[-MAX_FORMER:])
    # A completed one may be in the index still: what was not planned of it goes on under a switch, and ends with a put.
    all_planned = replaced.state is State.COMPLETED and (replaced.wake is None or record.state is State.COMPLETED)
    planned = END_OF_TIME if all_planned else max(when.planned, replaced.handoff)
    former = (*replaced.former, Former(replaced.revision, until, planned, sure))[-MAX_FORMER:]
    rest = _rest(replaced, record.revision, until=until, planned=planned)
    if rest is None:
        return replace(record, former=former)
    return replace(record, former=former, rest=rest, owed=record.owed or Window(when.now, when.now))


def _shared(replaced: Record, record: Record, when: When, *, until: Instant) -> tuple[Shared, ...]:
    """What *replaced*, in force *until* then, and those before it fire of what is due after the next command.

    A tombstone and a pause hand it on: the put that follows may have been sent before them.
    """
    first = min(when.time, when.now) if record.schedule is None else record.first
    since = first if record.missed is None else min(first, record.missed.start)
    carried = tuple(one for one in replaced.shared if one.end > since)
    if replaced.schedule is None:
        return carried[-MAX_FORMER:]
    fired_until = replaced.first if replaced.state is State.PAUSED else until
    return (*carried, *shared(replaced, first=first, until=fired_until))[-MAX_FORMER:]


def _rest(replaced: Record, revision: int, *, until: Instant, planned: Instant) -> Plan | None:
    """What is due of *replaced* before *until* and to be published from *planned* on; None: nothing."""
    schedule = replaced.schedule
    assert schedule is not None  # noqa: S101  # callers pass defined schedules only
    offset = flexible_offset_ms(replaced.key, schedule.flexible_window_seconds)
    first = max(replaced.first, planned - offset)
    if first >= until or first_occurrence(replaced.trigger, first, until) is None:
        return None
    return Plan(
        tenant=replaced.tenant,
        name=replaced.name,
        revision=revision,
        trigger=replaced.trigger,
        first=replaced.first,
        until=until,
        handoff=planned,
        misfire=schedule.misfire,
        flexible_window_seconds=schedule.flexible_window_seconds,
    )


def _enable(record: Record, when: When, *, earliest: Instant = 0) -> Record | None:
    """*record* with all that planning needs: bounds, handoff, wake, what the late path owes. None: it never fires.

    What is due before *earliest* belongs to an earlier revision.
    """
    schedule = record.schedule
    assert schedule is not None  # noqa: S101  # callers pass defined schedules only
    first = max(_from(schedule, when), earliest)
    until = _until(record, schedule, first)
    next_due = first_occurrence(record.trigger, first, until) if until is None or first < until else None
    if next_due is None:
        return None
    offset = flexible_offset_ms(record.key, schedule.flexible_window_seconds)
    # What is due before the cutover may be the replaced revision's too: that is for the registrar to sort out.
    handoff = when.now + max(when.reach, CUTOVER_MS + offset)
    wake_due = first_occurrence(record.trigger, max(first, handoff - offset), until)
    return replace(
        record,
        first=first,
        until=until,
        handoff=handoff,
        segment=None if wake_due is None else segment_of(record.key, when.segments),
        wake=None if wake_due is None else wake_due + offset,
        owed=Window(first, handoff) if next_due + offset < handoff else None,
    )


def _from(schedule: Schedule, when: When) -> Instant:
    """The first instant at which this revision may fire: after the command, and not before ``start``."""
    after = min(when.time, when.now) + 1
    return after if schedule.start is None else max(after, from_datetime(schedule.start))


def _until(record: Record, schedule: Schedule, first: Instant) -> Instant | None:
    end = None if schedule.end is None else from_datetime(schedule.end)
    if schedule.max_fires is None:
        return end
    left = schedule.max_fires - record.spent
    final = nth_fire(record.trigger, first, left) if left > 0 else first - 1
    if final is None:
        return end
    return final + 1 if end is None else min(end, final + 1)


def _fired(record: Record, now: Instant) -> int:
    """How many of ``max_fires`` the record used up by *now*; 0 if they are not limited."""
    if record.schedule is None or record.schedule.max_fires is None:
        return 0
    end = now if record.until is None else min(now, record.until)
    return (
        sum(1 for _ in occurrences(from_canonical(record.trigger), Window(record.first, end)))
        if record.first < end
        else 0
    )


def _calendars_of(trigger: str) -> Calendars:
    """The calendars in a stored trigger."""
    exclusions = {exclusion.entry: exclusion.spans for exclusion in from_canonical(trigger).exclusions}
    return {name: exclusions[f"calendar:{name}"] for name in calendar_names(list(exclusions))}


def _canonical(schedule: Schedule, created: Instant, calendars: Calendars) -> str:
    anchor = created // 1000 * 1000 if schedule.start is None else from_datetime(schedule.start)
    return parse(
        schedule.expression,
        timezone=schedule.timezone,
        daylight_saving=schedule.daylight_saving,
        exclude=schedule.exclude,
        anchor=anchor,
        key=schedule.key,
        calendars=calendars,
    ).canonical


def _never_fires(schedule: Schedule, when: When) -> InvalidExpression:
    after = _from(schedule, when)
    bounds = f"an occurrence after {rfc3339(after - 1)}"
    if schedule.end is not None:
        bounds += f" and before {rfc3339(from_datetime(schedule.end))}"
    code = (
        RejectionCode.IN_THE_PAST if schedule.expressions[0].lstrip().startswith("at(") else RejectionCode.NEVER_FIRES
    )
    return InvalidExpression(field="expression", given=repr(schedule.expression), allowed=bounds, code=code)


def _next_revision(stored: Record | None, revision: int) -> int:
    """Later than anything stored, so that fires planned before the change are told from those after it."""
    return revision if stored is None else max(revision, stored.revision + 1)
