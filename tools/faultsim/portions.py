"""Small portions: what a process holds at once is bounded, by far more than a simulation ever has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from eventcron.app import executor, fire_events, planner
from eventcron.rules import catch_up, handover, planning, portions

#: Bounds so small that the packs, pages and handovers of a simulation exceed them. Bytes, fires, or as the name says.
SMALL: tuple[tuple[ModuleType, str, int], ...] = (
    (executor, "READ_AT_ONCE", 1),
    (executor, "RECORD_BYTES", 3 * executor.MAX_RECORD_BYTES),
    (fire_events, "PORTION_BYTES", 4_000),
    (fire_events, "TOTAL_BYTES", 8_000),
    (catch_up, "FIRST_MS", 20_000),
    (handover, "PART_FIRES", 3),
    (handover, "SLICE_S", 20),
    (planner, "FIRES_HELD", 40),
    (planner, "LONGEST_WINDOW_MS", 900_000),  # longer than any horizon
    (planning, "MAX_REMEMBERED", 20),
    (portions, "SLICE_S", 20),
)


@contextmanager
def small_portions(*, small: bool) -> Iterator[None]:
    """Set the bounds to ``SMALL`` meanwhile, if *small*."""
    before = [(module, name, vars(module)[name]) for module, name, _ in SMALL]
    try:
        for module, name, value in SMALL if small else ():
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
