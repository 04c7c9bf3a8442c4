"""``Ledger`` in memory."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from eventcron.adapters.leasing import next_claim
from eventcron.adapters.memory.pause import Pause, yield_once
from eventcron.model.names import Instant
from eventcron.ports import Lease, QuotaRequest, SegmentState


class MemoryLedger:
    """Claims by segment, with fencing; published packs by id; places by tenant and minute.

    A claim ends once, but a commit may be repeated.
    """

    def __init__(self, *, pause: Pause = yield_once) -> None:
        self._pause = pause
        self._states: dict[int, SegmentState] = {}
        self._cursors: dict[int, str] = {}
        self._published: dict[str, int] = {}
        self._wanted: dict[tuple[str, int], int] = {}
        self._places: dict[tuple[str, int, str], int] = {}
        self._rules = ""

    async def claim(self, segment: int, *, end: Instant, now: Instant, lease_until: Instant) -> Lease | None:
        await self._pause("claim.before")
        claim = self._claim(segment, end=end, now=now, lease_until=lease_until)
        await self._pause("claim.after")
        return claim

    async def save(self, claim: Lease, cursor: str) -> bool:
        await self._pause("save.before")
        saved = self._holds(claim)
        if saved:
            self._give_up(claim, planned_through=claim.start, cursor=cursor)
        await self._pause("save.after")
        return saved

    async def commit(self, claim: Lease) -> bool:
        await self._pause("commit.before")
        state = self._state(claim.segment)
        planned = max(claim.start, claim.end)
        committed = self._holds(claim) or (state.fence, state.planned_through) == (claim.fence, planned)
        if committed:
            self._give_up(claim, planned_through=planned, cursor=None)
        await self._pause("commit.after")
        return committed

    async def release(self, claim: Lease) -> bool:
        await self._pause("release.before")
        released = self._holds(claim)
        if released:
            self._give_up(claim, planned_through=claim.start, cursor=None)
        await self._pause("release.after")
        return released

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

    async def rules(self) -> str:
        await self._pause("rules.before")
        rules = self._rules
        await self._pause("rules.after")
        return rules

    async def note_rules(self, rules: str) -> None:
        await self._pause("note_rules.before")
        self._rules = rules
        await self._pause("note_rules.after")

    async def published(self, pack_ids: Sequence[str]) -> set[str]:
        await self._pause("published.before")
        known = {pack_id for pack_id in pack_ids if pack_id in self._published}
        await self._pause("published.after")
        return known

    async def record(self, pack_id: str, *, now: Instant, expires: int) -> None:  # noqa: ARG002  the port's signature
        await self._pause("record.before")
        self._published[pack_id] = expires
        await self._pause("record.after")

    async def acquire(self, request: QuotaRequest, *, expires: int) -> int:  # noqa: ARG002  the port's signature
        await self._pause("acquire.before")
        minute = (request.tenant, request.minute)
        name = (*minute, request.pack_id)
        if name not in self._places:
            before = self._wanted.get(minute, 0)
            self._wanted[minute] = before + request.count
            self._places[name] = request.granted(before)
        await self._pause("acquire.after")
        return self._places[name]

    def _state(self, segment: int) -> SegmentState:
        return self._states.get(segment) or SegmentState(segment=segment)

    def _claim(self, segment: int, *, end: Instant, now: Instant, lease_until: Instant) -> Lease | None:
        state = self._state(segment)
        if state.lease_until > now:
            return None
        claim = next_claim(state, self._cursors.get(segment), end=end, lease_until=lease_until)
        if claim.start < claim.end:
            self._states[segment] = msgspec.structs.replace(
                state, claimed_through=claim.end, lease_until=lease_until, fence=claim.fence
            )
        return claim

    def _holds(self, claim: Lease) -> bool:
        state = self._state(claim.segment)
        return (state.fence, state.lease_until) == (claim.fence, claim.lease_until)

    def _give_up(self, claim: Lease, *, planned_through: Instant, cursor: str | None) -> None:
        state = self._state(claim.segment)
        self._states[claim.segment] = msgspec.structs.replace(state, planned_through=planned_through, lease_until=0)
        self._cursors.pop(claim.segment, None)
        if cursor is not None:
            self._cursors[claim.segment] = cursor
