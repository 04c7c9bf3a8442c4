"""``Calendars`` on DynamoDB, in the ledger's table.

pk = "calendar#<tenant>#<name>"  revision N (what conditions read), body S (JSON), expires N (TTL, in seconds)
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from eventcron.adapters.aws.backoff import Backoff
from eventcron.adapters.aws.clients import DynamoClient
from eventcron.adapters.aws.table import DynamoTable, Item, number, text
from eventcron.model import Calendar, CalendarKey

_encode = msgspec.json.Encoder().encode
_body = msgspec.json.Decoder(Calendar)


class DynamoCalendars:
    """Calendars by ``pk``, beside segments, packs and backfills."""

    def __init__(
        self,
        client: DynamoClient,
        table: str,
        *,
        concurrency: int = 16,
        backoff: Backoff = Backoff(),  # noqa: B008  immutable
    ) -> None:
        self._table = DynamoTable(client, table, concurrency=concurrency, backoff=backoff)

    async def get(self, keys: Sequence[CalendarKey]) -> dict[CalendarKey, Calendar]:
        items = await self._table.get_many([_key(key) for key in dict.fromkeys(keys)])
        found = [_body.decode(item["body"]["S"]) for item in items]
        return {calendar.key: calendar for calendar in found}

    async def put(self, calendar: Calendar, *, replacing: int | None) -> bool:
        item = _key(calendar.key) | {"revision": number(calendar.revision), "body": text(_encode(calendar).decode())}
        if calendar.expires is not None:
            item["expires"] = number(calendar.expires)
        if replacing is None:
            return await self._table.put(item, when="attribute_not_exists(#pk)")
        return await self._table.put(item, when="#revision = :stored", values={":stored": number(replacing)})


def _key(key: CalendarKey) -> Item:
    return {"pk": text(f"calendar#{key.tenant}#{key.name}")}
