"""Decide which fires of a pack exceed the number that their tenant may publish in a minute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain

from eventcron.app.concurrency import all_of
from eventcron.model.messages import Fire
from eventcron.ports import Quota, QuotaRequest
from eventcron.rules.turns import MINUTE_MS, in_turn


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
