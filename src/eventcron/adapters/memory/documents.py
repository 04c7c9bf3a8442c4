"""Whole structs in memory, each under its key, as ``adapters.aws.documents`` has them in the ledger's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from eventcron.adapters.memory.pause import Pause, yield_once

K = TypeVar("K")


class Document(Protocol):
    """A struct that can be stored."""

    @property
    def key(self) -> Any: ...


D = TypeVar("D", bound=Document)


class MemoryDocuments(Generic[K, D]):
    """Structs by key. Each write raises their field *order*. The pauses of a *kind* are called after it."""

    def __init__(self, *, kind: str, order: str, pause: Pause = yield_once) -> None:
        self._kind = kind
        self._order = order
        self._pause = pause
        self._stored: dict[K, D] = {}

    @property
    def stored(self) -> Mapping[K, D]:
        """All that are stored."""
        return self._stored

    async def get(self, keys: Sequence[K]) -> dict[K, D]:
        await self._pause(f"get_{self._kind}s.before")
        found = {key: self._stored[key] for key in keys if key in self._stored}
        await self._pause(f"get_{self._kind}s.after")
        return found

    async def put(self, document: D, *, replacing: int | None) -> bool:
        await self._pause(f"put_{self._kind}.before")
        stored = self._stored.get(document.key)
        taken = (None if stored is None else getattr(stored, self._order)) == replacing
        if taken:
            self._stored[document.key] = document
        await self._pause(f"put_{self._kind}.after")
        return taken
