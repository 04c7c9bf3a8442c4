"""Every port in memory, for tests, the simulator and ``eventcron simulate``.

They keep the contracts of the real ones (conditional writes, pages, an index that lags, delays in whole
seconds) and pause before and after each effect, so that a simulator can interleave, fail or crash there.
"""

from eventcron.adapters.memory.backfills import MemoryBackfills
from eventcron.adapters.memory.bus import MemoryEventBus, Published
from eventcron.adapters.memory.calendars import MemoryCalendars
from eventcron.adapters.memory.dead_letters import MemoryDeadLetterQueue
from eventcron.adapters.memory.leases import MemoryLeases
from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.adapters.memory.published_packs import MemoryPublishedPacks
from eventcron.adapters.memory.queues import (
    Buried,
    MemoryDeadLetters,
    MemoryFireQueue,
    MemoryQueue,
    MemorySegmentQueue,
    Message,
)
from eventcron.adapters.memory.quota import MemoryQuota
from eventcron.adapters.memory.rules_version import MemoryRulesVersion
from eventcron.adapters.memory.schedules import MemoryScheduleStore, Version

__all__ = [
    "Buried",
    "MemoryBackfills",
    "MemoryCalendars",
    "MemoryDeadLetterQueue",
    "MemoryDeadLetters",
    "MemoryEventBus",
    "MemoryFireQueue",
    "MemoryLeases",
    "MemoryPublishedPacks",
    "MemoryQueue",
    "MemoryQuota",
    "MemoryRulesVersion",
    "MemoryScheduleStore",
    "MemorySegmentQueue",
    "Message",
    "Pause",
    "Published",
    "Version",
    "yield_once",
]
