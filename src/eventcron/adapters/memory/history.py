"""``History`` in memory. Nothing in it expires."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.history import HistoryEntry
from eventcron.model.names import Key, Window
from eventcron.ports import Page, Refusal
from eventcron.rules.history import first_place, place


class MemoryHistory:
    """Entries by schedule and place."""

    def __init__(self, *, pause: Pause = yield_once, page_size: int = 1_000) -> None:
        self._pause = pause
        self._page_size = page_size
        self._kept: dict[Key, dict[str, HistoryEntry]] = {}

    async def append(self, entries: Sequence[HistoryEntry], *, days: int) -> list[Refusal]:  # noqa: ARG002  # nothing expires
        await self._pause("append_history.before")
        for entry in entries:
            self._kept.setdefault(entry.key, {})[place(entry)] = entry
        await self._pause("append_history.after")
        return []

    async def read(
        self,
        key: Key,
        window: Window,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        latest_first: bool = True,
    ) -> Page[HistoryEntry]:
        await self._pause("read_history.before")
        of_key = self._kept.get(key, {})
        low, high = first_place(window.start), first_place(window.end)
        places = sorted((one for one in of_key if low <= one < high), reverse=latest_first)
        if cursor is not None:
            places = [one for one in places if (one < cursor if latest_first else one > cursor)]
        count = self._page_size if limit is None else min(limit, self._page_size)
        page = places[:count]
        await self._pause("read_history.after")
        return Page([of_key[one] for one in page], page[-1] if len(places) > count else None)
