"""``History`` on DynamoDB, in a table of its own.

    schedule S = "<tenant>/<name>", entry S = "<instant>#<kind>#<id>"     the key
    v N (the format), body S (JSON), expires N (TTL, in seconds)

A new field with a default needs no change here: it becomes part of ``body``, and older items read as the default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from eventcron.adapters.aws.item_format import FORMAT, MARK
from eventcron.adapters.aws.table import DynamoTable, Item, number, text
from eventcron.errors import Undecodable
from eventcron.model.history import HistoryEntry
from eventcron.model.names import Key, Window
from eventcron.ports import Page, Refusal
from eventcron.rules.history import first_place, place

_DAY_S = 86_400

_encode = msgspec.json.Encoder().encode
_entry = msgspec.json.Decoder(HistoryEntry)


class DynamoHistory:
    """One item an entry; one partition a schedule."""

    def __init__(self, table: DynamoTable, *, page_size: int | None = None) -> None:
        self._table = table
        self._page_size = page_size

    async def append(self, entries: Sequence[HistoryEntry], *, days: int) -> list[Refusal]:
        # BatchWriteItem takes no two items with one key. Of an entry that is there twice, the later one counts.
        distinct = {(entry.key, place(entry)): entry for entry in entries}
        left = await self._table.put_many([_item(entry, days=days) for entry in distinct.values()])
        names = [*distinct]
        refused = {names[index]: reason for index, reason in left.items()}
        return [
            Refusal(index=index, code="NotWritten", message=refused[entry.key, place(entry)])
            for index, entry in enumerate(entries)
            if (entry.key, place(entry)) in refused
        ]

    async def read(
        self,
        key: Key,
        window: Window,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        latest_first: bool = True,
    ) -> Page[HistoryEntry]:
        if window.start >= window.end:
            return Page([])
        most = min((count for count in (limit, self._page_size) if count is not None), default=None)
        options: dict[str, Any] = {} if most is None else {"Limit": most}
        items, following = await self._table.query(
            "#schedule = :schedule AND #entry BETWEEN :first AND :last",
            {
                ":schedule": text(str(key)),
                ":first": text(first_place(window.start)),
                # No entry has a place that is an instant alone, so the end is exclusive.
                ":last": text(first_place(window.end)),
            },
            cursor=None if cursor is None else _encode(_key(key, cursor)).decode(),
            ScanIndexForward=not latest_first,
            ConsistentRead=True,
            **options,
        )
        return Page([_decoded(item) for item in items], None if following is None else items[-1]["entry"]["S"])


def _key(key: Key, at: str) -> Item:
    return {"schedule": text(str(key)), "entry": text(at)}


def _item(entry: HistoryEntry, *, days: int) -> Item:
    expires = entry.time // 1000 + days * _DAY_S
    return _key(entry.key, place(entry)) | MARK | {"body": text(_encode(entry).decode()), "expires": number(expires)}


def _decoded(item: Item) -> HistoryEntry:
    where = f"entry {item['entry']['S']} of {item['schedule']['S']}"
    if item.get("v") != number(FORMAT):
        raise Undecodable(f"{where} is stored in format {item.get('v')}; this version reads format {FORMAT}")
    try:
        return _entry.decode(item["body"]["S"])
    except (msgspec.DecodeError, KeyError) as error:
        raise Undecodable(f"{where} is stored in a form that cannot be read: {error!r}") from error
