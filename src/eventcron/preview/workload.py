"""What an average day of stored schedules, or of those in files, is like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from eventcron.app.upcoming import Upcoming
from eventcron.errors import InvalidSchedule
from eventcron.model.commands import TENANT_SOURCE_PREFIX, Schedule
from eventcron.model.names import MAX_INPUT_BYTES, Instant, Window
from eventcron.preview.cost import Workload, counted
from eventcron.preview.files import Entry, read_schedules
from eventcron.settings import Settings
from eventcron.testing.clock import FakeClock
from eventcron.testing.ports import memory_ports
from eventcron.wire.decode import Received

#: Days that are looked at. What fires more often than about every three days is dense: every tick reads it.
DAYS = 3
DAY_MS = 86_400_000


class Read(NamedTuple):
    """A workload, and the entries that were left out with the error in each."""

    workload: Workload
    rejected: list[tuple[Entry, InvalidSchedule]]


async def of_deployment(upcoming: Upcoming, *, now: Instant) -> Workload:
    """The average of the next ``DAYS`` days, by what is stored. Reads the table once for each of them."""
    seconds: Counter[int] = Counter()
    names: set[str] = set()
    schedules = 0
    for day in range(DAYS):
        start = now + 1 + day * DAY_MS  # what is put now fires after now
        report = await upcoming.look(Window(start, start + DAY_MS), limit=0)
        seconds.update(report.seconds)
        names.update(report.names)
        schedules = max(schedules, report.schedules)
    return counted(seconds, days=DAYS, schedules=schedules, dense=len(names))


async def of_files(paths: Iterable[Path | str], settings: Settings, *, now: Instant) -> Read:
    """The average of the next ``DAYS`` days, were the schedules in the files put now into an empty deployment.

    Raises:
        UnreadableFile: a file as a whole cannot be read.
    """
    entries = list(read_schedules(paths))
    settings = replace(settings, max_schedules_per_tenant=0, max_input_bytes=MAX_INPUT_BYTES)
    cases = memory_ports(FakeClock(now)).use_cases(settings)
    rejected = [(entry, entry.error) for entry in entries if entry.error is not None]
    for number, entry in enumerate(entries):
        if entry.schedule is None:
            continue
        try:
            await cases.registrar.apply(_received(entry.schedule, number, now))
        except InvalidSchedule as error:
            rejected.append((entry, error))
    workload = await of_deployment(cases.upcoming, now=now)
    return Read(workload, sorted(rejected, key=lambda one: entries.index(one[0])))


def _received(schedule: Schedule, number: int, now: Instant) -> Received:
    return Received(
        command=schedule,
        detail_type="Put Schedule",
        event_id=str(number),
        source=TENANT_SOURCE_PREFIX + schedule.tenant,
        time=now // 1000 * 1000,
    )
