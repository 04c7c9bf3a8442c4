"""An export has all that can be made again, each under its revision, and says what it leaves out and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryScheduleStore
from eventcron.app.export import Exporter, ExportReport, input_size
from eventcron.errors import Unavailable, Undecodable
from eventcron.model.commands import DeleteCalendar, PauseSchedule, PutCalendar, ResumeSchedule, Schedule
from eventcron.model.names import CalendarKey, Key, Unreadable
from eventcron.model.records import Calendar, FireRecord, InputRef, LastCommands, Record
from eventcron.model.tracking import Expect
from eventcron.ports import Page
from eventcron.rules.export import Exported
from eventcron.testing import FakeClock, World, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import from_rfc3339
from eventcron.timing.trigger import parse
from tests.records import record_of

START = from_rfc3339("2026-12-01T08:00:00Z")
#: Larger than what is stored next to the definition.
INPUT = {"report": "x" * 30_000}
NIGHTLY = parse("0 2 * * *", anchor=START).canonical


def emit(world: World, kind: str, name: str, **detail: Any) -> None:
    world.emit(kind, {"tenant": "acme", "name": name, **detail})


def export(world: World) -> tuple[list[Exported], ExportReport]:
    commands: list[Exported] = []
    report = world._runner.run(world.ports.use_cases(world.settings).exporter.run(commands.extend))
    return commands, report


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with World(START) as world:
        emit(world, "Put Calendar", "norway", dates=["2026-12-03"])
        emit(world, "Put Calendar", "gone", dates=["2026-12-02"])
        world.run(seconds=5)
        emit(world, "Put Schedule", "nightly", expression="0 2 * * *", exclude=["calendar:norway"], input=INPUT)
        emit(world, "Put Schedule", "gone-days", expression="0 3 * * *", exclude=["calendar:gone"])
        emit(world, "Put Schedule", "stopped", expression="0 4 * * *")
        emit(world, "Put Schedule", "woken", expression="0 6 * * *", state="PAUSED")
        emit(world, "Put Schedule", "watched", expression="0 1 * * *", expect={"within_seconds": 900})
        emit(world, "Put Schedule", "three", expression="*/10 * * * *", max_fires=8)
        emit(world, "Put Schedule", "over", expression="* * * * *", max_fires=1)
        emit(world, "Put Schedule", "deleted", expression="* * * * *")
        world.run(minutes=2)
        emit(world, "Pause Schedule", "stopped")
        emit(world, "Resume Schedule", "woken")
        emit(world, "Delete Schedule", "deleted")
        emit(world, "Delete Calendar", "gone")
        world.run(minutes=30)
        yield world


def test_calendars_come_first_and_all_have_the_revisions_under_which_they_are_stored(world: World) -> None:
    commands, report = export(world)

    assert (report.schedules, report.left_out, report.calendars, report.unreadable) == (6, 2, 2, [])
    assert isinstance(commands[0], PutCalendar)
    puts = {one.name: one for one in commands if isinstance(one, Schedule)}
    assert puts.keys() == {"nightly", "gone-days", "stopped", "woken", "watched", "three"}
    stored = {name: world.store.records[Key("acme", name)].last_commands.put_revision for name in puts}
    assert {name: put.revision for name, put in puts.items()} == stored
    assert puts["watched"].expect == Expect(within_seconds=900)


def test_a_put_is_followed_by_the_pause_or_resume_that_came_after_it(world: World) -> None:
    commands, _ = export(world)
    switches = {one.name: one for one in commands if isinstance(one, PauseSchedule | ResumeSchedule)}

    assert {name: type(one) for name, one in switches.items()} == {"stopped": PauseSchedule, "woken": ResumeSchedule}
    for name, switch in switches.items():
        at = [one.name for one in commands].index(name)
        assert isinstance(commands[at], Schedule)
        assert commands[at + 1] is switch
        assert switch.revision == world.store.records[Key("acme", name)].last_commands.pause_revision


def test_a_large_input_is_in_its_put_as_it_was_given_and_fires_that_are_left_are_counted(world: World) -> None:
    puts = {one.name: one for one in export(world)[0] if isinstance(one, Schedule)}

    assert world.store.records[Key("acme", "nightly")].input is not None, "it is stored apart"
    assert msgspec.json.decode(puts["nightly"].input) == INPUT
    assert puts["three"].max_fires == 5, "three were at 08:10, 08:20 and 08:30"


def test_a_deleted_calendar_that_a_schedule_has_the_days_of_is_put_and_deleted_again_at_the_end(world: World) -> None:
    commands, _ = export(world)
    tombstone = world.calendars.stored[CalendarKey("acme", "gone")]

    assert commands[-2:] == [
        PutCalendar(tenant="acme", name="gone", dates=["2026-12-02"], revision=tombstone.revision - 1),
        DeleteCalendar(tenant="acme", name="gone", revision=tombstone.revision),
    ]


def test_a_calendar_that_the_ledger_has_lost_has_the_days_of_the_schedule_that_was_put_last(world: World) -> None:
    for name, days in (("older", "2026-12-08"), ("newer", "2026-12-09")):
        emit(world, "Put Calendar", "norway", dates=[days])
        world.run(seconds=5)
        emit(world, "Put Schedule", name, expression="0 5 * * *", exclude=["calendar:norway"])
        world.run(seconds=5)
    world.calendars._stored.clear()

    calendars = {one.name: one for one in export(world)[0] if isinstance(one, PutCalendar)}

    assert calendars["norway"].dates == ["2026-12-09"]
    assert calendars["norway"].revision == world.store.records[Key("acme", "newer")].last_commands.put_revision
    assert not [one for one in export(world)[0] if isinstance(one, DeleteCalendar)]


def test_an_export_changes_nothing_and_the_next_one_says_the_same(world: World) -> None:
    before = dict(world.store.records), dict(world.calendars.stored), len(world.bus.published)

    first, second = export(world), export(world)

    assert (dict(world.store.records), dict(world.calendars.stored), len(world.bus.published)) == before
    assert first == second


def test_a_schedule_that_this_release_cannot_read_is_named_and_left_out(world: World) -> None:
    key = Key("acme", "stopped")
    record = world.store.records[key]
    world.store._records[key] = replace(record, eras=(replace(record.era, trigger="[99]"),))

    commands, report = export(world)

    assert [line.partition(":")[0] for line in report.unreadable] == ["acme/stopped"]
    assert report.schedules == 5
    assert "stopped" not in {one.name for one in commands}


# --- What the store makes difficult ----------------------------------------------------------------------------------


class Store(MemoryScheduleStore):
    """A table of which one page lists what is *newer*, and that notes how many inputs are read at once."""

    def __init__(self, page_size: int = 5) -> None:
        super().__init__(FakeClock(START), page_size=page_size)
        self.newer: list[Unreadable] = []
        self.read_at_once: list[int] = []

    async def scan(self, part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
        page = await super().scan(part, parts, cursor=cursor)
        return replace(page, unreadable=self.newer if (part, cursor) == (0, None) else [])

    async def read_inputs(self, records: Sequence[FireRecord]) -> dict[Key, msgspec.Raw]:
        self.read_at_once.append(sum(record.input.size for record in records if record.input is not None))
        return await super().read_inputs(records)


def record(name: str, *, size: int = 4) -> Record:
    """A schedule with an input of *size* bytes."""
    given = msgspec.Raw(b'"%b"' % (b"x" * (size - 2)))
    schedule = Schedule(tenant="acme", name=name, expression="0 2 * * *", input=given)
    return record_of(schedule, trigger=NIGHTLY, last_commands=LastCommands(put_revision=1))


def discard(_commands: Sequence[Exported]) -> None:
    """Write nothing."""


def exporter(store: Store, **replaced: Any) -> Exporter:
    return memory_ports(FakeClock(START), store=store, **replaced).use_cases(replace(SETTINGS, concurrency=3)).exporter


@pytest.fixture(name="store")
def _store() -> Store:
    return Store()


async def put(store: Store, *records: Record) -> None:
    for one in records:
        assert await store.put(one, replacing=None)


async def test_inputs_are_in_memory_a_few_at_a_time_and_none_is_left_out() -> None:
    """One page of one part has them all."""
    store = Store(page_size=1_000)
    await put(store, *(record(f"n{number}", size=180_000) for number in range(60)))
    commands: list[Exported] = []
    settings = replace(SETTINGS, concurrency=1)

    await memory_ports(FakeClock(START), store=store).use_cases(settings).exporter.run(commands.extend)

    assert {one.name for one in commands} == {f"n{number}" for number in range(60)}
    assert sum(store.read_at_once) == 60 * 180_000
    assert max(store.read_at_once) <= 4_000_000


async def test_progress_is_told_after_each_page_until_all_are_counted(store: Store) -> None:
    await put(store, *(record(f"n{number}") for number in range(20)))
    counted: list[int] = []

    report = await exporter(store).run(discard, on_progress=lambda report: counted.append(report.schedules))

    assert counted == sorted(counted)
    assert counted[-1] == report.schedules == 20
    assert len(counted) >= 20 / 5


async def test_what_a_page_cannot_read_is_named(store: Store) -> None:
    store.newer = [Unreadable(Key("acme", "newer"), "stored in format 2")]
    await put(store, record("plain"))

    report = await exporter(store).run(discard)

    assert (report.schedules, report.unreadable) == (1, ["acme/newer: stored in format 2"])


async def test_a_schedule_whose_input_was_replaced_meanwhile_is_not_written_without_it(store: Store) -> None:
    await put(store, record("large", size=5_000), record("plain"))
    store._inputs.clear()
    commands: list[Exported] = []

    report = await exporter(store).run(commands.extend)

    assert [one.name for one in commands] == ["plain"]
    assert report.unreadable == ["acme/large: it was replaced while it was read; export again"]


@pytest.mark.parametrize("error", [Unavailable("dynamodb", "ThrottlingException"), Undecodable("calendar: format 2")])
async def test_without_its_calendars_there_is_no_export(store: Store, error: Exception) -> None:
    class Torn:
        async def scan(self, *_: object, **__: object) -> Page[Calendar]:
            raise error

        async def get(self, keys: Sequence[CalendarKey]) -> Mapping[CalendarKey, Calendar]:
            raise error

    await put(store, record("plain"))
    commands: list[Exported] = []

    with pytest.raises(type(error)):
        await exporter(store, calendars=Torn()).run(commands.extend)

    assert commands == []


def test_only_an_input_that_is_stored_apart_has_a_size_of_its_own() -> None:
    plain = record("plain")

    assert input_size(plain) == 0
    assert input_size(replace(plain, input=InputRef(1, "5f" * 16, 30_000))) == 30_000
