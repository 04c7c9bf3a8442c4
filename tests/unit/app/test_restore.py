"""An export makes a deployment's schedules and calendars again, elsewhere; put over newer changes it undoes none."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from eventcron.app.export import ExportReport
from eventcron.app.restore import Restorer, RestoreReport
from eventcron.model.commands import DeleteCalendar, PauseSchedule, Schedule, detail_type_of
from eventcron.model.events import Event
from eventcron.model.names import CalendarKey, Key
from eventcron.model.records import Calendar, Record, State
from eventcron.ports import Refusal
from eventcron.rules.export import Exported
from eventcron.testing import World

START = "2026-12-01T08:00:00Z"
DAY_SECONDS = 86_400
#: Larger than what is stored next to the definition.
INPUT = {"report": "x" * 30_000}


#: Seconds for which commands are on their way: those that others need arrive last.
DELAYS = {"Put Calendar": 3, "Put Schedule": 2}


class CommandBus:
    """Brings commands to the registrar of *world*, as the rule of the bus does, in an order of its own."""

    max_entries = 10

    def __init__(self, world: World) -> None:
        self._world = world

    async def publish(self, events: Sequence[Event]) -> list[Refusal]:
        for event in events:
            delay = DELAYS.get(event.detail_type, 0)
            detail = msgspec.json.decode(event.detail)
            self._world.emit(event.detail_type, detail, source=event.source, delay_seconds=delay)
        return []


def emit(world: World, kind: str, name: str = "", **detail: Any) -> None:
    world.emit(kind, {"tenant": "acme", **({"name": name} if name else {}), **detail})


def export(world: World) -> tuple[list[Exported], ExportReport]:
    commands: list[Exported] = []
    exporter = world.ports.use_cases(world.settings).exporter
    report = world._runner.run(exporter.run(commands.extend))
    return commands, report


def restore(world: World, commands: list[Exported], **options: Any) -> RestoreReport:
    world.run(seconds=1)  # the registrar has to be running
    ports = world.ports
    restorer = Restorer(
        clock=world.clock, store=ports.store, calendars=ports.calendars, bus=CommandBus(world), jitter=ports.jitter
    )
    return world._runner.run(restorer.run(lambda: commands, per_second=1_000, **options))


def populate(world: World) -> None:
    """Everything without a revision of its own, as most programs put it."""
    emit(world, "Put Calendar", "norway", dates=["2026-12-03"])
    emit(world, "Put Calendar", "unused", dates=["2027-01-01/2027-01-03"])
    emit(world, "Put Calendar", "gone", dates=["2026-12-02"])
    world.run(seconds=5)
    emit(world, "Put Schedule", "nightly", expression="0 2 * * *", exclude=["calendar:norway"], input=INPUT)
    emit(world, "Put Schedule", "gone-days", expression="0 3 * * *", exclude=["calendar:gone"])
    emit(world, "Put Schedule", "weekly", expression="0 9 * * WED", labels={"team": "reports"})
    emit(world, "Put Schedule", "stopped", expression="0 4 * * *")
    emit(world, "Put Schedule", "asleep", expression="0 5 * * *", state="PAUSED")
    emit(world, "Put Schedule", "woken", expression="0 6 * * *", state="PAUSED")
    emit(world, "Put Schedule", "rate", expression="rate(100 minutes)")
    emit(world, "Put Schedule", "three", expression="*/10 * * * *", max_fires=8)
    emit(world, "Put Schedule", "watched", expression="0 1 * * *", expect={"within_seconds": 900})
    emit(world, "Put Schedule", "over", expression="* * * * *", max_fires=1)
    emit(world, "Put Schedule", "deleted", expression="* * * * *")
    world.run(minutes=2)
    emit(world, "Pause Schedule", "stopped")
    emit(world, "Resume Schedule", "woken")
    emit(world, "Delete Schedule", "deleted")
    emit(world, "Delete Calendar", "gone")
    world.run(minutes=33)


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with World(START) as world:
        populate(world)
        yield world


def stored(world: World) -> tuple[dict[Key, Record], dict[CalendarKey, Calendar]]:
    """Everything stored, without what the planner moves on and which events were seen."""
    records = {
        key: replace(record, recent_event_ids=(), wake=None, segment=None, handoff=0)
        for key, record in world.store.records.items()
    }
    return records, {key: replace(one, recent_event_ids=()) for key, one in world.calendars.stored.items()}


def change_everything(world: World) -> None:
    world.run(seconds=10)
    emit(world, "Put Calendar", "norway", dates=["2026-12-04"])
    emit(world, "Delete Calendar", "unused")
    world.run(seconds=5)
    emit(world, "Put Schedule", "nightly", expression="30 2 * * *", exclude=["calendar:norway"])
    emit(world, "Delete Schedule", "weekly")
    emit(world, "Resume Schedule", "stopped")
    emit(world, "Pause Schedule", "woken")
    emit(world, "Put Schedule", "asleep", expression="0 5 * * *", state="ENABLED")
    emit(world, "Put Schedule", "rate", expression="rate(50 minutes)")
    world.run(seconds=30)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_put_over_newer_changes_undoes_none(world: World, seed: int) -> None:
    """Each command reaches the registrar, in any order."""
    commands, _ = export(world)
    change_everything(world)
    before = stored(world)
    random.Random(seed).shuffle(commands)

    for command in commands:
        world.emit(detail_type_of(command), msgspec.json.decode(msgspec.json.encode(command)))
    world.run(seconds=20)

    assert stored(world) == before


def test_a_restore_over_newer_changes_puts_nothing_and_rejects_nothing(world: World) -> None:
    commands, _ = export(world)
    change_everything(world)
    before, rejected = stored(world), len(world.events_of("Schedule Rejected"))

    report = restore(world, commands)
    world.run(seconds=5)

    assert (report.put, report.present, report.missing) == (0, len(commands), [])
    assert stored(world) == before
    assert len(world.events_of("Schedule Rejected")) == rejected


@pytest.mark.no_cover
def test_another_region_fires_the_same_with_the_same_ids(world: World) -> None:
    """Calendars, pauses, intervals, fires that are left, and inputs are there as well."""
    commands, _ = export(world)
    random.Random(1).shuffle(commands)
    with World(world.now) as other:
        report = restore(other, commands)
        assert report.missing == []
        moved = world.now + 10_000
        world.run(until=moved + 3 * DAY_SECONDS * 1000)
        other.run(until=moved + 3 * DAY_SECONDS * 1000)

        def fires(one: World) -> list[tuple[str, str, Any]]:
            since = [fire for fire in one.fired if fire.due_at > moved]
            return sorted((fire.detail["fire_id"], fire.schedule, fire.detail["input"]) for fire in since)

        assert fires(other) == fires(world)
        silent = other.events_of("Run Overdue")
        assert len(silent) == 1  # said once, though three instants passed
        assert silent == world.events_of("Run Overdue")
        assert {schedule for _, schedule, _ in fires(other)} == {
            f"acme/{name}" for name in ("nightly", "gone-days", "weekly", "woken", "rate", "three")
        }
        assert [given for _, schedule, given in fires(other) if schedule == "acme/nightly"] == [INPUT] * 2
        states = {key.name: record.state for key, record in other.store.records.items()}
        assert (states["stopped"], states["asleep"], states["woken"]) == (State.PAUSED, State.PAUSED, State.ENABLED)
        assert {key.name: one.dates for key, one in other.calendars.stored.items()} == {
            "norway": ("2026-12-03",),
            "unused": ("2027-01-01/2027-01-03",),
            "gone": None,
        }


def test_days_of_a_lost_ledger_come_from_the_schedules_that_have_them(world: World) -> None:
    """The table of schedules outlives its stack, the ledger does not."""
    world.calendars._stored.clear()
    commands, _ = export(world)

    with World(world.now) as other:
        assert restore(other, commands).missing == []
        dates = {key.name: one.dates for key, one in other.calendars.stored.items()}
    assert dates == {"norway": ("2026-12-03",), "gone": ("2026-12-02",)}


def test_a_restore_that_is_started_again_puts_only_what_is_left(world: World) -> None:
    commands, _ = export(world)
    with World(world.now) as other:
        first = restore(other, [one for one in commands if one.name != "weekly"])
        second = restore(other, commands)

    assert (first.put, second.put, second.present) == (len(commands) - 1, 1, len(commands) - 1)


def test_with_overwrite_what_was_deleted_comes_back_and_the_pause_with_it(world: World) -> None:
    commands, _ = export(world)
    change_everything(world)
    selected = [one for one in commands if one.name in {"weekly", "stopped"}]
    assert any(isinstance(one, PauseSchedule) for one in selected)

    report = restore(world, selected, overwrite=True)
    world.run(seconds=5)

    assert (report.put, report.missing) == (3, [])
    states = {name: world.store.records[Key("acme", name)].state for name in ("weekly", "stopped")}
    assert states == {"weekly": State.ENABLED, "stopped": State.PAUSED}


def test_with_overwrite_no_calendar_is_deleted(world: World) -> None:
    commands, _ = export(world)
    assert any(isinstance(one, DeleteCalendar) for one in commands)

    restore(world, commands, overwrite=True)
    world.run(seconds=5)

    assert all(one.dates is not None for one in world.calendars.stored.values())


def test_what_is_rejected_is_named(world: World) -> None:
    once = Schedule(tenant="acme", name="once", expression="at(2020-01-01T00:00:00)", revision=5)

    report = restore(world, [once])

    assert (report.put, report.missing) == (1, ["acme/once"])
    assert [event["name"] for event in world.events_of("Schedule Rejected")][-1] == "once"
