"""What is killed when: by chance, from a seed, so that a plan can be told and tried again."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import NamedTuple

#: Seconds between two ticks of a local stack.
TICK_SECONDS = 5
#: Ticks from one blow against the planner to the next. At the next tick the dead one's claims are still live, and one
#: run has to come through.
PLANNER_TICKS = 3
#: Seconds around the death of the whole in which no other blow begins: one takes a while, as does coming back.
QUIET = (5.0, 6.0)


class What(StrEnum):
    """Whom a blow is meant for."""

    EXECUTORS = "executors"
    PLANNER = "planner"
    REGISTRARS = "registrars"
    EVERY_HOST = "every host"
    EVERYTHING = "everything"


class Blow(NamedTuple):
    """One deed, *at* seconds after the window's start; executors are always at work.

    A planner and registrars are struck *after* seconds of the work they begin then. *share* of the hosts in question
    is hit, at least one.
    """

    at: float
    what: What
    after: float = 0.0
    share: float = 1.0


def plan(seed: int, *, seconds: int) -> list[Blow]:
    """The blows of a window of so many *seconds* that begins with a tick, in order."""
    chance = random.Random(seed)
    last = seconds - 4  # a blow after the last fire would hit nothing
    everything = Blow(chance.uniform(seconds * 0.4, seconds * 0.6), What.EVERYTHING)
    first_tick = chance.randrange(PLANNER_TICKS) * TICK_SECONDS
    blows = [
        *(Blow(chance.uniform(0, last), What.EXECUTORS, share=chance.random()) for _ in range(seconds // 4)),
        # A run takes between 30 and 600 ms, most of it before the packs are sent.
        *(
            Blow(tick - 0.2, What.PLANNER, after=chance.uniform(0, 0.1))
            for tick in range(first_tick, last, TICK_SECONDS * PLANNER_TICKS)
        ),
        # They start, which takes half a second and more, or are already there.
        *(Blow(chance.uniform(0, last), What.REGISTRARS, after=chance.uniform(0, 1)) for _ in range(seconds // 12)),
        *(Blow(chance.uniform(0, last), What.EVERY_HOST) for _ in range(seconds // 20)),
    ]
    return sorted([blow for blow in blows if not -QUIET[0] < blow.at - everything.at < QUIET[1]] + [everything])
