"""What is measured, part by part. A part loads the rig, lets the sides run in turn, and makes rows of the figures."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from benchmarks import bill, mixes, runs, stocks
from benchmarks.rig.process import Rig, rig
from benchmarks.runs import Ran
from benchmarks.sides import project
from benchmarks.sides.process import SideProcess, side
from benchmarks.table import Row
from eventcron.model.tracking import Runs
from eventcron.settings import Settings

SEQUENTIAL, GATHERED, OURS = "sequential", "gathered", "eventcron"
LABELS = {SEQUENTIAL: "(a)", GATHERED: "(b)"}
#: The default of ``MovesPerSecond``.
PACE: int = next(field.default for field in fields(Settings) if field.name == "moves_per_second")
#: Times as many rounds as the others for two ticks of a tenth of a second that have to cost the same within 2 %.
PAIRED = 5
#: Segments are warmed with so many schedules.
WARM = 64 * 8


class Sizes(Struct, frozen=True, kw_only=True):
    """How much of everything is measured."""

    rounds: int
    #: Schedules of the real mix, in rising order: the cost is plotted against them. The last is what is required.
    dense: tuple[int, ...]
    #: Schedules of the real mix for the baselines, whose cost is proportional to them.
    baseline: int
    distinct: int
    minutely: int
    rates: int
    waking: int
    wave: int
    sleeping: int
    fires: int
    baseline_fires: int
    single_fires: int
    jobs: int
    #: Fires of one invocation whose lateness is plotted.
    bursts: tuple[int, ...]


#: About as much as ten minutes allow.
FULL = Sizes(
    rounds=3, dense=(25_600, 102_400, 1_024_000), baseline=19_200, distinct=102_400, minutely=25_600, rates=6_400,
    waking=3_200, wave=6_400, sleeping=1_000_000, fires=16_000, baseline_fires=600, single_fires=300, jobs=1_000,
    bursts=(100, 300, 1_000, 2_000),
)  # fmt: skip
#: The core, in less than a minute.
QUICK = Sizes(
    rounds=3, dense=(3_200, 32_000), baseline=3_200, distinct=0, minutely=0, rates=0, waking=0, wave=0,
    sleeping=100_000, fires=1_000, baseline_fires=200, single_fires=0, jobs=0, bursts=(),
)  # fmt: skip


class Bench:
    """The rig, the sides that were started, and the figures so far."""

    def __init__(self, one: Rig, sizes: Sizes) -> None:
        self.rig = one
        self.sizes = sizes
        self.figures: dict[str, Any] = {}
        self._sides: dict[str, SideProcess] = {}
        self._exits = ExitStack()

    def side(self, name: str) -> SideProcess:
        """The process of side *name*, which is started once and warm."""
        if name not in self._sides:
            self._sides[name] = self._exits.enter_context(self.fresh(name))
        return self._sides[name]

    @contextmanager
    def fresh(
        self, name: str, *, segments: int = stocks.SEGMENTS, moves: int = project.UNPACED
    ) -> Iterator[SideProcess]:
        """A process of side *name* that has done nothing yet."""
        settings = project.environ(self.rig.url, segments=segments, moves=moves) if name == OURS else None
        with side(name, self.rig.url, settings) as one:
            yield one

    def warm(self, *names: str) -> None:
        """Let the sides open their connections and fill their caches."""
        small = stocks.planned(mixes.real, WARM)
        self.rig.load(small.tables)
        for name in names:
            runs.tick(self.rig, self.side(name), small)

    def keep(self, name: str, ran: list[Ran]) -> None:
        """Keep *ran* among the figures."""
        self.figures[name] = list(runs.plain(ran))

    def close(self) -> None:
        """End the processes of all sides."""
        self._exits.close()


@contextmanager
def bench(sizes: Sizes) -> Iterator[Bench]:
    """A rig without sides yet."""
    with rig() as one:
        made = Bench(one, sizes)
        try:
            yield made
        finally:
            made.close()


def _ticks(b: Bench, one: SideProcess, planned: stocks.Planned) -> Ran:
    """One tick of *planned*, which is loaded first."""
    b.rig.load(planned.tables)
    return runs.tick(b.rig, one, planned)


def planner(b: Bench) -> list[Row]:
    """The real mix: cost against size, against what sleeps, and against the baselines."""
    sizes = b.sizes
    b.warm(OURS, SEQUENTIAL, GATHERED)
    ours = {size: stocks.planned(mixes.real, size) for size in sizes.dense}
    theirs = stocks.planned(mixes.real, sizes.baseline)
    tenth = sizes.dense[-2]
    wake = int(time.time() * 1000) + 86_400_000
    asleep = stocks.planned(mixes.real, tenth, sleepers=range(wake, wake + sizes.sleeping))
    made = {f"{size}": partial(_ticks, b, b.side(OURS), one) for size, one in ours.items()}
    beside = {"awake": made[f"{tenth}"], "sleeping": partial(_ticks, b, b.side(OURS), asleep)}
    made |= {name: partial(_ticks, b, b.side(name), theirs) for name in (SEQUENTIAL, GATHERED)}
    found = runs.interleaved(made, rounds=sizes.rounds)
    found |= runs.interleaved(beside, rounds=sizes.rounds * PAIRED)
    for name, ran in found.items():
        b.keep(f"planner, real, {name}", ran)
    largest = found[f"{sizes.dense[-1]}"]
    each = runs.middle(largest)
    memory = largest[-1].spent.memory / 1e6

    def cpu(ran: Ran) -> float:
        return ran.spent.cpu

    growth = sizes.dense[-1] / tenth
    rows = [_rate(f"planner, real mix, {sizes.dense[-1]:,} schedules", each, "schedules/s", 500_000)]
    rows += [
        Row(
            what=f"planner against {LABELS[name]} {name}",
            measured=runs.middle(found[name]) / each,
            unit="x",
            required=110,
        )
        for name in (SEQUENTIAL, GATHERED)
    ]
    return [
        *rows,
        Row(what=f"planner, {growth:g} x the dense schedules", unit="x the CPU", required=growth * 1.05, at_most=True,
            measured=runs.ratio(largest, found[f"{tenth}"], cpu)),
        Row(what=f"planner, {sizes.sleeping:,} sleeping schedules added", unit="x the CPU", required=1.02, at_most=True,
            measured=runs.ratio(found["sleeping"], found["awake"], cpu)),
        Row(what=f"planner's memory at {sizes.dense[-1]:,} schedules", unit="MB", required=120, at_most=True,
            measured=memory),
    ]  # fmt: skip


def distinct(b: Bench) -> list[Row]:
    """A trigger for each schedule: the first tick of a process, and the second."""
    made = stocks.planned(mixes.all_distinct, b.sizes.distinct)
    small = stocks.planned(mixes.real, WARM)
    with b.fresh(OURS) as one:
        b.rig.load(small.tables)
        runs.tick(b.rig, one, small)
        b.rig.load(made.tables)
        first = runs.tick(b.rig, one, made)
        second = runs.tick(b.rig, one, made)
    b.keep("planner, all distinct, first tick", [first])
    b.keep("planner, all distinct, second tick", [second])
    size = f"{b.sizes.distinct:,}"
    return [
        _rate("planner, all distinct triggers, second tick", second.each, "schedules/s", 60_000),
        _rate("planner, all distinct triggers, first tick", first.each, "schedules/s", 25_000),
        Row(what=f"planner's memory at {size} distinct triggers", measured=second.spent.memory / 1e6, unit="MB",
            required=200, at_most=True),
    ]  # fmt: skip


def minutely(b: Bench) -> list[Row]:
    """Every schedule fires five times a tick: what a fire costs the planner. And ``rate()``, each its own trigger."""
    few = stocks.planned(mixes.every_minute, b.sizes.minutely, segments=stocks.FEW_SEGMENTS)
    rates = stocks.planned(mixes.rates, b.sizes.rates)
    with b.fresh(OURS, segments=stocks.FEW_SEGMENTS) as one:
        _ticks(b, one, few)
        made = {"every minute": partial(_ticks, b, one, few), "rates": partial(_ticks, b, b.side(OURS), rates)}
        found = runs.interleaved(made, rounds=b.sizes.rounds)
    for name, ran in found.items():
        b.keep(f"planner, {name}", ran)
    fires = median(ran.spent.cpu / ran.seen.fires * 1e6 for ran in found["every minute"])
    return [
        Row(what="planner, every schedule fires five times a tick", measured=fires, unit="µs a fire", required=5,
            at_most=True),
        _rate("planner, rates", runs.middle(found["rates"]), "schedules/s", None),
    ]  # fmt: skip


def waking(b: Bench) -> list[Row]:
    """Timed schedules that are due in the window: planned, sent, and moved to next year."""
    found = [_woken(b, b.side(OURS), b.sizes.waking, minutes=4) for _ in range(b.sizes.rounds)]
    b.keep("planner, waking", found)
    return [
        Row(what="planner, a waking timed schedule", measured=runs.middle(found), unit="µs", required=100, at_most=True)
    ]


def waves(b: Bench) -> list[Row]:
    """Timed schedules of one minute: what a move costs, and how many there are in a second at the default pace."""
    found = [_woken(b, b.side(OURS), b.sizes.wave, minutes=1) for _ in range(b.sizes.rounds)]
    with b.fresh(OURS, moves=PACE) as one:
        _ticks(b, one, stocks.planned(mixes.real, WARM))
        paced = _woken(b, one, b.sizes.wave, minutes=1)
    b.keep("planner, wave", found)
    b.keep("planner, wave, paced", [paced])
    what = f"planner, a wave of {b.sizes.wave:,}"
    return [
        _rate(f"{what} timed schedules", runs.middle(found), "schedules/s", None),
        Row(what=f"{what}, MovesPerSecond {PACE:,}", measured=paced.units / paced.spent.wall, unit="moves/s",
            required=PACE * 1.02, at_most=True),
    ]  # fmt: skip


def _woken(b: Bench, one: SideProcess, count: int, *, minutes: int) -> Ran:
    """One tick of *count* timed schedules, all due in so many minutes. Each was moved."""
    start = (int(time.time()) + runs.PLANNED_SECONDS) * 1000
    # The first seconds are left out: the window may begin a moment later than it is computed here.
    first = start + 5_000
    made = stocks.planned(mixes.real, 0, timed=stocks.waking(count, first, first + minutes * 60_000))
    found = _ticks(b, one, made)
    left = stocks.not_moved(b.rig.items(stocks.SCHEDULES_TABLE), start + runs.TICK_MS)
    if left:
        raise runs.JobNotDone(f"{left} schedules that woke were not moved")
    return found


def executor(b: Bench) -> list[Row]:
    """Packs of 100, of 200 and of 1, against the baselines.

    Functions share no process, so none of the sides has planned before.
    """
    with ExitStack() as started:
        sides = {name: started.enter_context(b.fresh(name)) for name in (OURS, SEQUENTIAL, GATHERED)}
        return _executor(b, sides)


def _executor(b: Bench, sides: Mapping[str, SideProcess]) -> list[Row]:
    sizes = b.sizes
    schedules = stocks.named(mixes.real(sizes.fires))
    b.rig.load(stocks.stored(schedules))

    def run(name: str, count: int, pack: int) -> Ran:
        return runs.publish(b.rig, sides[name], schedules[:count], pack=pack)

    for name in sides:
        run(name, min(100, sizes.baseline_fires), 100)
    made = {"packs of 100": partial(run, OURS, sizes.fires, 100)}
    if sizes.single_fires:
        made["packs of 200"] = partial(run, OURS, sizes.fires, 200)
        made["packs of 1"] = partial(run, OURS, sizes.single_fires, 1)
    made |= {name: partial(run, name, sizes.baseline_fires, 1) for name in (SEQUENTIAL, GATHERED)}
    found = runs.interleaved(made, rounds=sizes.rounds)
    for name, ran in found.items():
        b.keep(f"executor, {name}", ran)
    rows = []
    for name, required in (("packs of 100", 50_000), ("packs of 200", 50_000), ("packs of 1", 1_500)):
        if name in found:
            rows.append(_rate(f"executor, {name}", runs.middle(found[name]), "fires/s", required))
    ours = runs.middle(found["packs of 100"])
    rows[1:1] = [
        Row(
            what=f"executor against {LABELS[name]} {name}",
            measured=runs.middle(found[name]) / ours,
            unit="x",
            required=50,
        )
        for name in (SEQUENTIAL, GATHERED)
    ]
    if sizes.jobs:
        rows.append(_apscheduler(b, ours))
    return rows


def tracked(b: Bench) -> list[Row]:
    """What a fire writes whose run is tracked, and one whose run is not."""
    # Where runs may overlap and failures are counted, a run that fails costs most.
    most = Runs(track=True, timeout_seconds=1, pause_after_failures=100)
    schedules = stocks.named(mixes.real(b.sizes.single_fires))
    rows = []
    for kind, policy, required in (("a tracked", most, 3), ("an untracked", Runs(), 0)):
        named = [one._replace(runs=policy) for one in schedules]
        b.rig.load(stocks.stored(named))
        measured = runs.writes(b.rig, b.side(OURS), named, pack=100)
        what = f"{kind} fire, besides its pack"
        rows.append(Row(what=what, measured=measured, unit="writes", required=required, at_most=True))
    return rows


def _apscheduler(b: Bench, ours: float) -> Row:
    due = stocks.named(mixes.real(b.sizes.jobs))
    runs.jobs(b.rig, b.side("apscheduler"), due[:10], seconds=10)
    ran = runs.jobs(b.rig, b.side("apscheduler"), due, seconds=10)
    b.keep("apscheduler", [ran])
    what = f"(c) APScheduler, {b.sizes.jobs:,} jobs due in one second"
    return Row(what=what, measured=ran.each, unit="µs a fire", note=f"{ran.each / ours:.1f} x eventcron's executor")


def bursts(b: Bench) -> list[Row]:
    """Lateness: a small tenant behind a huge one, and as many fires of one instant as an executor gets."""
    schedules = stocks.named(mixes.real(2_000))
    small = stocks.Named("small", "only-one", schedules[0].trigger)
    huge = [one._replace(tenant="huge") for one in schedules[: 9 * 200]]
    b.rig.load(stocks.stored([*schedules, small, *huge]))
    behind = []
    for _ in range(b.sizes.rounds):
        ran = runs.at_once(b.rig, b.side(OURS), lambda at: _behind(huge, small, at), ahead_ms=1_500)
        behind.append(max(runs.lateness(ran.seen, "small/only-one")))
    late: dict[str, list[float]] = {}
    for count in b.sizes.bursts:
        fires = schedules[:count]
        ran = runs.at_once(b.rig, b.side(OURS), partial(_packs, fires, 200 if count > 1_000 else 100), ahead_ms=1_500)
        late[f"{count}"] = runs.lateness(ran.seen)
    b.figures["lateness"] = late
    b.figures["small tenant"] = behind
    return [
        Row(what="a small tenant's fire behind nine packs of a huge one", measured=median(behind), unit="ms late",
            required=100, at_most=True),
    ]  # fmt: skip


def _behind(huge: list[stocks.Named], small: stocks.Named, at: int) -> list[str]:
    return stocks.packs(huge, at, size=200) + stocks.packs([small], at, size=1)


def _packs(fires: list[stocks.Named], size: int, at: int) -> list[str]:
    return stocks.packs(fires, at, size=size)


def costs(b: Bench) -> list[Row]:
    """What a million fires cost on AWS, from one invocation of ten packs of 100 that are handed over a second early."""
    schedules = stocks.named(mixes.real(1_000))
    b.rig.load(stocks.stored(schedules))
    found = []
    for _ in range(b.sizes.rounds):
        size = sum(map(len, stocks.packs(schedules, int(time.time() * 1000), size=100)))
        ran = runs.at_once(b.rig, b.side(OURS), partial(_packs, schedules, 100), ahead_ms=1_000)
        found.append(bill.per_million(ran, message_bytes=size))
    middle = sorted(found, key=lambda dollars: sum(dollars.values()))[len(found) // 2]
    b.figures["bill"] = middle
    note = ", ".join(f"{part} {dollars:.4f}" for part, dollars in middle.items())
    what = "bill above the bus's own price, $ for a million fires"
    return [Row(what=what, measured=sum(middle.values()), unit="$", required=0.15, at_most=True, note=note)]


def _rate(what: str, each: float, unit: str, required: float | None) -> Row:
    return Row(what=what, measured=1e6 / each, unit=unit, required=required, note=f"{each:.1f} µs")
