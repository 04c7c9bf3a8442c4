"""Hashes of a schedule's tenant and name: they choose its segment and its offset in a flexible window.

The store keeps the results, so these hashes never change. Any language and any release must compute the same values.
"""

from __future__ import annotations

from hashlib import blake2b

from eventcron.model.names import Key

#: Makes the flexible offset independent of the segment. Otherwise the schedules of one segment would share few offsets.
_FLEXIBLE = b"flexible"


def stable_hash(key: Key, *, purpose: bytes = b"") -> int:
    """Return 64 bits that depend on *key* and *purpose* only.

    The hash is BLAKE2b over the tenant's length, the tenant and the name. The length distinguishes ``("a", "bc")``
    from ``("ab", "c")``.

    >>> stable_hash(Key("acme", "nightly-export"))
    15012691568425330901
    """
    tenant, name = key.tenant.encode(), key.name.encode()
    hashed = blake2b(len(tenant).to_bytes(4, "big") + tenant + name, digest_size=8, person=purpose)
    return int.from_bytes(hashed.digest(), "big")


def segment_of(key: Key, segments: int) -> int:
    """Return the segment of a schedule: 0 … segments-1.

    Doubling *segments* splits each segment in two: a schedule of segment ``s`` is then in ``s`` or ``s + segments``.
    """
    return stable_hash(key) % segments


def flexible_offset_ms(key: Key, seconds: int) -> int:
    """Return by how many milliseconds a schedule's fires follow their due instants.

    The result is whole seconds in ``[0, seconds * 1000)``, or 0 without a flexible window. It is the same for all
    fires of the schedule, so the intervals between them do not change.
    """
    return stable_hash(key, purpose=_FLEXIBLE) % seconds * 1000 if seconds else 0
