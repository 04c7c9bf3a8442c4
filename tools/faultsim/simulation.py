"""One seed, one world: who asks for what, in which weather, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eventcron.errors import Undecodable
from eventcron.model.names import Instant
from eventcron.wire.encode import decode_pack
from eventcron.wire.segment_ranges import decode_range
from tools.faultsim.deployment import Deployment
from tools.faultsim.faults import FaultPlan, forecast
from tools.faultsim.history import History
from tools.faultsim.loop import SeededLoop
from tools.faultsim.queues import Message
from tools.faultsim.seeded_random import SeededRandom
from tools.faultsim.workload import CURSED, Sent, Setting, setting, several_planners, workload

#: Seconds after the end of a simulation within which everything due before it has to come to an end: two receives of
#: a message, each hidden for six minutes, and the executor's longest pause.
DRAIN_S = 3_600
#: One world in so many has several planners. By its seed and not by a throw, so that no other seed means another world.
FANNED_OUT = 4


class Simulated(NamedTuple):
    """What a seed means, and what happened."""

    seed: int
    where: Setting
    forecast: FaultPlan
    sent: Sequence[Sent]
    history: History
    cloud: Deployment
    #: What was due before it has come to its end.
    end: Instant

    def __str__(self) -> str:
        settings = self.where.settings
        return (
            f"seed {self.seed}: {self.forecast}; clear from {self.forecast.clears_s} s of {self.where.span_s} s;"
            f" tick {settings.tick_seconds} s, horizon {settings.horizon_seconds} s, guard {settings.guard_seconds} s,"
            f" lead {settings.lead_seconds} s, {settings.segments} segments, packs of {settings.pack_size},"
            f" {'several planners' if settings.planner_workers > 1 else 'one planner'}"
        )


def simulate(seed: int) -> Simulated:
    """Run the world of *seed* to its end."""
    dice = SeededRandom(seed)
    where = setting(dice)
    if seed % FANNED_OUT == FANNED_OUT - 1:
        where = where._replace(settings=several_planners(where.settings))
    weather = forecast(dice, span_s=where.span_s)
    sent = workload(dice, where, weather)
    loop = SeededLoop(dice)  # type: ignore[abstract]  # of a loop's forty methods nothing here calls the rest
    cloud = Deployment(
        loop,
        dice,
        where=where,
        forecast=weather,
        page_size=dice.pick((1, 2, 1_000)),
        cursed=frozenset({str(CURSED)}),
    )
    for one in sent:
        for arrival in one.arrivals:
            loop.timer((one.emitted + arrival - where.start) * 1000, getattr(cloud, one.queue).put, one.message())
    last = max((one.emitted + max(one.arrivals) - where.start for one in sent), default=0)
    loop.run_until(max(where.span_s * 1000, last + 1) * 1000)
    end = where.start + where.span_s * 1000
    while not _at_rest(cloud, end):
        if loop.now_us > (where.span_s + DRAIN_S) * 1_000_000:
            break
        loop.run_until(loop.now_us + 10_000_000)
    return Simulated(seed, where, weather, sent, cloud.history, cloud, end)


def _at_rest(cloud: Deployment, end: Instant) -> bool:
    if cloud.running or cloud.commands.stored or len(cloud.commands.dead):
        return False
    if any(_is_pack(body) for body in cloud.fires.dead.bodies) or any(map(_is_poison, cloud.plans.stored.values())):
        return False
    return not any(_is_left(message.body, end) for message in cloud.fires.stored.values())


def _is_pack(body: str) -> bool:
    """Whether the operator can send it back; what is no pack stays a dead letter."""
    try:
        decode_pack(body)
    except Undecodable:
        return False
    return True


def _is_poison(message: Message) -> bool:
    """Whether this message of the segment queue is no range. Ranges come with every tick, so some are always there."""
    try:
        decode_range(message.body)
    except Undecodable:
        return True
    return False


def _is_left(body: str, end: Instant) -> bool:
    """Whether this message of the fire queue still has to be handled: it starts before *end*, or is no pack."""
    return not _is_pack(body) or decode_pack(body).at < end
