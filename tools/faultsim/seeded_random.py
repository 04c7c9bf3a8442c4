"""The only random numbers of a simulation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class SeededRandom:
    """Random numbers that depend on the seed alone, on any machine.

    Every method draws from ``Random.random``, the one method whose sequence Python promises never to change.
    """

    def __init__(self, seed: int) -> None:
        self.fraction = random.Random(seed).random  # noqa: S311  # it has to be repeatable, not secret

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self.fraction() < probability

    def between(self, low: int, high: int) -> int:
        """A whole number from *low* to *high*, both included."""
        return low + int(self.fraction() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        """One of *options*, each as likely."""
        return options[int(self.fraction() * len(options))]

    def take(self, options: list[T]) -> T:
        """Remove one of *options* and return it."""
        return options.pop(int(self.fraction() * len(options)))

    def mostly_small(self, high: int) -> int:
        """A whole number from 0 to *high*, half of the time below a sixteenth of it."""
        return int(self.fraction() ** 4 * (high + 1))
