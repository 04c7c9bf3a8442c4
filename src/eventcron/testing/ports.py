"""All ports in memory."""

from __future__ import annotations

from typing import Any

from eventcron.adapters.memory import (
    MemoryBackfills,
    MemoryCalendars,
    MemoryDeadLetters,
    MemoryEventBus,
    MemoryFireQueue,
    MemoryHistory,
    MemoryLeases,
    MemoryPublishedPacks,
    MemoryQueue,
    MemoryQuota,
    MemoryRegistrarQueue,
    MemoryRuns,
    MemoryScheduleStore,
    MemorySegmentQueue,
    MemorySweeps,
    Pause,
    yield_once,
)
from eventcron.app.use_cases import Ports
from eventcron.ports import Clock


def memory_ports(clock: Clock, *, pause: Pause = yield_once, **replaced: Any) -> Ports:
    """All ports in memory, on *clock*; *replaced* names ports to use instead.

    Each port awaits *pause* before and after each of its effects.

    >>> from eventcron.testing.clock import FakeClock
    >>> memory_ports(FakeClock(0), jitter=lambda: 0.25).jitter()
    0.25
    """
    ports = Ports(
        clock=clock,
        store=MemoryScheduleStore(clock, pause=pause),
        leases=MemoryLeases(pause=pause),
        sweeps=MemorySweeps(pause=pause),
        packs=MemoryPublishedPacks(pause=pause),
        quota=MemoryQuota(pause=pause),
        backfills=MemoryBackfills(pause=pause),
        runs=MemoryRuns(pause=pause),
        calendars=MemoryCalendars(pause=pause),
        history=MemoryHistory(pause=pause),
        registrar_queue=MemoryRegistrarQueue(MemoryQueue(clock), pause=pause),
        fire_queue=MemoryFireQueue(MemoryQueue(clock), pause=pause),
        segment_queue=MemorySegmentQueue(MemoryQueue(clock), pause=pause),
        dead_letters=MemoryDeadLetters(pause=pause),
        bus=MemoryEventBus(clock, pause=pause),
        jitter=lambda: 0.5,
    )
    return ports._replace(**replaced)
