"""``Sweeps`` in memory."""

from __future__ import annotations

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.records import Share, Sweep


class MemorySweeps:
    """The latest sweep, and shares by part."""

    def __init__(self, *, pause: Pause = yield_once) -> None:
        self._pause = pause
        self._latest: Sweep | None = None
        self._shares: dict[int, Share] = {}

    async def latest(self) -> Sweep | None:
        await self._pause("latest_sweep.before")
        sweep = self._latest
        await self._pause("latest_sweep.after")
        return sweep

    async def put(self, sweep: Sweep, *, replacing: int | None) -> bool:
        await self._pause("put_sweep.before")
        taken = (None if self._latest is None else self._latest.number) == replacing
        if taken:
            self._latest = sweep
        await self._pause("put_sweep.after")
        return taken

    async def shares(self, count: int) -> dict[int, Share]:
        await self._pause("get_shares.before")
        found = {part: share for part, share in self._shares.items() if part < count}
        await self._pause("get_shares.after")
        return found

    async def put_share(self, share: Share, *, replacing: int | None) -> bool:
        await self._pause("put_share.before")
        stored = self._shares.get(share.part)
        taken = (None if stored is None else stored.version) == replacing
        if taken:
            self._shares[share.part] = share
        await self._pause("put_share.after")
        return taken
