"""``Backfills`` in memory."""

from __future__ import annotations

from collections.abc import Collection

from eventcron.adapters.memory.documents import MemoryDocuments
from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.names import BackfillKey
from eventcron.model.records import Backfill


class MemoryBackfills(MemoryDocuments[BackfillKey, Backfill]):
    """Backfills by key, and the set of open ones."""

    def __init__(self, *, pause: Pause = yield_once) -> None:
        super().__init__(kind="backfill", order="version", pause=pause)
        self._open: set[BackfillKey] = set()

    @property
    def entered(self) -> Collection[BackfillKey]:
        """The list of open backfills."""
        return self._open

    async def open(self) -> list[BackfillKey]:
        await self._pause("open_backfills.before")
        keys = sorted(self._open)
        await self._pause("open_backfills.after")
        return keys

    async def enter(self, key: BackfillKey) -> None:
        await self._pause("enter_backfill.before")
        self._open.add(key)
        await self._pause("enter_backfill.after")

    async def strike(self, key: BackfillKey) -> None:
        await self._pause("strike_backfill.before")
        self._open.discard(key)
        await self._pause("strike_backfill.after")
