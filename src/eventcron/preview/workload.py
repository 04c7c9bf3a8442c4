"""What an average day of stored schedules, or of those in files, is like."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from eventcron.app.upcoming import Upcoming, UpcomingReport
from eventcron.model.names import MAX_INPUT_BYTES, Instant, Window
from eventcron.preview.cost import Workload, counted
from eventcron.preview.files import Entry, read_schedules
from eventcron.preview.registrar import at_once, put_entries
from eventcron.settings import Settings
from eventcron.testing.clock import FakeClock
from eventcron.testing.ports import memory_ports

#: Days that are looked at. What fires more often than about every three days is dense: every tick reads it.
DAYS = 3
DAY_MS = 86_400_000


class Read(NamedTuple):
    """A workload, and the entries that were left out, each with the reason."""

    workload: Workload
    rejected: list[tuple[Entry, str]]


def _ignore(_report: UpcomingReport) -> None:
    """Discard the progress: the default for ``on_progress``."""


async def of_deployment(
    upcoming: Upcoming, *, now: Instant, on_progress: Callable[[UpcomingReport], None] = _ignore
) -> Workload:
    """The average of the next ``DAYS`` days, by what is stored. Reads the table once."""
    span = DAYS * DAY_MS
    start = now + 1  # what is put now fires after now
    report = await upcoming.look(Window(start, start + span), limit=0, max_span_ms=span, on_progress=on_progress)
    return counted(report.seconds, days=DAYS, schedules=report.schedules, dense=len(report.names))


async def of_files(
    paths: Iterable[Path | str],
    settings: Settings,
    *,
    now: Instant,
    on_progress: Callable[[UpcomingReport], None] = _ignore,
) -> Read:
    """The average of the next ``DAYS`` days, were the schedules in the files put now into an empty deployment.

    Raises:
        UnreadableFile: a file as a whole cannot be read.
    """
    entries = list(read_schedules(paths))
    settings = replace(settings, max_schedules_per_tenant=0, max_input_bytes=MAX_INPUT_BYTES)
    cases = memory_ports(FakeClock(now), pause=at_once).use_cases(settings)
    reasons = await put_entries(cases.handlers, entries, at=now)
    rejected = [(entry, reason) for entry, reason in zip(entries, reasons, strict=True) if reason]
    return Read(await of_deployment(cases.upcoming, now=now, on_progress=on_progress), rejected)
