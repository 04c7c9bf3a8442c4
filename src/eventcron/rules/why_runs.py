"""What the lanes of runs tell about a tracked fire, whether or not a history is kept. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Key
from eventcron.model.runs import Lane, LaneKey
from eventcron.model.tracking import RunEnd
from eventcron.model.why import Because
from eventcron.rules.runs import ALLOWANCE_MS
from eventcron.timing.instant import rfc3339
from eventcron.wire.encode import fire_id

#: Why a fire was skipped for another run.
STILL_OPEN = "the run before it was still open, and `overlap` keeps runs from overlapping"
_ENDS = {RunEnd.SUCCEEDED: "succeeded", RunEnd.FAILED: "failed", RunEnd.OVERDUE: "did not end in time"}


class LaneAnswer(NamedTuple):
    """What a lane tells about one instant. *fired* is None while the fire waits."""

    because: Because
    says: str
    fired: bool | None


def lanes_of(key: Key, instants: Sequence[Instant]) -> list[LaneKey]:
    """The lanes in which runs of *key* that are due at *instants* may be."""
    return [LaneKey(*key), *(LaneKey(*key, _named(key, at)) for at in instants)]


def lane_answer(lanes: Sequence[Lane], key: Key, at: Instant) -> LaneAnswer | None:
    """What *lanes* tell about the fire of *key* that is due at *at*; None: nothing."""
    return next((found for lane in lanes for found in _answers(lane, key, at)), None)


def _answers(lane: Lane, key: Key, at: Instant) -> Iterator[LaneAnswer]:
    run = lane.open
    if run is not None and run.fire.due == at:
        says = f"it fired; its run is open since {_shown(run.opened)}, and overdue at {_shown(run.deadline)}"
        yield LaneAnswer(Because.FIRED, says, fired=True)
    for past in reversed(lane.past):
        if past.fire.due == at and past.is_unpublished:
            says = f"it could not be published: the bus refused it for good, at {_shown(past.ended)}"
            yield LaneAnswer(Because.DEAD_LETTER, says, fired=False)
        elif past.fire.due == at:
            yield LaneAnswer(Because.FIRED, f"it fired; its run {_ENDS[past.end]}, at {_shown(past.ended)}", fired=True)
    if lane.waiting is not None and lane.waiting.due == at:
        until = f", overdue at {_shown(run.deadline)}" if run is not None else ""
        yield LaneAnswer(
            Because.OVERLAP, f"it waits for the open run to end{until}: `overlap` is `queue_one`", fired=None
        )
    if any(one.fire_id == _named(key, at) for one in lane.skipped):
        yield LaneAnswer(Because.OVERLAP, f"it was skipped: {STILL_OPEN}", fired=False)


def expected_says(lanes: Sequence[Lane], at: Instant, within_seconds: int, *, now: Instant) -> str:
    """What became of the report that was expected by *at* and *within_seconds*."""
    deadline = at + within_seconds * 1000
    says = f"it fires nothing: it expects a report by {_shown(deadline)}"
    for lane in lanes:
        if any(past.fire.due == at and past.end is RunEnd.OVERDUE for past in lane.past):
            return f"{says}; none came, and `Run Overdue` said so"
        if lane.outage is not None and lane.outage.since < at:
            return f"{says}; it is silent or failed since {_shown(lane.outage.since)}, which is said once"
        if lane.heard >= at - ALLOWANCE_MS:
            return f"{says}; the latest was sent at {_shown(lane.heard)}"
    return (
        says
        if now < deadline
        else f"{says}; what became of that is kept for two hours, or as `Run Overdue` in a history"
    )


def _named(key: Key, at: Instant) -> str:
    return fire_id(Fire(key.tenant, key.name, 0, at, at))


def _shown(instant: Instant) -> str:
    return rfc3339(instant, millis=False)
