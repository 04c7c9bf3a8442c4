"""Every port in memory, for tests, the simulator and ``eventcron simulate``.

They obey the contracts of the real adapters: conditional writes, pages, an index that lags, delays in whole seconds.
They pause before and after each effect, so that a simulator can interleave, fail or crash calls there.
"""

from eventcron.adapters.memory.answers import MemoryAnswers
from eventcron.adapters.memory.backfills import MemoryBackfills
from eventcron.adapters.memory.bus import MemoryEventBus, Published
from eventcron.adapters.memory.calendars import MemoryCalendars
from eventcron.adapters.memory.dead_letter_queue import MemoryDeadLetterQueue
from eventcron.adapters.memory.dead_letters import MemoryDeadLetters, SentToDlq
from eventcron.adapters.memory.history import MemoryHistory
from eventcron.adapters.memory.leases import MemoryLeases
from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.adapters.memory.published_packs import MemoryPublishedPacks
from eventcron.adapters.memory.queues import (
    MemoryFireQueue,
    MemoryQueue,
    MemoryRegistrarQueue,
    MemorySegmentQueue,
    Message,
)
from eventcron.adapters.memory.quota import MemoryQuota
from eventcron.adapters.memory.runs import MemoryRuns
from eventcron.adapters.memory.schedules import MemoryScheduleStore, Version
from eventcron.adapters.memory.sweeps import MemorySweeps
from eventcron.adapters.memory.work import MemoryRunReports, MemorySeen, MemoryWorkQueue

__all__ = [
    "MemoryAnswers",
    "MemoryBackfills",
    "MemoryCalendars",
    "MemoryDeadLetterQueue",
    "MemoryDeadLetters",
    "MemoryEventBus",
    "MemoryFireQueue",
    "MemoryHistory",
    "MemoryLeases",
    "MemoryPublishedPacks",
    "MemoryQueue",
    "MemoryQuota",
    "MemoryRegistrarQueue",
    "MemoryRunReports",
    "MemoryRuns",
    "MemoryScheduleStore",
    "MemorySeen",
    "MemorySegmentQueue",
    "MemorySweeps",
    "MemoryWorkQueue",
    "Message",
    "Pause",
    "Published",
    "SentToDlq",
    "Version",
    "yield_once",
]
