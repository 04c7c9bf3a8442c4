"""``Sweeps`` on DynamoDB, in the ledger's table.

Documents ``sweep#latest``, ordered by number, and ``share#<part>``, ordered by version.
"""

from __future__ import annotations

from collections.abc import Mapping

from eventcron.adapters.aws.documents import DynamoDocuments
from eventcron.adapters.aws.table import DynamoTable
from eventcron.model.records import Share, Sweep


class DynamoSweeps:
    """One item for the sweep, and one a share, so that runs that save shares do not wait for each other."""

    def __init__(self, table: DynamoTable) -> None:
        self._sweeps: DynamoDocuments[tuple[str, ...], Sweep] = DynamoDocuments(
            table, Sweep, kind="sweep", order="number"
        )
        self._shares: DynamoDocuments[tuple[str, ...], Share] = DynamoDocuments(
            table, Share, kind="share", order="version"
        )

    async def latest(self) -> Sweep | None:
        return next(iter((await self._sweeps.get([("latest",)])).values()), None)

    async def put(self, sweep: Sweep, *, replacing: int | None) -> bool:
        return await self._sweeps.put(sweep, replacing=replacing)

    async def shares(self, count: int) -> Mapping[int, Share]:
        stored = await self._shares.get([(str(part),) for part in range(count)])
        return {share.part: share for share in stored.values()}

    async def put_share(self, share: Share, *, replacing: int | None) -> bool:
        return await self._shares.put(share, replacing=replacing)
