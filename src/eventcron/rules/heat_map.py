"""When each tenant fires how much: counts by tenant and by equal parts of a window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from eventcron.model.names import Instant, Window

#: Parts of a window, at most.
MOST_CELLS = 96
#: Milliseconds: how long a part may be. They divide an hour or a day, or are days.
_CELLS_MS = (
    *(minutes * 60_000 for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)),
    *(days * 86_400_000 for days in range(1, 367)),
)


class Row(NamedTuple):
    """A line of the map."""

    name: str
    #: The fires of each part.
    counts: tuple[int, ...]

    @property
    def fires(self) -> int:
        return sum(self.counts)


class HeatMap(NamedTuple):
    """Fires in *window* by tenant and part. Part 0 begins with the window, and each has ``cell_ms`` of it."""

    window: Window
    cells: Mapping[tuple[str, int], int]

    @property
    def starts(self) -> list[Instant]:
        """When each part begins."""
        return list(range(self.window.start, self.window.end, cell_ms(self.window)))

    def rows(self, most: int) -> list[Row]:
        """The sum of all tenants, then at most *most* lines: the busiest tenants, the last one being all the others."""
        parts = len(self.starts)
        tenants: defaultdict[str, list[int]] = defaultdict(lambda: [0] * parts)
        for (tenant, part), count in self.cells.items():
            tenants[tenant][part] += count
        rows = [Row(name, tuple(counts)) for name, counts in tenants.items()]
        found = sorted(rows, key=lambda row: (-row.fires, row))
        shown, others = (found, []) if len(found) <= most else (found[: most - 1], found[most - 1 :])
        rest = [Row(f"{len(others):,} other tenants", _sum(others, parts))] if others else []
        return [Row("all tenants", _sum(found, parts)), *shown, *rest]


@lru_cache(maxsize=16)
def cell_ms(window: Window) -> int:
    """How many milliseconds each part of *window* has, the last one perhaps fewer.

    >>> cell_ms(Window(0, 3_600_000)), cell_ms(Window(0, 86_400_000))
    (60000, 900000)
    """
    span = window.end - window.start
    return next((each for each in _CELLS_MS if span <= each * MOST_CELLS), span)


def _sum(rows: list[Row], parts: int) -> tuple[int, ...]:
    return tuple(sum(row.counts[part] for row in rows) for part in range(parts))
