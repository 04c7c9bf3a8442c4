"""Decide whether a lease or a rest has ended, whatever clock its holder had."""

from __future__ import annotations

from eventcron.model.names import Instant

#: Milliseconds. No lease is longer: it ends with the invocation that holds it, and Lambda ends one after 15 minutes.
LONGEST_LEASE_MS = 900_000


#: Milliseconds for which a segment rests after a pass that made a schedule dense. A pass that began before every part
#: of the index shows that could find the schedule nowhere. Indexes follow within a second.
REST_MS = 5_000


def is_held(lease_until: Instant, *, now: Instant) -> bool:
    """Whether a lease through *lease_until* is alive. One that seems longer than any can be is of a clock ahead.

    >>> is_held(60_000, now=0), is_held(60_000, now=60_000), is_held(86_400_000, now=0)
    (True, False, False)
    """
    return now < lease_until <= now + LONGEST_LEASE_MS


def is_resting(until: Instant, *, now: Instant) -> bool:
    """Whether a segment still rests *until* then. A rest that seems twice as long as any is of a clock ahead.

    >>> is_resting(5_000, now=0), is_resting(5_000, now=5_000), is_resting(60_000, now=0)
    (True, False, False)
    """
    return now < until <= now + 2 * REST_MS
