"""Checks of what is promised in lasting spell: fires given up, the latest of many, limits, resumes, punctuality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from eventcron.errors import Undecodable
from eventcron.model.commands import MisfirePolicy
from eventcron.model.names import Instant, Key
from eventcron.model.records import State
from eventcron.timing.hashing import segment_of
from eventcron.timing.instant import from_rfc3339
from eventcron.wire.encode import decode_pack
from tools.faultsim import crowd
from tools.faultsim.catching_up import is_caught_up, under_way
from tools.faultsim.network import HOPELESS
from tools.faultsim.observations import Fired, Observations, Revision, StatusEvent
from tools.faultsim.other_commands import is_on_calendar
from tools.faultsim.promises import CUTOVER_MS, LATE_MS, PUBLISHING_MS, TIMELY_MS, Violation
from tools.faultsim.runs import PUNCTUAL_MS, QUEUE_MS, blocked_until
from tools.faultsim.spell import Condition
from tools.faultsim.workload import STUBBORN, UNPUBLISHABLE, Sent

#: Milliseconds after which a schedule that was just stored is fired on time: its registrar has sent what is due soon.
NEWLY_STORED_MS = 10_000
MINUTE_MS = 60_000
#: Milliseconds by which a queue may be late, and a call.
QUEUE_LATE_MS = 2_500
#: Milliseconds before an instant at which its limit is acquired, at most, and by which clocks differ.
ACQUIRED_MS = 1_500
#: What may drop a fire that has acquired its limit.
STOPS = {"Schedule Deleted", "Schedule Paused", "Schedule Updated"}
#: Minutes in a row after which it is no chance that the same schedules won each. With a limit of 1, one simulation in
#: 10 million would have that: 6 ** -9.
SURE_MINUTES = 10

#: One occurrence: schedule, due, cause and cause id.
_What: TypeAlias = tuple[Key, Instant, str, str]


# --- 1: what is given up -----------------------------------------------------------------------------------------


def _given_up(observed: Observations) -> Iterator[Violation]:
    """A fire that was given up is published after all or reported as skipped, or it is among the dead letters."""
    fired = {(fire.key, fire.due, fire.cause, fire.cause_id) for fire in observed.fired}
    dead = set(_dead(observed))
    for event in observed.events("Schedule Failed"):
        assert event.key is not None  # every failure names a schedule
        detail = event.detail
        what = (event.key, from_rfc3339(detail["due"]), detail["cause"], detail.get("cause_id", ""))
        if what not in fired and what not in dead and not _is_skipped(observed, what):
            yield Violation(1, event.key, f"{what[1:]} was given up, and is neither published nor a dead letter")


def _dead(observed: Observations) -> Iterator[_What]:
    """The fires among the dead letters."""
    deployment = observed.simulation.deployment
    hopeless = [dead_letter.body for dead_letter in deployment.dead.sent if dead_letter.code == HOPELESS]
    for body in [*hopeless, *deployment.fires.dead.bodies]:
        try:
            fires = decode_pack(body).fires
        except Undecodable:
            continue
        yield from ((fire.key, fire.due, fire.cause, fire.public_id) for fire in fires)


def _is_skipped(observed: Observations, what: _What) -> bool:
    key, due, cause, cause_id = what
    for event in observed.events("Schedule Skipped"):
        detail = event.detail
        same = event.key == key and (detail.get("cause", "schedule"), detail.get("cause_id", "")) == (cause, cause_id)
        if same and from_rfc3339(detail["first_due"]) <= due <= from_rfc3339(detail["last_due"]):
            return True
    return False


# --- 1: the latest of many ------------------------------------------------------------------------------------------


def _latest_only(observed: Observations) -> Iterator[Violation]:
    """With ``fire_once`` no fire is published more than a minute late while a later one has been due for long."""
    for fire in observed.fired:
        if fire.cause != "schedule":
            continue
        revisions = [v for v in observed.revisions[fire.key] if v.record.schedule is not None and v.at <= fire.at]
        recent = [v for v in revisions if v.at > fire.at - PUBLISHING_MS] or revisions[-1:]
        if any(v.schedule.misfire.policy is not MisfirePolicy.FIRE_ONCE for v in (*recent, *revisions[-2:])):
            continue
        offset = max((v.offset for v in revisions), default=0)
        if fire.own - fire.due - offset <= LATE_MS + PUBLISHING_MS or _is_caught_up(revisions, fire):
            continue
        followed = _following(observed, fire, fire.own - offset - PUBLISHING_MS)
        if followed is not None:
            yield Violation(1, fire.key, f"due {fire.due} was published at {fire.own}, and {followed} was due by then")


def _not_the_latest(observed: Observations) -> Iterator[Violation]:
    """With ``fire_once`` an occurrence within its grace is missed only if a later one is due by then."""
    for event in observed.events("Schedule Skipped"):
        assert event.key is not None  # every skip names a schedule
        if event.detail["reason"] != "misfire":
            continue
        revisions = [v for v in observed.revisions[event.key] if v.record.schedule is not None]
        if any(v.schedule.misfire.policy is not MisfirePolicy.FIRE_ONCE for v in revisions):
            continue
        last = from_rfc3339(event.detail["last_due"])
        graces = [v.schedule.misfire.grace_seconds * 1000 for v in revisions]
        late_ms = event.own - last - min((v.offset for v in revisions), default=0)
        if late_ms > max(min(graces), TIMELY_MS):
            continue
        if not any(v.occurrences(last + 1, event.own + 1) for v in revisions):
            yield Violation(1, event.key, f"the latest occurrence was missed: {event.detail}")


def _following(observed: Observations, fire: Fired, end: Instant) -> Instant | None:
    """An occurrence after that of *fire* and before *end*, of its revision or of a later one while it was in force."""
    revisions, due = observed.revisions[fire.key], fire.due
    for revision, replaced_by in zip(revisions, [*revisions[1:], None], strict=True):
        if not revision.fires or revision.record.revision < fire.revision:
            continue
        over = end if replaced_by is None else min(end, replaced_by.began - observed.clock_skew_ms)
        for occurrence in revision.occurrences(max(due + 1, revision.first, revision.at), over):
            if occurrence.skipped is None and not is_on_calendar(observed, revision, occurrence.due):
                return occurrence.due
    return None


def _is_caught_up(revisions: Sequence[Revision], fire: Fired) -> bool:
    return any(v.record.era.start <= fire.due < v.record.era.catch_up_until for v in revisions)


# --- 1: what a resume catches up on ------------------------------------------------------------------------------


def _resumes(observed: Observations) -> Iterator[Violation]:
    """Of what fell due in a pause, a resume fires what it was asked to, and nothing else."""
    fired = {(fire.key, fire.due) for fire in observed.fired if fire.cause == "schedule"}
    done = fired | {(key, due) for key, due, cause_id in under_way(observed) if not cause_id}
    for pause, resumed in observed.spans():
        if resumed is None or resumed.sent is None or resumed.sent.command != "Resume Schedule":
            continue
        if pause.record.schedule is None or pause.record.state is not State.PAUSED:
            continue
        if _changes_soon(observed, resumed):
            continue
        wanted = _asked_for(observed, pause, resumed, resumed.sent)
        for due, asked in wanted.items():
            if asked is False and (pause.key, due) in fired:
                yield Violation(1, pause.key, f"due {due} of a pause fired; {resumed.sent.detail} does not ask for it")
            if asked is True and (pause.key, due) not in done and _is_left(observed, pause.key, due):
                yield Violation(1, pause.key, f"due {due} of a pause did not fire; {resumed.sent.detail} asks for it")


def _asked_for(observed: Observations, pause: Revision, resumed: Revision, sent: Sent) -> dict[Instant, bool | None]:
    """Whether each instant that surely fell due in a pause is to fire; None where a clock or the grace decides."""
    if pause.schedule.max_fires is not None or any(one.startswith("calendar:") for one in pause.schedule.exclude):
        return {}
    near_ms = CUTOVER_MS + 2 * observed.clock_skew_ms
    since, until = max(pause.first, pause.at) + near_ms, min(sent.time, resumed.at) - near_ms
    found = [one.due for one in pause.occurrences(since, until + 2 * near_ms) if one.skipped is None]
    missed = MisfirePolicy(sent.detail.get("missed", MisfirePolicy.SKIP))
    grace_ms = pause.schedule.misfire.grace_seconds * 1000
    wanted: dict[Instant, bool | None] = {}
    for due in (due for due in found if due < until):
        is_latest = None if found[-1] >= until and due == max(one for one in found if one < until) else due == found[-1]
        asked = {MisfirePolicy.FIRE_ALL: True, MisfirePolicy.FIRE_ONCE: is_latest}.get(missed, False)
        late_ms = resumed.at - due
        near_the_grace = abs(late_ms - grace_ms) <= PUBLISHING_MS
        wanted[due] = None if asked is None or (asked and near_the_grace) else asked and late_ms < grace_ms
    return wanted


def _changes_soon(observed: Observations, resumed: Revision) -> bool:
    """Whether another change follows at once, which then decides about the fires as well."""
    return any(
        later.record.revision - resumed.record.revision > 0 and later.at < resumed.at + MINUTE_MS
        for later in observed.revisions[resumed.key]
    )


def _is_left(observed: Observations, key: Key, due: Instant) -> bool:
    """Whether no notice but one of a pause speaks of *due*, and nobody gave it up."""
    failed = {(e.key, from_rfc3339(e.detail["due"])) for e in observed.events("Schedule Failed")}
    reasons = {
        event.detail["reason"]
        for event in observed.events("Schedule Skipped")
        if event.key == key and from_rfc3339(event.detail["first_due"]) <= due <= from_rfc3339(event.detail["last_due"])
    }
    return (key, due) not in failed and reasons <= {"paused"} and due + observed.widest_ms[key] < observed.end


# --- 6: limits, and punctuality ------------------------------------------------------------------------------------


def _limits(observed: Observations) -> Iterator[Violation]:
    """No tenant publishes more than its limit in a minute, and none is held to a limit that it keeps."""
    limit = observed.simulation.faults.spell.quota
    skipped = [event for event in observed.events("Schedule Skipped") if event.detail["reason"] == "quota"]
    if not limit:
        yield from (Violation(6, event.key, "there is no limit, and it was skipped for one") for event in skipped)
        return
    if not observed.simulation.faults.faultless:
        return
    # A fire is published at its instant, or a little later. Which minute it counts in is not known near a minute's end.
    surely: Counter[tuple[str, int]] = Counter()
    perhaps: Counter[tuple[str, int]] = Counter()
    for fire in observed.fired:
        # Of a command that came late, the fires count in a minute before. What is caught up on counts when published.
        waits = fire.cause == "backfill" or is_caught_up(observed, fire)
        late = not waits and fire.own - fire.due - _offset(observed, fire) > QUEUE_LATE_MS
        surely[fire.key.tenant, fire.own // MINUTE_MS] += not late and fire.own % MINUTE_MS >= QUEUE_LATE_MS
        for minute in _minutes(fire.own):
            perhaps[fire.key.tenant, minute] += 1
    for (tenant, minute), count in surely.items():
        if count > limit:
            yield Violation(6, None, f"{tenant} published {count} fires in minute {minute}; its limit is {limit}")
    perhaps.update(_counted_for_nothing(observed))
    yield from _held_for_nothing(skipped, perhaps, limit)


def _counted_for_nothing(observed: Observations) -> Iterator[tuple[str, int]]:
    """Tenants and minutes in which fires may have counted that were not published."""
    for event in observed.status_events:
        if event.key is None:
            continue
        if event.what == "Schedule Failed":
            # A fire that the bus refuses for good was counted before it was tried.
            yield from ((event.key.tenant, minute) for minute in _minutes(event.own))
        elif event.what in STOPS:
            # A limit is acquired just before the instant. If the schedule is changed after that, the fire is dropped.
            yield event.key.tenant, event.own // MINUTE_MS
            yield event.key.tenant, (event.own + ACQUIRED_MS) // MINUTE_MS


def _offset(observed: Observations, fire: Fired) -> int:
    """By how many milliseconds its flexible window, if it has one, delays *fire*."""
    if fire.cause != "schedule":
        return 0
    with_schedule = (revision for revision in observed.revisions[fire.key] if revision.record.schedule is not None)
    own = (revision.offset for revision in with_schedule if revision.record.revision == fire.revision)
    return next(own, observed.widest_ms[fire.key])


def _minutes(own: Instant) -> set[int]:
    """The minutes in which what was published at *own* may count."""
    return {own // MINUTE_MS, (own - QUEUE_LATE_MS) // MINUTE_MS}


def _held_for_nothing(
    skipped: Sequence[StatusEvent], tried: Counter[tuple[str, int]], limit: int
) -> Iterator[Violation]:
    """A tenant that asked the bus for nothing in a minute had its limit left in it."""
    for event in skipped:
        assert event.key is not None  # every skip names a schedule
        # A fire that a late command asked for counts in the minute in which it was due.
        minutes = _minutes(event.own) | {from_rfc3339(event.detail["last_due"]) // MINUTE_MS}
        if not any(tried[event.key.tenant, minute] for minute in minutes):
            yield Violation(6, event.key, f"it was skipped for a limit of {limit}, and its tenant published nothing")


def _same_each_minute(observed: Observations) -> Iterator[Violation]:
    """Who loses to the tenant's limit changes from minute to minute."""
    skipped: dict[Instant, set[Key]] = {}
    for event in observed.events("Schedule Skipped"):
        if event.key is not None and event.key.tenant == crowd.TENANT and event.detail["reason"] == "quota":
            skipped.setdefault(from_rfc3339(event.detail["first_due"]), set()).add(event.key)
    fired: dict[Instant, set[Key]] = {due: set() for due in skipped}
    for fire in observed.fired:
        if fire.key.tenant == crowd.TENANT and fire.due in fired:
            fired[fire.due].add(fire.key)
    # At first the registrar of each schedule sends its fires, in packs of their own. Only later do packs hold several.
    won = [
        frozenset(fired[due])
        for due, lost in sorted(skipped.items())
        if fired[due] and len(fired[due]) + len(lost) == crowd.SIZE == len(fired[due] | lost)
    ][-SURE_MINUTES:]
    if len(won) == SURE_MINUTES and len(set(won)) == 1:
        names = ", ".join(sorted(key.name for key in won[0]))
        yield Violation(
            6, None, f"of {crowd.SIZE} schedules over their limit only {names} fired for {len(won)} minutes"
        )


def _punctual(observed: Observations) -> Iterator[Violation]:
    """Where there is no fault, a fire is on time. A spell that one schedule has makes no other late."""
    faults, spell = observed.simulation.faults, observed.simulation.faults.spell
    if not faults.is_calm or spell.table_out_s[1]:
        return
    if spell.condition in {Condition.STUCK_INDEX, Condition.THROTTLED_EXECUTORS}:
        return
    for fire in observed.fired:
        if fire.cause != "schedule" or fire.key in {STUBBORN, UNPUBLISHABLE, *faults.unreadable}:
            continue
        late_ms = _late_ms(observed, fire)
        if late_ms is None or late_ms <= PUNCTUAL_MS or _ran_out_of_time(observed, fire):
            continue
        until = blocked_until(observed, fire) if fire.key in observed.queueing else None
        if until is None or fire.at > until + QUEUE_MS:
            yield Violation(6, fire.key, f"due {fire.due} was published at {fire.at}, {late_ms} ms late, for no reason")


def _ran_out_of_time(observed: Observations, fire: Fired) -> bool:
    """Whether a planner of the fire's segment had too little time when it should have planned the fire, or before."""
    settings = observed.simulation.scenario.settings
    # A pass that resumes plans no further than the pass that it carries on: the next tick plans the rest.
    since = fire.due - (settings.horizon_seconds + 2 * settings.tick_seconds) * 1000
    segment = segment_of(fire.key, settings.segments)
    return any(one == segment and since <= at <= fire.at for one, at in observed.history.out_of_time)


def _late_ms(observed: Observations, fire: Fired) -> int | None:
    """By how much *fire* is late; None if its revision had just been stored when it was due."""
    revision = next((v for v in observed.revisions[fire.key] if v.record.revision == fire.revision), None)
    if revision is None or revision.record.schedule is None or fire.due < revision.record.era.catch_up_until:
        return None
    offsets = {v.offset for v in observed.revisions[fire.key] if v.record.schedule is not None}
    ahead_at = observed.history.ahead_at
    if (
        len(offsets) > 1
        or fire.due < revision.at + NEWLY_STORED_MS
        or (ahead_at is not None and revision.at < ahead_at)
    ):
        return None
    return fire.at - fire.due - revision.offset


LASTING_CHECKS = (_given_up, _latest_only, _not_the_latest, _resumes, _limits, _same_each_minute, _punctual)
