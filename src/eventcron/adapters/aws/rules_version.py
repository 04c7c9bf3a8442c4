"""``RulesVersion`` on DynamoDB, in the ledger's table.

pk = "rules"  v N (the format), rules S (the version)
"""

from __future__ import annotations

from eventcron.adapters.aws.item_format import MARK, readable
from eventcron.adapters.aws.table import DynamoTable, Item, text

_KEY: Item = {"pk": text("rules")}


class DynamoRulesVersion:
    """One item."""

    def __init__(self, table: DynamoTable) -> None:
        self._table = table

    async def read(self) -> str:
        item = readable(await self._table.get(_KEY) or _KEY)
        version: str = item.get("rules", text(""))["S"]
        return version

    async def write(self, version: str) -> None:
        await self._table.put(_KEY | MARK | {"rules": text(version)})
