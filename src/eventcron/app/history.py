"""Keep what eventcron published about schedules, and read it: each event becomes an entry of its schedule's history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

from eventcron.app.reading import pages
from eventcron.errors import EventcronError, Undecodable
from eventcron.model.history import HistoryEntry, KeepHistory
from eventcron.model.names import Key, Window
from eventcron.ports import Page
from eventcron.ports.history import History
from eventcron.rules.history import HOW_TO_KEEP
from eventcron.settings import Settings
from eventcron.wire.history import decode_entry


class HistoryNotKept(EventcronError):
    """The deployment keeps no history."""

    def __init__(self) -> None:
        super().__init__(f"this deployment keeps no history; {HOW_TO_KEEP}")


class Past:
    """Reads what is kept."""

    def __init__(self, *, history: History, settings: Settings) -> None:
        self._history = history
        self.keeps = settings.keep_history
        self.days = settings.history_days

    @property
    def is_kept(self) -> bool:
        return self.keeps is not KeepHistory.NONE

    async def page(
        self,
        key: Key,
        window: Window,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        latest_first: bool = True,
    ) -> Page[HistoryEntry]:
        """As ``History.read``.

        Raises:
            HistoryNotKept: there is none.
            Undecodable: this release cannot read one of the entries.
        """
        if not self.is_kept:
            raise HistoryNotKept
        return await self._history.read(key, window, cursor=cursor, limit=limit, latest_first=latest_first)

    async def entries(
        self, key: Key, window: Window, *, limit: int | None = None, latest_first: bool = True
    ) -> AsyncIterator[HistoryEntry]:
        """The entries of *key* in *window*, at most *limit*. They are read page by page.

        Raises:
            HistoryNotKept, Undecodable: as ``page``.
        """
        left = limit
        async for page in pages(partial(self.page, key, window, limit=limit, latest_first=latest_first)):
            for entry in page.items if left is None else page.items[:left]:
                yield entry
            left = None if left is None else left - len(page.items)
            if left is not None and left <= 0:
                return


class Recorder:
    """Writes entries. An event that comes twice is kept once."""

    def __init__(self, *, history: History, settings: Settings) -> None:
        self._history = history
        self._days = settings.history_days

    async def record(self, bodies: Sequence[str]) -> dict[int, str]:
        """Keep the events in *bodies*. Returns the indexes of those that are not kept although they should, and why."""
        failed: dict[int, str] = {}
        entries: list[HistoryEntry] = []
        indexes: list[int] = []
        for index, body in enumerate(bodies):
            try:
                entry = decode_entry(body)
            except Undecodable as error:
                failed[index] = error.reason
                continue
            if entry is not None:
                entries.append(entry)
                indexes.append(index)
        for refusal in await self._history.append(entries, days=self._days):
            failed[indexes[refusal.index]] = f"{refusal.code}: {refusal.message}"
        return failed
