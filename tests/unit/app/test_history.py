"""What is kept is read in order, as much as is asked for; what is not kept is named, each event by itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryHistory
from eventcron.app.history import HistoryNotKept, Past, Recorder
from eventcron.errors import Unavailable, Undecodable
from eventcron.model.history import HistoryEntry, KeepHistory
from eventcron.model.names import Key, Window
from eventcron.ports import Page, Refusal
from eventcron.testing import fire_event
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import from_rfc3339, rfc3339

START = from_rfc3339("2026-12-01T08:00:00Z")
DAY = Window(START, START + 86_400_000)
KEY = Key("acme", "nightly")
KEEPING = replace(SETTINGS, keep_history=KeepHistory.ALL, history_table="history", history_days=9)


def fired(hour: int, *, name: str = "nightly") -> str:
    """A fire that is due in the hour after the start."""
    return json.dumps(fire_event("acme", name, due=rfc3339(START + hour * 3_600_000)))


#: An event that makes no entry.
NOT_KEPT = json.dumps(fire_event("acme", "nightly") | {"detail-type": "Calendar Updated", "detail": {}})


def hours(entries: Sequence[HistoryEntry]) -> list[int]:
    return [(entry.at - START) // 3_600_000 for entry in entries]


# --- Reading ---------------------------------------------------------------------------------------------------------


class Counting(MemoryHistory):
    """Two entries a page; ``cursors`` has where each page began."""

    def __init__(self) -> None:
        super().__init__(page_size=2)
        self.cursors: list[str | None] = []

    async def read(self, key: Key, window: Window, *, cursor: str | None = None, **how: Any) -> Page[HistoryEntry]:
        self.cursors.append(cursor)
        return await super().read(key, window, cursor=cursor, **how)


async def kept(*many: int) -> Counting:
    """A history with fires in the hours *many*."""
    history = Counting()
    recorder = Recorder(history=history, settings=KEEPING)
    assert await recorder.record([fired(hour) for hour in many]) == {}
    return history


@pytest.mark.parametrize(
    ("limit", "latest_first", "found", "pages"),
    [
        pytest.param(None, True, [4, 3, 2, 1, 0], 3, id="all"),
        pytest.param(None, False, [0, 1, 2, 3, 4], 3, id="all-the-earliest-first"),
        pytest.param(3, True, [4, 3, 2], 2, id="within-a-page"),
        pytest.param(4, True, [4, 3, 2, 1], 2, id="to-the-end-of-a-page"),
        pytest.param(1, False, [0], 1, id="one"),
        pytest.param(9, True, [4, 3, 2, 1, 0], 3, id="more-than-there-is"),
    ],
)
async def test_entries_come_in_order_and_no_more_of_them_than_asked_for(
    limit: int | None, latest_first: bool, found: list[int], pages: int
) -> None:
    history = await kept(3, 0, 4, 1, 2)
    past = Past(history=history, settings=KEEPING)

    entries = [one async for one in past.entries(KEY, DAY, limit=limit, latest_first=latest_first)]

    assert hours(entries) == found
    assert len(history.cursors) == pages, "no page is read of which nothing is wanted"


async def test_only_the_window_of_that_schedule_is_read() -> None:
    history = await kept(0, 1, 2, 3)
    await Recorder(history=history, settings=KEEPING).record([fired(1, name="weekly")])
    past = Past(history=history, settings=KEEPING)
    window = Window(START + 3_600_000, START + 3 * 3_600_000)

    assert hours([one async for one in past.entries(KEY, window)]) == [2, 1]


async def test_a_page_carries_on_at_its_cursor() -> None:
    past = Past(history=await kept(0, 1, 2), settings=KEEPING)

    first = await past.page(KEY, DAY, limit=2)
    second = await past.page(KEY, DAY, cursor=first.cursor, limit=2)

    assert (hours(first.items), hours(second.items), second.cursor) == ([2, 1], [0], None)


async def test_a_deployment_that_keeps_nothing_says_so_in_place_of_an_empty_history() -> None:
    past = Past(history=await kept(0), settings=SETTINGS)

    assert not past.is_kept
    with pytest.raises(HistoryNotKept, match="this deployment keeps no history; deploy with KeepHistory=ALL"):
        await past.page(KEY, DAY)
    with pytest.raises(HistoryNotKept):
        await anext(past.entries(KEY, DAY))


@pytest.mark.parametrize("keep", [KeepHistory.ALL, KeepHistory.TRACKED])
async def test_it_says_what_is_kept_and_for_how_long(keep: KeepHistory) -> None:
    past = Past(history=MemoryHistory(), settings=replace(KEEPING, keep_history=keep))

    assert (past.is_kept, past.keeps, past.days) == (True, keep, 9)


@pytest.mark.parametrize("error", [Undecodable("in format 2"), Unavailable("dynamodb", "ThrottlingException")])
async def test_an_entry_that_cannot_be_read_is_not_left_out(error: Exception) -> None:
    class Torn(MemoryHistory):
        async def read(self, key: Key, window: Window, **how: Any) -> Page[HistoryEntry]:
            raise error

    with pytest.raises(type(error)):
        [one async for one in Past(history=Torn(), settings=KEEPING).entries(KEY, DAY)]


# --- Writing ---------------------------------------------------------------------------------------------------------


class Refusing(MemoryHistory):
    """Refuses the entries at *indexes* of those that it is given. ``days`` has for how long it was to keep them."""

    def __init__(self, *indexes: int) -> None:
        super().__init__()
        self.days: list[int] = []
        self._indexes = indexes

    async def append(self, entries: Sequence[HistoryEntry], *, days: int) -> list[Refusal]:
        self.days.append(days)
        await super().append([one for index, one in enumerate(entries) if index not in self._indexes], days=days)
        return [Refusal(index=index, code="Throttled", message="slow down") for index in self._indexes]


async def test_what_is_not_kept_although_it_should_be_is_named_by_its_place_in_the_batch() -> None:
    history = Refusing(0, 2)
    recorder = Recorder(history=history, settings=KEEPING)

    failed = await recorder.record(["no JSON", NOT_KEPT, fired(1), fired(2), NOT_KEPT, fired(3)])

    assert set(failed) == {0, 2, 5}
    assert failed[0].startswith("it is no event of eventcron: ")
    assert failed[2] == failed[5] == "Throttled: slow down"
    assert hours((await history.read(KEY, DAY)).items) == [2]


async def test_an_event_that_comes_twice_is_kept_once() -> None:
    history = await kept(1, 1)
    assert await Recorder(history=history, settings=KEEPING).record([fired(1)]) == {}

    assert hours((await history.read(KEY, DAY)).items) == [1]


async def test_entries_are_kept_for_the_days_of_the_deployment() -> None:
    history = Refusing()
    await Recorder(history=history, settings=KEEPING).record([fired(1)])

    assert history.days == [9]


async def test_a_history_that_cannot_be_written_at_all_is_no_batch_without_failures() -> None:
    class Down(MemoryHistory):
        async def append(self, entries: Sequence[HistoryEntry], *, days: int) -> list[Refusal]:
            raise Unavailable("dynamodb", "ThrottlingException")

    with pytest.raises(Unavailable):
        await Recorder(history=Down(), settings=KEEPING).record([fired(1)])
