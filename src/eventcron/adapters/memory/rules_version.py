"""``RulesVersion`` in memory."""

from __future__ import annotations

from eventcron.adapters.memory.pause import Pause, yield_once


class MemoryRulesVersion:
    """One text."""

    def __init__(self, *, pause: Pause = yield_once) -> None:
        self._pause = pause
        self._version = ""

    async def read(self) -> str:
        await self._pause("read_rules.before")
        version = self._version
        await self._pause("read_rules.after")
        return version

    async def write(self, version: str) -> None:
        await self._pause("write_rules.before")
        self._version = version
        await self._pause("write_rules.after")
