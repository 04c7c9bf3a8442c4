"""What the reconciler needs from outside to go on where it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from eventcron.model.records import Share, Sweep


class Sweeps(Protocol):
    """Remembers the latest sweep of the reconciler, and how far it has come in each share of the table."""

    async def latest(self) -> Sweep | None:
        """The sweep stored last, read consistently; None if there never was one."""

    async def put(self, sweep: Sweep, *, replacing: int | None) -> bool:
        """Store *sweep* if the stored sweep's number is *replacing* (None: none is stored). False: it is another."""

    async def shares(self, count: int) -> Mapping[int, Share]:
        """The stored ones of the shares 0 … count-1, read consistently. They may be those of an earlier sweep."""

    async def put_share(self, share: Share, *, replacing: int | None) -> bool:
        """Store *share* if the stored version is *replacing* (None: none is stored). False: it is another."""
