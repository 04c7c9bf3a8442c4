"""Checks of what is caught up on: at its rate, within the tenant's limit, and none of it lost to either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from eventcron.errors import Undecodable
from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Key, Window
from eventcron.model.records import Backfill, BackfillState
from eventcron.rules.backfill import gap_ms
from eventcron.timing.instant import from_rfc3339
from eventcron.timing.trigger import from_canonical, occurrences
from eventcron.wire.encode import decode_pack
from tools.faultsim.observations import Fired, Observations, Revision
from tools.faultsim.promises import Violation

MINUTE_MS = 60_000
#: Milliseconds by which a queue may be late, and a call.
QUEUE_LATE_MS = 2_500
#: Seconds. A fire of a schedule with such a grace is never too old to wait within a simulation.
PATIENT_S = 86_400

#: One occurrence: schedule, due, and the id of its run or backfill.
_What: TypeAlias = tuple[Key, Instant, str]


def under_way(observed: Observations) -> set[_What]:
    """What is still to be published at the end: put off for a limit, or at a rate that takes longer."""
    limited = bool(observed.simulation.faults.spell.quota)
    fires = _queued(observed)
    found = {(fire.key, fire.due, fire.public_id) for fire in fires if limited or _has_a_rate(fire)}
    for remainder in observed.simulation.deployment.backfills.values():
        if is_open(observed, remainder):
            window = Window(remainder.enqueued_through, remainder.span.end)
            found |= {(_key(remainder), due, "") for due in occurrences(from_canonical(remainder.trigger), window)}
    return found


def _queued(observed: Observations) -> Iterator[Fire]:
    """The fires that are in their queue at the end."""
    for message in observed.simulation.deployment.fires.stored.values():
        try:
            yield from decode_pack(message.body).fires
        except Undecodable:
            continue


def is_open(observed: Observations, remainder: Backfill) -> bool:
    """Whether *remainder* is a resume's catch-up that a planner still advances."""
    known = remainder.key in observed.simulation.deployment.open_backfills
    return remainder.key.is_catch_up and remainder.state is BackfillState.RUNNING and known


def has_open_end(observed: Observations, key: Key) -> bool:
    """Whether a resume still catches up on the last occurrences of the schedule *key*."""
    of_key = (one for one in observed.simulation.deployment.backfills.values() if _key(one) == key)
    return any(one.completes and is_open(observed, one) for one in of_key)


def is_last_under_way(observed: Observations, key: Key) -> bool:
    """Whether the fire that completes the schedule *key* still waits for its tenant's limit."""
    limited = bool(observed.simulation.faults.spell.quota)
    return limited and any(fire.key == key and fire.last for fire in _queued(observed))


def is_caught_up(observed: Observations, fire: Fired) -> bool:
    """Whether a resume asked for *fire*, so that it is published at a rate."""
    return _resume_of(observed, fire) is not None


def _has_a_rate(fire: Fire) -> bool:
    return fire.is_caught_up or fire.cause == "backfill"


def _resume_of(observed: Observations, fire: Fired) -> Revision | None:
    if fire.cause != "schedule":
        return None
    resumed = (v for v in observed.revisions[fire.key] if v.record.revision == fire.revision)
    return next((v for v in resumed if v.record.era.start <= fire.due < v.record.era.catch_up_until), None)


def _key(remainder: Backfill) -> Key:
    return Key(remainder.tenant, remainder.name)


def _rates(observed: Observations) -> Iterator[Violation]:
    """Without faults a resume catches up at its rate, except where a queue delivers late, or a limit puts off."""
    faults = observed.simulation.faults
    if not faults.faultless or faults.spell.quota:
        return
    of_resume: dict[tuple[Key, int, int], list[Instant]] = {}
    for fire in observed.fired:
        resumed = _resume_of(observed, fire)
        if resumed is not None:
            which = (fire.key, fire.revision, resumed.record.era.per_minute)
            of_resume.setdefault(which, []).append(fire.at)
    for (key, revision, per_minute), published in of_resume.items():
        most = (MINUTE_MS + QUEUE_LATE_MS) // gap_ms(per_minute) + 1
        for first, last in zip(sorted(published), sorted(published)[most:], strict=False):
            if last - first <= MINUTE_MS:
                what = f"the resume {revision} published more than {most} fires in the minute from {first}"
                yield Violation(4, key, what)
                break


def _skipped_for_a_limit(observed: Observations) -> Iterator[Violation]:
    """What is caught up on waits for its tenant's limit, and is not skipped for it."""
    for event in observed.events("Schedule Skipped"):
        assert event.key is not None  # every skip names a schedule
        if event.detail["reason"] != "quota":
            continue
        due, revisions = from_rfc3339(event.detail["first_due"]), observed.revisions[event.key]
        with_schedule = [v for v in revisions if v.record.schedule is not None]
        patient = all(v.schedule.misfire.grace_seconds >= PATIENT_S for v in with_schedule)
        asked = any(
            v.record.revision == event.detail["revision"] and v.record.era.start <= due < v.record.era.catch_up_until
            for v in with_schedule
        )
        if event.detail.get("cause") == "backfill" or (asked and patient):
            yield Violation(1, event.key, f"it was to be caught up on and was skipped for a limit: {event.detail}")


def _left_behind(observed: Observations) -> Iterator[Violation]:
    """A planner knows of each catch-up that is stored."""
    for remainder in observed.simulation.deployment.backfills.values():
        if remainder.key.is_catch_up and remainder.state is BackfillState.RUNNING and not is_open(observed, remainder):
            yield Violation(1, _key(remainder), f"{remainder.id} is stored and no planner knows of it: {remainder}")


CATCH_UP_CHECKS = (_rates, _skipped_for_a_limit, _left_behind)
