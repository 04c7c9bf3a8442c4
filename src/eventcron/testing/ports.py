"""All ports in memory, and the use cases over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from eventcron.adapters.memory import (
    MemoryBackfills,
    MemoryCalendars,
    MemoryDeadLetters,
    MemoryEventBus,
    MemoryFireQueue,
    MemoryLeases,
    MemoryPublishedPacks,
    MemoryQueue,
    MemoryQuota,
    MemoryRulesVersion,
    MemoryScheduleStore,
    MemorySegmentQueue,
    Pause,
    yield_once,
)
from eventcron.app.use_cases import UseCases, use_cases
from eventcron.ports import (
    Backfills,
    Calendars,
    Clock,
    DeadLetters,
    EventBus,
    FireQueue,
    Leases,
    PublishedPacks,
    Quota,
    RulesVersion,
    ScheduleStore,
    SegmentQueue,
)
from eventcron.settings import Settings


class MemoryPorts(NamedTuple):
    """Every port by the name that use cases give it."""

    clock: Clock
    store: ScheduleStore
    leases: Leases
    rules_version: RulesVersion
    packs: PublishedPacks
    quota: Quota
    backfills: Backfills
    calendars: Calendars
    fire_queue: FireQueue
    segment_queue: SegmentQueue
    dead_letters: DeadLetters
    bus: EventBus
    #: Gives numbers in [0, 1), which spread retries.
    jitter: Callable[[], float]

    def use_cases(self, settings: Settings) -> UseCases:
        """All use cases over these ports."""
        return use_cases(settings, **self._asdict())


def memory_ports(clock: Clock, *, pause: Pause = yield_once, **replaced: Any) -> MemoryPorts:
    """All ports in memory, on *clock*; *replaced* names ports to use instead.

    Each port awaits *pause* before and after each of its effects.

    >>> from eventcron.testing.clock import FakeClock
    >>> memory_ports(FakeClock(0), jitter=lambda: 0.25).jitter()
    0.25
    """
    ports = MemoryPorts(
        clock=clock,
        store=MemoryScheduleStore(clock, pause=pause),
        leases=MemoryLeases(pause=pause),
        rules_version=MemoryRulesVersion(pause=pause),
        packs=MemoryPublishedPacks(pause=pause),
        quota=MemoryQuota(pause=pause),
        backfills=MemoryBackfills(pause=pause),
        calendars=MemoryCalendars(pause=pause),
        fire_queue=MemoryFireQueue(MemoryQueue(clock), pause=pause),
        segment_queue=MemorySegmentQueue(MemoryQueue(clock), pause=pause),
        dead_letters=MemoryDeadLetters(pause=pause),
        bus=MemoryEventBus(clock, pause=pause),
        jitter=lambda: 0.5,
    )
    return ports._replace(**replaced)
