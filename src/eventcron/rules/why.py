"""Decide why a schedule did or did not fire at an instant, from what is known about it. Pure.

What was published is believed first, then the dead letters, then what is stored. The definition says whether it was
due, by the planner's own functions; it says nothing about what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from eventcron.model.codes import SkipReason
from eventcron.model.history import EntryKind, HistoryEntry, KeepHistory
from eventcron.model.names import END_OF_TIME, Instant, Occurrence, Window
from eventcron.model.records import Era, Record, State, expect_of, is_tracked
from eventcron.model.why import Because, Known, Verdict
from eventcron.rules.history import HOW_TO_KEEP
from eventcron.rules.planning import why_unreadable
from eventcron.rules.why_runs import STILL_OPEN, expected_says, lane_answer
from eventcron.timing.explain import describe_trigger, nights
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.instant import from_datetime, from_rfc3339, rfc3339
from eventcron.timing.trigger import Trigger, from_canonical, last_occurrence, local_time, next_occurrence, walk

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
#: Milliseconds of the past in which the due instant before is looked for: four years and a leap day.
LOOK_BACK_MS = 1_462 * DAY_MS
#: Milliseconds after its instant for which a fire may be on its way, or its entry, which Lambda may hold for 20 s.
ON_ITS_WAY_MS = 60_000
#: Milliseconds for which executors try a fire again that the bus refuses, see ``MAX_ATTEMPTS`` of ``app/executor.py``.
TRIED_MS = 90 * 60_000


class _Moment(NamedTuple):
    """The definition that decides about the instant, and what it says."""

    #: The first era that has the instant as an occurrence in its span; else the one whose trigger says most about it.
    era: Era | None
    trigger: Trigger | None
    #: What the trigger says, whether or not the era's span has it.
    occurrence: Occurrence | None
    in_span: bool


def explain(known: Known) -> Verdict:
    """Why the schedule did or did not fire at ``known.at``."""
    moment = _moment(known)
    for decide in _IN_ORDER:
        verdict = decide(known, moment)
        if verdict is not None:
            return _completed(verdict, known, moment)
    raise AssertionError("the last one always decides")


def due_instants(record: Record, window: Window, *, limit: int) -> list[Instant]:
    """The last *limit* instants in *window* that *record* has as occurrences, skipped ones included, in order."""
    found: set[Instant] = set()
    for era in record.eras:
        span = Window(max(window.start, era.start), window.end if era.end is None else min(window.end, era.end))
        if not era.trigger or span.start >= span.end or why_unreadable(era.trigger):
            continue
        found.update(_last_of(from_canonical(era.trigger), span, limit))
    return sorted(found)[-limit:]


def _last_of(trigger: Trigger, span: Window, limit: int) -> list[Instant]:
    """The last *limit* occurrences in *span*. Most of it is not looked at if they come often."""
    size = HOUR_MS
    while True:
        start = max(span.start, span.end - size)
        found = [occurrence.due for occurrence in walk(trigger, Window(start, span.end))]
        if len(found) >= limit or start == span.start:
            return found[-limit:]
        size *= 4


def _moment(known: Known) -> _Moment:
    at = known.at
    found = []
    for era in known.record.eras if known.record is not None else ():
        if era.trigger and not why_unreadable(era.trigger):
            trigger = from_canonical(era.trigger)
            found.append(_Moment(era, trigger, _occurrence(trigger, at), in_span=era.contains(at)))
    in_span = [one for one in found if one.in_span]
    # The earliest era that has it decides, see ``rules.timeline``; else the one in force then, else the latest.
    having = [one for one in in_span if one.occurrence is not None]
    if having:
        return having[0]
    return (in_span or found or [_Moment(None, None, None, in_span=False)])[-1]


def _occurrence(trigger: Trigger, at: Instant) -> Occurrence | None:
    """The occurrence of *trigger* at that instant; it may be one that is skipped."""
    return next(iter(walk(trigger, Window(at, at + 1))), None)


def _completed(verdict: Verdict, known: Known, moment: _Moment) -> Verdict:
    """*verdict* with the zone, the nearest due instants, and what could not be looked at."""
    unknown = [*verdict.unknown, *known.unseen]
    if moment.era is None or moment.trigger is None:
        return replace(verdict, unknown=unknown)
    before, after = _nearest(known, moment.trigger)
    return replace(verdict, timezone=moment.trigger.timezone, before=before, after=after, unknown=unknown)


def _nearest(known: Known, trigger: Trigger) -> tuple[Instant | None, Instant | None]:
    """The due instants around it, of eras with that trigger. What another definition had is no help."""
    assert known.record is not None  # noqa: S101  # its trigger is given
    eras = [era for era in known.record.eras if era.trigger == trigger.canonical]
    first = min(era.start for era in eras)
    end = END_OF_TIME if eras[-1].end is None else eras[-1].end
    low = max(first, known.at - LOOK_BACK_MS)
    high = min(known.at, end)
    before = last_occurrence(trigger, Window(low, high)) if low < high else None
    after = next_occurrence(trigger, max(known.at + 1, first), before=end) if known.at < end else None
    return before, after


def _verdict(
    known: Known, because: Because, says: str, *, due: bool | None, fired: bool | None, **more: object
) -> Verdict:
    return Verdict(key=known.key, at=known.at, because=because, due=due, fired=fired, says=says, **more)  # type: ignore[arg-type]  # fields of it


# --- What fires nothing ---------------------------------------------------------------------------------------------


def _expects(known: Known, moment: _Moment) -> Verdict | None:
    """A schedule with ``expect``, at one of its instants. It may have fired under an earlier definition."""
    expect = expect_of(known.record)
    is_due = moment.occurrence is not None and moment.occurrence.skipped is None and moment.in_span
    if expect is None or known.record is None or moment.era is not known.record.eras[-1] or moment.era.paused:
        return None
    if not is_due:
        return None
    says = expected_says(known.lanes, known.at, expect.within_seconds, now=known.now)
    return _verdict(known, Because.EXPECTS, says, due=True, fired=False)


# --- What was published -------------------------------------------------------------------------------------------


def _fired(known: Known, _moment: _Moment) -> Verdict | None:
    fires = [one for one in known.entries if one.kind is EntryKind.FIRED and one.at == known.at]
    if not fires:
        return None
    # An ordinary fire says more about the schedule than a run or a backfill of the same instant.
    fire = min(fires, key=lambda one: (one.detail.get("cause") != "schedule", one.time))
    late_s = (fire.time - known.at) // 1000
    later = f", {late_s:,} s later" if late_s > 1 else ""
    cause = fire.detail.get("cause", "schedule")
    by = "" if cause == "schedule" else f" by the {cause} {fire.detail.get('cause_id', '')}"
    outcomes = [
        one
        for one in known.entries
        if one.kind is EntryKind.RUN and one.detail.get("fire_id") == fire.detail["fire_id"]
    ]
    says = f"it fired{by}, at {rfc3339(fire.time, millis=False)}{later}{_outcome(fire, outcomes)}"
    return _verdict(known, Because.FIRED, says, due=True, fired=True, entries=[fire, *outcomes])


def _outcome(fire: HistoryEntry, outcomes: Sequence[HistoryEntry]) -> str:
    if outcomes:
        end = max(outcomes, key=lambda one: one.time)  # it may have been given up before, and then sent back
        said = f": {end.detail['message']}" if end.detail.get("message") else ""
        how = {"Run Succeeded": "succeeded", "Run Failed": "failed", "Run Overdue": "did not end in time"}
        return f"; the run {how[end.detail_type]} after {end.detail['duration_ms'] / 1000:,.1f} s{said}"
    return "; nothing has said yet how the run ended" if fire.detail.get("tracked") else ""


#: Skip reason → the answer, and what it says.
_SKIPS: dict[str, tuple[Because, str]] = {
    "paused": (Because.PAUSE, "the schedule was paused, and its resume did not fire what was missed"),
    "excluded": (Because.EXCLUSION, "{by} excludes it"),
    "daylight_saving_gap": (Because.CLOCK_CHANGE, "the clocks skipped that time of day, and `gap` is `skip`"),
    "misfire": (Because.MISFIRE, "it was too late to be published, by the policy of `misfire`; a backfill fires it"),
    "quota": (Because.QUOTA, "the tenant had used up its fires of that minute{limit}"),
    "superseded": (Because.SUPERSESSION, "a later definition replaced the one that had it"),
    "deleted": (Because.DELETED, "the schedule was deleted"),
    "cancelled": (Because.CANCELLED, "the backfill that had it was cancelled"),
    "still_running": (Because.OVERLAP, STILL_OPEN),
    "unreadable": (Because.UNREADABLE, "this release could not read what is stored: {by}"),
    "unreadable_trigger": (Because.UNREADABLE, "this release could not read the stored expression: {by}"),
}


#: Reasons for which a definition itself leaves occurrences out.
_OF_DEFINITION = frozenset({SkipReason.EXCLUDED, SkipReason.DAYLIGHT_SAVING_GAP})


def _skipped(known: Known, moment: _Moment) -> Verdict | None:
    for entry in known.entries:
        if entry.kind is not EntryKind.SKIPPED or not _covers(entry, known.at, moment):
            continue
        reason = entry.detail["reason"]
        because, says = _SKIPS.get(reason, (Because.UNKNOWN, f"its reason is {reason}"))
        by = entry.detail.get("by", "")
        says = says.format(by=by or "an entry of `exclude`", limit=f" ({by})" if by else "")
        is_due = because not in {Because.EXCLUSION, Because.CLOCK_CHANGE}
        return _verdict(known, because, f"it was skipped: {says}", due=is_due, fired=False, entries=[entry])
    return None


def _covers(entry: HistoryEntry, at: Instant, moment: _Moment) -> bool:
    """Whether a notice of skipped occurrences is about *at*. One of several has only the first and the last."""
    last = from_rfc3339(entry.detail["last_due"])
    if at in {entry.at, last}:
        return True
    if not entry.at < at < last or moment.era is None:
        return entry.at < at < last
    reason = entry.detail["reason"]
    left_out = reason if reason in _OF_DEFINITION else None
    return moment.occurrence is not None and moment.occurrence.skipped == left_out


def _given_up(known: Known, _moment: _Moment) -> Verdict | None:
    failures = [one for one in known.entries if one.kind is EntryKind.FAILED and one.at == known.at]
    reasons = [one.reason for one in known.dead_fires if one.due == known.at]
    reasons += [f"{one.detail.get('code')}: {one.detail.get('message', '')}" for one in failures]
    if not reasons:
        return None
    where = "; `eventcron redrive send fires` sends it again" if known.dead_fires else ""
    says = f"it could not be published and is a dead letter: {reasons[0]}{where}"
    return _verdict(known, Because.DEAD_LETTER, says, due=True, fired=False, entries=failures)


def _in_a_lane(known: Known, _moment: _Moment) -> Verdict | None:
    found = lane_answer(known.lanes, known.key, known.at)
    return None if found is None else _verdict(known, found.because, found.says, due=True, fired=found.fired)


# --- What is stored -----------------------------------------------------------------------------------------------


def _absent(known: Known, moment: _Moment) -> Verdict | None:
    record = known.record
    if record is None:
        dead = f"; a command for it is a dead letter: {known.dead_commands[0]}" if known.dead_commands else ""
        says = f"no schedule of this name is stored{dead}"
        return _verdict(known, Because.NOT_FOUND, says, due=None, fired=None)
    if record.state is State.DELETED and known.at >= record.era.start:
        says = f"the schedule was deleted at {_shown(record.era.start)}"
        return _verdict(known, Because.DELETED, says, due=False, fired=False)
    if moment.era is None:
        reasons = [reason for era in record.eras if era.trigger and (reason := why_unreadable(era.trigger))]
        if reasons:
            says = f"this release cannot read the stored expression: {reasons[-1]}"
            return _verdict(known, Because.UNREADABLE, says, due=None, fired=None)
        says = "only a pause or a resume of it has arrived, and no put"
        return _verdict(known, Because.NOT_FOUND, says, due=None, fired=None)
    return None


def _not_due(known: Known, moment: _Moment) -> Verdict | None:
    if moment.occurrence is not None:
        return None
    assert moment.trigger is not None  # noqa: S101  # ``_absent`` came before
    for reason in (_at_a_clock_change, _in_another_zone, _replaced):
        verdict = reason(known, moment, moment.trigger)
        if verdict is not None:
            return verdict
    before, after = _nearest(known, moment.trigger)
    zone = moment.trigger.timezone
    around = " and ".join(_local(one, zone) for one in (before, after) if one is not None)
    near = f"; it is due at {around}" if around else "; it has no occurrence near"
    says = f"it is not due then: {describe_trigger(moment.trigger).rstrip('.')}{near}"
    return _verdict(known, Because.EXPRESSION, says, due=False, fired=False)


def _replaced(known: Known, moment: _Moment, trigger: Trigger) -> Verdict | None:
    """Another definition than the one in force then has the instant."""
    assert known.record is not None  # noqa: S101  # its trigger is given
    for era in known.record.eras:
        if not era.trigger or era.trigger == trigger.canonical or why_unreadable(era.trigger):
            continue
        if _occurrence(from_canonical(era.trigger), known.at) is None:
            continue
        if era.end is not None and era.end <= known.at:
            when = f"the definition before had it, revision {era.revision}, and was replaced at {_shown(era.end)}"
        else:
            when = f"the definition that has it counts from {_shown(era.start)}, revision {era.revision}"
        in_force = f"revision {moment.era.revision} was in force" if moment.era else "another one was in force"
        return _verdict(known, Because.SUPERSESSION, f"{when}; then {in_force}", due=False, fired=False)
    return None


def _at_a_clock_change(known: Known, _moment: _Moment, trigger: Trigger) -> Verdict | None:
    """The clocks of its zone change on that day, and that moves or drops one of its times."""
    day = local_time(known.at, trigger.timezone)[:10]
    for night in nights(trigger, Window(known.at - DAY_MS, known.at + DAY_MS)):
        if night.affected and day in {str(night.change.before.date()), str(night.change.after.date())}:
            says = f"it is not due then: {night.change.sentence}; {night.happens}"
            return _verdict(known, Because.CLOCK_CHANGE, says, due=False, fired=False)
    return None


def _in_another_zone(known: Known, _moment: _Moment, trigger: Trigger) -> Verdict | None:
    """It is due at that time of day in its own zone, which is another instant."""
    offset_ms = trigger.zone.offset(known.at // 1000) * 1000
    meant = known.at - offset_ms
    if not offset_ms or _occurrence(trigger, meant) is None:
        return None
    says = (
        f"its zone is {trigger.timezone}: it is due at {_local(meant, trigger.timezone)}, which is {_shown(meant)}; the"
        f" instant you ask about is {_local(known.at, trigger.timezone)} there"
    )
    return _verdict(known, Because.ZONE, says, due=False, fired=False)


def _out_of_bounds(known: Known, moment: _Moment) -> Verdict | None:
    record, era = known.record, moment.era
    if moment.in_span or record is None or era is None:
        return None
    schedule = record.schedule
    start = None if schedule is None or schedule.start is None else from_datetime(schedule.start)
    end = None if schedule is None or schedule.end is None else from_datetime(schedule.end)
    if start is not None and known.at < start:
        says, because = f"it begins at {_shown(start)}, its `start`", Because.BOUNDS
    elif known.at < record.created:
        says, because = f"it was created at {_shown(record.created)}, after that", Because.BOUNDS
    elif end is not None and known.at >= end:
        says, because = f"it ended at {_shown(end)}, its `end`", Because.BOUNDS
    elif schedule is not None and schedule.max_fires is not None and known.at >= era.start:
        last = "" if era.end is None else f", the last one due at {_shown(era.end - 1)}"
        says, because = f"its `max_fires`, {schedule.max_fires:,}, were used up{last}", Because.MAX_FIRES
    else:
        says, because = "another definition was in force then, which is no longer stored", Because.SUPERSESSION
    is_known = because is not Because.SUPERSESSION
    return _verdict(known, because, says, due=False if is_known else None, fired=False if is_known else None)


def _dropped(known: Known, moment: _Moment) -> Verdict | None:
    """The definition itself leaves the occurrence out."""
    assert moment.trigger is not None  # noqa: S101  # ``_absent`` came before
    occurrence = moment.occurrence
    if occurrence is None or occurrence.skipped is None:
        return None
    because, says = _SKIPS[occurrence.skipped]
    says = says.format(by=occurrence.by or "an entry of `exclude`")
    return _verdict(known, because, f"it does not fire then: {says}", due=False, fired=False)


def _paused(known: Known, moment: _Moment) -> Verdict | None:
    era = moment.era
    if era is None or not era.paused:
        return None
    assert known.record is not None  # noqa: S101  # its era is given
    if era is known.record.era:
        says = f"the schedule is paused, since {_shown(era.start)}; a resume may fire what it misses"
        return _verdict(known, Because.PAUSE, says, due=True, fired=False)
    says = f"the schedule was paused from {_shown(era.start)} until {_shown(era.end or known.now)}"
    unknown = _not_kept(known, "whether the resume then fired it late")
    return _verdict(known, Because.PAUSE, says, due=True, fired=None if unknown else False, unknown=unknown)


# --- What may still happen, and what is not known -----------------------------------------------------------------


def _coming(known: Known, moment: _Moment) -> Verdict | None:
    at = _published_at(known, moment)
    if at > known.now:
        window = "" if at == known.at else f"; its flexible window publishes it at {_shown(at)}"
        return _verdict(known, Because.TO_COME, f"it is due and to come{window}", due=True, fired=None)
    return None


def _behind(known: Known, moment: _Moment) -> Verdict | None:
    at = _published_at(known, moment)
    if not known.planned_through or known.planned_through > at:
        return None
    says = (
        f"the planner is behind: its segment is planned through {_shown(known.planned_through)} only; it fires once the"
        " planner has caught up, if its `misfire` allows it; `eventcron doctor` says what stops the planner"
    )
    return _verdict(known, Because.PLANNER_BEHIND, says, due=True, fired=None)


def _on_its_way(known: Known, moment: _Moment) -> Verdict | None:
    if known.now >= _published_at(known, moment) + ON_ITS_WAY_MS:
        return None
    says = "it was due within the last minute and may be on its way; ask again in a minute"
    return _verdict(known, Because.ON_ITS_WAY, says, due=True, fired=None)


def _not_explained(known: Known, _moment: _Moment) -> Verdict:
    says = "it was due, and nothing stored says why it should not have fired"
    unknown = _not_kept(known, "whether it fired, or a misfire, the quota or an open run kept it from that")
    if unknown:
        return _verdict(known, Because.NOT_KEPT, says, due=True, fired=None, unknown=unknown)
    if known.now < known.at + TRIED_MS:
        says += "; no fire of it is kept yet: executors try a fire that the bus refuses again for 90 minutes"
        return _verdict(known, Because.ON_ITS_WAY, says, due=True, fired=None)
    says += "; but neither a fire nor a skip of it is kept: look at `eventcron doctor` and at the alarms of that time"
    return _verdict(known, Because.UNKNOWN, says, due=True, fired=None)


def _not_kept(known: Known, what: str) -> list[str]:
    """Why *what* is not known, and how to know it the next time; nothing if it would be kept."""
    if known.keeps is KeepHistory.NONE:
        return [f"{what} is not kept: this deployment keeps no history; {HOW_TO_KEEP}"]
    if known.at < known.kept_since:
        return [f"{what} is no longer kept: the history goes back to {_shown(known.kept_since)}; HistoryDays sets that"]
    if known.keeps is KeepHistory.TRACKED and not is_tracked(known.record):
        return [f"{what} is not kept: this deployment keeps tracked fires only; {HOW_TO_KEEP}"]
    return []


def _published_at(known: Known, moment: _Moment) -> Instant:
    seconds = 0 if moment.era is None else moment.era.flexible_window_seconds
    return known.at + flexible_offset_ms(known.key, seconds)


def _shown(instant: Instant) -> str:
    return rfc3339(instant, millis=False)


def _local(instant: Instant, zone: str) -> str:
    return local_time(instant, zone, millis=False)


_IN_ORDER: Sequence[Callable[[Known, _Moment], Verdict | None]] = (
    _expects,
    _fired,
    _skipped,
    _given_up,
    _in_a_lane,
    _absent,
    _not_due,
    _out_of_bounds,
    _dropped,
    _paused,
    _coming,
    _behind,
    _on_its_way,
    _not_explained,
)
