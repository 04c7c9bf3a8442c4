"""The history, sorted for judging: which revisions there were, what was fired, what was said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key, Occurrence, Window
from eventcron.model.records import Record, State
from eventcron.timing.hashing import flexible_offset_ms
from eventcron.timing.instant import from_datetime
from eventcron.timing.trigger import Trigger, occurrences, parse, walk
from tools.faultsim.network import FACT_NAMES
from tools.faultsim.simulation import Simulated
from tools.faultsim.workload import Sent

#: Milliseconds by which clocks are apart at most.
CLOCKS_MS = 1_000


class Version(NamedTuple):
    """One revision of a schedule, from its first write on. *began* is when the invocation that wrote it did."""

    at: Instant
    began: Instant
    record: Record
    sent: Sent | None

    @property
    def key(self) -> Key:
        return self.record.key

    @property
    def schedule(self) -> Schedule:
        assert self.record.schedule is not None  # callers ask only where there is one
        return self.record.schedule

    @property
    def fires(self) -> bool:
        return self.record.schedule is not None and self.record.state is State.ENABLED

    @property
    def first(self) -> Instant:
        """From when on it fires, by what was sent: after its event, and not before ``start``."""
        after = (self.sent.time if self.sent is not None else self.record.era.start) + 1
        start = self.schedule.start
        return after if start is None else max(after, from_datetime(start))

    @property
    def until(self) -> Instant | None:
        """Up to when, by what was sent. Where a pause came between, what was used up is the registrar's to say."""
        schedule = self.schedule
        end = None if schedule.end is None else from_datetime(schedule.end)
        if schedule.max_fires is None:
            return end
        last = self.record.last_commands
        if self.record.spent or last.pause_revision > last.put_revision:
            return self.record.era.end
        # Where the second of the event and the registrar's clock disagree, its first occurrence may be either's.
        near = abs(self.record.era.start - self.first) <= CLOCKS_MS
        first = self.record.era.start if near else self.first
        fires = occurrences(self.trigger, Window(first, _far(first)))
        final = next((due for count, due in enumerate(fires, 1) if count == schedule.max_fires), None)
        return end if final is None else min(final + 1, end or final + 1)

    @property
    def offset(self) -> int:
        return flexible_offset_ms(self.key, self.schedule.flexible_window_seconds)

    @property
    def trigger(self) -> Trigger:
        schedule = self.schedule
        start = schedule.start
        return parse(
            schedule.expression,
            timezone=schedule.timezone,
            daylight_saving=schedule.daylight_saving,
            # What a calendar excludes depends on when it was taken over: here it is due, and told as excluded.
            exclude=[entry for entry in schedule.exclude if not entry.startswith("calendar:")],
            anchor=self.record.created // 1000 * 1000 if start is None else from_datetime(start),
            key=self.key,
        )

    def occurrences(self, first: Instant, end: Instant) -> list[Occurrence]:
        """What is due of it in ``[first, end)``, what is skipped included."""
        end = end if self.until is None else min(end, self.until)
        return list(walk(self.trigger, Window(first, end))) if first < end else []


class Fired(NamedTuple):
    """One fire on the bus."""

    key: Key
    due: Instant
    at: Instant
    own: Instant
    cause: str
    cause_id: str
    fire_id: str
    revision: int
    input: Any


class Told(NamedTuple):
    """One fact on the bus."""

    what: str
    key: Key | None
    at: Instant
    own: Instant
    detail: dict[str, Any]


def _far(first: Instant) -> Instant:
    """Further than any simulation lasts: the search for a last fire need not go on for ever."""
    return first + 86_400_000


class Evidence:
    """What one simulation shows."""

    def __init__(self, simulated: Simulated) -> None:
        self.simulated = simulated
        self.history = simulated.history
        self.end = simulated.end
        self.clock_ms = simulated.forecast.weather.clock_ms
        self.sent = {sent.event_id: sent for sent in simulated.sent}
        self.fired: list[Fired] = []
        self.told: list[Told] = []
        for at, own, event in self.history.publications:
            detail = msgspec.json.decode(event.detail)
            if event.detail_type in FACT_NAMES:
                key = Key(*event.resources[0].split("/")) if event.resources else None
                self.told.append(Told(event.detail_type, key, at, own, detail))
            else:
                self.fired.append(_fired(detail, at, own))

    @cached_property
    def versions(self) -> dict[Key, list[Version]]:
        """Of each schedule, in order."""
        versions: dict[Key, list[Version]] = defaultdict(list)
        for at, began, record in self.history.written:
            known = versions[record.key]
            if not known or known[-1].record.revision != record.revision:
                sent = self.sent.get(record.recent_event_ids[-1]) if record.recent_event_ids else None
                known.append(Version(at, began, record, sent))
        return dict(versions)

    @cached_property
    def widest_ms(self) -> dict[Key, int]:
        """The widest flexible window that each schedule ever had: what one revision left, the next publishes."""
        return {
            key: max(
                v.record.schedule.flexible_window_seconds * 1000 for v in versions if v.record.schedule is not None
            )
            for key, versions in self.versions.items()
            if any(version.record.schedule is not None for version in versions)
        }

    @cached_property
    def final(self) -> dict[Key, Record]:
        return {written.record.key: written.record for written in self.history.written}

    def spans(self) -> Iterator[tuple[Version, Version | None]]:
        """Each version with the one that replaced it."""
        for versions in self.versions.values():
            yield from zip(versions, [*versions[1:], None], strict=True)

    def facts(self, what: str) -> Sequence[Told]:
        return [told for told in self.told if told.what == what]


def instant(text: str) -> Instant:
    return from_datetime(datetime.fromisoformat(text))


def _fired(detail: dict[str, Any], at: Instant, own: Instant) -> Fired:
    return Fired(
        Key(detail["tenant"], detail["name"]),
        instant(detail["due"]),
        at,
        own,
        detail["cause"],
        detail.get("cause_id", ""),
        detail["fire_id"],
        detail["revision"],
        detail["input"],
    )
