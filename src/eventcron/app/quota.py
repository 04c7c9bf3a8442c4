"""Decide which fires of a pack exceed the number that their tenant may publish in a minute."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from eventcron.app.concurrency import all_of
from eventcron.model.messages import Fire
from eventcron.model.names import Instant
from eventcron.ports import Quota, QuotaRequest
from eventcron.rules.turns import MINUTE_MS, allowance, in_turn

#: A tenant that has no more than this part of its limit in a pack is not counted there: counting takes two writes and
#: one more read of its schedules, which costs more than its fires. A limit below it is kept exactly.
UNCOUNTED_PART = 10_000


def countable(fires: Sequence[Fire], *, limit: int) -> list[Fire]:
    """Those of a pack's *fires* that are counted against *limit*; 0 = there is none, and nothing is counted.

    >>> few, many = Fire("few", "a", 1, 0, 0), [Fire("many", f"{n}", 1, 0, 0) for n in range(4)]
    >>> [fire.tenant for fire in countable([few, *many], limit=30_000)]
    ['many', 'many', 'many', 'many']
    >>> len(countable([few, *many], limit=9_999)), countable(many, limit=0)
    (5, [])
    """
    if not limit:
        return []
    uncounted = limit // UNCOUNTED_PART
    if len(fires) <= uncounted:
        return []
    of_tenant = Counter([fire.tenant for fire in fires])
    if max(of_tenant.values()) <= uncounted:
        return []
    return [fire for fire in fires if of_tenant[fire.tenant] > uncounted]


async def beyond(quota: Quota, pack_id: str, fires: Iterable[Fire], *, limit: int, expires: int) -> frozenset[Fire]:
    """The pack's *fires* that exceed *limit*, counted by tenant and by minute of publication.

    A tenant's fires are granted in the order of ``in_turn``, which is another one each minute. A repeated call for the
    same pack returns the same fires, or none: see ``Quota.acquire``, which also explains *expires*.

    Raises:
        Unavailable: the quota cannot be read.
    """
    wanted: defaultdict[tuple[str, int], list[Fire]] = defaultdict(list)
    for fire in in_turn(fires):
        wanted[fire.tenant, fire.at // MINUTE_MS].append(fire)

    async def refused(tenant: str, minute: int, of_tenant: list[Fire]) -> list[Fire]:
        request = QuotaRequest(tenant=tenant, minute=minute, pack_id=pack_id, count=len(of_tenant), limit=limit)
        return of_tenant[await quota.acquire(request, expires=expires) :]

    asked = (refused(tenant, minute, of_tenant) for (tenant, minute), of_tenant in wanted.items())
    return frozenset(chain.from_iterable(await all_of(asked)))


class OverLimit(NamedTuple):
    """What becomes of a pack's fires that exceed their tenant's limit."""

    skip: frozenset[Fire] = frozenset()
    #: These are published later.
    wait: frozenset[Fire] = frozenset()
    #: When these are tried again.
    until: Instant = 0


async def without_room(
    quota: Quota, pack_id: str, fires: Iterable[Fire], *, limit: int, now: Instant, expires: int
) -> frozenset[Fire]:
    """Those of *fires*, which can wait, for which their tenant's *limit* has no room in the present minute.

    They take only what is left by what was due, and of the limit no more than ``allowance`` grants up to now. So they
    never keep a current fire from being granted that comes later in the minute.

    Raises:
        Unavailable: the quota cannot be read.
    """
    of_tenant: defaultdict[str, list[Fire]] = defaultdict(list)
    for fire in sorted(fires, key=lambda fire: (fire.due, fire.name)):
        of_tenant[fire.tenant].append(fire)

    async def refused(tenant: str, patient: list[Fire]) -> list[Fire]:
        at = max(now, *(fire.at for fire in patient))
        minute = at // MINUTE_MS
        room = max(0, allowance(limit, at) - await quota.used(tenant, minute))
        count = min(room, len(patient))
        if not count:
            return patient
        # The id differs from that of the pack's current fires, which ask for themselves.
        request = QuotaRequest(tenant=tenant, minute=minute, pack_id=f"{pack_id}+", count=count, limit=limit)
        return patient[await quota.acquire(request, expires=expires) :]

    asked = (refused(tenant, patient) for tenant, patient in of_tenant.items())
    return frozenset(chain.from_iterable(await all_of(asked)))


def named(limit: int) -> str:
    """*limit* as ``Schedule Skipped`` names it.

    >>> named(100)
    '100 fires a minute'
    """
    return f"{limit} fires a minute"
