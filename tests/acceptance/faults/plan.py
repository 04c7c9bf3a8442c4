"""What is killed when: by chance, from a seed, so that a plan can be told and tried again."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import NamedTuple

#: Seconds between two ticks of a local stack.
TICK_SECONDS = 5
#: Seconds around the death of the whole within which nothing else is done: it takes a while to come back.
QUIET = (1.5, 7.0)


class What(StrEnum):
    """A fault, or the orders that are put while registrars die."""

    EXECUTORS = "executors"
    PLANNER = "planner"
    REGISTRARS = "orders, and registrars"
    EVERY_HOST = "every host"
    EVERYTHING = "everything"


class Blow(NamedTuple):
    """One deed. *at* is seconds after the window's start; *share* of the hosts in question is hit, at least one."""

    at: float
    what: What
    share: float = 1.0


def plan(seed: int, *, seconds: int, everything: bool = True) -> list[Blow]:
    """The blows of a window of so many *seconds* that begins with a tick, in order."""
    chance = random.Random(seed)
    last = seconds - 4  # a blow after the last fire would hit nothing
    blows = [Blow(chance.uniform(0, last), What.EXECUTORS, chance.random()) for _ in range(seconds // 4)]
    # A planner's run takes a fifth of a second or so. The rest of a tick it is idle, and its death is no loss.
    blows += [Blow(tick + chance.uniform(0.01, 0.25), What.PLANNER) for tick in range(0, last, TICK_SECONDS)]
    blows += [Blow(chance.uniform(0, last), What.REGISTRARS) for _ in range(seconds // 12)]
    blows += [Blow(chance.uniform(0, last), What.EVERY_HOST) for _ in range(seconds // 20)]
    if everything:
        end = chance.uniform(seconds * 0.4, seconds * 0.6)
        blows = [blow for blow in blows if not -QUIET[0] < blow.at - end < QUIET[1]]
        blows.append(Blow(end, What.EVERYTHING))
    return sorted(blows)
