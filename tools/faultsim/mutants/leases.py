"""Faults in the leases of segments, and in where a pass over a segment starts and ends."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from eventcron.adapters.memory import MemoryLeases
from eventcron.adapters.next_lease import next_lease
from eventcron.ports import Lease, SegmentState
from tools.faultsim.mutants.planting import Function, Mutant, changes, changes_everywhere


def _commit_instead(_original: Any) -> Function:
    async def save(self: Any, lease: Lease, _cursor: str) -> object:
        return await self.commit(lease)

    return save


def _extend(original: Any) -> Function:
    def extended(state: SegmentState, cursor: str | None, *, end: int, lease_until: int) -> Lease:
        lease: Lease = original(state, cursor, end=end, lease_until=lease_until)
        return lease if cursor is None else replace(lease, end=max(end, lease.end))

    return extended


def _skip_ahead(original: Any) -> Function:
    return lambda state, *rest, **times: original(replace(state, planned_through=state.claimed_through), *rest, **times)


MUTANTS = (
    Mutant(
        "a pass that runs out of time commits its segment instead of saving its page",
        changes(MemoryLeases, "save", _commit_instead),
    ),
    Mutant(
        "a pass that resumes at a page extends its window, and leaves the pages before it unplanned there",
        changes_everywhere(next_lease, _extend),
    ),
    Mutant(
        "after a crash a segment starts where the crashed pass wanted to end",
        changes_everywhere(next_lease, _skip_ahead),
    ),
)
