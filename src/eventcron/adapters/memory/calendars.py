"""``Calendars`` in memory."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.names import CalendarKey
from eventcron.model.records import Calendar
from eventcron.ports import Page


class MemoryCalendars:
    """Calendars by key."""

    def __init__(self, *, pause: Pause = yield_once) -> None:
        self._pause = pause
        self._stored: dict[CalendarKey, Calendar] = {}

    @property
    def stored(self) -> Mapping[CalendarKey, Calendar]:
        """All stored calendars."""
        return self._stored

    async def get(self, keys: Sequence[CalendarKey]) -> dict[CalendarKey, Calendar]:
        await self._pause("get_calendars.before")
        found = {key: self._stored[key] for key in keys if key in self._stored}
        await self._pause("get_calendars.after")
        return found

    async def put(self, calendar: Calendar, *, replacing: int | None) -> bool:
        await self._pause("put_calendar.before")
        stored = self._stored.get(calendar.key)
        taken = (None if stored is None else stored.revision) == replacing
        if taken:
            self._stored[calendar.key] = calendar
        await self._pause("put_calendar.after")
        return taken

    async def scan(self, part: int, parts: int, *, cursor: str | None = None) -> Page[Calendar]:  # noqa: ARG002  # one page
        await self._pause("scan_calendars.before")
        share = [one for key, one in self._stored.items() if zlib.crc32(str(key).encode()) % parts == part]
        await self._pause("scan_calendars.after")
        return Page(share)
