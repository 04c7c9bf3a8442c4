"""Checks of runs: none overlaps that must not, each has one end, and the first report of an end counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from eventcron.model.names import Instant, Key
from eventcron.rules.runs import MAX_REMEMBERED, REMEMBERED_MS
from eventcron.timing.instant import from_rfc3339
from eventcron.wire.encode_runs import UNPUBLISHED
from tools.faultsim.network import HOPELESS
from tools.faultsim.observations import Fired, Observations, StatusEvent
from tools.faultsim.promises import Violation
from tools.faultsim.reporters import WATCHED
from tools.faultsim.targets import Report

#: Milliseconds between the opening of a run and the publication of its fire, at most: a fire that is delivered again
#: within half a minute keeps its deadline, and a publication may take forty seconds.
OPENING_MS, FAULTLESS_MS = 75_000, 3_000
#: Milliseconds by which a fire may be late without faults: a message may appear two seconds late, but is visible a
#: lead of a second or more early.
PUNCTUAL_MS = 1_800
#: Milliseconds that a queue may take to deliver what waited, and an executor to publish it.
QUEUE_MS = 5_000
#: Milliseconds by which two reports have to be apart to be sure which of them is the first to be handled.
APART_MS = 10_000

ENDS = {"Run Succeeded": "succeeded", "Run Failed": "failed", "Run Overdue": "overdue"}


class _Fire(NamedTuple):
    key: Key
    fire_id: str
    token: str
    at: Instant


class Runs:
    """What is known of the runs of one simulation."""

    def __init__(self, observed: Observations) -> None:
        simulation = observed.simulation
        self.faultless = simulation.faults.faultless
        self.once = is_reported_once(observed)
        self.clock_skew_ms = observed.clock_skew_ms
        self.last = max((at for at, _, _ in observed.history.publications), default=0)
        self.fires: dict[str, list[_Fire]] = defaultdict(list)
        for at, _, event in observed.history.publications:
            detail: dict[str, Any] = msgspec.json.decode(event.detail)
            if "run_token" in detail:
                fire = _Fire(Key(detail["tenant"], detail["name"]), detail["fire_id"], detail["run_token"], at)
                self.fires[fire.fire_id].append(fire)
        #: Of those that the bus refused. Sent back from the dead letters they have an end of their own.
        self.unpublished: dict[str, list[StatusEvent]] = defaultdict(list)
        self.ends: dict[str, list[StatusEvent]] = defaultdict(list)
        for reported in observed.status_events:
            if reported.key == WATCHED:
                continue
            if reported.detail.get("message") == UNPUBLISHED:
                self.unpublished[reported.detail["fire_id"]].append(reported)
            elif reported.what in ENDS:
                self.ends[reported.detail["fire_id"]].append(reported)
        self.reports: dict[str, list[Report]] = defaultdict(list)
        for report in simulation.deployment.reports:
            self.reports[report.fire_id].append(report)
        policies = {one.key: one.detail["runs"] for one in simulation.sent if "runs" in one.detail}
        self.timeouts_ms: dict[Key, int] = {key: one["timeout_seconds"] * 1000 for key, one in policies.items()}
        #: Those whose runs may not overlap.
        self.alone = {key for key, one in policies.items() if one["overlap"] != "allow"}
        self.tolerance_ms = FAULTLESS_MS if self.faultless else OPENING_MS

    def first_end(self, fire_id: str) -> Instant | None:
        """When somebody first said that the run had ended, and could."""
        said = [one.emitted for one in self.reports[fire_id] if one.genuine and one.status in {"succeeded", "failed"}]
        return min(said, default=None)

    def times(self, fire_id: str) -> int:
        """How often its end may be reported: as often as the report arrives that ended it."""
        said = (self.ends[fire_id][0].detail.get("result") or {}).get("id")
        return next((report.times for report in self.reports[fire_id] if report.id == said), 1)

    def open_until(self, fire: _Fire) -> Instant:
        """Until when the run is surely open that this publication of its fire began."""
        overdue: Instant = fire.at + self.timeouts_ms[fire.key] - self.tolerance_ms
        ended = self.first_end(fire.fire_id)
        return overdue if ended is None else min(ended, overdue)


def is_reported_once(observed: Observations) -> bool:
    """Whether nothing fails and queues deliver each message once, so that each end is reported once."""
    faults = observed.simulation.faults
    return faults.faultless and not faults.profile.redeliver


def may_repeat(observed: Observations, fire: Fired) -> bool:
    """Whether two reports, or two deliveries of one, may have sent *fire* twice at once: it waited for a free lane."""
    waited = fire.key in observed.queueing and fire.at > fire.due + PUNCTUAL_MS
    return waited and (observed.simulation.faults.profile.redeliver > 0 or _reported_at_once(observed, fire))


def _reported_at_once(observed: Observations, fire: Fired) -> bool:
    """Whether two reports about its schedule's runs were handled just before *fire* was published.

    Whoever handles a report while no run is open sends the fire that waits: nobody knows whether another one did.
    """
    kinds = {*ENDS, "Run Reported"}
    said = [one for one in observed.status_events if one.key == fire.key and one.what in kinds]
    return sum(fire.at - QUEUE_MS < one.at <= fire.at for one in said) > 1


def blocked_until(observed: Observations, fire: Fired) -> Instant | None:
    """When an event reported the end of the last run that kept *fire* waiting; None: no run was open when it was due.

    One that falls due just when the open run ends may be quicker than the one that waits.
    """
    published = {one.fire_id: one.at for one in reversed(observed.fired) if one.key == fire.key and one.at < fire.at}
    over = [
        (event.at, published[event.detail["fire_id"]])
        for event in observed.status_events
        if event.key == fire.key and event.what in ENDS and fire.due <= event.at <= fire.at + QUEUE_MS
        if event.detail["fire_id"] in published
    ]
    if all(began > fire.due + PUNCTUAL_MS for _, began in over):
        return None
    return max(ended for ended, _ in over)


def _overlaps(observed: Observations) -> Iterator[Violation]:
    """Where runs must not overlap, nothing is published while a run is open."""
    runs = Runs(observed)
    of_key: dict[Key, list[_Fire]] = defaultdict(list)
    for fires in runs.fires.values():
        for fire in fires:
            of_key[fire.key].append(fire)
    for key, fires in of_key.items():
        if key not in runs.alone:
            continue
        fires.sort(key=lambda fire: fire.at)
        for place, fire in enumerate(fires):
            until = runs.open_until(fire)
            for other in fires[place + 1 :]:
                if other.at >= until:
                    break
                if other.fire_id != fire.fire_id:
                    what = f"{other.fire_id} was published at {other.at}, while {fire.fire_id} of {fire.at} was open"
                    yield Violation(9, key, what)


def _held_up(observed: Observations) -> Iterator[Violation]:
    """A fire is skipped only for a run that is open."""
    runs = Runs(observed)
    for event in observed.events("Schedule Skipped"):
        if event.detail["reason"] != "still_running":
            continue
        by = event.detail["by"]
        if event.key not in runs.alone:
            yield Violation(9, event.key, f"it was skipped for another run: {event.detail}")
        elif by not in runs.fires and by not in runs.unpublished and runs.faultless:
            yield Violation(9, event.key, f"it was skipped for a run of which nobody knows: {event.detail}")
        elif by in runs.fires and runs.faultless and event.key is not None:
            ended = runs.first_end(by)
            over = runs.fires[by][-1].at + runs.timeouts_ms[event.key]
            over = over if ended is None else min(over, max(one.arrives for one in runs.reports[by]))
            if event.at > over + APART_MS:
                yield Violation(9, event.key, f"it was skipped for a run that had ended: {event.detail}")


def _stuck(observed: Observations) -> Iterator[Violation]:
    """In the end no run is open, and no fire waits."""
    for lane in observed.simulation.deployment.lanes.values():
        if lane.open is not None and lane.open.is_again and not lane.key.is_shared:
            # Its end was said. Whoever opened it once more died before the deadline was sent, and the fire, come again,
            # was in a pack that had been published. Nobody waits in a lane of a single run.
            continue
        if lane.open is not None or lane.waiting is not None:
            yield Violation(9, Key(lane.tenant, lane.name), f"a run is open or a fire waits in the end: {lane}")


def _one_end(observed: Observations) -> Iterator[Violation]:
    """Each tracked fire that was published ends as one of three, and once if there are no faults."""
    runs = Runs(observed)
    for fire_id, fires in runs.fires.items():
        reported = runs.ends[fire_id]
        other = next((event for event in reported if event.what != reported[0].what), None)
        if other is not None and not _is_forgotten(runs, fires[0].key, since=reported[0].at, until=other.at):
            yield Violation(10, fires[0].key, f"{fire_id} ended as {reported[0].what} and {other.what}")
        elif (
            not reported
            and not _ended_unpublished(runs, fire_id)
            and not _is_forgotten(runs, fires[0].key, since=fires[0].at, until=runs.last)
        ):
            # The event was lost with its process, and the message that repeats it was a dead letter for so long.
            yield Violation(10, fires[0].key, f"{fire_id}, published at {fires[0].at}, has no end")
        elif runs.once and len(runs.ends[fire_id]) > runs.times(fire_id):
            yield Violation(10, fires[0].key, f"{fire_id} ended {len(runs.ends[fire_id])} times without a fault")
    for fire_id in runs.ends.keys() - runs.fires.keys():
        if runs.ends[fire_id][0].what != "Run Overdue":
            yield Violation(10, runs.ends[fire_id][0].key, f"{fire_id} ended, and was never published")


def _ended_unpublished(runs: Runs, fire_id: str) -> bool:
    """Whether its run ended as not published while another delivery published the fire, and nobody reported on it.

    Where somebody did, that is its end. Where the fire was published later, its run was opened anew.
    """
    latest = max(fire.at for fire in runs.fires[fire_id])
    at_once = any(latest < event.at + OPENING_MS for event in runs.unpublished[fire_id])
    return at_once and runs.first_end(fire_id) is None


def _unpublished(observed: Observations) -> Iterator[Violation]:
    """The run of a fire that the bus refuses for good ends as failed, and of no other."""
    runs = Runs(observed)
    failures = [event for event in observed.events("Schedule Failed") if event.key in runs.timeouts_ms]
    refused = {event.detail["fire_id"]: event for event in failures if event.detail["code"] == HOPELESS}
    for fire_id, events in runs.unpublished.items():
        if events[0].what != "Run Failed" or fire_id not in refused:
            yield Violation(10, events[0].key, f"{fire_id} ended as not published, and was not refused")
    for fire_id in refused.keys() - runs.unpublished.keys() - runs.ends.keys():
        if _is_forgotten(runs, refused[fire_id].key, since=refused[fire_id].at, until=runs.last):
            continue
        yield Violation(10, refused[fire_id].key, f"{fire_id} was refused for good, and its run has no end")


def _is_forgotten(runs: Runs, key: Key | None, *, since: Instant, until: Instant) -> bool:
    """Whether the lane of *key* may have forgotten from *since* to *until* that a run ended, and how.

    It remembers an end for two hours, and as many as it has room for.
    """
    if runs.faultless:
        return False
    ends = (events[0].at for events in runs.ends.values() if events and events[0].key == key)
    return has_forgotten(ends if key in runs.alone else (), since=since, until=until)


def has_forgotten(ends: Iterable[Instant], *, since: Instant, until: Instant) -> bool:
    """Whether a lane may have forgotten at *until* what ended at *since*. *ends*: when each that is in it ended."""
    return until - since > REMEMBERED_MS or sum(since <= at <= until for at in ends) > MAX_REMEMBERED


def _true_ends(observed: Observations) -> Iterator[Violation]:
    """A run ends as its first report says, or is overdue after its timeout. Other tokens say nothing."""
    runs = Runs(observed)
    for fire_id, events in runs.ends.items():
        reports = {report.id: report for report in runs.reports[fire_id]}
        for event in events:
            if event.what == "Run Overdue":
                yield from _overdue(runs, fire_id, event)
                continue
            said: str = (event.detail["result"] or {}).get("id", "")
            report = reports.get(said)
            if report is None or not report.genuine or report.status != ENDS[event.what]:
                yield Violation(10, event.key, f"{fire_id} ended by {said}, which says no such thing: {report}")
            elif report.emitted > event.at:
                yield Violation(10, event.key, f"{fire_id} ended before {said} was sent")
            elif runs.faultless and any(_is_before(one, report) for one in reports.values()):
                yield Violation(10, event.key, f"{fire_id} ended by {said}, which was not the first")


def _is_before(one: Report, other: Report) -> bool:
    ends = one.genuine and one.status in {"succeeded", "failed"}
    return ends and one.arrives + APART_MS < other.arrives


def _overdue(runs: Runs, fire_id: str, event: StatusEvent) -> Iterator[Violation]:
    if fire_id not in runs.fires or event.key is None:
        return
    started, due = from_rfc3339(event.detail["started"]), from_rfc3339(event.detail["deadline"])
    # Two processes may say it, each by its own clock.
    if event.at < due - runs.clock_skew_ms or due - started != runs.timeouts_ms[event.key]:
        yield Violation(10, event.key, f"{fire_id} was overdue at {event.at}, too early: {event.detail}")
    if started < from_rfc3339(event.detail["due"]) - runs.clock_skew_ms:
        yield Violation(10, event.key, f"{fire_id} was opened at {started}, before it was due")
    if not runs.faultless:
        # Whoever opened the run may have died before it published the fire, or may not have reached the bus. Then the
        # run is overdue by the instant at which it was opened, and nothing that is published says when that was.
        return
    deadline = runs.fires[fire_id][0].at + runs.timeouts_ms[event.key]
    if event.at < deadline - runs.tolerance_ms:
        yield Violation(10, event.key, f"{fire_id} was overdue at {event.at}, before {deadline}")
    if any(_ends_in_time(one, deadline) for one in runs.reports[fire_id]):
        yield Violation(10, event.key, f"{fire_id} was overdue, though its end was reported in time")
    if runs.once and event.at > deadline + APART_MS:
        yield Violation(10, event.key, f"{fire_id} was overdue at {event.at}, {event.at - deadline} ms after it was")


def _ends_in_time(report: Report, deadline: Instant) -> bool:
    return report.genuine and report.status in {"succeeded", "failed"} and report.arrives + APART_MS < deadline


def _tokens(observed: Observations) -> Iterator[Violation]:
    """Every delivery of a fire has the same token, and no other fire has it. A wrong one is rejected."""
    runs = Runs(observed)
    of_token: dict[str, str] = {}
    for fire_id, fires in runs.fires.items():
        tokens = {fire.token for fire in fires}
        if len(tokens) > 1:
            yield Violation(10, fires[0].key, f"{fire_id} has {len(tokens)} tokens")
        for token in tokens:
            if of_token.setdefault(token, fire_id) != fire_id:
                yield Violation(10, fires[0].key, f"{fire_id} and {of_token[token]} have the same token")
    refused = {event.detail["event_id"] for event in observed.events("Schedule Rejected")}
    over = observed.simulation.scenario.start + observed.history.steps[-1].at_us // 1000
    for report in observed.simulation.deployment.reports:
        # One that was to arrive after the end never did.
        if not report.genuine and report.id not in refused and report.arrives < over:
            yield Violation(10, None, f"{report.id} had another token and was not rejected")
        if report.genuine and report.id in refused:
            yield Violation(10, None, f"{report.id} had the right token and was rejected")


RUN_CHECKS = (_overlaps, _held_up, _stuck, _one_end, _unpublished, _true_ends, _tokens)
