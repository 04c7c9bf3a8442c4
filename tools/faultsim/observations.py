"""The history by subject, for the checker: revisions of schedules, fires, and other events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key, Occurrence, Window
from eventcron.model.records import Record, State
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.instant import from_datetime, from_rfc3339
from eventcron.timing.trigger import Trigger, occurrences, parse, walk
from tools.faultsim.network import STATUS_EVENTS
from tools.faultsim.simulation import Simulation
from tools.faultsim.workload import Sent

#: Milliseconds by which two clocks differ at most.
CLOCKS_MS = 1_000


@dataclass(frozen=True, eq=False)
class Revision:
    """One revision of a schedule. It was stored first at *at*, by an invocation that began at *began*.

    *sent* is the command that it comes from; None if the planner or an executor wrote it. *put_at* is the time of the
    put that its definition comes from: a resume that was sent before may come after it.
    """

    at: Instant
    began: Instant
    record: Record
    sent: Sent | None
    put_at: Instant = 0

    @property
    def key(self) -> Key:
        return self.record.key

    @property
    def schedule(self) -> Schedule:
        assert self.record.schedule is not None  # callers ask only for a revision that has one
        return self.record.schedule

    @property
    def fires(self) -> bool:
        return self.record.schedule is not None and self.record.state is State.ENABLED

    @cached_property
    def first(self) -> Instant:
        """The first instant at which it may fire by its command: after the event's time, and not before ``start``."""
        after = max(self.put_at, self.sent.time if self.sent is not None else self.record.era.start) + 1
        start = self.schedule.start
        return after if start is None else max(after, from_datetime(start))

    @cached_property
    def until(self) -> Instant | None:
        """The instant at which its occurrences end by its command; None if they do not.

        After a pause only the registrar knows how many of ``max_fires`` are left, so its answer counts.
        """
        schedule = self.schedule
        end = None if schedule.end is None else from_datetime(schedule.end)
        if schedule.max_fires is None:
            return end
        last = self.record.last_commands
        resumed = self.sent is not None and self.sent.command == "Resume Schedule"
        if self.record.spent or last.pause_revision > last.put_revision or resumed:
            return self.record.era.end
        # If the event's second and the registrar's clock disagree, the first occurrence may be by either of them.
        near = abs(self.record.era.start - self.first) <= CLOCKS_MS
        first = self.record.era.start if near else self.first
        fires = occurrences(self.trigger, Window(first, _far(first)))
        final = next((due for count, due in enumerate(fires, 1) if count == schedule.max_fires), None)
        return end if final is None else min(final + 1, end or final + 1)

    @cached_property
    def offset(self) -> int:
        return flexible_offset_ms(self.key, self.schedule.flexible_window_seconds)

    @cached_property
    def trigger(self) -> Trigger:
        schedule = self.schedule
        start = schedule.start
        return parse(
            schedule.expression,
            timezone=schedule.timezone,
            daylight_saving=schedule.daylight_saving,
            # What a calendar excludes depends on when it was read. Here it is due, and a skip may say it is excluded.
            exclude=[entry for entry in schedule.exclude if not entry.startswith("calendar:")],
            anchor=self.record.created // 1000 * 1000 if start is None else from_datetime(start),
            key=self.key,
        )

    def occurrences(self, first: Instant, end: Instant) -> list[Occurrence]:
        """Its occurrences due in ``[first, end)``, skipped ones included."""
        end = end if self.until is None else min(end, self.until)
        return list(walk(self.trigger, Window(first, end))) if first < end else []


class Fired(NamedTuple):
    """A fire that the bus took at *at*, when the publisher's clock showed *own*."""

    key: Key
    due: Instant
    at: Instant
    own: Instant
    cause: str
    cause_id: str
    fire_id: str
    revision: int
    input: Any


class StatusEvent(NamedTuple):
    """An event that is no fire, such as ``Schedule Skipped``. *at* and *own* are as in ``Fired``."""

    what: str
    key: Key | None
    at: Instant
    own: Instant
    detail: dict[str, Any]


def _far(first: Instant) -> Instant:
    """A day after *first*: no simulation lasts as long, so the search for a last fire may end there."""
    return first + 86_400_000


class Observations:
    """What can be seen of one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.history = simulation.history
        self.end = simulation.end
        self.clock_skew_ms = simulation.faults.profile.clock_skew_ms
        self.sent = {sent.event_id: sent for sent in simulation.sent}
        self.fired: list[Fired] = []
        self.status_events: list[StatusEvent] = []
        for at, own, event in self.history.publications:
            detail = msgspec.json.decode(event.detail)
            if event.detail_type in STATUS_EVENTS:
                key = Key(*event.resources[0].split("/")) if event.resources else None
                self.status_events.append(StatusEvent(event.detail_type, key, at, own, detail))
            else:
                self.fired.append(_fired(detail, at, own))

    @cached_property
    def revisions(self) -> dict[Key, list[Revision]]:
        """The revisions of each schedule, in order."""
        revisions: dict[Key, list[Revision]] = defaultdict(list)
        for at, began, record in self.history.written:
            known = revisions[record.key]
            if not known or known[-1].record.revision != record.revision:
                sent = self.sent.get(record.recent_event_ids[-1]) if record.recent_event_ids else None
                put_at = known[-1].put_at if known else 0
                if sent is not None and sent.command == "Put Schedule":
                    put_at = sent.time
                known.append(Revision(at, began, record, sent, put_at))
        return dict(revisions)

    @cached_property
    def widest_ms(self) -> dict[Key, int]:
        """The widest flexible window that each schedule ever had: a revision may publish fires of the one before."""
        return {
            key: max(
                v.record.schedule.flexible_window_seconds * 1000 for v in revisions if v.record.schedule is not None
            )
            for key, revisions in self.revisions.items()
            if any(revision.record.schedule is not None for revision in revisions)
        }

    @cached_property
    def queueing(self) -> frozenset[Key]:
        """The schedules of which a fire may wait until another run has ended."""
        puts = [sent for sent in self.simulation.sent if "runs" in sent.detail]
        return frozenset(put.key for put in puts if put.detail["runs"]["overlap"] == "queue_one")

    @cached_property
    def final(self) -> dict[Key, Record]:
        """Each record as it was stored last."""
        return {written.record.key: written.record for written in self.history.written}

    def spans(self) -> Iterator[tuple[Revision, Revision | None]]:
        """Each revision with the one that replaced it."""
        for revisions in self.revisions.values():
            yield from zip(revisions, [*revisions[1:], None], strict=True)

    def is_unread(self, revision: Revision) -> bool:
        """Whether the release that wrote *revision* may have been one that could not read what was stored before."""
        faults, start = self.simulation.faults, self.simulation.scenario.start
        first, last = (start + second * 1000 for second in (faults.spell.start_s, faults.spell.end_s))
        return revision.key in faults.unreadable and revision.began < last and first <= revision.at

    def events(self, what: str) -> Sequence[StatusEvent]:
        """The events of type *what*."""
        return [event for event in self.status_events if event.what == what]


def _fired(detail: dict[str, Any], at: Instant, own: Instant) -> Fired:
    return Fired(
        Key(detail["tenant"], detail["name"]),
        from_rfc3339(detail["due"]),
        at,
        own,
        detail["cause"],
        detail.get("cause_id", ""),
        detail["fire_id"],
        detail["revision"],
        detail["input"],
    )
