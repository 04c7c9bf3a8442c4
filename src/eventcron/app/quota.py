"""Decide which fires of a pack exceed the number that their tenant may publish in a minute."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain

from eventcron.app.concurrency import all_of
from eventcron.model.messages import Fire
from eventcron.ports import Quota, QuotaRequest
from eventcron.rules.turns import MINUTE_MS, in_turn

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


def named(limit: int) -> str:
    """*limit* as ``Schedule Skipped`` names it.

    >>> named(100)
    '100 fires a minute'
    """
    return f"{limit} fires a minute"
