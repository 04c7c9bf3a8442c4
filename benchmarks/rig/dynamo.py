"""DynamoDB as far as a scheduler uses it: five operations on tables that are in memory as JSON."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import msgspec

from benchmarks.rig import expressions
from benchmarks.rig.expressions import Given, Item, plain
from benchmarks.rig.faults import Faults
from benchmarks.rig.refused import Refused
from benchmarks.rig.stock import PAGE_BYTES, IndexStock, ItemKey, TableStock, item_size

#: Bytes. A read unit is 4 KB read consistently, a write unit is 1 KB.
READ_UNIT, WRITE_UNIT = 4_096, 1_024
#: Keys. BatchGetItem: "can retrieve … as many as 100 items".
MAX_BATCH_GET = 100
#: Items that are on a page of timed ones at most.
TIMED_PAGE = PAGE_BYTES // 150

_encode = msgspec.json.Encoder().encode
_item = msgspec.json.Decoder(dict[str, Any])

#: A reply's body in parts, and its CRC-32.
Body = tuple[list[bytes], int]


class Units(msgspec.Struct):
    """Read and write units, as DynamoDB charges for them."""

    read: float = 0.0
    written: int = 0


class _Table:
    def __init__(self, stock: TableStock) -> None:
        self.key = stock.key
        self.items = dict(stock.items)
        self.index = stock.by_segment

    def key_of(self, key: dict[str, Any]) -> ItemKey:
        try:
            return tuple(key[name]["S"] for name in self.key)
        except KeyError as error:
            raise Refused("ValidationException", f"the key {key} has no {error}; it is {self.key}") from error

    def get(self, key: ItemKey) -> Item:
        found = self.items.get(key)
        return {} if found is None else _item.decode(found)


class Dynamo:
    """The tables of one run."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}
        self.units = Units()
        self.operations: dict[str, Callable[[dict[str, Any], Faults], Body]] = {
            "Query": self._query,
            "GetItem": self._get_item,
            "BatchGetItem": self._batch_get_item,
            "PutItem": self._put_item,
            "UpdateItem": self._update_item,
        }

    def load(self, tables: dict[str, TableStock]) -> None:
        """Begin anew with *tables*."""
        self._tables = {name: _Table(stock) for name, stock in tables.items()}
        self.units = Units()

    def put(self, table: str, items: dict[ItemKey, bytes]) -> None:
        """Store *items* without a request."""
        self._tables[table].items.update(items)

    def items(self, table: str) -> dict[ItemKey, bytes]:
        """What *table* holds."""
        return self._tables[table].items

    def _table(self, request: dict[str, Any]) -> _Table:
        return self._named(request["TableName"])

    def _named(self, name: str) -> _Table:
        if name not in self._tables:
            raise Refused("ResourceNotFoundException", f"there is no table {name}")
        return self._tables[name]

    # Reads

    def _get_item(self, request: dict[str, Any], _: Faults) -> Body:
        table = self._table(request)
        found = table.items.get(table.key_of(request["Key"]))
        self._read(found, consistent=request.get("ConsistentRead", False))
        return _whole(b"{}" if found is None else b'{"Item":%b}' % found)

    def _batch_get_item(self, request: dict[str, Any], faults: Faults) -> Body:
        responses, left = [], []
        for name, asked in request["RequestItems"].items():
            table, keys = self._named(name), asked["Keys"]
            if not 1 <= len(keys) <= MAX_BATCH_GET:
                raise Refused("ValidationException", f"BatchGetItem of {len(keys)} keys, at most {MAX_BATCH_GET}")
            places = [table.key_of(key) for key in keys]
            if len(set(places)) < len(places):
                raise Refused("ValidationException", "Provided list of item keys contains duplicates")
            cut = len(keys) // 2 if faults.partial() else len(keys)
            found = [item for place in places[:cut] if (item := table.items.get(place)) is not None]
            for place in places[:cut]:
                self._read(table.items.get(place), consistent=asked.get("ConsistentRead", False))
            responses.append(b'"%b":[%b]' % (name.encode(), b",".join(found)))
            if cut < len(keys):
                left.append(b'"%b":%b' % (name.encode(), _encode({**asked, "Keys": keys[cut:]})))
        return _whole(b'{"Responses":{%b},"UnprocessedKeys":{%b}}' % (b",".join(responses), b",".join(left)))

    def _read(self, item: bytes | None, *, consistent: bool) -> None:
        size = 1 if item is None else item_size(_item.decode(item)) if len(item) > READ_UNIT else len(item)
        self.units.read += -(-size // READ_UNIT) * (1.0 if consistent else 0.5)

    # Writes

    def _put_item(self, request: dict[str, Any], _: Faults) -> Body:
        table, item = self._table(request), request["Item"]
        key = table.key_of(item)
        before = table.get(key)
        if "ConditionExpression" in request:
            _check(request["ConditionExpression"], _given(before, request), before, request)
        table.items[key] = _encode(item)
        self.units.written += -(-max(item_size(item), item_size(before)) // WRITE_UNIT)
        wants_old = request.get("ReturnValues") == "ALL_OLD" and before
        return _whole(b'{"Attributes":%b}' % _encode(before) if wants_old else b"{}")

    def _update_item(self, request: dict[str, Any], _: Faults) -> Body:
        table = self._table(request)
        key = table.key_of(request["Key"])
        before = table.get(key)
        given = _given(before, request)
        if "ConditionExpression" in request:
            _check(request["ConditionExpression"], given, before, request)
        after = expressions.update(request["UpdateExpression"], given._replace(item={**request["Key"], **before}))
        table.items[key] = _encode(after)
        self.units.written += -(-max(item_size(after), item_size(before)) // WRITE_UNIT)
        if request.get("ReturnValues") != "UPDATED_NEW":
            return _whole(b"{}")
        return _whole(
            b'{"Attributes":%b}' % _encode({name: one for name, one in after.items() if one != before.get(name)})
        )

    # The index

    def _query(self, request: dict[str, Any], _: Faults) -> Body:
        table = self._table(request)
        index = table.index
        if index is None or request.get("IndexName") != index.name:
            raise Refused("ValidationException", f"Query of {request.get('IndexName')}, which the rig does not have")
        wanted, before = _range(request)
        pages = index.pages[wanted % len(index.pages)] if index.pages else ()
        start = request.get("ExclusiveStartKey")
        place = 0
        if start is not None and plain(start.get("wake", {"N": "0"})) == 0:
            last = table.key_of(start)
            place = 1 + next(number for number, page in enumerate(pages) if page.last == last)
        else:
            timed = _timed(table, index, wanted, before, start)
            if timed and request.get("ScanIndexForward", True):
                raise Refused("ValidationException", "the rig reads timed items in descending order only")
            if timed:
                return self._timed_page(table, wanted, timed, more=bool(pages) or len(timed) > TIMED_PAGE)
        if place >= len(pages):
            return _whole(b'{"Items":[],"Count":0,"ScannedCount":0}')
        page = pages[place]
        self.units.read += -(-page.size // READ_UNIT) / 2
        tail = b"}" if place + 1 == len(pages) else _last_key(table.key, page.last, wanted, wake=0)
        return [page.head, tail], crc32(tail, page.crc32)

    def _timed_page(self, table: _Table, segment: int, timed: Sequence[tuple[int, Item]], *, more: bool) -> Body:
        here = timed[:TIMED_PAGE]
        items = [item for _, item in here]
        self.units.read += -(-sum(map(item_size, items)) // READ_UNIT) / 2
        wake, last = here[-1]
        tail = _last_key(table.key, table.key_of(last), segment, wake=wake) if more else b"}"
        head = b'{"Items":%b,"Count":%d,"ScannedCount":%d' % (_encode(items), len(items), len(items))
        return _whole(head + tail)


def _timed(
    table: _Table, index: IndexStock, segment: int, before: int | None, start: Item | None
) -> list[tuple[int, Item]]:
    """The items with a ``wake`` before *before*, the latest first, after the one at *start*."""
    after = None if start is None else (plain(start["wake"]), table.key_of(start))
    found: list[tuple[int, ItemKey, Item]] = []

    def is_asked_for(wake: int | None, key: ItemKey) -> bool:
        return wake is not None and (before is None or wake < before) and (after is None or (wake, key) < after)

    for key in index.timed.get(segment, ()):
        item = table.get(key)
        wake = plain(item.get("wake"))
        if is_asked_for(wake, key):
            found.append((wake, key, {name: one for name, one in item.items() if name in index.projected}))
    sleepers = index.sleepers.get(segment, ())
    for number in range(len(sleepers) if before is None else bisect_left(sleepers, before)):
        key = tuple(f"sleeper-{segment}-{number}" for _ in table.key)
        if is_asked_for(sleepers[number], key):
            item = {name: {"S": one} for name, one in zip(table.key, key, strict=True)}
            found.append((sleepers[number], key, {**item, "wake": {"N": str(sleepers[number])}}))
    found.sort(key=lambda one: one[:2], reverse=True)
    return [(wake, item) for wake, _, item in found]


def _range(request: dict[str, Any]) -> tuple[int, int | None]:
    """The segment that a Query asks for, and the instant before which the ``wake`` is; None: it does not say."""
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    parts = request.get("KeyConditionExpression", "").split(" AND ")
    found: dict[tuple[str, str], Any] = {}
    for part in parts:
        name, sign, value = [*part.split(), "", "", ""][:3]
        found[names.get(name, name), sign] = plain(values.get(value))
    segment, before = found.pop(("segment", "="), None), found.pop(("wake", "<"), None)
    if segment is None or found:
        raise Refused("ValidationException", f"Query condition not supported: {' AND '.join(parts)}")
    return segment, before


def _last_key(names: tuple[str, ...], key: ItemKey, segment: int, *, wake: int) -> bytes:
    last = {name: {"S": one} for name, one in zip(names, key, strict=True)}
    return b',"LastEvaluatedKey":%b}' % _encode({**last, "segment": {"N": str(segment)}, "wake": {"N": str(wake)}})


def _given(item: Item, request: dict[str, Any]) -> Given:
    return Given(item, request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {}))


def _check(text: str, given: Given, before: Item, request: dict[str, Any]) -> None:
    if not expressions.condition(text)(given):
        wanted = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and before
        item = _encode(before) if wanted else b""
        raise Refused("ConditionalCheckFailedException", "The conditional request failed", is_fault=False, item=item)


def _whole(body: bytes) -> Body:
    return [body], crc32(body)
