"""``Backfills`` on DynamoDB, in the ledger's table: documents ``backfill#<tenant>#<name>#<id>``, ordered by version.

pk = "backfills"  v N (the format), open SS: the open ones, each "tenant/name/id"
"""

from __future__ import annotations

from eventcron.adapters.aws.documents import DynamoDocuments
from eventcron.adapters.aws.item_format import MARK_VALUE, MARKED, readable
from eventcron.adapters.aws.table import DynamoTable, Item, text
from eventcron.model.names import BackfillKey
from eventcron.model.records import Backfill

_LIST: Item = {"pk": text("backfills")}


class DynamoBackfills(DynamoDocuments[BackfillKey, Backfill]):
    """One item a backfill, and one for the list of open ones."""

    def __init__(self, table: DynamoTable) -> None:
        super().__init__(table, Backfill, kind="backfill", order="version")

    async def open(self) -> list[BackfillKey]:
        item = readable(await self._table.get(_LIST) or _LIST)
        return [BackfillKey(*name.split("/", 2)) for name in item.get("open", {}).get("SS", [])]

    async def enter(self, key: BackfillKey) -> None:
        await self._change("ADD #open :key", key)

    async def strike(self, key: BackfillKey) -> None:
        await self._change("DELETE #open :key", key)

    async def _change(self, change: str, key: BackfillKey) -> None:
        await self._table.update(_LIST, f"SET {MARKED} {change}", values={":key": {"SS": [str(key)]}, **MARK_VALUE})
