"""Checks of heartbeats: silence is said once, so is the return, and there is no false alarm."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from eventcron.model.names import Instant
from eventcron.rules.runs import ALLOWANCE_MS
from eventcron.timing.instant import from_rfc3339
from tools.faultsim.observations import Observations, Revision, StatusEvent
from tools.faultsim.promises import Violation
from tools.faultsim.reporters import WATCHED
from tools.faultsim.runs import has_forgotten
from tools.faultsim.spell import Condition
from tools.faultsim.workload import Kind

#: Milliseconds in which a report, or a deadline, that has arrived is handled where there are no faults.
HANDLED_MS = 10_000
#: Milliseconds by which a failure may be reported before an instant and handled after it.
NEAR_MS = 200_000


class _Beat(NamedTuple):
    """A report of the tenant's own. It counts from *time* on."""

    id: str
    time: Instant
    arrives: Instant
    succeeded: bool


class _Watch:
    """What is known of the schedule in one simulation."""

    def __init__(self, observed: Observations) -> None:
        simulation = observed.simulation
        refused = {event.detail["event_id"] for event in observed.events("Schedule Rejected")}
        over = simulation.scenario.start + observed.history.steps[-1].at_us // 1000
        self.beats = sorted(
            (
                _Beat(one.event_id, one.time, one.emitted + min(one.arrivals), one.detail["status"] == "succeeded")
                for one in simulation.sent
                if one.key == WATCHED and one.command == "Report Run" and one.kind is Kind.VALID
                if one.emitted + min(one.arrivals) < over
            ),
            key=lambda beat: beat.time,
        )
        self.overdue = _of(observed, "Run Overdue")
        self.failed = _of(observed, "Run Failed")
        self.back = _of(observed, "Run Succeeded")
        revisions: list[Revision] = observed.revisions.get(WATCHED, [])
        self.revision = revisions[0] if revisions else None
        expect = None if self.revision is None else self.revision.schedule.expect
        self.within_ms = 0 if expect is None else expect.within_seconds * 1000
        #: Whether reports and deadlines are handled as they come. One of several planners may hold up a segment.
        calm = simulation.faults.spell.condition is Condition.CALM
        self.faultless = simulation.faults.faultless and calm and simulation.scenario.settings.planner_workers == 1
        #: Whether a report may have come before the put, by another delivery than the one that counted.
        self.is_unsure = any(beat.id in refused for beat in self.beats)
        dues = [] if self.revision is None else self.revision.occurrences(self.revision.first, observed.end)
        # What is due while the command is on its way may be of no revision.
        since = 0 if self.revision is None else self.revision.at
        self.dues = [one.due for one in dues if one.due > since]

    def is_forgotten(self, *, since: Instant, until: Instant) -> bool:
        """Whether the lane may have forgotten at *until* what was said at *since*.

        A check may have been a dead letter for two hours. One of many that come back together finds what was said
        before them pushed out by what was said of the others.
        """
        reported = sorted((*self.overdue, *self.failed, *self.back), key=lambda event: event.at, reverse=True)
        first = {event.detail["fire_id"]: event.at for event in reported}
        return has_forgotten(first.values(), since=since, until=until)


def _of(observed: Observations, what: str) -> list[StatusEvent]:
    return [event for event in observed.events(what) if event.key == WATCHED]


def _no_false_alarm(observed: Observations) -> Iterator[Violation]:
    """Silence is said of an instant of the schedule, after its deadline, if no report came in time."""
    watch = _Watch(observed)
    for event in watch.overdue:
        due, deadline = from_rfc3339(event.detail["due"]), from_rfc3339(event.detail["deadline"])
        if deadline != due + watch.within_ms or event.at < deadline - observed.clock_skew_ms:
            yield Violation(12, WATCHED, f"it was said at {event.at} to be silent since {due}: {event.detail}")
        handled = deadline - HANDLED_MS
        if watch.faultless and any(beat.time >= due and beat.arrives < handled for beat in watch.beats):
            yield Violation(12, WATCHED, f"it was said to be silent since {due}, though a report came in time")


def _silence_is_said_once(observed: Observations) -> Iterator[Violation]:
    """Between two reports silence is said of one instant at most; and of one, if it lasts beyond a deadline."""
    watch = _Watch(observed)
    if watch.is_unsure:
        return
    times = [0, *(beat.time for beat in watch.beats), observed.end * 2]
    well = [True, *(beat.succeeded for beat in watch.beats)]
    said = {from_rfc3339(event.detail["due"]): event.at for event in reversed(watch.overdue)}
    for index, (since, until) in enumerate(pairwise(times)):
        between = {due for due in said if since + ALLOWANCE_MS < due < until}
        reported = sorted(said[due] for due in between)
        if any(not watch.is_forgotten(since=earlier, until=later) for earlier, later in pairwise(reported)):
            yield Violation(12, WATCHED, f"silence from {since} to {until} was said {len(between)} times: {between}")
        # Of two reports that overtake each other, either may be the one that counts.
        if between or not all(well[max(0, index - 2) : index + 1]):
            continue
        patience = watch.within_ms + HANDLED_MS
        last = observed.end if index + 1 == len(well) else until if watch.faultless else 0
        # A report that arrived or was handled late ended its outage late. What fell silent meanwhile is part of that.
        arrived = watch.beats[index - 1].arrives + HANDLED_MS if index else 0
        backs = [] if watch.faultless else [event.at for event in watch.back]
        after = max(since + ALLOWANCE_MS + 1_000, arrived, *backs)
        missed = [due for due in watch.dues if due > after and due + patience < last]
        if missed and (watch.faultless or index + 1 == len(well)):
            yield Violation(12, WATCHED, f"no report came from {since} to {until}, and nobody said so of {missed[0]}")


def _return_is_said_once(observed: Observations) -> Iterator[Violation]:
    """Each outage ends once, by a report of success of the tenant's own, and says how long it lasted."""
    watch = _Watch(observed)
    beats = {beat.id: beat for beat in watch.beats}
    ended: dict[Instant, str] = {}
    begun = {from_rfc3339(event.detail["started"]) for event in (*watch.overdue, *watch.failed)}
    for event in (*watch.back, *watch.failed):
        if "event_id" not in event.detail:  # a check that was late found the return too
            due = from_rfc3339(event.detail["due"])
            # Whoever took it by a clock that was behind gave it the time of that clock.
            if not any(0 <= beat.time - due <= observed.clock_skew_ms for beat in watch.beats):
                yield Violation(12, WATCHED, f"it is said to be back, and no report came then: {event.detail}")
            continue
        beat = beats.get(event.detail["event_id"])
        if beat is None or beat.succeeded is not (event.what == "Run Succeeded"):
            yield Violation(12, WATCHED, f"{event.what} by a report that says no such thing: {event.detail}")
    for event in watch.back:
        started, by = from_rfc3339(event.detail["started"]), event.detail.get("event_id", event.detail["fire_id"])
        # A copy of a check that is done may come once more. If whoever gets it dies before it says what it stored, no
        # message is left that repeats it.
        unsaid = not watch.faultless and observed.simulation.faults.profile.redeliver > 0 and started in watch.dues
        if started not in begun and not unsaid:
            yield Violation(12, WATCHED, f"an outage ended that never began: {event.detail}")
        if ended.setdefault(started, by) != by:
            yield Violation(12, WATCHED, f"the outage since {started} ended by {ended[started]} and by {by}")
    last = watch.beats[-1] if watch.beats and not watch.is_unsure else None
    for event in watch.overdue:
        due = from_rfc3339(event.detail["due"])
        if last is not None and last.succeeded and last.time >= due and _ends(watch, due) and due not in ended:
            yield Violation(12, WATCHED, f"a report came after the silence since {due}, and nobody said so")


def _ends(watch: _Watch, due: Instant) -> bool:
    """Whether the outage that *due* began is one of its own: no failure was reported near it, or since all was well."""
    # Where reports are handled late, a later one may have overtaken that of a success.
    beats = watch.beats if watch.faultless else []
    well = max((beat.time for beat in beats if beat.succeeded and beat.time < due), default=0)
    return all(from_rfc3339(event.detail["due"]) < min(well, due - NEAR_MS) for event in watch.failed)


HEARTBEAT_CHECKS = (_no_false_alarm, _silence_is_said_once, _return_is_said_once)
