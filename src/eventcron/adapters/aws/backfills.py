"""``Backfills`` on DynamoDB, in the ledger's table.

pk = "backfill#<tenant>#<name>#<id>"  version N (what conditions read), body S (JSON), expires N (TTL, in seconds)
pk = "backfills"                      open SS: the open ones, each "tenant/name/id"
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from eventcron.adapters.aws.backoff import Backoff
from eventcron.adapters.aws.clients import DynamoClient
from eventcron.adapters.aws.table import DynamoTable, Item, number, text
from eventcron.model import Backfill, BackfillKey

_LIST: Item = {"pk": text("backfills")}
_encode = msgspec.json.Encoder().encode
_body = msgspec.json.Decoder(Backfill)


class DynamoBackfills:
    """Backfills by ``pk``, beside segments and packs."""

    def __init__(
        self,
        client: DynamoClient,
        table: str,
        *,
        concurrency: int = 16,
        backoff: Backoff = Backoff(),  # noqa: B008  immutable
    ) -> None:
        self._table = DynamoTable(client, table, concurrency=concurrency, backoff=backoff)

    async def get(self, keys: Sequence[BackfillKey]) -> dict[BackfillKey, Backfill]:
        items = await self._table.get_many([_key(key) for key in dict.fromkeys(keys)])
        found = [_body.decode(item["body"]["S"]) for item in items]
        return {backfill.key: backfill for backfill in found}

    async def put(self, backfill: Backfill, *, replacing: int | None) -> bool:
        item = _key(backfill.key) | {"version": number(backfill.version), "body": text(_encode(backfill).decode())}
        if backfill.expires is not None:
            item["expires"] = number(backfill.expires)
        if replacing is None:
            return await self._table.put(item, when="attribute_not_exists(#pk)")
        return await self._table.put(item, when="#version = :stored", values={":stored": number(replacing)})

    async def open(self) -> list[BackfillKey]:
        item = await self._table.get(_LIST) or {}
        return [BackfillKey(*name.split("/", 2)) for name in item.get("open", {}).get("SS", [])]

    async def enter(self, key: BackfillKey) -> None:
        await self._change("ADD #open :key", key)

    async def strike(self, key: BackfillKey) -> None:
        await self._change("DELETE #open :key", key)

    async def _change(self, change: str, key: BackfillKey) -> None:
        await self._table.update(_LIST, change, values={":key": {"SS": [str(key)]}})


def _key(key: BackfillKey) -> Item:
    return {"pk": text(f"backfill#{key.tenant}#{key.name}#{key.id}")}
