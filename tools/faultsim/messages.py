"""Every message that enters a queue comes to an end: it is done, it is answered, or it is a dead letter."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from eventcron.model.names import Key
from tools.faultsim.observations import Evidence, Version
from tools.faultsim.promises import Violation
from tools.faultsim.workload import Kind

#: Milliseconds: a horizon ends at a whole second.
ROUNDING_MS = 1_000

#: Command → the events of which one reports that it was applied.
REPORTED_AS = {
    "Put Schedule": {"Schedule Created", "Schedule Updated"},
    "Delete Schedule": {"Schedule Deleted"},
    "Pause Schedule": {"Schedule Paused"},
    "Resume Schedule": {"Schedule Resumed"},
    "Put Calendar": {"Calendar Updated"},
    "Delete Calendar": {"Calendar Deleted"},
}


def _poison(seen: Evidence) -> Iterator[Violation]:
    """A message that nobody can read is a dead letter of its queue."""
    cloud = seen.simulated.cloud
    dead = Counter((letter.queue, letter.body) for letter in cloud.dead.buried)
    dead += Counter((queue.name, body) for queue in cloud.queues for body in queue.dead.bodies)
    sent = Counter((one.queue, one.message()) for one in seen.simulated.sent if one.kind is Kind.POISON)
    for queue, body in sorted(sent - dead):
        yield Violation(6, None, f"{body!r} entered the queue of {queue} and is not among its dead letters")


def _ranges(seen: Evidence) -> Iterator[Violation]:
    """A planner is done with a range once it found or left each segment planned, or another planner at it."""
    horizon_ms = seen.simulated.where.settings.horizon_seconds * 1000
    over = {(attempt.who, attempt.segment) for attempt in seen.history.attempts if attempt.is_over}
    for done in seen.history.ranges_done:
        wanted = done.asked.tick + horizon_ms - 2 * seen.clock_ms - ROUNDING_MS
        for segment, planned_through in done.segments.items():
            if planned_through < wanted and (done.who, segment) not in over:
                what = f"{done.who} was done with the range of the tick at {done.asked.tick}"
                yield Violation(6, None, f"{what}, and segment {segment} is planned through {planned_through} only")


def _refused_ranges(seen: Evidence) -> Iterator[Violation]:
    """A tick takes on the segments that the segment queue did not take, if there is time."""
    tried = {(attempt.who, attempt.segment) for attempt in seen.history.attempts}
    for who, asked in seen.history.ranges_refused:
        for segment in range(asked.first, asked.end):
            if who in seen.history.timely_ticks and (who, segment) not in tried:
                yield Violation(6, None, f"the queue refused segment {segment}, and {who} did not plan it")


def _reported(seen: Evidence) -> Iterator[Violation]:
    """The last change of a schedule or calendar is reported by an event, or refused by one."""
    reported: dict[tuple[Key | None, int], set[str]] = defaultdict(set)
    for told in seen.told:
        if "revision" in told.detail:
            reported[told.key, told.detail["revision"]].add(told.what)
    refused = {told.detail["event_id"] for told in seen.facts("Schedule Rejected")}
    for key, revision, event_id in _last_changes(seen):
        expected = REPORTED_AS[seen.sent[event_id].command]
        if event_id not in refused and not reported[key, revision] & expected:
            yield Violation(6, key, f"{event_id} was applied as revision {revision}, and no event reports it")


def _last_changes(seen: Evidence) -> Iterator[tuple[Key, int, str]]:
    """Key, revision and event id of each schedule's and calendar's last change."""
    for versions in seen.versions.values():
        last: Version = versions[-1]
        if last.sent is not None:
            yield last.key, last.record.revision, last.sent.event_id
    for calendar in seen.simulated.cloud.calendars.values():
        if calendar.seen and calendar.seen[-1] in seen.sent:
            yield Key(calendar.tenant, f"calendar:{calendar.name}"), calendar.revision, calendar.seen[-1]


MESSAGES = (_poison, _ranges, _refused_ranges, _reported)
