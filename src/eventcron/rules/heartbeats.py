"""Decide about heartbeats: whether a schedule that expects reports is silent, and whether it is heard again.

    all is well ──┬── no report by an instant and its allowance ──▶ OUTAGE, ``Run Overdue``
         ▲        └── a report of a failure ──────────────────────▶ OUTAGE, ``Run Failed``
         └──────────── a report of a success, ``Run Succeeded`` ──────┘

The schedule's lane holds when the latest reports were sent, and the outage that lasts. Silence is said once. A report
counts for each instant whose time for a report it is sent in, up to ``ALLOWANCE_MS`` early, as clocks differ. Each
decision is one conditional write, as for runs, and the same message gets the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from eventcron.model.messages import EXPECTED, Fire, Pack
from eventcron.model.names import Instant, Window
from eventcron.model.records import FireRecord, State, expect_of
from eventcron.model.runs import Lane, Outage, PastRun
from eventcron.model.tracking import RunEnd
from eventcron.rules.runs import ALLOWANCE_MS, changed, past_run, with_past
from eventcron.timing.trigger import from_canonical, walk
from eventcron.wire.encode import fire_id, pack_id

#: Reports whose times a lane keeps.
MAX_BEATS = 32


class Heard(NamedTuple):
    """A lane after a report or a deadline, and what is to be said of it. The same lane: there is nothing to store."""

    lane: Lane
    past: PastRun | None = None
    #: The end of the outage that ``past`` begins, if both are found together.
    back: PastRun | None = None


def expected_pack(fire: Fire, within_seconds: int) -> Pack:
    """The pack that asks, once the time for a report is over, whether one came. Its quota was acquired before."""
    at = deadline_of(fire, within_seconds)
    return Pack(v=2, id=pack_id([fire], after=EXPECTED), at=at, fires=[fire], attempt=2, kind=EXPECTED, lane=UNSET)


def deadline_of(fire: Fire, within_seconds: int) -> Instant:
    """When a report for *fire* is late."""
    return fire.at + within_seconds * 1000


def is_expected(record: FireRecord | None, fire: Fire) -> bool:
    """Whether *record* still expects a report for *fire*: nobody has paused it since, or taken that instant from it.

    What a resume catches up on is past, and nobody waits for it.

    Raises:
        InvalidSchedule: this release cannot read when it is due.
    """
    if record is None or expect_of(record) is None or not record.eras:
        return False
    if fire.cause != "schedule" or fire.is_caught_up or record.state not in {State.ENABLED, State.COMPLETED}:
        return False
    era = record.eras[-1]
    if era.revision == fire.revision:
        return True
    was_paused = any(one.paused and (one.end is None or one.end > fire.due) for one in record.eras)
    if was_paused or not era.trigger or fire.due <= record.created:
        return False
    due = next(iter(walk(from_canonical(era.trigger), Window(fire.due, fire.due + 1))), None)
    return due is not None and due.skipped is None


def at_deadline(lane: Lane, fire: Fire, *, deadline: Instant, now: Instant) -> Heard:
    """Begin an outage if no report came for *fire*, unless the schedule is silent already under the same revision.

    The check may be late. If a report came before it, the outage is over, and the result has its end too.
    """
    named = fire_id(fire)
    before = past_run(lane, named)
    if before is not None:
        return Heard(lane, before, _return_of(lane, before))
    outage, times = lane.outage, lane.beats
    lasts = outage is not None and outage.is_silence and outage.fire.revision == fire.revision
    if lasts or _is_heard(times, fire.due, deadline):
        return Heard(lane)
    previous = max((one for one in times if one < fire.due), default=0)
    following = min((one for one in times if one > deadline), default=None)
    if following is not None and any(
        one.end is RunEnd.OVERDUE and previous < one.fire.due < following for one in lane.past
    ):
        return Heard(lane)
    past = PastRun(fire, named, fire.due, deadline, RunEnd.OVERDUE, now, EXPECTED)
    if following is None:
        since = fire.due if outage is None else outage.since
        return Heard(changed(with_past(lane, past), now, outage=Outage(fire, since)), past)
    if outage is not None:
        return Heard(changed(with_past(lane, past), now), past)
    again = replace(fire, due=following, at=following, cause="run", cause_id=named)
    back = PastRun(again, fire_id(again), fire.due, fire.due, RunEnd.SUCCEEDED, now, named)
    return Heard(changed(with_past(with_past(lane, past), back), now), past, back)


def _is_heard(times: Sequence[Instant], due: Instant, deadline: Instant) -> bool:
    """Whether one of the latest *times* counts for *due*. What was before all that a lane keeps is past."""
    if len(times) == MAX_BEATS and deadline < times[0]:
        return True
    return any(due - ALLOWANCE_MS <= one <= deadline for one in times)


def _return_of(lane: Lane, past: PastRun) -> PastRun | None:
    """The end of the outage that *past* began, if both were found together."""
    return next((one for one in lane.past if one.by == past.fire_id), None)


def report(lane: Lane, fire: Fire, how: RunEnd, *, created: Instant, now: Instant) -> Heard:
    """Take the report that *fire* stands for: it is due when the report was sent. The schedule was *created* then.

    A report that a later one has overtaken changes nothing.
    """
    named, sent = fire_id(fire), fire.due
    before = past_run(lane, named)
    if before is not None:
        return Heard(lane, before)
    beats = lane.beats if sent in lane.beats else tuple(sorted((*lane.beats, sent))[-MAX_BEATS:])
    outage = None if lane.outage is not None and lane.outage.since < created else lane.outage
    if sent < lane.heard:
        return Heard(lane if beats == lane.beats else changed(lane, now, beats=beats))
    if how is RunEnd.FAILED:
        past = PastRun(fire, named, sent, sent, how, now, fire.cause_id)
        lasting = outage if outage is not None and outage.is_silence else Outage(fire, outage.since if outage else sent)
        return Heard(changed(with_past(lane, past), now, beats=beats, outage=lasting), past)
    # One that was sent before the instant that fell silent, and comes after that is said, ends nothing.
    if outage is None or sent < outage.fire.due - ALLOWANCE_MS:
        is_same = beats == lane.beats and outage is lane.outage
        return Heard(lane if is_same else changed(lane, now, beats=beats, outage=outage))
    past = PastRun(fire, named, outage.since, outage.since, how, now, fire.cause_id)
    return Heard(changed(with_past(lane, past), now, beats=beats, outage=None), past)
