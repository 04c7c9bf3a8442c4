"""Where a schedule belongs, decided by its name alone: its segment, and its place in a flexible window.

The hashes are part of what is stored, so they never change: another language or release computes the same.
"""

from __future__ import annotations

from hashlib import blake2b

from eventcron.model.names import Key

#: Keeps the flexible window's spread independent of the segments: else all of one segment would share few offsets.
_FLEXIBLE = b"flexible"


def stable_hash(key: Key, *, purpose: bytes = b"") -> int:
    """64 bits that depend on *key* and *purpose* only: BLAKE2b over the tenant's length, the tenant, the name.

    The length keeps ``("a", "bc")`` apart from ``("ab", "c")``.

    >>> stable_hash(Key("acme", "nightly-export"))
    15012691568425330901
    """
    tenant, name = key.tenant.encode(), key.name.encode()
    hashed = blake2b(len(tenant).to_bytes(4, "big") + tenant + name, digest_size=8, person=purpose)
    return int.from_bytes(hashed.digest(), "big")


def segment_of(key: Key, segments: int) -> int:
    """Which of *segments* equal shares the schedule is in: 0 … segments-1.

    Twice as many segments split each in two: what was in ``s`` is then in ``s`` or ``s + segments``.
    """
    return stable_hash(key) % segments


def flexible_offset_ms(key: Key, seconds: int) -> int:
    """How long after its due instants the schedule fires, in ``[0, seconds * 1000)``, in whole seconds.

    The same for all its fires, so that the distance between them stays; 0 without a flexible window.
    """
    return stable_hash(key, purpose=_FLEXIBLE) % seconds * 1000 if seconds else 0
