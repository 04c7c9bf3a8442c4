"""Read many stored things: page after page, and though one may be unreadable, as after a rollback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from eventcron.app.concurrency import all_of
from eventcron.errors import Undecodable
from eventcron.model.names import Key
from eventcron.model.records import FireRecord
from eventcron.ports import Page, ScheduleStore

K = TypeVar("K")
T = TypeVar("T")


class ReadPage(Protocol[T]):
    """Reads one page: the first, or the one at *cursor*."""

    def __call__(self, *, cursor: str | None) -> Awaitable[Page[T]]: ...


async def pages(read: ReadPage[T]) -> AsyncIterator[Page[T]]:
    """Every page, to the last.

    Raises:
        Unavailable: as *read* does.
    """
    page = await read(cursor=None)
    yield page
    while page.cursor is not None:
        page = await read(cursor=page.cursor)
        yield page


class Read(NamedTuple, Generic[K, T]):
    """What was found, and what is stored in a form that this release cannot read, with the reason."""

    found: dict[K, T]
    unreadable: dict[K, str]


async def read_readable(get: Callable[[Sequence[K]], Awaitable[Mapping[K, T]]], keys: Sequence[K]) -> Read[K, T]:
    """What *get* finds under *keys*, all at once; one by one if it cannot read something among them.

    Raises:
        Unavailable: as *get* does.
    """
    try:
        return Read(dict(await get(keys)), {})
    except Undecodable:
        read: Read[K, T] = Read({}, {})

    async def one(key: K) -> None:
        try:
            read.found.update(await get([key]))
        except Undecodable as error:
            read.unreadable[key] = error.reason

    await all_of(one(key) for key in keys)
    return read


class Records(NamedTuple):
    """Records as far as fires need them, those that this release cannot read, and the keys that are left."""

    found: Mapping[Key, FireRecord]
    unreadable: Mapping[Key, str]
    left: frozenset[Key]


async def read_to_fire(store: ScheduleStore, keys: Sequence[Key], *, singly: int) -> Records:
    """The records under *keys*, as many as the store reads at once; *singly* of them if one cannot be read.

    Raises:
        Unavailable: as the store does.
    """
    try:
        found, left = await store.get_to_fire(keys)
        return Records(found, {}, left)
    except Undecodable:
        pass

    async def one(some: Sequence[Key]) -> Mapping[Key, FireRecord]:
        return (await store.get_to_fire(some))[0]

    read = await read_readable(one, keys[:singly])
    return Records(read.found, read.unreadable, frozenset(keys[singly:]))


async def read_inputs(store: ScheduleStore, records: Sequence[FireRecord], *, gone: str) -> Read[Key, msgspec.Raw]:
    """The inputs of *records* that are stored apart. One that is gone counts as unreadable, for the reason *gone*.

    An input is gone if its schedule was replaced long ago and this process stood still.

    Raises:
        Unavailable: as the store does.
    """
    apart = {record.key: record for record in records if record.input is not None}
    if not apart:
        return Read({}, {})

    async def get(keys: Sequence[Key]) -> Mapping[Key, msgspec.Raw]:
        return await store.read_inputs([apart[key] for key in keys])

    found, unreadable = await read_readable(get, list(apart))
    return Read(found, {key: gone for key in apart if key not in found} | unreadable)
