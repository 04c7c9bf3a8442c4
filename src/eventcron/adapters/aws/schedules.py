"""``ScheduleStore`` on DynamoDB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from eventcron.adapters.aws.counts import DynamoCounts, counted_tenant
from eventcron.adapters.aws.fire_records import decode_to_fire
from eventcron.adapters.aws.index_pages import decode_index
from eventcron.adapters.aws.inputs import DynamoInputs, is_input, stored_input
from eventcron.adapters.aws.items import decode, encode, input_of
from eventcron.adapters.aws.table import DynamoTable, Item, number, text
from eventcron.errors import Undecodable
from eventcron.model.names import Instant, Key, Unreadable
from eventcron.model.records import FireRecord, IndexEntry, Record, State, StoredInput
from eventcron.ports import Clock, IsQuiet, Page
from eventcron.rules.inputs import set_apart
from eventcron.rules.limits import occupies, too_many

INDEX = "plan"
#: Marks a cursor of ``read_index``. A cursor without it is from a release that read in ascending order. Then the
#: index is read from its first page.
DESCENDING = "<"

T = TypeVar("T")


class _Last(msgspec.Struct):
    """The name of the last item, as a table's cursor has it."""

    name: dict[str, str]


#: Attributes that ``repair`` sets.
_REPAIRED = ("trigger", "end", "eras", "segment", "wake")

#: No put that ``note_put`` remembers is later than the one that is written. An attribute that is absent is not later.
_NOT_LATER = "NOT (#put_revision > :put OR #state_revision > :state)"

#: Whether a record is one of its tenant's schedules, see ``rules.limits.occupies``.
_COUNTED, _UNCOUNTED = "attribute_not_exists(#expires)", "attribute_exists(#expires)"

_name = msgspec.json.Decoder(_Last)


class DynamoScheduleStore:
    """One item for each schedule, each large input and each tenant. The index ``plan`` has them by segment and wake.

    A page has at most *page_size* items; None: as many as fit into DynamoDB's 1 MB.
    """

    def __init__(self, table: DynamoTable, *, clock: Clock, page_size: int | None = None) -> None:
        self._table = table
        self._unrepeated = table.unrepeated()
        self._inputs = DynamoInputs(table, clock=clock)
        self._counts = DynamoCounts(table, clock=clock)
        self._limit: dict[str, Any] = {} if page_size is None else {"Limit": page_size}

    async def get(self, keys: Sequence[Key]) -> dict[Key, Record]:
        distinct = dict.fromkeys(keys)
        records = map(decode, await self._table.get_many([_key(key) for key in distinct]))
        return {record.key: record for record in records}

    async def get_to_fire(self, keys: Sequence[Key]) -> tuple[dict[Key, FireRecord], frozenset[Key]]:
        records, left = await self._table.get_some([_key(key) for key in dict.fromkeys(keys)], decode_to_fire)
        found = {record.key: record for record in records}
        return found, frozenset(Key(item["tenant"]["S"], item["name"]["S"]) for item in left)

    async def put(self, record: Record, *, replacing: int | None, added: int = 0, limit: int = 0) -> bool:
        if added > 0 and not await self._counts.reserve(record.tenant, limit=limit):
            raise too_many(record.key, limit)
        taken = await self._put(record, replacing, counted=occupies(record) - added > 0)
        # If the write failed with an error, it may have had its effect: what is reserved stays so.
        if (taken and added < 0) or (not taken and added > 0):
            await self._counts.release(record.tenant)
        return taken

    async def _put(self, record: Record, replacing: int | None, *, counted: bool) -> bool:
        """Store *record*, if the record that it replaces has the revision *replacing*, and is *counted* or not."""
        record, given = set_apart(record)
        if given is not None and record.input is not None:
            await self._inputs.write(record.key, record.input, given)
        when, values = "attribute_not_exists(#tenant)", None
        if replacing is not None:
            last = record.last_commands
            when = f"#revision = :stored AND {_NOT_LATER} AND {_COUNTED if counted else _UNCOUNTED}"
            values = {":stored": number(replacing), **_noted(last.put_revision, last.state_revision)}
        taken, other = await self._table.exchange(encode(record), when=when, values=values)
        in_place = None if other is None else input_of(other)
        # Refused, only what was written here is let go; and not even that if the other writer stored the same.
        needed, needless = (record.input, in_place) if taken else (in_place, None if given is None else record.input)
        if needless is not None and needless != needed:
            await self._inputs.let_go(record.key, needless)
        return taken

    async def note_put(self, key: Key, *, revision: int, put_revision: int, state_revision: int) -> bool:
        return await self._table.update(
            _key(key),
            "SET #put_revision = :put, #state_revision = :state",
            when=f"#revision = :revision AND {_NOT_LATER}",
            values={":revision": number(revision), **_noted(put_revision, state_revision)},
        )

    async def read_inputs(self, records: Sequence[FireRecord]) -> dict[Key, msgspec.Raw]:
        return await self._inputs.read(records)

    async def drop_input(self, stored: StoredInput) -> bool:
        return await self._inputs.drop(stored)

    async def clear_pending(self, key: Key, *, revision: int) -> bool:
        return await self._table.update(
            _key(key), "REMOVE #pending", when="#revision = :revision", values={":revision": number(revision)}
        )

    async def move_wake(self, entry: IndexEntry, wake: Instant | None, *, handoff: Instant | None = None) -> bool:
        values = {":revision": number(entry.revision), ":old": number(entry.wake)}
        change = "REMOVE #segment, #wake"
        if wake is not None:
            values[":new"] = number(wake)
            change = "SET #wake = :new"
        if wake is not None and handoff is not None:
            values[":handoff"] = number(handoff)
            change += ", #handoff = :handoff"
        return await self._unrepeated.update(
            _key(entry.key), change, when="#revision = :revision AND #wake = :old", values=values
        )

    async def complete(self, key: Key, *, revision: int, expires: int | None) -> bool:
        values = {
            ":revision": number(revision),
            ":enabled": text(State.ENABLED),
            ":completed": text(State.COMPLETED),
        }
        change = "SET #state = :completed REMOVE #expires"
        if expires is not None:
            values[":expires"] = number(expires)
            change = "SET #state = :completed, #expires = :expires"
        completed = await self._table.update(
            _key(key), change, when="#revision = :revision AND #state = :enabled", values=values
        )
        if completed and expires is not None:
            await self._counts.release(key.tenant)
        return completed

    async def count(self, tenant: str) -> int:
        return await self._counts.count(tenant)

    async def recount(self, tenant: str) -> int:
        return await self._counts.recount(tenant)

    async def repair(self, record: Record, *, was: Record) -> bool:
        values = {":revision": number(was.revision), ":state": text(was.state)}
        conditions = ["#revision = :revision", "#state = :state"]
        for name in ("segment", "wake"):
            stored = getattr(was, name)
            if stored is None:
                conditions.append(f"attribute_not_exists(#{name})")
            else:
                conditions.append(f"#{name} = :old_{name}")
                values[f":old_{name}"] = number(stored)
        repaired = encode(record)
        sets = [f"#{name} = :{name}" for name in _REPAIRED if name in repaired]
        removed = [f"#{name}" for name in _REPAIRED if name not in repaired]
        values |= {f":{name}": repaired[name] for name in _REPAIRED if name in repaired}
        change = f"SET {', '.join(sets)}" + (f" REMOVE {', '.join(removed)}" if removed else "")
        return await self._table.update(_key(record.key), change, when=" AND ".join(conditions), values=values)

    async def delete_expired(self, record: Record) -> bool:
        if record.expires is None:
            return False
        return await self._table.delete(
            _key(record.key),
            when="#revision = :revision AND #expires = :expires",
            values={":revision": number(record.revision), ":expires": number(record.expires)},
        )

    async def read_index(
        self, segment: int, *, before: Instant, cursor: str | None = None, is_quiet: IsQuiet | None = None
    ) -> Page[IndexEntry]:
        answer = await self._table.query_bytes(
            "#segment = :segment AND #wake < :before",
            {":segment": number(segment), ":before": number(before)},
            cursor=cursor.removeprefix(DESCENDING) if cursor is not None and cursor.startswith(DESCENDING) else None,
            IndexName=INDEX,
            ScanIndexForward=False,
            **self._limit,
        )
        page = decode_index(answer, is_quiet)
        return page if page.cursor is None else replace(page, cursor=DESCENDING + page.cursor)

    def cursor_after(self, segment: int, entry: IndexEntry) -> str:
        # As LastEvaluatedKey would have it. The ExclusiveStartKey of a Query need not be the key of a stored item.
        last = _key(entry.key) | {"segment": number(segment), "wake": number(entry.wake)}
        return DESCENDING + msgspec.json.encode(last).decode()

    async def scan(self, part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
        items, following = await self._table.scan(
            cursor=cursor, Segment=part, TotalSegments=parts, ConsistentRead=True, **self._limit
        )
        counted = [tenant for tenant in map(counted_tenant, items) if tenant is not None]
        records = [item for item in items if not is_input(item) and counted_tenant(item) is None]
        page = _page(decode, records, following)
        page.inputs.extend(stored_input(item) for item in items if is_input(item))
        page.counted.extend(counted)
        return page

    async def of_tenant(
        self, tenant: str, *, prefix: str = "", cursor: str | None = None, limit: int | None = None
    ) -> Page[Record]:
        where = "#tenant = :tenant"
        values = {":tenant": text(tenant)}
        if prefix:
            where += " AND begins_with(#name, :prefix)"
            values[":prefix"] = text(prefix)
        after = None if cursor is None else msgspec.json.encode(_key(Key(tenant, cursor))).decode()
        limits = self._limit if limit is None else {"Limit": limit}
        items, last = await self._table.query(where, values, cursor=after, ConsistentRead=True, **limits)
        return Page([decode(item) for item in items], None if last is None else _name.decode(last).name["S"])


def _page(read: Callable[[Item], T], items: Sequence[Item], following: str | None) -> Page[T]:
    page: Page[T] = Page([], following, [], [], [])
    for item in items:
        try:
            page.items.append(read(item))
        except Undecodable as error:
            page.unreadable.append(Unreadable(Key(item["tenant"]["S"], item["name"]["S"]), error.reason))
    return page


def _noted(put_revision: int, state_revision: int) -> Item:
    return {":put": number(put_revision), ":state": number(state_revision)}


def _key(key: Key) -> Item:
    return {"tenant": {"S": key.tenant}, "name": {"S": key.name}}
