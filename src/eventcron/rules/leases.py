"""Decide whether a lease has ended, whatever clock its holder had."""

from __future__ import annotations

from eventcron.model.names import Instant

#: Milliseconds. No lease is longer: it ends with the invocation that holds it, and Lambda ends one after 15 minutes.
LONGEST_LEASE_MS = 900_000


def is_held(lease_until: Instant, *, now: Instant) -> bool:
    """Whether a lease through *lease_until* is alive. One that seems longer than any can be is of a clock ahead.

    >>> is_held(60_000, now=0), is_held(60_000, now=60_000), is_held(86_400_000, now=0)
    (True, False, False)
    """
    return now < lease_until <= now + LONGEST_LEASE_MS
