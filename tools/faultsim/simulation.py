"""One seed, one simulation: a scenario, its commands, its faults, and what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from eventcron.errors import Undecodable
from eventcron.model.names import Instant
from eventcron.wire.encode import decode_pack
from eventcron.wire.segment_ranges import decode_range
from tools.faultsim import crowd, reporters, rollback, targets
from tools.faultsim.deployment import Deployment
from tools.faultsim.faults import FaultPlan, draw_fault_plan
from tools.faultsim.history import History
from tools.faultsim.loop import SeededLoop
from tools.faultsim.portions import small_portions
from tools.faultsim.queues import Message
from tools.faultsim.seeded_random import SeededRandom
from tools.faultsim.spell import Condition, condition_of, draw_spell, with_spell
from tools.faultsim.workload import STUBBORN, Scenario, Sent, draw_commands, draw_scenario, several_planners

#: Seconds that a simulation may take to finish what was due before its end: two receives of a message, each hidden for
#: six minutes, and the longest pause of the executor.
DRAIN_S = 3_600
#: Microseconds after that within which every invocation ends: the longest timeout of a function, fifteen minutes.
ENDING_US = 900_000_000
#: One simulation in so many has several planners. The seed says which; nothing is drawn for it.
FANNED_OUT = 4
#: And one in so many moves so few timed schedules a second that a few of them are a wave.
SLOW_MOVES = 5


class Simulation(NamedTuple):
    """What a seed means, and what happened."""

    seed: int
    scenario: Scenario
    faults: FaultPlan
    sent: Sequence[Sent]
    history: History
    deployment: Deployment
    #: Everything due before it has come to its end.
    end: Instant

    def __str__(self) -> str:
        settings = self.scenario.settings
        return (
            f"seed {self.seed}: {self.faults}; faults end at {self.faults.faults_end_s} s of {self.scenario.span_s} s;"
            f" tick {settings.tick_seconds} s, horizon {settings.horizon_seconds} s, guard {settings.guard_seconds} s,"
            f" lead {settings.lead_seconds} s, {settings.segments} segments, packs of {settings.pack_size},"
            f" {'several planners' if settings.planner_workers > 1 else 'one planner'}"
        )


def simulate(seed: int) -> Simulation:
    """Run the simulation of *seed* to its end. What a process holds at once is bounded tightly in odd seeds."""
    with small_portions(small=seed % 2 == 1):
        return _simulate(seed)


def _simulate(seed: int) -> Simulation:
    random = SeededRandom(seed)
    scenario = draw_scenario(random, condition_of(seed))
    if seed % FANNED_OUT == FANNED_OUT - 1:
        scenario = scenario._replace(settings=several_planners(scenario.settings))
    if seed % SLOW_MOVES == 0:
        scenario = _slow_moves(scenario)
    spell = draw_spell(seed, span_s=scenario.span_s)
    scenario = scenario._replace(settings=with_spell(scenario.settings, spell))
    faults = draw_fault_plan(random, span_s=scenario.span_s, spell=spell)
    sent = draw_commands(random, scenario, faults)
    if spell.condition is Condition.ROLLBACK:
        sent += rollback.neighbours(scenario)
        faults = rollback.what_is_unread(seed, scenario, faults, sent)
    if spell.condition is Condition.QUOTA:
        sent += crowd.puts(scenario)
    tracked = targets.puts(seed, scenario) if targets.has_targets(seed, spell.condition) else []
    sent += tracked
    sent += reporters.puts(seed, scenario) if tracked else []
    loop = SeededLoop(random)  # type: ignore[abstract]  # of a loop's forty methods nothing here calls the rest
    deployment = Deployment(
        loop,
        random,
        scenario=scenario,
        faults=faults,
        page_size=random.pick((1, 2, 1_000)),
    )
    if tracked:
        receivers = targets.Targets(seed, loop, start=scenario.start, put=deployment.commands.put)
        receivers.expect(tracked)
        deployment.receive(receivers)
    for one in sent:
        for arrival in one.arrivals:
            put = getattr(deployment, one.queue).put
            loop.timer((one.emitted + arrival - scenario.start) * 1000, put, one.message())
    last = max((one.emitted + max(one.arrivals) - scenario.start for one in sent), default=0)
    loop.run_until(max(scenario.span_s * 1000, last + 1) * 1000)
    end = scenario.start + scenario.span_s * 1000
    while not _at_rest(deployment, end):
        late_us = loop.now_us - (max(scenario.span_s, spell.end_s) + DRAIN_S) * 1_000_000
        # What waits for a tenant's limit may wait for longer than that. An invocation that has begun ends first.
        if late_us > ENDING_US or (late_us > 0 and not deployment.running):
            break
        loop.run_until(loop.now_us + 10_000_000)
    return Simulation(seed, scenario, faults, sent, deployment.history, deployment, end)


def _slow_moves(scenario: Scenario) -> Scenario:
    """*scenario* with so few moves a second that few timed schedules are a wave, which takes several ticks.

    Planners have their whole time for it. With less, a segment would fall a horizon behind; then a command that cuts an
    era cannot know which of its fires were sent.
    """
    settings = replace(scenario.settings, moves_per_second=2)
    return scenario._replace(settings=settings, busy_timeout_ms=scenario.planner_timeout_ms)


def _at_rest(deployment: Deployment, end: Instant) -> bool:
    """Whether nothing is left to do for what was due before *end*."""
    if deployment.running or deployment.commands_left or len(deployment.commands.dead):
        return False
    if any(map(_is_pack, deployment.fires.dead.bodies)) or any(map(_is_poison, deployment.segments.stored.values())):
        return False
    if deployment.planned_through < end:
        return False  # a dead planner whose clock was ahead holds a segment for up to a quarter of an hour
    if any(key.is_catch_up for key in deployment.open_backfills):
        return False
    return not any(_is_left(message.body, end) for message in deployment.fires.stored.values())


def _is_pack(body: str) -> bool:
    """Whether the operator can send this dead letter back; one that is no pack stays."""
    try:
        decode_pack(body)
    except Undecodable:
        return False
    return True


def _is_poison(message: Message) -> bool:
    """Whether this message of the segment queue is no range. There are always some ranges: each tick sends them."""
    try:
        decode_range(message.body)
    except Undecodable:
        return True
    return False


def _is_left(body: str, end: Instant) -> bool:
    """Whether this message of the fire queue still has to be handled: a pack before *end*, or no pack at all.

    What a stubborn bus has refused is to be published in the end, whenever it began. Runs are to end.
    """
    if not _is_pack(body):
        return True
    pack = decode_pack(body)
    return pack.at < end or pack.fires[0].key == STUBBORN or pack.kind is not UNSET
