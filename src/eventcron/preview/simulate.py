"""Computes what files of schedules fire, and compares that with an independent computation.

The registrar applies each schedule as the command that its sender would put. What fires is computed by the planner's
own code from what the registrar stores: what ``eventcron upcoming`` shows of a deployment. Only queues and waiting are
left out; the tests hold the result against a ``World``, in which all of eventcron runs.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from eventcron.model.codes import SkipReason
from eventcron.model.names import MAX_INPUT_BYTES, Instant, Unreadable, Window
from eventcron.model.records import IndexEntry, Record
from eventcron.preview.comparing import Comparison, Due
from eventcron.preview.files import Entry, read_schedules
from eventcron.preview.registrar import at_once, put_entries
from eventcron.rules.heat_map import HeatMap
from eventcron.rules.upcoming import UpcomingFire, upcoming_entries, upcoming_fires
from eventcron.settings import Settings
from eventcron.testing.clock import FakeClock
from eventcron.testing.ports import memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import rfc3339

#: Milliseconds. The schedules are put this long before the span, so that they can fire at its first instant.
PUT_BEFORE_MS = 1_000
#: A deployment without limits of a tenant: which limits the files will meet is not known here.
UNLIMITED = msgspec.structs.replace(
    SETTINGS, tenant_fires_per_minute=0, max_schedules_per_tenant=0, max_input_bytes=MAX_INPUT_BYTES
)
#: Milliseconds. What is computed at once, of one schedule after the other, and how often a simulation says how far it
#: is. No trigger fires more than twice a second: one schedule's part has 43,200 fires at most.
PART_MS = 6 * 3_600_000


class Simulation(NamedTuple):
    """The outcome of a simulation. It counts the fires that are due in ``[start, end)``."""

    start: Instant
    end: Instant
    schedules: int
    due: int
    published: int
    skipped: dict[str, int]
    rejected: list[dict[str, str | int]]
    peak_per_minute: int
    peak_minute: str | None
    per_schedule: dict[str, int]
    per_minute: dict[str, int]
    #: When each tenant fires how much.
    heat_map: HeatMap
    #: Where the fires differ from the independent computation.
    differences: list[str]
    #: Schedules that the independent computation cannot read (``H``, named calendars): their fires count as due.
    unverified: list[str]


def _ignore(_percent: int) -> None:
    """Discard the progress: the default for ``on_progress``."""


def simulate(
    paths: Iterable[Path], *, start: Instant, end: Instant, on_progress: Callable[[int], None] = _ignore
) -> Simulation:
    """Put the schedules in *paths* one second before *start*, let time pass until *end*, and report the fires.

    *on_progress* is called with the percentage of the span that is simulated. What was rejected is in the order of the
    files.

    Raises:
        UnreadableFile: a file as a whole cannot be read.
    """
    entries = list(read_schedules(paths))
    put_at = start - PUT_BEFORE_MS
    records, reasons = asyncio.run(_stored(entries, put_at, UNLIMITED))
    accepted = {record.key: record.schedule for record in records if record.schedule is not None}
    span = Window(start, end)
    comparison = Comparison(accepted, span, put_at=put_at)
    lasting = [_until(entry, end) for record in records for entry in upcoming_entries(record, since=start)]
    skipped: Counter[SkipReason] = Counter()
    longest_ms = 1000 * max((entry.flexible_window_seconds for entry in lasting), default=0)
    # A flexible window delays a fire, not what it is due at.
    last = end + longest_ms
    for part in _parts(Window(start, last)):
        found = _fires(lasting, part, skipped)
        comparison.add(found, until=None if part.end == last else part.end)
        on_progress(min(100, (part.end - start) * 100 // (end - start)))
    minutes = comparison.per_minute
    peak = max(minutes, key=lambda minute: (minutes[minute], -minute), default=None)
    return Simulation(
        start=start,
        end=end,
        schedules=len(accepted),
        due=comparison.due,
        published=comparison.published,
        skipped={str(reason): count for reason, count in skipped.items()},
        rejected=[_rejected(entry, reason) for entry, reason in zip(entries, reasons, strict=True) if reason],
        peak_per_minute=0 if peak is None else minutes[peak],
        peak_minute=None if peak is None else rfc3339(peak * 60_000, millis=False),
        per_schedule={str(key): comparison.per_schedule[key] for key in sorted(accepted)},
        per_minute={rfc3339(at * 60_000, millis=False): minutes[at] for at in sorted(minutes)},
        heat_map=HeatMap(span, comparison.cells),
        differences=comparison.differences,
        unverified=list(map(str, comparison.unverified)),
    )


def _until(entry: IndexEntry, end: Instant) -> IndexEntry:
    """*entry* without what is due at or after *end*."""
    return msgspec.structs.replace(entry, end=end if entry.end is None else min(entry.end, end))


def _parts(window: Window) -> Iterator[Window]:
    """*window* in parts that end at multiples of ``PART_MS``, as the days of the independent computation do."""
    at = window.start
    while at < window.end:
        end = min((at // PART_MS + 1) * PART_MS, window.end)
        yield Window(at, end)
        at = end


def _fires(entries: Sequence[IndexEntry], part: Window, skipped: Counter[SkipReason]) -> Iterator[Due]:
    """The fires that *entries* publish in *part*, one entry after the other. Its skips are added to *skipped*."""
    for found in upcoming_fires(entries, part, slice_ms=PART_MS):
        if isinstance(found, UpcomingFire):
            yield (found.fire.tenant, found.fire.name), found.fire.due
            continue
        assert not isinstance(found, Unreadable)  # noqa: S101  # the registrar has just stored it
        skipped[found.reason] += found.count


async def _stored(entries: Sequence[Entry], put_at: Instant, settings: Settings) -> tuple[list[Record], list[str]]:
    """What the registrar stores, put at *put_at*, and for each entry why it is rejected; "" if it is not."""
    ports = memory_ports(FakeClock(put_at), pause=at_once)
    reasons = await put_entries(ports.use_cases(settings).handlers, entries, at=put_at)
    stored = [entry.schedule.key for entry, why in zip(entries, reasons, strict=True) if entry.schedule and not why]
    found = await ports.store.get(stored)
    return list(found.values()), reasons


def _rejected(entry: Entry, reason: str) -> dict[str, str | int]:
    return {"file": str(entry.file), "line": entry.line, "reason": reason}
