"""Checks of messages: each one is done, or answered, or becomes a dead letter."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from eventcron.model.names import Key
from tools.faultsim.observations import Observations, Revision
from tools.faultsim.promises import Violation
from tools.faultsim.workload import Kind

#: Milliseconds: a horizon ends at a whole second.
ROUNDING_MS = 1_000

#: How often the same message may be put into a queue. In 3,000 seeds none was put more than 69 times. Where messages
#: beget messages it is thousands, within minutes.
MAX_PUTS = 250

#: Command → the events of which one reports that it was applied.
REPORTED_AS = {
    "Put Schedule": {"Schedule Created", "Schedule Updated"},
    "Delete Schedule": {"Schedule Deleted"},
    "Pause Schedule": {"Schedule Paused"},
    "Resume Schedule": {"Schedule Resumed"},
    "Put Calendar": {"Calendar Updated", "Calendar Unchanged"},
    "Delete Calendar": {"Calendar Deleted"},
}


def _poison(observed: Observations) -> Iterator[Violation]:
    """A message that nobody can read is a dead letter of its queue."""
    deployment = observed.simulation.deployment
    dead: Counter[tuple[str, str]] = Counter((one.queue, one.body) for one in deployment.dead.sent)
    dead += Counter((queue.name, body) for queue in deployment.queues for body in queue.dead.bodies)
    sent = Counter((one.queue, one.message()) for one in observed.simulation.sent if one.kind is Kind.POISON)
    for queue, body in sorted(sent - dead):
        yield Violation(6, None, f"{body!r} entered the queue of {queue} and is not among its dead letters")


def _ranges(observed: Observations) -> Iterator[Violation]:
    """A planner is done with a range once it found or left each segment planned, or another planner at it."""
    horizon_ms = observed.simulation.scenario.settings.horizon_seconds * 1000
    over = {(attempt.who, attempt.segment) for attempt in observed.history.attempts if attempt.is_over}
    for done in observed.history.ranges_done:
        # A tick whose clock is ahead asks for more than any other planner plans, which is a horizon from when it began.
        wanted = min(done.asked.tick, done.began) + horizon_ms - 2 * observed.clock_skew_ms - ROUNDING_MS
        for segment, planned_through in done.segments.items():
            if planned_through < wanted and (done.who, segment) not in over:
                what = f"{done.who} was done with the range of the tick at {done.asked.tick}"
                yield Violation(6, None, f"{what}, and segment {segment} is planned through {planned_through} only")


def _refused_ranges(observed: Observations) -> Iterator[Violation]:
    """A tick takes on the segments that the segment queue did not take, if there is time."""
    tried = {(attempt.who, attempt.segment) for attempt in observed.history.attempts}
    for who, asked in sorted(observed.history.ranges_refused, key=str):
        for segment in range(asked.first, asked.end):
            if who in observed.history.timely_ticks and (who, segment) not in tried:
                yield Violation(6, None, f"the queue refused segment {segment}, and {who} did not plan it")


def _reported(observed: Observations) -> Iterator[Violation]:
    """The last change of a schedule or calendar is reported by an event, or refused by one."""
    reported: dict[tuple[Key | None, int], set[str]] = defaultdict(set)
    for event in observed.status_events:
        if "revision" in event.detail:
            reported[event.key, event.detail["revision"]].add(event.what)
    refused = {event.detail["event_id"] for event in observed.events("Schedule Rejected")}
    for key, revision, event_id in _last_changes(observed):
        expected = REPORTED_AS[observed.sent[event_id].command]
        if event_id not in refused and not reported[key, revision] & expected:
            yield Violation(6, key, f"{event_id} was applied as revision {revision}, and no event reports it")


def _floods(observed: Observations) -> Iterator[Violation]:
    """No message is put again and again, however often those that it follows from come back."""
    for queue in observed.simulation.deployment.queues:
        for body, times in queue.puts.most_common(1):
            if times > MAX_PUTS:
                yield Violation(6, None, f"this message was put into the queue {queue.name} {times} times: {body}")


def _last_changes(observed: Observations) -> Iterator[tuple[Key, int, str]]:
    """Key, revision and event id of each schedule's and calendar's last change."""
    for revisions in observed.revisions.values():
        last: Revision = revisions[-1]
        if last.sent is not None:
            yield last.key, last.record.revision, last.sent.event_id
    for calendar in observed.simulation.deployment.calendars.values():
        if calendar.recent_event_ids and calendar.recent_event_ids[-1] in observed.sent:
            yield Key(calendar.tenant, f"calendar:{calendar.name}"), calendar.revision, calendar.recent_event_ids[-1]


MESSAGE_CHECKS = (_poison, _ranges, _refused_ranges, _reported, _floods)
