"""Which faults a simulation has, when, and how often."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from eventcron.model.names import Key
from tools.faultsim.seeded_random import SeededRandom
from tools.faultsim.spell import Condition, Spell

#: Services that can have an outage.
SERVICES = ("dynamodb", "sqs", "events", "lambda")


class FaultProfile(Struct, frozen=True, kw_only=True):
    """How often each kind of fault occurs: probabilities from 0 to 1. Times are in milliseconds."""

    name: str
    #: The highest latency of an ordinary call; most calls take much less.
    latency_ms: int = 20
    #: A call is slow; the highest latency of such a call.
    slow: float = 0.0
    slow_latency_ms: int = 6_000
    #: A process is short of CPU; by how much each of its calls is slower, at most.
    cpu_starved: float = 0.0
    cpu_starved_ms: int = 1_500
    #: A service refuses a call, which has no effect.
    refuse: float = 0.0
    #: A call has its effect, and the answer is lost.
    lose: float = 0.0
    #: A service refuses one entry of a batch.
    refuse_entry: float = 0.0
    #: A read of several keys leaves some unprocessed; they are read later.
    unprocessed: float = 0.0
    #: A process dies; drawn before and after each call.
    kill: float = 0.0
    #: A queue delivers a message twice, up to two seconds apart.
    deliver_twice: float = 0.0
    #: A queue delivers a message again up to two minutes after it was deleted.
    redeliver: float = 0.0
    #: A tick does not come.
    miss_tick: float = 0.0
    #: A tick comes a second time.
    repeat_tick: float = 0.0
    #: How far the clock of a process is off, at most, in either direction.
    clock_skew_ms: int = 500


NO_FAULTS = FaultProfile(name="no faults", clock_skew_ms=50)
REDELIVERY = FaultProfile(name="redelivery", clock_skew_ms=50, redeliver=0.5)
SOME_FAULTS = FaultProfile(
    name="some faults", latency_ms=60, slow=0.002, cpu_starved=0.03, refuse=0.01, lose=0.005, refuse_entry=0.02,
    kill=0.003, unprocessed=0.05, deliver_twice=0.03, redeliver=0.03, miss_tick=0.05, repeat_tick=0.1,
)  # fmt: skip
MANY_FAULTS = FaultProfile(
    name="many faults", latency_ms=300, slow=0.03, cpu_starved=0.15, refuse=0.08, lose=0.05, refuse_entry=0.1,
    kill=0.03, unprocessed=0.3, deliver_twice=0.15, redeliver=0.1, miss_tick=0.2, repeat_tick=0.4,
)  # fmt: skip
#: For a command that an operator runs on a machine of their own, far from AWS.
OPERATOR = msgspec.structs.replace(MANY_FAULTS, name="operator", refuse=0.25, lose=0.1, kill=0.02)

#: Profiles under which each occurrence is published exactly once, unless a service has an outage.
FAULTLESS = (NO_FAULTS, REDELIVERY)


class Outage(Struct, frozen=True):
    """A service answers nothing from ``start_s`` to ``end_s``, in seconds from the start of the simulation."""

    service: str
    start_s: int
    end_s: int


class FaultPlan(Struct, frozen=True, kw_only=True):
    """The faults of one simulation: those of ``profile`` for the first ``faults_end_s`` seconds, an outage, spell."""

    profile: FaultProfile
    faults_end_s: int
    outage: Outage | None = None
    spell: Spell = Spell()
    #: Schedules that the release of a rollback cannot read.
    unreadable: frozenset[Key] = frozenset()
    #: Those of them whose time zone it does not know either.
    unknown_zones: frozenset[Key] = frozenset()

    @property
    def later_profile(self) -> FaultProfile:
        """The profile from ``faults_end_s`` on."""
        return self.profile if self.profile in FAULTLESS else NO_FAULTS

    @property
    def is_calm(self) -> bool:
        """Whether nothing but the spell can be the reason for a late or repeated fire."""
        return self.profile in FAULTLESS and self.outage is None

    @property
    def faultless(self) -> bool:
        return self.is_calm and self.spell.is_harmless

    def out(self, service: str, now_us: int) -> bool:
        """Whether *service* has an outage. The service ``executors`` are the functions that publish, and no others."""
        if service == "executors":
            return self.spell.during(Condition.THROTTLED_EXECUTORS, now_us) or self.out("lambda", now_us)
        first_s, last_s = self.spell.table_out_s
        if service == "dynamodb" and first_s <= now_us / 1_000_000 < last_s:
            return True
        outage = self.outage
        if outage is None or outage.service != service:
            return False
        return outage.start_s <= now_us / 1_000_000 < outage.end_s

    def __str__(self) -> str:
        spell = "" if self.spell.condition is Condition.CALM else f", {self.spell}"
        if self.outage is None:
            return f"{self.profile.name}{spell}"
        out = f"{self.outage.service} out from {self.outage.start_s} s to {self.outage.end_s} s"
        return f"{self.profile.name}, {out}{spell}"


def draw_fault_plan(random: SeededRandom, *, span_s: int, spell: Spell) -> FaultPlan:
    """The faults of a simulation of *span_s* seconds in that *spell*; they end after 60 % of it.

    A rollback and a quota have few others. A third of the other plans have an outage. Of the rest, two in six are
    faultless and two have many faults.
    """
    faults_end_s = span_s * 6 // 10
    if spell.condition in {Condition.ROLLBACK, Condition.QUOTA}:
        # Mostly with nothing else, so that each late fire tells something, and each minute's fires can be counted.
        profile = random.pick((NO_FAULTS, NO_FAULTS, REDELIVERY, SOME_FAULTS))
        return FaultPlan(profile=profile, faults_end_s=faults_end_s, spell=spell)
    profile = random.pick((NO_FAULTS, REDELIVERY, SOME_FAULTS, SOME_FAULTS, MANY_FAULTS, MANY_FAULTS))
    if not random.chance(0.33):
        return FaultPlan(profile=profile, faults_end_s=faults_end_s, spell=spell)
    start_s = random.between(span_s // 20, span_s // 4)
    outage = Outage(random.pick(SERVICES), start_s, random.between(start_s + span_s // 10, faults_end_s))
    profile = random.pick((NO_FAULTS, SOME_FAULTS))
    return FaultPlan(profile=profile, faults_end_s=faults_end_s, outage=outage, spell=spell)
