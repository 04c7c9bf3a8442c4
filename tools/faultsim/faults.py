"""What goes wrong, when, and how often."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from tools.faultsim.seeded_random import SeededRandom

#: What can be out for a long time.
SERVICES = ("dynamodb", "sqs", "events", "lambda")


class FaultProfile(Struct, frozen=True, kw_only=True):
    """Probabilities, each for one occasion. Milliseconds unless said otherwise."""

    name: str
    #: A call takes up to so long, mostly much less …
    travel_ms: int = 20
    #: … but now and then up to so long.
    slow: float = 0.0
    slow_ms: int = 6_000
    #: A process is short of CPU: each of its calls takes up to so much longer.
    drag: float = 0.0
    drag_ms: int = 1_500
    #: A service refuses a call before its effect; or does it and the answer is lost.
    refuse: float = 0.0
    lose: float = 0.0
    #: One entry of a batch is refused.
    refuse_entry: float = 0.0
    #: A read of several keys leaves some unprocessed, which are read later.
    unprocessed: float = 0.0
    #: A process dies, at any one await.
    kill: float = 0.0
    #: A message is delivered twice, up to two seconds apart; or again, minutes after it was deleted.
    twice: float = 0.0
    echo: float = 0.0
    #: A tick does not come; comes twice.
    miss_tick: float = 0.0
    twin_tick: float = 0.0
    #: How far a process's clock may be off, either way.
    clock_ms: int = 500


CALM = FaultProfile(name="calm", clock_ms=50)
ECHOES = FaultProfile(name="echoes", clock_ms=50, echo=0.5)
GUSTS = FaultProfile(
    name="gusts", travel_ms=60, slow=0.002, drag=0.03, refuse=0.01, lose=0.005, refuse_entry=0.02, kill=0.003,
    unprocessed=0.05, twice=0.03, echo=0.03, miss_tick=0.05, twin_tick=0.1,
)  # fmt: skip
STORMS = FaultProfile(
    name="storms", travel_ms=300, slow=0.03, drag=0.15, refuse=0.08, lose=0.05, refuse_entry=0.1, kill=0.03,
    unprocessed=0.3, twice=0.15, echo=0.1, miss_tick=0.2, twin_tick=0.4,
)  # fmt: skip


#: Of an operator's own machine, somewhere on the internet.
OPERATOR = msgspec.structs.replace(STORMS, name="operator", refuse=0.25, lose=0.1, kill=0.02)


class Outage(Struct, frozen=True):
    """A service that answers nothing for a long time; instants in seconds from the start."""

    service: str
    start_s: int
    end_s: int


class FaultPlan(Struct, frozen=True, kw_only=True):
    """The weather of one simulation. It is calm again from *clears_s* on."""

    weather: FaultProfile
    clears_s: int
    outage: Outage | None = None

    def at(self, now_us: int) -> FaultProfile:
        return self.weather if now_us < self.clears_s * 1_000_000 or self.always else CALM

    @property
    def always(self) -> bool:
        """FaultProfile in which each occurrence is published exactly once."""
        return self.weather in (CALM, ECHOES)

    @property
    def faultless(self) -> bool:
        return self.always and self.outage is None

    def out(self, service: str, now_us: int) -> bool:
        outage = self.outage
        if outage is None or outage.service != service:
            return False
        return outage.start_s <= now_us / 1_000_000 < outage.end_s

    def __str__(self) -> str:
        if self.outage is None:
            return self.weather.name
        return f"{self.weather.name}, {self.outage.service} out from {self.outage.start_s} s to {self.outage.end_s} s"


def forecast(dice: SeededRandom, *, span_s: int) -> FaultPlan:
    """A quarter calm, a third with an outage, the rest gusts and storms; calm again after 60 % of the span."""
    clears_s = span_s * 6 // 10
    weather = dice.pick((CALM, ECHOES, GUSTS, GUSTS, STORMS, STORMS))
    if not dice.chance(0.33):
        return FaultPlan(weather=weather, clears_s=clears_s)
    start_s = dice.between(span_s // 20, span_s // 4)
    outage = Outage(dice.pick(SERVICES), start_s, dice.between(start_s + span_s // 10, clears_s))
    return FaultPlan(weather=dice.pick((CALM, GUSTS)), clears_s=clears_s, outage=outage)
