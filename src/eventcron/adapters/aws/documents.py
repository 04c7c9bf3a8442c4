"""Whole structs as JSON in the ledger's table, each under its key. Each write is conditional on the one before.

pk = "<kind>#<part of the key>#…"  v N (the format), <order> N (read by conditions), body S (JSON),
                                   expires N (TTL, in seconds; absent = never)

A new field with a default needs no change here: it becomes part of ``body``, and older items read as the default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from eventcron.adapters.aws.item_format import MARK, readable
from eventcron.adapters.aws.table import DynamoTable, Item, number, text
from eventcron.errors import Undecodable

_encode = msgspec.json.Encoder().encode

K = TypeVar("K", bound=tuple[str, ...])
K_co = TypeVar("K_co", bound=tuple[str, ...], covariant=True)


class Document(Protocol[K_co]):
    """A struct that can be stored."""

    @property
    def key(self) -> K_co: ...
    @property
    def expires(self) -> int | None: ...


D = TypeVar("D", bound=Document[Any])


class DynamoDocuments(Generic[K, D]):
    """Structs of one *type_*, by key. Each write raises their field *order*."""

    def __init__(
        self,
        table: DynamoTable,
        type_: type[D],
        *,
        kind: str,
        order: str,
    ) -> None:
        self._table = table
        self._decoder = msgspec.json.Decoder(type_)
        self._kind = kind
        self._order = order

    async def get(self, keys: Sequence[K]) -> dict[K, D]:
        """As the ports promise.

        Raises:
            Undecodable: this release cannot read one of the items.
        """
        items = await self._table.get_many([self._key(key) for key in dict.fromkeys(keys)])
        found = [self._decode(item) for item in items]
        return {document.key: document for document in found}

    async def put(self, document: D, *, replacing: int | None) -> bool:
        """As the ports promise."""
        item = self._item(document)
        if replacing is None:
            return await self._table.put(item, when="attribute_not_exists(#pk)")
        return await self._table.put(item, when=f"#{self._order} = :stored", values={":stored": number(replacing)})

    def _item(self, document: D) -> Item:
        order = number(getattr(document, self._order))
        item = self._key(document.key) | MARK | {self._order: order, "body": text(_encode(document).decode())}
        return item if document.expires is None else item | {"expires": number(document.expires)}

    def _decode(self, item: Item) -> D:
        try:
            document: D = self._decoder.decode(readable(item)["body"]["S"])
        except (msgspec.DecodeError, KeyError) as error:
            raise Undecodable(f"{item['pk']['S']} is stored in a form that cannot be read: {error!r}") from error
        return document

    def _key(self, key: K) -> Item:
        return {"pk": text("#".join((self._kind, *key)))}
