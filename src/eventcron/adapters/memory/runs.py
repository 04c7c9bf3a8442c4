"""``Runs`` in memory."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.runs import Lane, LaneKey


class MemoryRuns:
    """Lanes by key. *secret* makes the secrets of new ones."""

    def __init__(self, *, pause: Pause = yield_once, secret: Callable[[], str] = secrets.token_hex) -> None:
        self._pause = pause
        self._secret = secret
        self._stored: dict[LaneKey, Lane] = {}

    @property
    def stored(self) -> Mapping[LaneKey, Lane]:
        """All stored lanes."""
        return self._stored

    async def get(self, keys: Sequence[LaneKey]) -> dict[LaneKey, Lane]:
        await self._pause("get_runs.before")
        found = {key: self._stored[key] for key in keys if key in self._stored}
        await self._pause("get_runs.after")
        return found

    async def put(self, lane: Lane, *, replacing: int | None) -> bool:
        await self._pause("put_run.before")
        stored = self._stored.get(lane.key)
        taken = (None if stored is None else stored.version) == replacing
        if taken:
            self._stored[lane.key] = lane
        await self._pause("put_run.after")
        return taken

    def new_secret(self) -> str:
        return self._secret()
