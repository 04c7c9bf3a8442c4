"""``PublishedPacks`` in memory."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.names import Instant


class MemoryPublishedPacks:
    """A set of ids. None of them expires."""

    def __init__(self, *, pause: Pause = yield_once) -> None:
        self._pause = pause
        self._ids: set[str] = set()

    async def published(self, pack_ids: Sequence[str]) -> set[str]:
        await self._pause("published.before")
        known = self._ids.intersection(pack_ids)
        await self._pause("published.after")
        return known

    async def record(self, pack_id: str, *, now: Instant, expires: int) -> None:  # noqa: ARG002  the port's signature
        await self._pause("record.before")
        self._ids.add(pack_id)
        await self._pause("record.after")
