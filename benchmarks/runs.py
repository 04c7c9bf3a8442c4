"""Runs of one side against the rig. A run in which the side has not done its whole job ends the benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any, NamedTuple, TypeVar

import msgspec

from benchmarks import mixes, stocks
from benchmarks.rig.process import Rig
from benchmarks.rig.service import Observed, Watch
from benchmarks.sides.process import SideProcess, Spent
from benchmarks.stocks import Named, Planned

T = TypeVar("T")

#: Seconds from now to where the segments are planned when a tick begins: the default horizon but one tick.
PLANNED_SECONDS = 420
#: Milliseconds of a tick.
TICK_MS = 300_000
#: Messages of one invocation of an executor: the template's ``BatchSize``.
BATCH = 10
#: What writes an item.
WRITES = ("PutItem", "UpdateItem")
#: Milliseconds before they are due at which an executor is given fires, so that none of them is late when it begins.
SOON_MS = 100
#: Seconds of a processor. A run that takes longer is not repeated, so that the benchmark ends.
LONG_RUN = 15.0


class JobNotDone(Exception):
    """A side has not done the whole job, or has sent what AWS would refuse. Its figures would mean nothing."""


class Ran(NamedTuple):
    """One run: what it took, and what the rig saw."""

    spent: Spent
    seen: Observed
    #: Schedules that were planned, or fires that were published.
    units: int

    @property
    def each(self) -> float:
        """Microseconds of a processor for one unit."""
        return self.spent.cpu / self.units * 1e6


def tick(rig: Rig, side: SideProcess, stock: Planned, *, watch: Watch | None = None) -> Ran:
    """Let *side* plan one tick of *stock*, which the rig has loaded.

    Raises:
        JobNotDone: not every fire of the window was sent, or more than those.
    """
    start = (int(time.time()) + PLANNED_SECONDS) * 1000
    rig.put(stocks.LEDGER_TABLE, stocks.segment_items(start, stock.segments))
    rig.begin(watch)
    spent = side.do("plan", start, start + TICK_MS)
    seen = _without_faults(rig, side)
    ends = {start + TICK_MS} if side.name != "eventcron" else stocks.planned_through(rig.items(stocks.LEDGER_TABLE))
    if len(ends) != 1:
        raise JobNotDone(f"{side.name} has not planned every segment through the same instant: {sorted(ends)}")
    expected = mixes.fires(stock.triggers, start, ends.pop())
    if seen.fires != expected:
        raise JobNotDone(f"{side.name} has sent {seen.fires} fires of {expected}")
    return Ran(spent, seen, len(stock.triggers))


def publish(rig: Rig, side: SideProcess, schedules: Sequence[Named], *, pack: int, watch: Watch | None = None) -> Ran:
    """Let *side* publish a fire of each of *schedules*, which the rig has stored, ten messages an invocation.

    Raises:
        JobNotDone: not every fire was published, or more than those; or eventcron publishes a pack once more that comes
            again.
    """
    rig.begin(watch)
    each = BATCH * pack if side.name == "eventcron" else BATCH
    took: list[Spent] = []
    event: dict[str, Any] = {}
    for start in range(0, len(schedules), each):
        event = _messages(side, schedules[start : start + each], pack=pack, tag=f"{start}")
        took.append(checked_answer(side, side.do("execute", event)))
    seen = _without_faults(rig, side)
    if seen.events != len(schedules):
        raise JobNotDone(f"{side.name} has published {seen.events} fires of {len(schedules)}")
    if side.name == "eventcron":
        side.do("execute", event)
        if rig.observed().events != seen.events:
            raise JobNotDone("eventcron has published packs twice that came twice")
    total = Spent(
        sum(one.cpu for one in took), sum(one.wall for one in took), sum(one.logged for one in took),
        took[-1].memory, None,
    )  # fmt: skip
    return Ran(total, seen, len(schedules))


def writes(rig: Rig, side: SideProcess, schedules: Sequence[Named], *, pack: int) -> float:
    """Writes to tables for a fire of each of *schedules*, besides that of its pack, until its run is overdue.

    Raises:
        JobNotDone: not every fire was published, or not every tracked run ended.
    """
    deadlines = publish(rig, side, schedules, pack=pack, watch=Watch(keep_bodies=True)).seen.bodies
    for start in range(0, len(deadlines), BATCH):
        event = stocks.sqs_event(deadlines[start : start + BATCH], tag=f"deadline-{start}")
        checked_answer(side, side.do("execute", event))
    seen = _without_faults(rig, side)
    ends = sum(one.runs.track for one in schedules)
    if (len(deadlines), seen.events) != (ends, len(schedules) + ends):
        raise JobNotDone(f"{ends} runs should have ended: {len(deadlines)} deadlines, {seen.events} events")
    packs = -(-len(schedules) // pack)
    return (sum(seen.requests[operation] for operation in WRITES) - packs) / len(schedules)


def _messages(side: SideProcess, schedules: Sequence[Named], *, pack: int, tag: str) -> dict[str, Any]:
    """The event of one invocation: a fire of each of *schedules*, due in a moment."""
    at = int(time.time() * 1000) + SOON_MS
    is_ours = side.name == "eventcron"
    bodies = stocks.packs(schedules, at, size=pack) if is_ours else stocks.plain_fires(schedules, at)
    return stocks.sqs_event(bodies, tag=tag)


def checked_answer(side: SideProcess, spent: Spent) -> Spent:
    """*spent*, if no message comes back.

    Raises:
        JobNotDone: some do.
    """
    if spent.answer["batchItemFailures"]:
        raise JobNotDone(f"{side.name} could not publish: {spent.answer}")
    return spent


def jobs(rig: Rig, side: SideProcess, schedules: list[Named], *, seconds: int) -> Ran:
    """Let APScheduler run a job for each of *schedules*, all due in *seconds*.

    Raises:
        JobNotDone: not every one was published, or more than those.
    """
    rig.begin()
    side.do("add", schedules, (int(time.time()) + seconds) * 1000)
    spent = side.do("run")
    seen = _without_faults(rig, side)
    if seen.events != len(schedules) or spent.answer["executed"] != len(schedules):
        raise JobNotDone(f"{side.name} has published {seen.events} fires of {len(schedules)}: {spent.answer}")
    return Ran(spent, seen, len(schedules))


def at_once(rig: Rig, side: SideProcess, packs: Callable[[int], list[str]], *, ahead_ms: int) -> Ran:
    """Let *side* publish in one invocation what *packs* makes for one instant, *ahead_ms* from now."""
    rig.begin(Watch(keep_arrivals=True))
    at = int(time.time() * 1000) + ahead_ms
    spent = checked_answer(side, side.do("execute", stocks.sqs_event(packs(at), tag=str(at))))
    seen = _without_faults(rig, side)
    return Ran(spent, seen, seen.events)


class _Detail(msgspec.Struct):
    due: datetime


_detail = msgspec.json.Decoder(_Detail)


def lateness(seen: Observed, resource: str = "") -> list[float]:
    """Milliseconds from when fires were due to when their events arrived; of one *resource*, if it is given."""
    return sorted(
        arrival.at - _detail.decode(arrival.detail).due.timestamp() * 1000
        for arrival in seen.arrivals
        if resource in {"", arrival.resource}
    )


def _without_faults(rig: Rig, side: SideProcess) -> Observed:
    seen = rig.observed()
    if seen.faults:
        raise JobNotDone(f"{side.name} has sent what AWS refuses: {seen.faults[0]}")
    if seen.throttled == 0 and not seen.checked:
        raise JobNotDone(f"{side.name} has sent nothing that was checked")
    return seen


def interleaved(runs: Mapping[str, Callable[[], Ran]], *, rounds: int) -> dict[str, list[Ran]]:
    """Each of *runs* *rounds* times, one after the other, so that what else the machine does meets all alike.

    A run that takes long is made once.
    """
    found: dict[str, list[Ran]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, run in runs.items():
            if number == 0 or found[name][0].spent.cpu <= LONG_RUN:
                found[name].append(run())
    return found


def middle(ran: Sequence[Ran]) -> float:
    """The median of microseconds for one unit."""
    return median(one.each for one in ran)


def ratio(first: Sequence[Ran], second: Sequence[Ran], of: Callable[[Ran], float]) -> float:
    """The median of *first* divided by that of *second*, of what *of* says of a run."""
    return median(map(of, first)) / median(map(of, second))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of sorted *values* that is no less than *percent* of them."""
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def plain(ran: Sequence[Ran]) -> Iterator[dict[str, Any]]:
    """Runs as JSON."""
    for one in ran:
        yield {
            "cpu_s": one.spent.cpu,
            "wall_s": one.spent.wall,
            "rig_cpu_s": one.seen.cpu,
            "units": one.units,
            "us_each": one.each,
            "memory": one.spent.memory,
            "logged": one.spent.logged,
            "requests": dict(one.seen.requests),
            "checked": one.seen.checked,
        }
