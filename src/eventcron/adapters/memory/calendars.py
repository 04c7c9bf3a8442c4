"""``Calendars`` in memory."""

from __future__ import annotations

import zlib

from eventcron.adapters.memory.documents import MemoryDocuments
from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.names import CalendarKey
from eventcron.model.records import Calendar
from eventcron.ports import Page


class MemoryCalendars(MemoryDocuments[CalendarKey, Calendar]):
    """Calendars by key."""

    def __init__(self, *, pause: Pause = yield_once) -> None:
        super().__init__(kind="calendar", order="revision", pause=pause)

    async def scan(self, part: int, parts: int, *, cursor: str | None = None) -> Page[Calendar]:  # noqa: ARG002  # one page
        await self._pause("scan_calendars.before")
        share = [one for key, one in self._stored.items() if zlib.crc32(str(key).encode()) % parts == part]
        await self._pause("scan_calendars.after")
        return Page(share)
