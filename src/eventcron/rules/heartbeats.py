"""Decide about heartbeats: whether a schedule that expects reports is silent, and whether it is heard again.

    all is well ──┬── no report by an instant and its allowance ──▶ OUTAGE, ``Run Overdue``
         ▲        └── a report of a failure ──────────────────────▶ OUTAGE, ``Run Failed``
         └──────────── a report of a success, ``Run Succeeded`` ──────┘

The schedule's lane holds when the latest report was sent, and the outage that lasts. An outage is said once. A report
counts for every instant up to ``ALLOWANCE_MS`` after it, as clocks differ. Each decision is one conditional write, as
for runs, and the same message gets the same answer.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import UNSET

from eventcron.model.messages import EXPECTED, Fire, Pack
from eventcron.model.names import Instant
from eventcron.model.records import FireRecord, State
from eventcron.model.runs import Lane, Outage, PastRun
from eventcron.model.tracking import RunEnd
from eventcron.rules.runs import ALLOWANCE_MS, changed, past_run, with_past
from eventcron.wire.encode import fire_id, pack_id


class Heard(NamedTuple):
    """A lane after a report or a deadline, and what is to be said of it. The same lane: there is nothing to store."""

    lane: Lane
    past: PastRun | None = None


def expected_pack(fire: Fire, within_seconds: int) -> Pack:
    """The pack that asks, once the time for a report is over, whether one came. Its quota was acquired before."""
    at = fire.at + within_seconds * 1000
    return Pack(v=2, id=pack_id([fire], after=EXPECTED), at=at, fires=[fire], attempt=2, kind=EXPECTED, lane=UNSET)


def is_expected(record: FireRecord | None, fire: Fire) -> bool:
    """Whether *record* expects a report for *fire*: it is as it was when the fire was due, neither paused nor changed.

    What a resume catches up on is past, and nobody waits for it.
    """
    if record is None or record.schedule is None or record.schedule.expect is None or not record.eras:
        return False
    is_ordinary = fire.cause == "schedule" and not fire.is_caught_up
    return (
        is_ordinary and record.state in {State.ENABLED, State.COMPLETED} and record.eras[-1].revision == fire.revision
    )


def at_deadline(lane: Lane, fire: Fire, *, deadline: Instant, now: Instant) -> Heard:
    """Begin an outage if no report came for *fire*, unless one lasts. A changed schedule begins one of its own."""
    named = fire_id(fire)
    before = past_run(lane, named)
    if before is not None:
        return Heard(lane, before)
    lasts = lane.outage is not None and lane.outage.fire.revision == fire.revision
    if lasts or lane.heard >= fire.due - ALLOWANCE_MS:
        return Heard(lane)
    past = PastRun(fire, named, fire.due, deadline, RunEnd.OVERDUE, now, EXPECTED)
    since = fire.due if lane.outage is None else lane.outage.since
    return Heard(changed(with_past(lane, past), now, outage=Outage(fire, since)), past)


def report(lane: Lane, fire: Fire, how: RunEnd, *, created: Instant, now: Instant) -> Heard:
    """Take the report that *fire* stands for: it is due when the report was sent. The schedule was *created* then.

    A report that a later one has overtaken changes nothing.
    """
    named, sent = fire_id(fire), fire.due
    before = past_run(lane, named)
    if before is not None or sent < lane.heard:
        return Heard(lane, before)
    outage = None if lane.outage is not None and lane.outage.since < created else lane.outage
    if how is RunEnd.FAILED:
        past = PastRun(fire, named, sent, sent, how, now, fire.cause_id)
        lasting = Outage(fire, sent if outage is None else outage.since)
        return Heard(changed(with_past(lane, past), now, heard=sent, outage=lasting), past)
    if outage is None or sent < outage.since - ALLOWANCE_MS:
        is_same = sent == lane.heard and outage is lane.outage
        return Heard(lane if is_same else changed(lane, now, heard=sent, outage=outage))
    past = PastRun(fire, named, outage.since, outage.since, how, now, fire.cause_id)
    return Heard(changed(with_past(lane, past), now, heard=sent, outage=None), past)
