"""Fakes, and eventcron in memory under virtual time: for this project's tests and for its users' tests.

>>> from eventcron.testing import World
>>> with World("2026-12-01T00:00:00Z") as world:
...     _ = world.emit("Put Schedule", {"tenant": "acme", "name": "tea", "expression": "0 16 * * *"})
...     world.run(hours=24)
...     [fire.due for fire in world.fired]
['2026-12-01T16:00:00.000Z']
"""

from eventcron.adapters.memory import MemoryQueue, MemoryRunReports, MemorySeen, MemoryWorkQueue
from eventcron.testing.clock import FakeClock, JumpingClock, VirtualClock, VirtualLoop
from eventcron.testing.fires import fire_event
from eventcron.testing.ports import memory_ports
from eventcron.testing.world import Fired, World, invocation

__all__ = [
    "FakeClock",
    "Fired",
    "JumpingClock",
    "MemoryQueue",
    "MemoryRunReports",
    "MemorySeen",
    "MemoryWorkQueue",
    "VirtualClock",
    "VirtualLoop",
    "World",
    "fire_event",
    "invocation",
    "memory_ports",
]
