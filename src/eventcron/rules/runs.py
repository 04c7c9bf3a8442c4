"""Decide about runs: whether a tracked fire is published, how its run ends, and what follows from that.

    occurrence due ──▶ admit ──┬── lane free ─────▶ OPEN ──report──▶ SUCCEEDED or FAILED
                               │                     ├───deadline──▶ OVERDUE
                               │                     └─the bus refuses its fire for good─▶ FAILED, not published
                               ├── skip ──────────▶ skipped, reason still_running
                               └── queue_one ─────▶ WAITING ──the open run ends──▶ sent again, and admitted again

A *lane* is stored as one item. Its schedule's runs follow each other in it if they must not overlap; otherwise each run
has a lane of its own. Every function here returns the lane as it is to be stored. The caller stores it on condition
that nobody changed it meanwhile, and asks again if somebody did. So each decision is one conditional write.

Any message may come twice. A lane remembers what it decided within ``REMEMBERED_MS``, so that the same message gets the
same answer, and what follows from it is done again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from eventcron.model.messages import DEADLINE, RELEASED, Fire, Pack
from eventcron.model.names import Instant
from eventcron.model.runs import NOT_PUBLISHED, Lane, LaneKey, OpenRun, PastRun, Skipped
from eventcron.model.tracking import Overlap, RunEnd, Runs
from eventcron.wire.encode import fire_id, pack_id

#: Milliseconds for which a lane remembers what it decided. A message is received five times, six minutes apart; then it
#: is a dead letter, which an operator sends back after an outage of an hour.
REMEMBERED_MS = 7_200_000
#: Runs, and skipped fires, that a lane remembers at most: 10 KB.
MAX_REMEMBERED = 32
#: Milliseconds after its deadline for which a run still holds up others, as clocks differ. After that the fire that is
#: held up ends it.
ALLOWANCE_MS = 5_000
#: Milliseconds after a run was opened from which its fire, delivered again, opens it anew: the first delivery may have
#: died before it published the fire.
REOPENED_AFTER_MS = 30_000
#: Days for which a schedule's lane is kept after its last change, so that failures in a row are counted over a year.
LANE_DAYS = 400


class Ruling(StrEnum):
    """What becomes of a tracked fire."""

    PUBLISH = "publish"
    SKIP = "skip"  # another run is open
    WAIT = "wait"  # the lane has it, until the open run ends
    DROP = "drop"  # it was published: its run has ended


class Admission(NamedTuple):
    """What becomes of a tracked fire, and its lane after that. The same lane: there is nothing to store."""

    ruling: Ruling
    lane: Lane
    #: Of a fire that is skipped: the ``fire_id`` of the open run.
    by: str = ""
    #: Overdue runs to report: this ends them, or they ended before and the event may not have been published.
    overdue: tuple[PastRun, ...] = ()


class Known(StrEnum):
    """What a lane knows of a run."""

    OPEN = "open"
    ENDED_NOW = "ended_now"  # by this message; what follows is to be done, again if it comes again
    ENDED_BEFORE = "ended_before"
    FORGOTTEN = "forgotten"


class Ending(NamedTuple):
    """What a message about the end of a run comes to, and the lane after it."""

    known: Known
    lane: Lane
    #: Of a run that has ended.
    past: PastRun | None = None


def lane_key(fire: Fire, runs: Runs) -> LaneKey:
    """The lane in which the run of *fire* takes place."""
    return LaneKey(fire.tenant, fire.name, fire_id(fire) if runs.overlap is Overlap.ALLOW else "")


def admit(lane: Lane, fire: Fire, runs: Runs, *, now: Instant) -> Admission:
    """Decide what becomes of *fire*, which is due. *lane* is that of ``lane_key``."""
    named = fire_id(fire)
    before = past_run(lane, named)
    overdue = () if before is None else (before,)
    if lane.open is not None and lane.open.fire_id == named:
        if now < lane.open.opened + REOPENED_AFTER_MS:
            return Admission(Ruling.PUBLISH, lane, overdue=overdue)
        again = replace(lane.open, opened=now, deadline=now + runs.timeout_seconds * 1000)
        return Admission(Ruling.PUBLISH, changed(lane, now, open=again), overdue=overdue)
    if before is not None and before.end is not RunEnd.OVERDUE and not before.is_unpublished:
        return Admission(Ruling.DROP, lane)
    by = next((skipped.by for skipped in lane.skipped if skipped.fire_id == named), None)
    if by is not None:
        return Admission(Ruling.SKIP, lane, by=by, overdue=overdue)
    if lane.open is not None and now <= lane.open.deadline + ALLOWANCE_MS:
        return _hold_up(lane, lane.open, fire, named, runs, now=now)._replace(overdue=overdue)
    is_again = before is not None and not before.is_unpublished
    deadline = now + runs.timeout_seconds * 1000
    opened = OpenRun(fire, named, now, deadline, runs.pause_after_failures, is_again)
    if lane.open is not None:
        held_up = _end(lane, lane.open, RunEnd.OVERDUE, now=now, by="")
        lane = with_past(lane, held_up)
        overdue = (*overdue, held_up)
    waiting = None if lane.waiting is not None and fire_id(lane.waiting) == named else lane.waiting
    return Admission(Ruling.PUBLISH, changed(lane, now, open=opened, waiting=waiting), overdue=overdue)


def _hold_up(lane: Lane, run: OpenRun, fire: Fire, named: str, runs: Runs, *, now: Instant) -> Admission:
    """Decide what becomes of *fire* while *run* is open."""
    if lane.waiting is not None and fire_id(lane.waiting) == named:
        return Admission(Ruling.WAIT, lane)
    if lane.waiting is None and runs.overlap is Overlap.QUEUE_ONE:
        return Admission(Ruling.WAIT, changed(lane, now, waiting=fire))
    skipped = (*lane.skipped, Skipped(named, run.fire_id, now))
    return Admission(Ruling.SKIP, changed(lane, now, skipped=skipped), by=run.fire_id)


def end(lane: Lane, named: str, how: RunEnd, *, now: Instant, by: str) -> Ending:
    """End the run *named*, if it is open. *by* identifies the message that says so."""
    if lane.open is not None and lane.open.fire_id == named:
        past = _end(lane, lane.open, how, now=now, by=by)
        return Ending(Known.ENDED_NOW, changed(with_past(lane, past), now, open=None), past)
    past_one = past_run(lane, named)
    if past_one is None:
        return Ending(Known.FORGOTTEN, lane)
    if past_one.is_unpublished and how is not RunEnd.OVERDUE and by != NOT_PUBLISHED:
        # Who reports has the fire: another delivery of it, admitted before the bus refused this one, was published.
        past = _counted_here(lane, replace(past_one, end=how, ended=now, by=by, failures=None, pauses=False))
        return Ending(Known.ENDED_NOW, changed(with_past(lane, past), now), past)
    # A run that the fire after it ended has not been reported if that fire's executor died.
    is_same = past_one.end is how and past_one.by in {by, ""}
    return Ending(Known.ENDED_NOW if is_same else Known.ENDED_BEFORE, lane, past_one)


def end_at_deadline(lane: Lane, named: str, *, now: Instant, by: str) -> Ending:
    """End the run *named* as overdue, if its deadline has come. Otherwise it stays open."""
    if lane.open is not None and lane.open.fire_id == named and now < lane.open.deadline:
        return Ending(Known.OPEN, lane)
    ending = end(lane, named, RunEnd.OVERDUE, now=now, by=by)
    if ending.past is None or not ending.past.is_again:
        return ending
    # Of a run that ended again the first end counts. Whoever ended it then may have died before it could say so.
    return ending._replace(past=past_run(ending.lane, named))


def end_unpublished(lane: Lane, named: str, *, now: Instant) -> Ending:
    """End the run *named* as failed: the bus refuses its fire for good, so no target ever has it."""
    return end(lane, named, RunEnd.FAILED, now=now, by=NOT_PUBLISHED)


def is_to_be_counted(past: PastRun) -> bool:
    """Whether *past*, which ended in a lane of its own, counts for a pause of its schedule."""
    return past.failures is None and past.pause_after > 0 and not past.is_again


def counted(lane: Lane, past: PastRun, *, now: Instant) -> tuple[Lane, PastRun]:
    """*past*, which ended in a lane of its own, counted in *lane*, that of the schedule. The same run counts once."""
    before = past_run(lane, past.fire_id)
    if before is not None and (past.is_unpublished or not before.is_unpublished):
        return lane, before
    past = _counted(lane, past)
    return changed(with_past(lane, past), now), past


def past_run(lane: Lane, named: str) -> PastRun | None:
    """The run *named*, if it has ended and is remembered."""
    return next((past for past in reversed(lane.past) if past.fire_id == named), None)


def deadline_pack(run: OpenRun, *, shared: bool) -> Pack:
    """The pack that ends *run* at its deadline. The same run, opened at the same instant, has the same pack."""
    kind = f"{DEADLINE}:{run.deadline}"
    lane = "" if shared else run.fire_id
    return Pack(v=2, id=pack_id([run.fire], after=kind), at=run.deadline, fires=[run.fire], kind=DEADLINE, lane=lane)


def released_pack(lane: Lane) -> Pack | None:
    """The pack with the fire that waits in *lane*, if no run is open there. Its quota was acquired before."""
    fire = lane.waiting
    if fire is None or lane.open is not None:
        return None
    after = f"{RELEASED}:{lane.version}"
    return Pack(v=2, id=pack_id([fire], after=after), at=fire.at, fires=[fire], attempt=2, kind=RELEASED)


def without_waiting(lane: Lane, fire: Fire, *, now: Instant) -> Lane:
    """*lane* in which *fire* waits no longer: it fires no more, or in another lane. The same lane: it did not wait."""
    if lane.waiting is None or fire_id(lane.waiting) != fire_id(fire):
        return lane
    return changed(lane, now, waiting=None)


def _end(lane: Lane, run: OpenRun, how: RunEnd, *, now: Instant, by: str) -> PastRun:
    past = PastRun(
        run.fire, run.fire_id, run.opened, run.deadline, how, now, by, run.pause_after, is_again=run.is_again
    )
    return _counted_here(lane, past)


def _counted_here(lane: Lane, past: PastRun) -> PastRun:
    """*past*, counted if its schedule's runs end in *lane*. Of a run that ended again the first end counts."""
    return _counted(lane, past) if lane.key.is_shared and not past.is_again else past


def _counted(lane: Lane, past: PastRun) -> PastRun:
    failures = 0 if past.end is RunEnd.SUCCEEDED else lane.failures + 1
    return replace(past, failures=failures, pauses=0 < past.pause_after <= failures)


def with_past(lane: Lane, past: PastRun) -> Lane:
    """*lane* with one more run that ended. After a pause failures are counted anew."""
    failures = lane.failures if past.failures is None else past.failures
    # Of a run that ended again the first end counts.
    ends = lane.past if past.is_again and past_run(lane, past.fire_id) else (*lane.past, past)
    return replace(lane, past=ends, failures=0 if past.pauses else failures)


def changed(lane: Lane, now: Instant, **changes: object) -> Lane:
    """*lane* with *changes*, one version later, without what is remembered no longer."""
    after = replace(lane, version=lane.version + 1, **changes)
    past = [one for one in after.past[-MAX_REMEMBERED:] if one.ended > now - REMEMBERED_MS]
    skipped = [one for one in after.skipped[-MAX_REMEMBERED:] if one.at > now - REMEMBERED_MS]
    return replace(after, past=tuple(past), skipped=tuple(skipped), expires=_expires(after, now))


def _expires(lane: Lane, now: Instant) -> int:
    last = max(now, 0 if lane.open is None else lane.open.deadline)
    days = LANE_DAYS if lane.key.is_shared else 5
    return last // 1000 + days * 86_400
