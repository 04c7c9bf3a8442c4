"""One DynamoDB table: bounds concurrent calls, maps errors, repeats refused calls and unprocessed keys."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from functools import cache, partial
from math import inf
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
from botocore.exceptions import ClientError
from msgspec.structs import replace

from eventcron.adapters.aws.clients import DynamoClient
from eventcron.adapters.aws.failures import mapped
from eventcron.adapters.aws.json_api import Response
from eventcron.app.concurrency import all_of
from eventcron.app.retry import Retry
from eventcron.errors import Unavailable

T = TypeVar("T")

#: Attributes by name, each ``{"S": text}``, ``{"N": digits}`` or ``{"SS": [texts]}``.
Item: TypeAlias = dict[str, dict[str, Any]]

#: Keys. BatchGetItem: "can retrieve … as many as 100 items".
MAX_BATCH_GET = 100
#: Bytes. An answer with fewer has left keys because DynamoDB was called too often, not because of its size.
LARGE_ANSWER_BYTES = 262_144
#: Items. BatchWriteItem: "up to 25 item put or delete operations". Ours are some hundred bytes each.
MAX_BATCH_PUT = 25


class Left(msgspec.Struct):
    """Keys that BatchGetItem has not looked for."""

    keys: list[Item] = msgspec.field(name="Keys")


class Found(msgspec.Struct, Generic[T]):
    """The answer of BatchGetItem: the items of each table, each read as *T*."""

    items: dict[str, list[T]] = msgspec.field(name="Responses")
    left: dict[str, Left] = msgspec.field(name="UnprocessedKeys", default_factory=dict)


_cursor = msgspec.json.Decoder(Item)
decode_found = msgspec.json.Decoder(Found[Item]).decode


def number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def text(value: str) -> dict[str, str]:
    return {"S": value}


class DynamoTable:
    """A table, by name. Expressions write every attribute as ``#name``, because some names are reserved words.

    At most *concurrency* calls are made at once.
    """

    def __init__(self, client: DynamoClient, name: str, *, retry: Retry, concurrency: int = 16) -> None:
        self._client = client
        self._name = name
        self._calls = asyncio.Semaphore(concurrency)
        self._retry = retry

    def unrepeated(self) -> DynamoTable:
        """The same table, each call of which is made once. It shares the bound on concurrent calls."""
        table = copy(self)
        table._retry = replace(self._retry, tries=1)
        return table

    async def _call(self, operation: Callable[..., Awaitable[T]], **request: Any) -> T:
        """Call *operation*, and repeat it while the service refuses it for now."""
        return await self._retry.call(partial(self._once, operation, **request))

    async def _once(self, operation: Callable[..., Awaitable[T]], **request: Any) -> T:
        async with self._calls:
            with mapped("dynamodb"):
                return await operation(**request)

    async def get(self, key: Item) -> Item | None:
        """The item, read consistently."""
        response = await self._call(self._client.get_item, TableName=self._name, Key=key, ConsistentRead=True)
        item: Item | None = response.get("Item")
        return item

    async def get_many(self, keys: Sequence[Item]) -> list[Item]:
        """The items that exist, read consistently, in unspecified order. *keys* must be distinct.

        Raises:
            Unavailable: keys were left unprocessed ``Retry.tries`` times running.
        """
        chunks = [keys[start : start + MAX_BATCH_GET] for start in range(0, len(keys), MAX_BATCH_GET)]
        answers = await all_of(self._get_chunk(chunk, decode_found) for chunk in chunks)
        return [item for items, _ in answers for item in items]

    async def get_some(
        self, keys: Sequence[Item], decode: Callable[[bytes], Found[T]]
    ) -> tuple[list[T], Sequence[Item]]:
        """As ``get_many``, each answer read by *decode*, until a large one has come; with the keys that are left."""
        items, left = await self._get_chunk(keys[:MAX_BATCH_GET], decode, at_most=LARGE_ANSWER_BYTES)
        return items, [*left, *keys[MAX_BATCH_GET:]]

    async def _get_chunk(
        self, keys: Sequence[Item], decode: Callable[[bytes], Found[T]], *, at_most: float = inf
    ) -> tuple[list[T], Sequence[Item]]:
        """Read *keys* until all are read, or *at_most* bytes are there; with the keys that are left then."""
        items: list[T] = []
        size = 0
        while keys and size < at_most:
            answer, found, left = await self._retry.call(partial(self._get_part, keys, decode))
            items += found
            size += len(answer)
            if left:
                await self._retry.wait(1)
            keys = left
        return items, keys

    async def _get_part(
        self, keys: Sequence[Item], decode: Callable[[bytes], Found[T]]
    ) -> tuple[bytes, list[T], Sequence[Item]]:
        """One answer for *keys*, its items, and the keys that it leaves. DynamoDB also cuts an answer at 16 MB.

        Raises:
            Unavailable: the service refused for now, or left all keys.
        """
        asked = {self._name: {"Keys": keys, "ConsistentRead": True}}
        answer = await self._once(self._client.batch_get_item_bytes, RequestItems=asked)
        found = decode(answer)
        left = found.left[self._name].keys if self._name in found.left else []
        if len(left) == len(keys):
            raise Unavailable("dynamodb", "UnprocessedKeys", f"{len(left)} keys of {self._name} left")
        return answer, found.items.get(self._name, []), left

    async def put_many(self, items: Sequence[Item]) -> dict[int, str]:
        """Store *items*, with distinct keys, unconditionally. Returns the indexes of those not stored, with the reason.

        Each batch is tried by itself: one that DynamoDB refuses takes no other with it.
        """
        chunks = [range(start, min(start + MAX_BATCH_PUT, len(items))) for start in range(0, len(items), MAX_BATCH_PUT)]
        left = await all_of(self._put_chunk([items[index] for index in chunk]) for chunk in chunks)
        return {chunk[0] + at: reason for chunk, of_chunk in zip(chunks, left, strict=True) for at, reason in of_chunk}

    async def _put_chunk(self, items: Sequence[Item]) -> list[tuple[int, str]]:
        """Put *items* until all are stored. Returns the indexes of those that are not, with the reason."""
        left = [*enumerate(items)]
        while left:
            try:
                unprocessed = await self._retry.call(partial(self._put_part, [item for _, item in left]))
            except Unavailable as error:
                return [(index, str(error)) for index, _ in left]
            left = [(index, item) for index, item in left if item in unprocessed]
            if left:
                await self._retry.wait(1)
        return []

    async def _put_part(self, items: Sequence[Item]) -> list[Item]:
        """Put *items* once. Returns those that DynamoDB did not store.

        Raises:
            Unavailable: the service refused for now, or stored none.
        """
        asked = {self._name: [{"PutRequest": {"Item": item}} for item in items]}
        response = await self._once(self._client.batch_write_item, RequestItems=asked)
        left = [put["PutRequest"]["Item"] for put in response.get("UnprocessedItems", {}).get(self._name, [])]
        if len(left) == len(items):
            raise Unavailable("dynamodb", "UnprocessedItems", f"{len(left)} items of {self._name} left")
        return left

    async def put(self, item: Item, *, when: str | None = None, values: Item | None = None) -> bool:
        """Store *item* if the condition *when* holds. False: it does not.

        A put whose answer was lost is repeated, and then finds its own item: the result is True.
        """
        return (await self._put(item, when, values))[0]

    async def exchange(self, item: Item, *, when: str, values: Item | None = None) -> tuple[bool, Item | None]:
        """As ``put``, with the item that was replaced, or that stands in the way; None if there is none."""
        return await self._put(item, when, values, ReturnValues="ALL_OLD")

    async def _put(self, item: Item, when: str | None, values: Item | None, **options: str) -> tuple[bool, Item | None]:
        request: dict[str, Any] = {"TableName": self._name, "Item": item, **options}
        if when is not None:
            request |= _expression(when, values)
            request |= {"ConditionExpression": when, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            response = await self._call(self._client.put_item, **request)
        except ClientError as error:
            if not _condition_failed(error):
                raise
            found: Any = error.response.get("Item")
            return found == item, found
        before: Item | None = response.get("Attributes")
        return True, before

    async def update(self, key: Item, change: str, *, when: str | None = None, values: Item) -> bool:
        """Apply the update expression *change* if the condition *when* holds. False: it does not."""
        condition = {} if when is None else {"ConditionExpression": when}
        try:
            await self._call(
                self._client.update_item,
                TableName=self._name,
                Key=key,
                UpdateExpression=change,
                **condition,
                **_expression(f"{change} {when or ''}", values),
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise
            return False
        return True

    async def change(self, key: Item, change: str, *, values: Item) -> Item:
        """Apply the update expression *change* unconditionally. Returns the changed attributes with their new values.

        An update whose answer was lost is repeated, and so applied twice.
        """
        response = await self._call(
            self._client.update_item,
            TableName=self._name,
            Key=key,
            UpdateExpression=change,
            ReturnValues="UPDATED_NEW",
            **_expression(change, values),
        )
        item: Item = response["Attributes"]
        return item

    async def delete(self, key: Item, *, when: str, values: Item) -> bool:
        """Remove the item if the condition *when* holds. False: it does not."""
        try:
            await self._call(
                self._client.delete_item,
                TableName=self._name,
                Key=key,
                ConditionExpression=when,
                **_expression(when, values),
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise
            return False
        return True

    async def query(
        self, where: str, values: Item, *, cursor: str | None, **options: Any
    ) -> tuple[list[Item], str | None]:
        """One page of the items that *where* selects, by sort key, and the cursor of the next page."""
        request = {"TableName": self._name, "KeyConditionExpression": where} | _expression(where, values)
        return _page(await self._call(self._client.query, **request, **options, **_from(cursor)))

    async def query_bytes(self, where: str, values: Item, *, cursor: str | None, **options: Any) -> bytes:
        """As ``query``, but the answer as it was sent."""
        request = {"TableName": self._name, "KeyConditionExpression": where} | _expression(where, values)
        answer: bytes = await self._call(self._client.query_bytes, **request, **options, **_from(cursor))
        return answer

    async def count(self, where: str, values: Item, *, without: str) -> int:
        """How many of the items that *where* selects have no attribute *without*, read consistently."""
        request = _expression(f"{where} #{without}", values) | {
            "KeyConditionExpression": where,
            "FilterExpression": f"attribute_not_exists(#{without})",
            "Select": "COUNT",
            "ConsistentRead": True,
        }
        found, cursor = 0, None
        while True:
            response = await self._call(self._client.query, TableName=self._name, **request, **_from(cursor))
            found += int(response["Count"])
            cursor = _following(response)
            if cursor is None:
                return found

    async def scan(self, *, cursor: str | None, **options: Any) -> tuple[list[Item], str | None]:
        """One page of all items, in unspecified order, and the cursor of the next page."""
        return _page(await self._call(self._client.scan, TableName=self._name, **options, **_from(cursor)))


def _expression(expressions: str, values: Item | None) -> dict[str, Any]:
    """The request fields with the names that *expressions* mention, and with *values*."""
    names = {"ExpressionAttributeNames": _names(expressions)}
    return names | {"ExpressionAttributeValues": values} if values else names


@cache
def _names(expressions: str) -> dict[str, str]:
    """The names that *expressions* mention. There are few expressions, and a wave of moves has the same in each."""
    return {f"#{name}": name for name in re.findall(r"#(\w+)", expressions)}


def _condition_failed(error: ClientError) -> bool:
    return bool(error.response["Error"]["Code"] == "ConditionalCheckFailedException")


def _from(cursor: str | None) -> Mapping[str, Item]:
    return {} if cursor is None else {"ExclusiveStartKey": _cursor.decode(cursor)}


def _page(response: Response) -> tuple[list[Item], str | None]:
    return response["Items"], _following(response)


def _following(response: Response) -> str | None:
    last = response.get("LastEvaluatedKey")
    return msgspec.json.encode(last).decode() if last else None
