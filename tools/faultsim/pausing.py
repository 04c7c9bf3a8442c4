"""Checks of the pause after failures: it comes after as many in a row as are allowed, never after fewer, and once.

What counts is the order in which a lane counted the ends of runs. It is known up to an interval for each: from the
instant at which the run ended to the one at which an event said so, with the difference of two clocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from eventcron.model.names import Instant, Key
from eventcron.model.records import State
from eventcron.timing.instant import from_rfc3339
from tools.faultsim.observations import Observations, StatusEvent
from tools.faultsim.promises import Violation
from tools.faultsim.runs import ENDS, Runs, is_reported_once
from tools.faultsim.targets import PAUSING

#: Milliseconds from an end to the pause, at most, where there are no faults.
PAUSED_WITHIN_MS = 10_000
#: What says whether it is paused.
TURNS = {"Schedule Paused", "Schedule Resumed"}


class _End(NamedTuple):
    """The end of a run. It was counted between *first* and *last*, both included."""

    fire_id: str
    first: Instant
    last: Instant
    #: When it ended, by the clock of whoever ended it.
    ended: Instant
    failed: bool

    def is_before(self, other: _End) -> bool:
        """Whether this one was surely counted before the *other* one."""
        return self.last < other.first


def is_paused_by_failures(observed: Observations, key: Key) -> bool:
    """Whether *key* is paused in the end because of its failures."""
    record = observed.final.get(key)
    if record is None or record.state is not State.PAUSED:
        return False
    return any(event.detail["revision"] == record.revision for event in _pauses(observed))


def _pauses(observed: Observations) -> list[StatusEvent]:
    return [event for event in observed.events("Schedule Paused") if event.key == PAUSING]


def _ends(observed: Observations) -> list[_End]:
    """The ends of the runs that count, each once."""
    found: dict[str, _End] = {}
    skew = observed.clock_skew_ms
    revisions = [event.detail["revision"] for event in _pauses(observed)]
    for event in observed.status_events:
        if event.key != PAUSING or event.what not in ENDS or event.detail["fire_id"] in found:
            continue
        ended = from_rfc3339(event.detail["started"]) + event.detail["duration_ms"]
        if event.detail["duration_ms"] == 0:
            # It ended by a clock behind the one by which it was opened: a pause says when.
            ended = next((one for one in revisions if ended - skew <= one <= ended), ended)
        fire_id = event.detail["fire_id"]
        found[fire_id] = _End(fire_id, ended - skew, event.at, ended, event.what != "Run Succeeded")
    return list(found.values())


def _allowed(observed: Observations) -> int:
    """After how many failures in a row it is paused."""
    puts = (sent.detail["runs"] for sent in observed.simulation.sent if sent.key == PAUSING and "runs" in sent.detail)
    return next((int(runs["pause_after_failures"]) for runs in puts), 0)


def _never_after_fewer(observed: Observations) -> Iterator[Violation]:
    """Before each pause as many runs failed in a row as are allowed, and it says why."""
    allowed, ends = _allowed(observed), _ends(observed)
    lasts = {end.ended: end for end in ends if end.failed}
    pauses = _pauses(observed)
    begun = [lasts[event.detail["revision"]] for event in pauses if event.detail["revision"] in lasts]
    for event in pauses:
        last = lasts.get(event.detail["revision"])
        if event.detail.get("reason") != "failures" or last is None:
            yield Violation(11, PAUSING, f"it was paused, and no failure of that instant is the reason: {event.detail}")
            continue
        anew = [end for end in ends if not end.failed] + [end for end in begun if end is not last]
        row = [end for end in ends if end.failed and not last.is_before(end) and not _is_between(anew, end, last)]
        if len(row) < allowed:
            yield Violation(11, PAUSING, f"it was paused after {len(row)} failures, not {allowed}: {event.detail}")


def _is_between(anew: Sequence[_End], end: _End, last: _End) -> bool:
    """Whether counting surely began *anew* after *end* and before *last*; a pause counts with its own failure."""
    return any(one is end or (end.is_before(one) and one.is_before(last)) for one in anew)


def _always_after_so_many(observed: Observations) -> Iterator[Violation]:
    """After as many failures in a row as are allowed it is paused, and an event says so; once without faults."""
    allowed, ends = _allowed(observed), _ends(observed)
    revisions = Counter(event.detail["revision"] for event in _pauses(observed))
    begun = [end for end in ends if end.ended in revisions]
    if is_reported_once(observed):
        runs = Runs(observed)
        for end in begun:
            # A report that arrives twice pauses twice.
            if revisions[end.ended] > runs.times(end.fire_id):
                yield Violation(11, PAUSING, f"{revisions[end.ended]} events say that it was paused at {end.ended}")
    for last in ends:
        row = [end for end in ends if end is last or (end.failed and end.is_before(last))]
        row = [end for end in row if not _may_be_between(ends, end, last)]
        if not last.failed or len(row) < allowed:
            continue
        # A pause may have been counted among them, and counting then begins anew.
        among = any(not last.is_before(one) and not all(one.is_before(end) for end in row) for one in begun)
        if not among and not _is_overtaken(observed, last):
            what = f"{len(row)} runs failed in a row until {last.ended}, {allowed} are allowed, and no pause came"
            yield Violation(11, PAUSING, what)


def _may_be_between(ends: Sequence[_End], end: _End, last: _End) -> bool:
    """Whether a success may have been counted after *end* and before *last*."""
    return any(not one.failed and not one.is_before(end) and not last.is_before(one) for one in ends)


def _is_overtaken(observed: Observations, last: _End) -> bool:
    """Whether a resume, another pause, or the end of the schedule may have come before the pause after *last*."""
    if _is_paused(observed, last.first):
        return True  # runs that were open at the pause end after it
    over = observed.end * 2 if not is_reported_once(observed) else last.last + PAUSED_WITHIN_MS
    resumes = [sent for sent in observed.simulation.sent if sent.key == PAUSING and sent.command == "Resume Schedule"]
    if any(last.first <= sent.emitted and sent.time <= over for sent in resumes):
        return True
    if any(last.ended < event.detail["revision"] and event.at <= over for event in _pauses(observed)):
        return True
    written = (one for one in observed.history.written if one.record.key == PAUSING)
    return any(one.record.state is State.COMPLETED and one.at <= over for one in written)


def _is_paused(observed: Observations, at: Instant) -> bool:
    """Whether the latest of its revisions that were reported before *at* is a pause."""
    turns = [event for event in observed.status_events if event.key == PAUSING and event.what in TURNS]
    reported = [event for event in turns if event.at < at]
    return bool(reported) and max(reported, key=lambda event: int(event.detail["revision"])).what == "Schedule Paused"


PAUSING_CHECKS = (_never_after_fewer, _always_after_so_many)
