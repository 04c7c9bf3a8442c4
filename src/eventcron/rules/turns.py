"""Whose turn it is: which of a tenant's fires come first where its limit does not grant all of them.

The order depends on the minute and on the fire, and on nothing else. So the same fires have the same order wherever and
however often it is asked, and another order in another minute: a tenant over its limit does not always lose the same
schedules.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from zlib import crc32

from eventcron.model.messages import Fire

MINUTE_MS = 60_000
#: Milliseconds over which the requests of one second's packs spread, so that another pack is first each minute. With
#: the shortest lead, 1 second, a pack that asks 900 ms before its instant has 100 ms left to arrive.
SPREAD_MS = 300


def in_turn(fires: Iterable[Fire]) -> list[Fire]:
    """*fires* by second of publication, and within a second in the order of their turns.

    >>> names = ["a", "b", "c"]
    >>> def order(minute):
    ...     return [fire.name for fire in in_turn(Fire("acme", name, 1, minute, minute) for name in names)]
    >>> order(0), order(120_000)
    (['a', 'c', 'b'], ['c', 'a', 'b'])
    """
    return sorted(fires, key=lambda fire: (fire.at // 1000, turn(fire)))


def turn(fire: Fire) -> bytes:
    """The position of *fire* among the fires of its minute: each is as likely the first as any other."""
    what = (str(fire.at // MINUTE_MS), fire.tenant, fire.name, str(fire.due), fire.cause, fire.cause_id)
    return blake2b("\n".join(what).encode(), digest_size=8).digest()


def ask_early_ms(pack_id: str) -> int:
    """By how many milliseconds, fewer than ``SPREAD_MS``, a pack asks for its quota earlier than it has to.

    The planner sends the packs of a second in an order that hardly changes. If they asked in that order, the same packs
    would always be granted. A pack's id depends on when its fires are due, so this number is another one each minute.

    >>> [ask_early_ms(pack_id) for pack_id in ("5f1c", "5f1d")]
    [61, 290]
    """
    return crc32(pack_id.encode()) % SPREAD_MS
