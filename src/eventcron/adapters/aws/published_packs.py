"""``PublishedPacks`` on DynamoDB, in the ledger's table.

pk = "pack#<id>"  v N (the format), published N (instant), expires N (the TTL attribute, in seconds)

An item's presence is all that is read, so its format does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.adapters.aws.item_format import MARK
from eventcron.adapters.aws.table import DynamoTable, Item, number, text
from eventcron.model.names import Instant


class DynamoPublishedPacks:
    """One item a pack."""

    def __init__(self, table: DynamoTable) -> None:
        self._table = table

    async def published(self, pack_ids: Sequence[str]) -> set[str]:
        items = await self._table.get_many([_key(pack_id) for pack_id in dict.fromkeys(pack_ids)])
        return {item["pk"]["S"].removeprefix("pack#") for item in items}

    async def record(self, pack_id: str, *, now: Instant, expires: int) -> None:
        await self._table.put(_key(pack_id) | MARK | {"published": number(now), "expires": number(expires)})


def _key(pack_id: str) -> Item:
    return {"pk": text(f"pack#{pack_id}")}
