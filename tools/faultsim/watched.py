"""Services in memory that add what the checker needs to the history, or fail as an operator finds them."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.adapters.memory import MemoryBackfills, MemoryDeadLetterQueue, MemoryDeadLetters, MemoryLeases
from eventcron.model.messages import SegmentRange
from eventcron.model.names import BackfillKey, Instant, Key
from eventcron.model.records import Backfill
from eventcron.ports import DeadLetterSource, Lease
from tools.faultsim.history import Attempt, History
from tools.faultsim.network import HOPELESS, Network, process
from tools.faultsim.rollback import Older, taken_back_trigger


class WatchedBackfills(MemoryBackfills):
    """Backfills in memory, some of which the release of a rollback cannot read."""

    def __init__(self, network: Network, older: Older) -> None:
        super().__init__(pause=network)
        self._network = network
        self._older = older

    async def get(self, keys: Sequence[BackfillKey]) -> dict[BackfillKey, Backfill]:
        found = await super().get(keys)
        return {key: self._read(backfill) for key, backfill in found.items()}

    async def put(self, backfill: Backfill, *, replacing: int | None) -> bool:
        if replacing is None and self._network.is_unreadable(Key(backfill.tenant, backfill.name)):
            self._older.wrote_backfill(backfill)
        return await super().put(taken_back_trigger(backfill), replacing=replacing)

    def _read(self, backfill: Backfill) -> Backfill:
        unreadable = self._network.is_unreadable(Key(backfill.tenant, backfill.name))
        return self._older.shown_backfill(backfill) if unreadable else backfill


class SimulatedDeadLetters(MemoryDeadLetters):
    """Dead letters in memory. The operator finds the packs among them, and leaves those that are hopeless."""

    def __init__(self, network: Network, fires: MemoryDeadLetterQueue) -> None:
        super().__init__(pause=network)
        self._fires = fires

    async def send_to_dlq(self, queue: DeadLetterSource, body: str, *, reason: str, code: str) -> None:
        before = len(self.sent)
        try:
            await super().send_to_dlq(queue, body, reason=reason, code=code)
        finally:
            # Also if the process died after the service had taken it.
            if len(self.sent) > before and queue == "fires" and code not in {HOPELESS, "undecodable"}:
                self._fires.send_to_dlq(body, code=code, reason=reason)


class WatchedLeases(MemoryLeases):
    """Leases in memory that add to the history which planner tried which segment, and how that ended."""

    def __init__(self, history: History, network: Network) -> None:
        super().__init__(pause=network)
        self._history = history

    async def acquire(self, segment: int, *, end: Instant, now: Instant, lease_until: Instant) -> Lease | None:
        self._note(segment, is_over=False)
        lease = await super().acquire(segment, end=end, now=now, lease_until=lease_until)
        self._note(segment, is_over=lease is None)
        return lease

    async def save(self, lease: Lease, cursor: str) -> bool:
        saved = await super().save(lease, cursor)
        self._note(lease.segment, is_over=not saved)
        return saved

    async def commit(self, lease: Lease) -> bool:
        committed = await super().commit(lease)
        # False: a later planner has taken over.
        self._note(lease.segment, is_over=True)
        return committed

    def planned(self, asked: SegmentRange) -> dict[int, Instant]:
        """Each segment of *asked* with the instant through which it is planned now."""
        return {segment: self._state(segment).planned_through for segment in range(asked.first, asked.end)}

    def _note(self, segment: int, *, is_over: bool) -> None:
        self._history.attempts.append(Attempt(process.get().name, segment, is_over))
