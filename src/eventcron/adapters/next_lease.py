"""What the next lease of a segment covers, and whether a lease is the latest. The same in memory and on DynamoDB."""

from __future__ import annotations

import msgspec

from eventcron.model.names import Instant
from eventcron.ports import Lease, SegmentState


def next_lease(state: SegmentState, cursor: str | None, *, end: Instant, lease_until: Instant) -> Lease:
    """The lease that follows *state*, whose own lease has ended. *cursor* is the page that a pass saved, if it did.

    An unfinished pass keeps its end. With a cursor the end is exactly the same, because the pages before the cursor
    were planned through that end. Without one it is at least the same, because fires up to it may have been sent.

    If there is nothing to plan (``start >= end``), the fence does not rise and the lease need not be stored: a lease
    that guards nothing would only hold up the next window.

    A lease that nobody gave up is of a pass that may have made schedules dense until now.
    """
    planned, claimed = state.planned_through, state.claimed_through
    lease = Lease(
        segment=state.segment,
        start=planned,
        end=end,
        fence=state.fence + 1,
        lease_until=lease_until,
        lagging=state.lagging or state.lease_until != 0,
    )
    if claimed > planned:
        return msgspec.structs.replace(lease, end=max(end, claimed) if cursor is None else claimed, cursor=cursor)
    if end <= planned:
        return msgspec.structs.replace(lease, fence=state.fence)
    return lease


def is_held_in(state: SegmentState, lease: Lease) -> bool:
    """Whether *lease* is the one that *state* has: it has not ended, and no later lease has fenced it off."""
    return (state.fence, state.lease_until) == (lease.fence, lease.lease_until)
