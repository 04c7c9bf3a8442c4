"""What every ``Calendars`` promises."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from msgspec.structs import replace

from eventcron.app.reading import pages
from eventcron.model.names import CalendarKey
from eventcron.model.records import Calendar
from eventcron.ports import Calendars
from tests.contract.conftest import Backend

CALENDAR = Calendar(
    tenant="acme", name="norway", revision=7, dates=("2026-12-24/2026-12-26", "2027-05-17"), recent_event_ids=("e-1",)
)


@pytest.fixture(name="calendars")
async def _calendars(backend: Backend) -> Calendars:
    return await backend.calendars()


async def test_what_is_put_is_there(calendars: Calendars) -> None:
    tombstone = replace(CALENDAR, name="sweden", dates=None, expires=99)
    empty = replace(CALENDAR, tenant="beta", dates=())
    stored = [CALENDAR, tombstone, empty]
    for one in stored:
        assert await calendars.put(one, replacing=None)

    absent = CalendarKey("beta", "sweden")
    assert await calendars.get([*(one.key for one in stored), absent, CALENDAR.key]) == {one.key: one for one in stored}
    assert await calendars.get([]) == {}


async def test_the_longest_calendar_is_kept_whole(calendars: Calendars) -> None:
    longest = replace(CALENDAR, dates=("2026-12-24/2026-12-26",) * 1_000)
    await calendars.put(longest, replacing=None)

    assert await calendars.get([longest.key]) == {longest.key: longest}


async def test_the_second_to_replace_the_same_revision_is_refused(calendars: Calendars) -> None:
    await calendars.put(CALENDAR, replacing=None)

    assert not await calendars.put(replace(CALENDAR, revision=8), replacing=None)
    assert await calendars.put(replace(CALENDAR, revision=9, dates=None, expires=99), replacing=7)
    assert not await calendars.put(replace(CALENDAR, revision=10), replacing=7)
    assert not await calendars.put(replace(CALENDAR, name="absent", revision=8), replacing=7)

    assert (await calendars.get([CALENDAR.key]))[CALENDAR.key].revision == 9


async def test_a_calendar_that_is_put_after_its_deletion_does_not_expire(calendars: Calendars) -> None:
    await calendars.put(replace(CALENDAR, dates=None, expires=99), replacing=None)
    await calendars.put(replace(CALENDAR, revision=8), replacing=7)

    assert (await calendars.get([CALENDAR.key]))[CALENDAR.key].expires is None


async def test_a_scan_finds_every_calendar_in_one_of_its_shares(calendars: Calendars) -> None:
    stored = [
        replace(CALENDAR, name=f"c{number}", dates=None if number % 5 else ("2026-12-24",)) for number in range(12)
    ]
    for one in stored:
        await calendars.put(one, replacing=None)

    found = [one for part in range(3) async for page in pages(partial(calendars.scan, part, 3)) for one in page.items]
    assert sorted(found, key=lambda one: one.name) == sorted(stored, key=lambda one: one.name)


async def test_one_of_many_writers_at_once_wins(calendars: Calendars) -> None:
    await calendars.put(CALENDAR, replacing=None)
    took = await asyncio.gather(
        *(calendars.put(replace(CALENDAR, revision=8 + number), replacing=7) for number in range(12))
    )

    assert sum(took) == 1
