"""Reading many stored things of which one may be unreadable, as after a rollback: it must not hide the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from eventcron.app.concurrency import all_of
from eventcron.errors import Undecodable

K = TypeVar("K")
T = TypeVar("T")


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
