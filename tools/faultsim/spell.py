"""Conditions that are rare and last: one kind a seed, besides the faults of its plan. The seed alone says which."""

from __future__ import annotations

from enum import Enum, auto

from msgspec import Struct
from msgspec.structs import replace

from eventcron.settings import Settings
from tools.faultsim.seeded_random import SeededRandom

#: Seconds. A fire is given up after thirty rounds: pauses of 1, 2, 4 … 128 s, then 22 of 240 s.
GIVEN_UP_S = 255 + 22 * 240
#: Seconds. A message that is hidden for six minutes after each of five receives is a dead letter by then.
DEAD_S = 5 * 360


class Condition(Enum):
    """What is out of the ordinary."""

    CALM = auto()
    STUCK_INDEX = auto()  # the index shows nothing that was written since the span began
    THROTTLED_EXECUTORS = auto()  # no executor runs during the span, and planners do
    ROLLBACK = auto()  # during the span a release runs that cannot read some schedules
    CLOCK_AHEAD = auto()  # the first planner of the span has a clock that is far ahead
    QUOTA = auto()  # each tenant has a limit
    STUBBORN_BUS = auto()  # the bus refuses the fires of one schedule until the span ends


#: Each as often as the others, and calm twice as often.
_CONDITIONS: tuple[Condition, ...] = (*Condition, Condition.CALM)
#: Seeds in a row that share a condition: one of them has several planners.
_IN_A_ROW = 4


class Spell(Struct, frozen=True, kw_only=True):
    """One kind of spell, from ``start_s`` to ``end_s``, in seconds from the start of the simulation."""

    condition: Condition = Condition.CALM
    start_s: int = 0
    end_s: int = 0
    #: Milliseconds by which a clock is ahead.
    ahead_ms: int = 0
    #: Fires that a tenant may publish in a minute; 0 = no limit.
    quota: int = 0
    #: Seconds from the start for which nothing can read the table, so that packs die in their queue; 0, 0 = none.
    table_out_s: tuple[int, int] = (0, 0)

    def during(self, condition: Condition, now_us: int) -> bool:
        """Whether it is *condition* now."""
        return self.condition is condition and self.start_s <= now_us / 1_000_000 < self.end_s

    @property
    def is_harmless(self) -> bool:
        """Whether nothing has to be late or repeated because of it."""
        return self.condition in {Condition.CALM, Condition.QUOTA}

    @property
    def length_ms(self) -> int:
        return (self.end_s - self.start_s) * 1000

    def __str__(self) -> str:
        if self.condition is Condition.CALM:
            return "calm"
        more = {Condition.QUOTA: f" of {self.quota}", Condition.CLOCK_AHEAD: f" by {self.ahead_ms // 1000} s"}.get(
            self.condition, ""
        )
        if self.table_out_s[1]:
            more = f", the table out from {self.table_out_s[0]} s to {self.table_out_s[1]} s"
        span = "" if self.condition is Condition.QUOTA else f" from {self.start_s} s to {self.end_s} s"
        return f"{self.condition.name.lower().replace('_', ' ')}{more}{span}"


def condition_of(seed: int) -> Condition:
    """The condition that *seed* has."""
    return _CONDITIONS[seed // _IN_A_ROW % len(_CONDITIONS)]


def draw_spell(seed: int, *, span_s: int) -> Spell:
    """The spell of *seed*, in a simulation of *span_s* seconds. Its numbers are drawn for it alone."""
    random, condition = SeededRandom(seed ^ 0x5EED), condition_of(seed)
    if condition is Condition.CALM:
        return Spell()
    if condition is Condition.QUOTA:
        return Spell(condition=condition, quota=random.between(1, 4), end_s=span_s)
    if condition is Condition.STUBBORN_BUS:
        return _stubborn(random)
    start_s = random.between(span_s // 20, span_s // 4)
    length_s = random.between(span_s // 5, span_s // 3)
    ahead_ms = random.between(span_s // 5, span_s) * 1000 if condition is Condition.CLOCK_AHEAD else 0
    return Spell(condition=condition, start_s=start_s, end_s=start_s + length_s, ahead_ms=ahead_ms)


def _stubborn(random: SeededRandom) -> Spell:
    """The fires are given up, sent back and refused once more; or they die in their queue after a few rounds."""
    if random.chance(0.5):
        return Spell(condition=Condition.STUBBORN_BUS, end_s=GIVEN_UP_S + random.between(500, 1_400))
    out_s = random.between(100, 400)
    back_s = out_s + DEAD_S + random.between(360, 600)
    end_s = back_s + random.between(100, 900)
    return Spell(condition=Condition.STUBBORN_BUS, end_s=end_s, table_out_s=(out_s, back_s))


def with_spell(settings: Settings, spell: Spell) -> Settings:
    """*settings* of a deployment in that *spell*."""
    return replace(settings, tenant_fires_per_minute=spell.quota)
