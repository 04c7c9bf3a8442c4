"""After a rollback: the release before does not know the text of some stored triggers and time zones.

The store keeps every record as the newer release wrote it. While the older one runs, the store shows it other text in
their place, and takes that text back when it writes. What the older one has written itself, it can read.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from typing import TypeVar

from msgspec.structs import replace

from eventcron.model.commands import TENANT_SOURCE_PREFIX
from eventcron.model.names import BackfillKey, Instant, Key
from eventcron.model.records import Backfill, Era, IndexEntry, Record
from tools.faultsim.faults import FaultPlan
from tools.faultsim.workload import TENANTS, Kind, Scenario, Sent

#: Begins a trigger or a zone that no release reads.
NEWER = "newer!"

#: Seconds before a rollback within which a command may be in hand still when it begins.
EARLY_S = 20
#: Two schedules of one tenant and one segment that fire in the same seconds, so that packs hold fires of both. The
#: older release can read the first.
NEIGHBOURS = ("known", "unknown")

T = TypeVar("T", Era, IndexEntry, Backfill)


def neighbours(scenario: Scenario) -> list[Sent]:
    """The puts of ``NEIGHBOURS``, early on. They fire however late, so that a late one is seen."""
    sent = []
    for name in NEIGHBOURS:
        detail = {
            "tenant": TENANTS[0],
            "name": name,
            "expression": "* * * * *",
            "misfire": {"policy": "fire_all", "grace_seconds": 86_400},
            "input": {"of": f"{TENANTS[0]}/{name}", "put": 1},
        }
        source, key = TENANT_SOURCE_PREFIX + TENANTS[0], Key(TENANTS[0], name)
        at = scenario.start + 1_000
        sent.append(Sent(Kind.VALID, f"event-{name}", "Put Schedule", key, detail, source, at, (100,)))
    return sent


def what_is_unread(seed: int, scenario: Scenario, faults: FaultPlan, sent: Sequence[Sent]) -> FaultPlan:
    """*faults* with the schedules that the older release cannot read: half of them, and of half of those the zone."""
    digests = {one.key: _digest(one.key, seed) for one in sent} | {
        Key(TENANTS[0], name): number for number, name in enumerate(reversed(NEIGHBOURS))
    }
    unreadable = frozenset(key for key, digest in digests.items() if digest % 2 == 0)
    unknown = frozenset(key for key, digest in digests.items() if digest % 4 == 0)
    return replace(faults, unreadable=unreadable, unknown_zones=unknown - _put_meanwhile(scenario, faults, sent))


def _put_meanwhile(scenario: Scenario, faults: FaultPlan, sent: Sequence[Sent]) -> frozenset[Key]:
    """The schedules that may be put while the older release runs: that release would refuse an unknown zone."""
    if not faults.is_calm:
        return frozenset(one.key for one in sent)
    first, last = ((scenario.start + second * 1000) for second in (faults.spell.start_s - EARLY_S, faults.spell.end_s))
    puts = (one for one in sent if one.command == "Put Schedule")
    return frozenset(one.key for one in puts for arrival in one.arrivals if first <= one.emitted + arrival < last)


def _digest(key: Key, seed: int) -> int:
    """A number from 0 to 255, of which each bit is set for half of the schedules."""
    return blake2b(f"{seed} {key}".encode(), digest_size=1).digest()[0]


class Older:
    """What the older release knows of the schedules that the newer one has stored."""

    def __init__(self, unknown_zones: AbstractSet[Key]) -> None:
        #: None of them is put while the older release runs.
        self._unknown_zones = unknown_zones
        #: Written by the older release: eras by their revision, and backfills.
        self._eras: set[tuple[Key, Instant]] = set()
        self._backfills: set[BackfillKey] = set()

    def wrote(self, record: Record, *, before: Record | None) -> None:
        """Note what is new in *record*, which the older release stores in the place of *before*."""
        stored = set() if before is None else {(era.revision, era.trigger) for era in before.eras}
        for era in record.eras:
            if not era.trigger.startswith(NEWER) and (era.revision, era.trigger) not in stored:
                self._eras.add((record.key, era.revision))

    def wrote_backfill(self, backfill: Backfill) -> None:
        """Note that the older release started *backfill*."""
        if not backfill.trigger.startswith(NEWER):
            self._backfills.add(backfill.key)

    def shown(self, record: Record) -> Record:
        """*record* as the older release reads it."""
        eras = tuple(self._shown(era, record.key) for era in record.eras)
        schedule = record.schedule
        if schedule is not None and record.key in self._unknown_zones:
            schedule = replace(schedule, timezone=NEWER + schedule.timezone)
        return replace(record, eras=eras, schedule=schedule)

    def shown_entry(self, entry: IndexEntry) -> IndexEntry:
        """An entry of the index as the older release reads it."""
        return self._shown(entry, entry.key)

    def shown_backfill(self, backfill: Backfill) -> Backfill:
        """*backfill* as the older release reads it."""
        return backfill if backfill.key in self._backfills else replace(backfill, trigger=NEWER + backfill.trigger)

    def _shown(self, item: T, key: Key) -> T:
        own = not item.trigger or (key, item.revision) in self._eras
        return item if own else replace(item, trigger=NEWER + item.trigger)


def taken_back(record: Record) -> Record:
    """What is stored where the older release writes *record*: text that it did not know is as it was."""
    eras = tuple(taken_back_trigger(era) for era in record.eras)
    schedule = record.schedule
    if schedule is not None and schedule.timezone.startswith(NEWER):
        schedule = replace(schedule, timezone=schedule.timezone.removeprefix(NEWER))
    return (
        record if eras == record.eras and schedule is record.schedule else replace(record, eras=eras, schedule=schedule)
    )


def taken_back_trigger(item: T) -> T:
    """What is stored where the older release writes *item*."""
    return replace(item, trigger=item.trigger.removeprefix(NEWER)) if item.trigger.startswith(NEWER) else item
