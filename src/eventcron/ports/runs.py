"""What is needed from outside to follow runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from eventcron.model.runs import Lane, LaneKey


class Runs(Protocol):
    """Stores lanes of runs. Writes are conditional on the stored version."""

    async def get(self, keys: Sequence[LaneKey]) -> Mapping[LaneKey, Lane]:
        """The stored lanes of any number of keys, read consistently. A key without a lane is absent."""

    async def put(self, lane: Lane, *, replacing: int | None) -> bool:
        """Store *lane* if the stored version is *replacing* (None: none is stored). False: it is another."""

    def new_secret(self) -> str:
        """Text that nobody can guess, for a new lane."""
