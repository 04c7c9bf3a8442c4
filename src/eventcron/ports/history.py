"""What is kept of schedules' pasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from eventcron.model.history import HistoryEntry
from eventcron.model.names import Key, Window
from eventcron.ports import Page, Refusal


class History(Protocol):
    """Keeps entries for some days, by schedule."""

    async def append(self, entries: Sequence[HistoryEntry], *, days: int) -> list[Refusal]:
        """Keep any number of entries, each until *days* after it was published. Returns those that were not taken.

        Idempotent: an entry that is kept already is replaced.
        """

    async def read(
        self,
        key: Key,
        window: Window,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        latest_first: bool = True,
    ) -> Page[HistoryEntry]:
        """One page of the schedule's entries with ``at`` in *window*, in order of ``at``; at most *limit* of them.

        Raises:
            Undecodable: this release cannot read one of them.
        """
