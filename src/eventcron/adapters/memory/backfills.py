"""``Backfills`` in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.names import BackfillKey
from eventcron.model.records import Backfill


class MemoryBackfills:
    """Backfills by key, and the set of open ones."""

    def __init__(self, *, pause: Pause = yield_once) -> None:
        self._pause = pause
        self._stored: dict[BackfillKey, Backfill] = {}
        self._open: set[BackfillKey] = set()

    @property
    def stored(self) -> Mapping[BackfillKey, Backfill]:
        """All stored backfills."""
        return self._stored

    @property
    def entered(self) -> Collection[BackfillKey]:
        """The list of open backfills."""
        return self._open

    async def get(self, keys: Sequence[BackfillKey]) -> dict[BackfillKey, Backfill]:
        await self._pause("get_backfills.before")
        found = {key: self._stored[key] for key in keys if key in self._stored}
        await self._pause("get_backfills.after")
        return found

    async def put(self, backfill: Backfill, *, replacing: int | None) -> bool:
        await self._pause("put_backfill.before")
        stored = self._stored.get(backfill.key)
        taken = (None if stored is None else stored.version) == replacing
        if taken:
            self._stored[backfill.key] = backfill
        await self._pause("put_backfill.after")
        return taken

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
