"""What every ``History`` promises."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from eventcron.app.reading import pages
from eventcron.model.history import EntryKind, HistoryEntry
from eventcron.model.names import Key, Window
from eventcron.ports.history import History
from tests.contract.conftest import Backend

FIRED = HistoryEntry(
    tenant="acme",
    name="nightly",
    at=1_764_550_800_000,
    kind=EntryKind.FIRED,
    id="5f",
    detail_type="Schedule Fired",
    time=1_764_550_801_000,
    detail={"fire_id": "5f", "due": "2025-12-01T01:00:00.000Z", "attempt": 1, "input_bytes": 4},
)
EVER = Window(0, 4_102_444_800_000)


@pytest.fixture(name="history")
async def _history(backend: Backend) -> History:
    return await backend.history()


async def _all(history: History, window: Window = EVER, *, latest_first: bool = True) -> list[HistoryEntry]:
    read = partial(history.read, FIRED.key, window, latest_first=latest_first)
    return [entry async for page in pages(read) for entry in page.items]


async def test_entries_come_page_by_page_the_latest_first(history: History) -> None:
    kept = [replace(FIRED, at=FIRED.at + minute * 60_000, id=f"{minute:02}") for minute in range(60)]
    others = [replace(FIRED, tenant="beta"), replace(FIRED, name="night"), replace(FIRED, name="nightly2")]

    assert await history.append(kept + others, days=30) == []

    assert await _all(history) == kept[::-1]
    assert await _all(history, latest_first=False) == kept


async def test_a_window_includes_its_start_and_not_its_end(history: History) -> None:
    kept = [replace(FIRED, at=FIRED.at + ms) for ms in (-1, 0, 1, 999, 1_000)]
    await history.append(kept, days=30)

    assert await _all(history, Window(FIRED.at, FIRED.at + 1_000), latest_first=False) == kept[1:4]
    assert await _all(history, Window(FIRED.at, FIRED.at)) == []
    assert await history.read(Key("acme", "none"), EVER) == await history.read(FIRED.key, Window(0, 1))


async def test_an_event_that_comes_twice_is_kept_once(history: History) -> None:
    run = replace(FIRED, kind=EntryKind.RUN, detail_type="Run Succeeded")
    repeated = replace(FIRED, time=FIRED.time + 1_000)

    assert await history.append([FIRED, run, FIRED], days=30) == []
    assert await history.append([repeated], days=30) == []

    assert await _all(history, latest_first=False) == [repeated, run]


async def test_a_page_has_at_most_as_many_as_were_asked_for(history: History) -> None:
    kept = [replace(FIRED, at=FIRED.at + second * 1_000) for second in range(5)]
    await history.append(kept, days=30)

    first = await history.read(FIRED.key, EVER, limit=2)
    assert first.items == [kept[4], kept[3]]
    following = await history.read(FIRED.key, EVER, limit=2, cursor=first.cursor)
    assert following.items == [kept[2], kept[1]]


async def test_nothing_is_nothing(history: History) -> None:
    assert await history.append([], days=30) == []
    assert await _all(history) == []
