"""Runs eventcron on files of schedules in virtual time, and compares its fires with an independent computation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from eventcron.model.commands import Schedule
from eventcron.model.names import MAX_INPUT_BYTES, Instant, Key
from eventcron.oracle.occurrences import NotComputed, due_instants
from eventcron.preview.files import Entry, read_schedules
from eventcron.testing import World
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import rfc3339

#: Milliseconds. The schedules are put this long before the span, so that they can fire at its first instant.
PUT_BEFORE_MS = 1_000
#: Seconds. The simulation runs on for this long, so that the last fires of the span are published.
EXTRA_SECONDS = 30
#: A deployment without limits of a tenant: which limits the files will meet is not known here.
UNLIMITED = msgspec.structs.replace(
    SETTINGS, tenant_fires_per_minute=0, max_schedules_per_tenant=0, max_input_bytes=MAX_INPUT_BYTES
)
#: How often a simulation says how far it is.
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
    with World(put_at, settings=UNLIMITED) as world:
        emitted = [None if entry.schedule is None else _emit(world, entry.schedule) for entry in entries]
        for step in range(1, STEPS + 1):
            world.run(until=start + (end - start) * step // STEPS)
            on_progress(step * 100 // STEPS)
        world.run(seconds=EXTRA_SECONDS)
        rejections = {event["event_id"]: event["message"] for event in world.events_of("Schedule Rejected")}
        fired = [(fire.schedule, fire.due_at) for fire in world.fired if start <= fire.due_at < end]
        skips = world.events_of("Schedule Skipped")
    accepted = {
        entry.schedule.key: entry.schedule
        for event_id, entry in zip(emitted, entries, strict=True)
        if event_id not in rejections and entry.schedule is not None
    }
    expected, unverified = _compute(accepted, start, end, put_at)
    for key in unverified:
        expected[key] = sorted({due for name, due in fired if name == str(key)})
    per_schedule = Counter(name for name, _ in fired)
    per_minute = Counter(due // 60_000 for _, due in fired)
    peak_minute = max(per_minute, key=lambda minute: (per_minute[minute], -minute), default=None)
    return Simulation(
        start=start,
        end=end,
        schedules=len(accepted),
        due=sum(map(len, expected.values())),
        published=len(fired),
        skipped=dict(_skipped(skips, start, end)),
        rejected=[
            _rejected(entry, rejections[event_id] if entry.error is None else str(entry.error))
            for event_id, entry in zip(emitted, entries, strict=True)
            if entry.error is not None or event_id in rejections
        ],
        peak_per_minute=0 if peak_minute is None else per_minute[peak_minute],
        peak_minute=None if peak_minute is None else rfc3339(peak_minute * 60_000, millis=False),
        per_schedule={str(key): per_schedule[str(key)] for key in sorted(accepted)},
        per_minute={rfc3339(minute * 60_000, millis=False): per_minute[minute] for minute in sorted(per_minute)},
        differences=_differences(fired, expected),
        unverified=sorted(map(str, unverified)),
    )


def _emit(world: World, schedule: Schedule) -> str:
    detail = msgspec.json.decode(msgspec.json.encode(schedule), type=dict[str, object])
    return world.emit("Put Schedule", detail)


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


def _differences(fired: list[tuple[str, Instant]], expected: Mapping[Key, list[Instant]]) -> list[str]:
    """Fires that were not due, not published, or published more than once: at most ``MAX_DIFFERENCES`` of them."""
    actual = Counter(fired)
    wanted = Counter((str(key), due) for key, dues in expected.items() for due in dues)
    differences = [
        f"{name} at {rfc3339(due, millis=False)} fired {actual[name, due]} times, computed {wanted[name, due]}"
        for name, due in sorted(actual.keys() | wanted.keys())
        if actual[name, due] != wanted[name, due]
    ]
    more = len(differences) - MAX_DIFFERENCES
    return differences if more <= 0 else [*differences[:MAX_DIFFERENCES], f"and {more} more"]


def _skipped(events: list[dict[str, object]], start: Instant, end: Instant) -> Counter[str]:
    counts: Counter[str] = Counter()
    first, last = rfc3339(start), rfc3339(end)
    for event in events:
        if first <= str(event["first_due"]) < last:
            counts[str(event["reason"])] += int(str(event["count"]))
    return counts


def _rejected(entry: Entry, reason: str) -> dict[str, str | int]:
    return {"file": str(entry.file), "line": entry.line, "reason": reason}
