"""Whose turn it is: among tenants that publish at once, and among a tenant's fires if its limit does not grant all.

The order of a tenant's fires depends on the minute and on the fire, and on nothing else. So the same fires have the
same order wherever and however often it is asked, and another order in another minute: a tenant over its limit does
not always lose the same schedules.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from hashlib import blake2b
from itertools import islice
from typing import Generic, TypeVar
from zlib import crc32

from eventcron.model.messages import Fire
from eventcron.model.names import Instant

T = TypeVar("T")

MINUTE_MS = 60_000
#: Milliseconds over which the requests of one second's packs spread, so that another pack is first each minute. With
#: the shortest lead, 1 second, a pack that asks 900 ms before its instant has 100 ms left to arrive.
SPREAD_MS = 300
#: Milliseconds for which a fire waits between two requests, and up to a minute and more: within the longest delay of a
#: queue, 15 minutes.
LONGEST_WAIT_MS = 600_000


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


def allowance(limit: int, at: Instant) -> int:
    """Up to how many fires of a minute, all together, a fire that can wait is published at *at*.

    The minute's *limit* becomes free as the minute passes. What is due later in the minute finds the rest.

    >>> [allowance(60, 1_000 * second) for second in (0, 1, 30, 59)], allowance(1, 20_000)
    ([0, 1, 30, 59], 1)
    """
    return -(-limit * (at % MINUTE_MS) // MINUTE_MS)


def asks_again_at(pack_id: str, *, late_since: Instant, now: Instant) -> Instant:
    """When a pack whose fires can wait asks for its tenant's limit again.

    It waits no longer than it is late already, or a minute if that is longer, and at most ``LONGEST_WAIT_MS``. A hash
    chooses the minute, so that packs that were refused together do not come back together. It comes in the minute's
    last third, when most of what is due in it has asked.

    >>> [asks_again_at(pack_id, late_since=0, now=600_000) for pack_id in ("5f1c", "5f1d")]
    [773375, 829899]
    """
    minutes = min(max(now - late_since, MINUTE_MS), LONGEST_WAIT_MS) // MINUTE_MS
    chance = crc32(f"{pack_id}+".encode())
    minute = now // MINUTE_MS + 1 + chance % minutes
    return minute * MINUTE_MS + MINUTE_MS * 2 // 3 + chance // minutes % (MINUTE_MS // 3)


class Turns(Generic[T]):
    """What waits, by owner. Owners take turns, so that a thousand things of one delay another's only one by one.

    Things are in rounds: a round has one thing of each owner that waits. Who comes later is in the round under way.

    >>> turns = Turns()
    >>> for number in range(3):
    ...     turns.put("huge", f"huge {number}")
    >>> turns.put("small", "small 0")
    >>> turns.before("huge"), turns.before("new"), turns.take(3), len(turns)
    (4, 2, ['huge 0', 'small 0', 'huge 1'], 1)
    """

    def __init__(self) -> None:
        #: The rounds, the one under way first, and how many things of that one were taken.
        self._rounds: deque[list[T]] = deque()
        self._taken = 0
        #: The number of the round under way, and the round in which the next thing of an owner is.
        self._round = 0
        self._next: dict[str, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def before(self, owner: str) -> int:
        """How many things come before the next one of *owner*, at most."""
        ahead = max(0, self._next.get(owner, 0) - self._round)
        widest = max((len(things) for things in islice(self._rounds, 2)), default=0)
        return min((ahead + 1) * widest, self._count)

    def put(self, owner: str, thing: T) -> None:
        """Let *thing* wait behind those of the same *owner*."""
        current, rounds = self._round, self._rounds
        number = self._next.get(owner, current)
        if number < current:  # noqa: PLR1730  # ``max`` takes four times as long
            number = current
        self._next[owner] = number + 1
        if number - current == len(rounds):
            rounds.append([thing])
        else:
            rounds[number - current].append(thing)
        self._count += 1

    def take(self, count: int) -> list[T]:
        """Take at most *count* things, one from each owner in turn."""
        taken: list[T] = []
        while self._rounds and len(taken) < count:
            first = self._rounds[0]
            end = self._taken + count - len(taken)
            taken += first[self._taken : end]
            self._taken = end
            if end >= len(first):
                self._rounds.popleft()
                self._round, self._taken = self._round + 1, 0
        self._count -= len(taken)
        if not self._count:
            self._round = 0
            self._next.clear()
        return taken
