"""What a claim of a segment is, whatever the ledger is kept in."""

from __future__ import annotations

import msgspec

from eventcron.model.names import Instant
from eventcron.ports import Lease, SegmentState


def next_claim(state: SegmentState, cursor: str | None, *, end: Instant, lease_until: Instant) -> Lease:
    """The claim that follows *state*, whose lease has ended; *cursor* is where a pass stopped midway.

    An unfinished pass keeps its end: with a cursor exactly, because the pages before it were planned through
    that end; without one at least, because fires up to it may have been sent already.

    With nothing to plan (``start >= end``) the fence does not rise and the claim need not be written: a lease
    that guards nothing would only hold up the next window.
    """
    planned, claimed = state.planned_through, state.claimed_through
    claim = Lease(segment=state.segment, start=planned, end=end, fence=state.fence + 1, lease_until=lease_until)
    if claimed > planned:
        return msgspec.structs.replace(claim, end=max(end, claimed) if cursor is None else claimed, cursor=cursor)
    if end <= planned:
        return msgspec.structs.replace(claim, fence=state.fence)
    return claim
