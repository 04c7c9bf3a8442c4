"""Large inputs of schedules, as items of their own in the table of the schedules.

    tenant S "<tenant>/<name>", name S "<revision>-<digest>"    the key; no tenant has "/" in its name
    v N          the format
    input S      JSON
    written N    when it was stored, an instant
    expires N    TTL, in seconds; absent while a record may refer to it

The index ``plan`` has none of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from eventcron.adapters.aws.table import DynamoTable, Item, number, text
from eventcron.errors import Undecodable
from eventcron.model.names import Key
from eventcron.model.records import FireRecord, InputRef, StoredInput
from eventcron.ports import Clock
from eventcron.rules.inputs import KEPT_MS

FORMAT = 1


class DynamoInputs:
    """One item an input. An input is written before the record that refers to it, and never changed."""

    def __init__(self, table: DynamoTable, *, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    async def write(self, key: Key, place: InputRef, given: msgspec.Raw) -> None:
        item = _key(key, place.id) | {
            "v": number(FORMAT),
            "input": text(bytes(given).decode()),
            "written": number(self._clock.now()),
        }
        await self._table.put(item)

    async def read(self, records: Sequence[FireRecord]) -> dict[Key, msgspec.Raw]:
        """The inputs to which *records* refer. One that is gone is absent."""
        keys = [_key(record.key, record.input.id) for record in records if record.input is not None]
        found = {}
        for item in await self._table.get_many(keys):
            if item["v"]["N"] != str(FORMAT):
                raise Undecodable(
                    f"the input of schedule {item['tenant']['S']} is stored in format {item['v']['N']};"
                    f" this version reads format {FORMAT}"
                )
            found[_schedule(item)] = msgspec.Raw(item["input"]["S"].encode())
        return found

    async def let_go(self, key: Key, place: InputRef) -> None:
        """Let TTL remove an input to which no record refers."""
        expires = number((self._clock.now() + KEPT_MS) // 1000)
        await self._table.update(
            _key(key, place.id),
            "SET #expires = :expires",
            when="attribute_exists(#tenant)",
            values={":expires": expires},
        )

    async def drop(self, stored: StoredInput) -> bool:
        return await self._table.delete(
            _key(stored.key, stored.id),
            when="#written = :written",
            values={":written": number(stored.written)},
        )


def is_input(item: Item) -> bool:
    """Whether an item of the table is an input."""
    return "/" in item["tenant"]["S"]


def stored_input(item: Item) -> StoredInput:
    """What is known of an input without its content."""
    expires = int(item["expires"]["N"]) if "expires" in item else None
    return StoredInput(key=_schedule(item), id=item["name"]["S"], written=int(item["written"]["N"]), expires=expires)


def _schedule(item: Item) -> Key:
    tenant, name = item["tenant"]["S"].split("/")
    return Key(tenant, name)


def _key(key: Key, place: str) -> Item:
    return {"tenant": text(str(key)), "name": text(place)}
