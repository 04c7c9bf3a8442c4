"""``Quota`` in memory."""

from __future__ import annotations

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.ports import QuotaRequest


class MemoryQuota:
    """Fires asked for, by tenant and minute; answers, by request. Nothing expires."""

    def __init__(self, *, pause: Pause = yield_once) -> None:
        self._pause = pause
        self._asked: dict[tuple[str, int], int] = {}
        self._granted: dict[tuple[str, int, str], int] = {}

    async def acquire(self, request: QuotaRequest, *, expires: int) -> int:  # noqa: ARG002  the port's signature
        await self._pause("acquire_quota.before")
        minute = (request.tenant, request.minute)
        name = (*minute, request.pack_id)
        if name not in self._granted:
            before = self._asked.get(minute, 0)
            self._asked[minute] = before + request.count
            self._granted[name] = request.granted(before)
        await self._pause("acquire_quota.after")
        return self._granted[name]

    async def used(self, tenant: str, minute: int) -> int:
        await self._pause("used_quota.before")
        return self._asked.get((tenant, minute), 0)
