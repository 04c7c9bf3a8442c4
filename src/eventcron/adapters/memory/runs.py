"""``Runs`` in memory."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from eventcron.adapters.memory.documents import MemoryDocuments
from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.runs import Lane, LaneKey


class MemoryRuns(MemoryDocuments[LaneKey, Lane]):
    """Lanes by key. *secret* makes the secrets of new ones."""

    def __init__(self, *, pause: Pause = yield_once, secret: Callable[[], str] = secrets.token_hex) -> None:
        super().__init__(kind="run", order="version", pause=pause)
        self._secret = secret

    def new_secret(self) -> str:
        return self._secret()
