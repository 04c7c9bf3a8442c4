"""Computes what files of schedules fire, and compares that with an independent computation.

The registrar applies each schedule as the command that its sender would put. What fires is computed by the planner's
own code from what the registrar stores: what ``eventcron upcoming`` shows of a deployment. Only queues and waiting are
left out; the tests hold the result against a ``World``, in which all of eventcron runs.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from eventcron.model.codes import SkipReason
from eventcron.model.commands import Schedule
from eventcron.model.names import MAX_INPUT_BYTES, Instant, Key, Unreadable, Window
from eventcron.model.records import IndexEntry, Record
from eventcron.oracle.occurrences import NotComputed, due_instants
from eventcron.preview.files import Entry, read_schedules
from eventcron.preview.registrar import at_once, put_all
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
#: How often a simulation says how far it is: one part in a hundred is the storing.
STEPS = 100
#: The most differences listed.
MAX_DIFFERENCES = 20


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
    counts = _Counts(accepted)
    lasting = [entry for record in records for entry in upcoming_entries(record, since=start)]
    longest_ms = 1000 * max((entry.flexible_window_seconds for entry in lasting), default=0)
    for step in range(1, STEPS + 1):
        part = Window(start + (end - start) * (step - 1) // STEPS, start + (end - start) * step // STEPS)
        # A flexible window delays a fire, not what it is due at.
        counts.add(lasting, Window(part.start, part.end + (longest_ms if step == STEPS else 0)), Window(start, end))
        on_progress(step)
    expected, unverified = _compute(accepted, start, end, put_at)
    expected |= {key: sorted(set(counts.fired[key])) for key in unverified}
    return Simulation(
        start=start,
        end=end,
        schedules=len(accepted),
        due=sum(map(len, expected.values())),
        published=sum(map(len, counts.fired.values())),
        skipped={str(reason): count for reason, count in counts.skipped.items()},
        rejected=[_rejected(entry, reason) for entry, reason in zip(entries, reasons, strict=True) if reason],
        peak_per_minute=max(counts.minutes.values(), default=0),
        peak_minute=counts.peak_minute,
        per_schedule={str(key): len(counts.fired[key]) for key in sorted(accepted)},
        per_minute={rfc3339(at * 60_000, millis=False): counts.minutes[at] for at in sorted(counts.minutes)},
        differences=_differences(counts.fired, expected),
        unverified=sorted(map(str, unverified)),
    )


async def _stored(entries: Sequence[Entry], put_at: Instant, settings: Settings) -> tuple[list[Record], list[str]]:
    """What the registrar stores, put at *put_at*, and for each entry why it is rejected; "" if it is not."""
    ports = memory_ports(FakeClock(put_at), pause=at_once)
    reasons = ["" if entry.error is None else str(entry.error) for entry in entries]
    puts = [(number, entry.schedule) for number, entry in enumerate(entries) if entry.schedule is not None]
    answers = await put_all(ports.use_cases(settings).handlers, [schedule for _, schedule in puts], at=put_at)
    for (number, _), reason in zip(puts, answers, strict=True):
        reasons[number] = reason
    found = await ports.store.get([schedule.key for number, schedule in puts if not reasons[number]])
    return list(found.values()), reasons


class _Counts:
    """What was found to fire and not to fire so far."""

    def __init__(self, keys: Iterable[Key]) -> None:
        #: The due instants of each schedule.
        self.fired: dict[Key, array[int]] = {key: array("q") for key in keys}
        self.minutes: Counter[int] = Counter()
        self.skipped: Counter[SkipReason] = Counter()

    def add(self, entries: Sequence[IndexEntry], window: Window, span: Window) -> None:
        """Add what *entries* publish in *window*, as far as it is due in *span*."""
        for found in upcoming_fires(entries, window):
            if isinstance(found, UpcomingFire):
                due = found.fire.due
                if span.start <= due < span.end:
                    self.fired[found.fire.key].append(due)
                    self.minutes[due // 60_000] += 1
                continue
            assert not isinstance(found, Unreadable)  # noqa: S101  # the registrar has just stored it
            if span.start <= found.first_due < span.end:
                self.skipped[found.reason] += found.count

    @property
    def peak_minute(self) -> str | None:
        """The first of the minutes with the most fires."""
        most = max(self.minutes, key=lambda minute: (self.minutes[minute], -minute), default=None)
        return None if most is None else rfc3339(most * 60_000, millis=False)


def _compute(
    schedules: Mapping[Key, Schedule], start: Instant, end: Instant, put_at: Instant
) -> tuple[dict[Key, list[Instant]], list[Key]]:
    """The due instants by the independent computation, and the schedules that it cannot read."""
    expected: dict[Key, list[Instant]] = {}
    unverified: list[Key] = []
    for key, schedule in schedules.items():
        if schedule.state == "PAUSED":
            expected[key] = []
            continue
        try:
            expected[key] = due_instants(schedule, start, end, put_at)
        except NotComputed:
            unverified.append(key)
    return expected, unverified


def _differences(fired: Mapping[Key, Sequence[Instant]], expected: Mapping[Key, Sequence[Instant]]) -> list[str]:
    """Fires that were not due, not published, or published more than once: at most ``MAX_DIFFERENCES`` of them."""
    differences: list[str] = []
    for key in sorted(expected):
        if sorted(fired[key]) == sorted(expected[key]):
            continue
        actual, wanted = Counter(fired[key]), Counter(expected[key])
        differences += [
            f"{key} at {rfc3339(due, millis=False)} fired {actual[due]} times, computed {wanted[due]}"
            for due in sorted(actual.keys() | wanted.keys())
            if actual[due] != wanted[due]
        ]
    more = len(differences) - MAX_DIFFERENCES
    return differences if more <= 0 else [*differences[:MAX_DIFFERENCES], f"and {more} more"]


def _rejected(entry: Entry, reason: str) -> dict[str, str | int]:
    return {"file": str(entry.file), "line": entry.line, "reason": reason}
