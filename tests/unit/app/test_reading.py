"""One thing that this release cannot read hides no other, and a service that refuses is never taken for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from eventcron.adapters.memory import MemoryScheduleStore
from eventcron.app.reading import Read, pages, read_inputs, read_readable, read_to_fire
from eventcron.errors import Unavailable, Undecodable
from eventcron.model.commands import Schedule
from eventcron.model.names import Key
from eventcron.model.records import Record
from eventcron.ports import Page
from eventcron.rules.inputs import MAX_INLINE_BYTES
from eventcron.testing import FakeClock
from tests.records import record_of

NOW = 1_796_112_000_000
NEWER = "stored in format 2; this release reads format 1"
THROTTLED = Unavailable("dynamodb", "ThrottlingException")


# --- Pages -----------------------------------------------------------------------------------------------------------


class Book:
    """Pages by their cursors; at the cursor *torn* the service refuses."""

    def __init__(self, *chapters: list[int], torn: str = "") -> None:
        self.cursors: list[str | None] = []
        self._chapters = chapters
        self._torn = torn

    async def read(self, *, cursor: str | None) -> Page[int]:
        self.cursors.append(cursor)
        if cursor is not None and cursor == self._torn:
            raise THROTTLED
        at = int(cursor or 0)
        return Page(self._chapters[at], str(at + 1) if at + 1 < len(self._chapters) else None)


async def test_pages_are_read_to_the_last_also_beyond_one_that_is_empty() -> None:
    book = Book([1, 2], [], [3])

    assert [page.items async for page in pages(book.read)] == [[1, 2], [], [3]]
    assert book.cursors == [None, "1", "2"]


async def test_a_page_is_read_when_it_is_wanted() -> None:
    book = Book([1], [2], [3])

    async for _ in pages(book.read):
        break

    assert book.cursors == [None]


async def test_a_page_that_cannot_be_read_is_not_the_last() -> None:
    read = pages(Book([1], [2], torn="1").read)

    assert (await anext(read)).items == [1]
    with pytest.raises(Unavailable):
        await anext(read)


# --- What can be read ------------------------------------------------------------------------------------------------


class Shelf:
    """Numbers by name. Those *newer* are in a form that this release cannot read, and nothing is read with them."""

    def __init__(self, *newer: str, refuse: str = "") -> None:
        self.calls: list[list[str]] = []
        self._newer = newer
        self._refuse = refuse

    async def get(self, keys: Sequence[str]) -> Mapping[str, int]:
        self.calls.append([*keys])
        if self._refuse in keys:
            raise THROTTLED
        for key in keys:
            if key in self._newer:
                raise Undecodable(f"{key} is {NEWER}")
        return {key: len(key) for key in keys if key != "gone"}


async def test_what_can_be_read_is_read_at_once_and_what_is_not_there_is_absent() -> None:
    shelf = Shelf()

    assert await read_readable(shelf.get, ["a", "gone", "ccc"]) == Read({"a": 1, "ccc": 3}, {})
    assert shelf.calls == [["a", "gone", "ccc"]]


async def test_one_that_cannot_be_read_is_named_with_its_reason_and_hides_no_other() -> None:
    shelf = Shelf("bb", "dddd")

    read = await read_readable(shelf.get, ["a", "bb", "gone", "ccc", "dddd"])

    assert read == Read({"a": 1, "ccc": 3}, {"bb": f"bb is {NEWER}", "dddd": f"dddd is {NEWER}"})
    assert shelf.calls == [["a", "bb", "gone", "ccc", "dddd"], ["a"], ["bb"], ["gone"], ["ccc"], ["dddd"]]


@pytest.mark.parametrize("newer", [(), ("a",)])
async def test_a_service_that_refuses_is_no_unreadable_item(newer: tuple[str, ...]) -> None:
    with pytest.raises(Unavailable):
        await read_readable(Shelf(*newer, refuse="bb").get, ["a", "bb"])


# --- Records and inputs ----------------------------------------------------------------------------------------------


class Store(MemoryScheduleStore):
    """Answers with *at_most* records, and with none at all if one of those *newer* is asked for."""

    def __init__(self, *, newer: Sequence[Key] = (), at_most: int = 100) -> None:
        super().__init__(FakeClock(NOW))
        self.newer = newer
        self.calls = 0
        self._at_most = at_most

    async def get_to_fire(self, keys: Sequence[Key]) -> tuple[dict[Key, Record], frozenset[Key]]:
        self._check(keys)
        return await self.get(keys[: self._at_most]), frozenset(keys[self._at_most :])

    async def read_inputs(self, records: Sequence[Any]) -> dict[Key, msgspec.Raw]:
        self._check([record.key for record in records])
        return await super().read_inputs(records)

    def _check(self, keys: Sequence[Key]) -> None:
        self.calls += 1
        for key in keys:
            if key in self.newer:
                raise Undecodable(NEWER)


def key(name: str) -> Key:
    return Key("acme", name)


async def put(store: MemoryScheduleStore, *names: str, size: int = 1) -> list[Record]:
    """The records as they are stored, each with an input of *size* bytes more than a record holds."""
    given = msgspec.Raw(b'"%b"' % (b"x" * (MAX_INLINE_BYTES + size - 2)))
    for name in names:
        schedule = Schedule(tenant="acme", name=name, expression="* * * * *", input=given)
        assert await store.put(record_of(schedule), replacing=None)
    return [store.records[key(name)] for name in names]


async def test_records_are_read_at_once_and_those_that_the_store_leaves_are_left() -> None:
    store = Store(at_most=2)
    await put(store, "a", "b", "c")

    read = await read_to_fire(store, [key("a"), key("gone"), key("b"), key("c")], singly=1)

    assert set(read.found) == {key("a")}
    assert (read.unreadable, read.left) == ({}, frozenset([key("b"), key("c")]))
    assert store.calls == 1


async def test_after_one_that_cannot_be_read_a_few_are_read_one_by_one_and_the_others_are_left() -> None:
    store = Store(newer=[key("b")])
    await put(store, "a", "b", "c", "d")

    read = await read_to_fire(store, [*map(key, "abcd")], singly=3)

    assert set(read.found) == {key("a"), key("c")}
    assert (read.unreadable, read.left) == ({key("b"): NEWER}, frozenset([key("d")]))


async def test_inputs_that_are_stored_with_their_records_are_not_looked_for() -> None:
    store = Store()

    assert await read_inputs(store, await put(store, "a", "b", size=0), gone="gone") == Read({}, {})
    assert store.calls == 0


async def test_an_input_that_is_gone_counts_as_unreadable_and_one_that_is_newer_has_its_own_reason() -> None:
    store = Store(newer=[key("newer")])
    records = await put(store, "here", "gone", "newer")
    store._inputs = {place: one for place, one in store._inputs.items() if place[0] != key("gone")}

    read = await read_inputs(store, records, gone="it was replaced")

    assert {one: len(bytes(given)) for one, given in read.found.items()} == {key("here"): MAX_INLINE_BYTES + 1}
    assert read.unreadable == {key("gone"): "it was replaced", key("newer"): NEWER}
