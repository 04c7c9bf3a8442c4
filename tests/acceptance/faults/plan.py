"""Chooses at random what is killed and when, from a seed, so that a plan can be repeated."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import NamedTuple

#: Seconds between two ticks of a local stack.
TICK_SECONDS = 5
#: Seconds at the beginning and at the end of a window in which no planner is struck.
SPARED_SECONDS = 12
#: Seconds around the death of the whole without another blow: the death and the restart take a while.
QUIET = (5.0, 6.0)


class What(StrEnum):
    """What a blow kills."""

    EXECUTORS = "executors"
    PLANNER = "planner"
    COMMITTED_PLANNER = "planner that has committed"
    REGISTRARS = "registrars"
    EVERY_HOST = "every host"
    EVERYTHING = "everything"


class Blow(NamedTuple):
    """One kill, *at* seconds after the window's start. Executors are always at work.

    A planner and registrars are struck *after* seconds of the work they begin then. *share* of the hosts in question
    is hit, at least one.
    """

    at: float
    what: What
    after: float = 0.0
    share: float = 1.0


def plan(seed: int, *, seconds: int) -> list[Blow]:
    """The blows in a window of *seconds* that begins with a tick, in order."""
    chance = random.Random(seed)
    last = seconds - 4  # a blow after the last fire would hit nothing
    everything = Blow(chance.uniform(seconds * 0.4, seconds * 0.6), What.EVERYTHING)
    before, after = everything.at - QUIET[0], everything.at + QUIET[1]

    def when() -> float:
        """Any time but around the death of the whole."""
        at = chance.uniform(0, before + last - after)
        return at if at < before else at - before + after

    return sorted(
        [
            everything,
            *(Blow(when(), What.EXECUTORS, share=chance.random()) for _ in range(seconds // 8)),
            # They start, which takes half a second and more, or are already there.
            # One for certain comes in time: on a busy machine the restart can take the rest of the window.
            Blow(chance.uniform(0, before), What.REGISTRARS, after=chance.uniform(0, 1)),
            *(Blow(when(), What.REGISTRARS, after=chance.uniform(0, 1)) for _ in range(seconds // 15 - 1)),
            *(Blow(when(), What.EVERY_HOST) for _ in range(seconds // 30)),
            # Only two: a dead planner's leases stay for a while, and another planner has to succeed in between. They
            # come when the planner's fires are due in the window, and after the registrar's part of new schedules.
            _planner(chance, SPARED_SECONDS, before),
            _planner(chance, after, seconds - SPARED_SECONDS),
        ]
    )


def _planner(chance: random.Random, first: float, last: float) -> Blow:
    """A blow at a planner's run, which takes between 30 and 600 ms, most of it before the packs are sent."""
    ticks = range(-int(-first // TICK_SECONDS) * TICK_SECONDS, int(last), TICK_SECONDS)
    return Blow(chance.choice(ticks) - 0.2, What.PLANNER, after=chance.uniform(0, 0.1))
