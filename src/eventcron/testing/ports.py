"""All ports in memory at once."""

from __future__ import annotations

from typing import Any

from eventcron.adapters.memory import (
    MemoryBackfills,
    MemoryCalendars,
    MemoryDeadLetters,
    MemoryEventBus,
    MemoryFireQueue,
    MemoryLedger,
    MemoryQueue,
    MemoryScheduleStore,
    MemorySegmentQueue,
)
from eventcron.ports import Clock, Ports


def memory_ports(clock: Clock, **replaced: Any) -> Ports:
    """All ports in memory, on *clock*; *replaced* names ports to use instead.

    >>> from eventcron.testing.clock import FakeClock
    >>> memory_ports(FakeClock(0), jitter=lambda: 0.25).jitter()
    0.25
    """
    ports = Ports(
        clock=clock,
        store=MemoryScheduleStore(clock),
        ledger=MemoryLedger(),
        queue=MemoryFireQueue(MemoryQueue(clock)),
        bus=MemoryEventBus(clock),
        dead=MemoryDeadLetters(),
        backfills=MemoryBackfills(),
        calendars=MemoryCalendars(),
        plans=MemorySegmentQueue(MemoryQueue(clock)),
        jitter=lambda: 0.5,
    )
    return ports._replace(**replaced)
