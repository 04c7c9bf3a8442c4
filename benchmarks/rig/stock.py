"""What the rig's tables hold when a run begins, computed before so that the rig only has to send it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias
from zlib import crc32

import msgspec

#: The values of an item's key, in the order of the table's key attributes.
ItemKey: TypeAlias = tuple[str, ...]

#: Bytes. DynamoDB Query: "a single Query operation can retrieve a maximum of 1 MB of data".
PAGE_BYTES = 1_000_000


class DensePage(NamedTuple):
    """A full page of an index, but for the end of its JSON."""

    head: bytes
    crc32: int
    items: int
    #: As DynamoDB counts them.
    size: int
    #: The key of the last item.
    last: ItemKey


class IndexStock(NamedTuple):
    """An index by segment. Several segments may share the same pages, so that a million schedules fit into memory."""

    name: str
    #: Segment n has the pages ``pages[n % len(pages)]``.
    pages: Sequence[Sequence[DensePage]]
    #: The attributes that it projects.
    projected: frozenset[str]
    #: The keys of items with a ``wake``, by segment. Their items are in the table.
    timed: dict[int, list[ItemKey]]
    #: Items by segment that are never read while the rig sees only what a planner asks for: their ``wake`` alone.
    sleepers: dict[int, Sequence[int]]


class TableStock(NamedTuple):
    """One table: its key attributes, its items as JSON, and its index."""

    key: tuple[str, ...]
    items: dict[ItemKey, bytes]
    by_segment: IndexStock | None = None


def item_size(item: dict[str, Any]) -> int:
    """The size of an item as DynamoDB counts it: the names, and the values.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    size = 0
    for name, value in item.items():
        ((kind, inner),) = value.items()
        size += len(name) + _size_of(kind, inner)
    return size


def _size_of(kind: str, inner: Any) -> int:
    """A text takes its bytes, a number half its digits and a byte, a truth value a byte."""
    if kind == "BOOL":
        return 1
    return (len(inner) + 1) // 2 + 1 if kind == "N" else len(inner.encode())


def dense_pages(items: Iterable[dict[str, Any]], *, key: tuple[str, ...]) -> list[DensePage]:
    """*items* on as few pages as DynamoDB would need."""
    found: list[DensePage] = []
    held: list[dict[str, Any]] = []
    size = 0
    for item in items:
        if size + item_size(item) > PAGE_BYTES:
            found.append(_page(held, size, key))
            held, size = [], 0
        held.append(item)
        size += item_size(item)
    return [*found, _page(held, size, key)] if held else found


def _page(items: list[dict[str, Any]], size: int, key: tuple[str, ...]) -> DensePage:
    head = b'{"Items":%b,"Count":%d,"ScannedCount":%d' % (msgspec.json.encode(items), len(items), len(items))
    last = tuple(items[-1][name]["S"] for name in key)
    return DensePage(head, crc32(head), len(items), size, last)
