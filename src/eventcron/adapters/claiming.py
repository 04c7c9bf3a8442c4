"""What a claim of a segment is, whatever the ledger is kept in."""

from __future__ import annotations

from eventcron.model import Instant
from eventcron.ports import Claim, SegmentState


def next_claim(state: SegmentState, cursor: str | None, *, end: Instant, lease_until: Instant) -> Claim:
    """The claim that follows *state*, whose lease has ended; *cursor* is where a pass stopped midway.

    An unfinished pass keeps its end: with a cursor exactly, because the pages before it were planned through
    that end; without one at least, because fires up to it may have been sent already.

    With nothing to plan (``start >= end``) the fence does not rise and the claim need not be written: a lease
    that guards nothing would only hold up the next window.
    """
    planned, claimed = state.planned_through, state.claimed_through
    fence = state.fence + 1
    if claimed > planned:
        end = max(end, claimed) if cursor is None else claimed
    elif end <= planned:
        fence = state.fence
    return Claim(segment=state.segment, start=planned, end=end, fence=fence, lease_until=lease_until, cursor=cursor)
