"""``Leases`` in memory."""

from __future__ import annotations

import msgspec

from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.adapters.next_lease import is_held_in, next_lease
from eventcron.model.names import Instant
from eventcron.ports import Lease, SegmentState
from eventcron.rules.leases import is_held


class MemoryLeases:
    """Segment states and saved pages, by segment."""

    def __init__(self, *, pause: Pause = yield_once) -> None:
        self._pause = pause
        self._states: dict[int, SegmentState] = {}
        self._cursors: dict[int, str] = {}

    async def acquire(self, segment: int, *, end: Instant, now: Instant, lease_until: Instant) -> Lease | None:
        await self._pause("acquire_lease.before")
        lease = self._acquire(segment, end=end, now=now, lease_until=lease_until)
        await self._pause("acquire_lease.after")
        return lease

    async def save(self, lease: Lease, cursor: str) -> bool:
        await self._pause("save.before")
        saved = self._holds(lease)
        if saved:
            self._end(lease, planned_through=lease.start, cursor=cursor)
        await self._pause("save.after")
        return saved

    async def commit(self, lease: Lease) -> bool:
        await self._pause("commit.before")
        state = self._state(lease.segment)
        planned = max(lease.start, lease.end)
        committed = self._holds(lease) or (state.fence, state.planned_through) == (lease.fence, planned)
        if committed:
            self._end(lease, planned_through=planned, cursor=None)
            self._states[lease.segment] = msgspec.structs.replace(self._state(lease.segment), claimed_through=planned)
        await self._pause("commit.after")
        return committed

    async def release(self, lease: Lease) -> bool:
        await self._pause("release.before")
        released = self._holds(lease)
        if released:
            self._end(lease, planned_through=lease.start, cursor=None)
        await self._pause("release.after")
        return released

    async def holds(self, lease: Lease) -> bool:
        await self._pause("holds.before")
        held = self._holds(lease)
        await self._pause("holds.after")
        return held

    async def planned_through(self, segment: int) -> Instant:
        await self._pause("planned_through.before")
        planned = self._state(segment).planned_through
        await self._pause("planned_through.after")
        return planned

    async def segments(self, count: int) -> list[SegmentState]:
        await self._pause("segments.before")
        states = [self._state(segment) for segment in range(count)]
        await self._pause("segments.after")
        return states

    def _state(self, segment: int) -> SegmentState:
        return self._states.get(segment) or SegmentState(segment=segment)

    def _acquire(self, segment: int, *, end: Instant, now: Instant, lease_until: Instant) -> Lease | None:
        state = self._state(segment)
        if is_held(state.lease_until, now=now):
            return None
        lease = next_lease(state, self._cursors.get(segment), end=end, lease_until=lease_until)
        if lease.start < lease.end:
            self._states[segment] = msgspec.structs.replace(
                state, claimed_through=lease.end, lease_until=lease_until, fence=lease.fence
            )
        return lease

    def _holds(self, lease: Lease) -> bool:
        return is_held_in(self._state(lease.segment), lease)

    def _end(self, lease: Lease, *, planned_through: Instant, cursor: str | None) -> None:
        state = self._state(lease.segment)
        self._states[lease.segment] = msgspec.structs.replace(
            state, planned_through=planned_through, lease_until=0, lagging=lease.lagging
        )
        self._cursors.pop(lease.segment, None)
        if cursor is not None:
            self._cursors[lease.segment] = cursor
