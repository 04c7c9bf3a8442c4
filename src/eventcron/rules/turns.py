"""Whose turn it is: among tenants that publish at once, and among a tenant's fires if its limit does not grant all.

The order of a tenant's fires depends on the minute and on the fire, and on nothing else. So the same fires have the
same order wherever and however often it is asked, and another order in another minute: a tenant over its limit does
not always lose the same schedules.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from hashlib import blake2b
from typing import Generic, TypeVar
from zlib import crc32

from eventcron.model.messages import Fire

T = TypeVar("T")

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


class Turns(Generic[T]):
    """What waits, by owner. Owners take turns, so that a thousand things of one delay another's only one by one.

    >>> turns = Turns()
    >>> for number in range(3):
    ...     turns.put("huge", f"huge {number}")
    >>> turns.put("small", "small 0")
    >>> turns.take(3), len(turns), turns.owners
    (['huge 0', 'small 0', 'huge 1'], 1, 1)
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def owners(self) -> int:
        """How many have something that waits."""
        return len(self._waiting)

    def count(self, owner: str) -> int:
        """How many things of *owner* wait."""
        return len(self._waiting.get(owner, ()))

    def put(self, owner: str, thing: T) -> None:
        """Let *thing* wait behind those of the same *owner*. A new owner's turn is the last."""
        self._waiting.setdefault(owner, deque()).append(thing)
        self._count += 1

    def take(self, count: int) -> list[T]:
        """Take at most *count* things, one from each owner in turn."""
        taken: list[T] = []
        while self._waiting and len(taken) < count:
            owner, things = self._waiting.popitem(last=False)
            if not self._waiting:
                # Nobody else waits: all turns are this one's.
                taken += [things.popleft() for _ in range(min(len(things), count - len(taken)))]
            else:
                taken.append(things.popleft())
            if things:
                self._waiting[owner] = things
        self._count -= len(taken)
        return taken
