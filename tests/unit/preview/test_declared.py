"""Files are compared with what is stored: a plan has exactly what differs, and applying it leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventcron.entrypoints.cli.apply import stages
from eventcron.model.commands import DeleteCalendar, DeleteSchedule, detail_type_of
from eventcron.model.names import CalendarKey, Key
from eventcron.preview.declared import Comparison, Difference
from eventcron.preview.files import read_declared
from eventcron.rules.diff import FieldChange
from eventcron.testing import World
from tests.unit.app.test_restore import change_everything, export, populate, stored

WEEK_MS = 7 * 86_400_000
REAL = Path(__file__).parents[3] / "examples" / "prow-periodics.jsonl"


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with World("2026-12-01T08:00:00Z") as world:
        yield world


def plan(world: World, *lines: dict[str, Any], tmp_path: Path, prune: tuple[str, ...] = ()) -> Difference:
    file = tmp_path / "schedules.jsonl"
    file.write_text("".join(msgspec.json.encode(line).decode() + "\n" for line in lines), encoding="utf-8")
    ports = world.ports
    planner = Comparison(store=ports.store, calendars=ports.calendars, settings=world.settings)
    declared = list(read_declared([file])) if lines else []
    return world._runner.run(planner.plan(declared, now=world.now, span=WEEK_MS, prune=prune))


def apply(world: World, planned: Difference) -> None:
    """Put the commands of *planned* as ``eventcron apply`` does, each stage once the one before is applied."""
    for stage in stages(planned.commands):
        for command in stage:
            world.emit(detail_type_of(command), msgspec.json.decode(msgspec.json.encode(command)))
        world.run(seconds=5)
    assert world.events_of("Schedule Rejected") == []


def exported(world: World) -> list[dict[str, Any]]:
    return [{"detail-type": detail_type_of(one), "detail": one} for one in export(world)[0]]


def schedule(name: str, expression: str, **fields: Any) -> dict[str, Any]:
    return {"tenant": "acme", "name": name, "expression": expression, **fields}


def test_what_an_export_has_is_nothing_to_do_not_even_with_prune(world: World, tmp_path: Path) -> None:
    populate(world)

    planned = plan(world, *exported(world), tmp_path=tmp_path, prune=("acme",))

    assert (planned.commands, planned.newer, planned.rejected, planned.changes) == ([], [], [], [])
    assert planned.unchanged == 11  # of 9 schedules and 2 calendars; the third calendar is deleted


def test_an_export_undoes_nothing_newer(world: World, tmp_path: Path) -> None:
    populate(world)
    lines = exported(world)
    change_everything(world)
    before = stored(world)

    planned = plan(world, *lines, tmp_path=tmp_path)

    assert (planned.commands, planned.rejected) == ([], [])
    assert {"acme/nightly", "acme/weekly", str(CalendarKey("acme", "norway"))} <= set(planned.newer)
    assert planned.commands == []
    assert stored(world) == before


def test_an_export_with_calendars_makes_an_empty_deployment_the_same(world: World, tmp_path: Path) -> None:
    populate(world)
    lines = exported(world)

    with World(world.now) as other:
        planned = plan(other, *lines, tmp_path=tmp_path)
        assert planned.rejected == []
        # Neither of the two that are paused is to fire: one by its put, one by a pause that follows it.
        assert {key.name for key in planned.moves} == {"nightly", "gone-days", "weekly", "woken", "rate", "three"}
        apply(other, planned)
        other.run(seconds=5)
        assert plan(other, *lines, tmp_path=tmp_path, prune=("acme",)).commands == []
        assert set(other.store.records) == {Key("acme", line["detail"].name) for line in lines if
                line["detail-type"] == "Put Schedule"}  # fmt: skip


@pytest.mark.slow
@pytest.mark.no_cover
def test_five_changes_of_the_real_schedules_are_the_plan_and_their_fires_move(world: World, tmp_path: Path) -> None:
    lines = [msgspec.json.decode(line) for line in REAL.read_bytes().splitlines()]
    assert len(lines) == 1_307
    apply(world, plan(world, *lines, tmp_path=tmp_path))
    assert plan(world, *lines, tmp_path=tmp_path).commands == []  # a second time there is nothing to do
    fixed = [line for line in lines if line["expression"] in {"0 6,18 * * *", "0 7,19 * * *"}]
    fixed[0]["expression"] = "0 5,17 * * *"
    fixed[1]["timezone"] = "Europe/Oslo"
    fixed[2]["state"] = "PAUSED"
    lines[5]["labels"] = {"team": "five"}
    lines[6]["input"] = {"a": 1}
    changed = {f"{one['tenant']}/{one['name']}" for one in (*fixed[:3], lines[5], lines[6])}
    assert len(changed) == 5

    planned = plan(world, *lines, tmp_path=tmp_path)

    assert {(one.action, one.name) for one in planned.changes} == {("update", name) for name in changed}
    assert len(planned.commands) == 5
    assert {str(key) for key in planned.moves} == {f"{one['tenant']}/{one['name']}" for one in fixed[:3]}
    moved, zoned, paused = (planned.moves[Key(one["tenant"], one["name"])] for one in fixed[:3])
    assert (len(moved.moved), moved.added, moved.removed) == (14, [], [])
    assert all(new == old - 3_600_000 for old, new in moved.moved)
    assert len(zoned.moved) == 14
    assert (len(paused.removed), paused.added, paused.moved) == (14, [], [])
    apply(world, planned)
    assert plan(world, *lines, tmp_path=tmp_path).commands == []


def test_other_order_of_keys_and_defaults_are_no_change(world: World, tmp_path: Path) -> None:
    apply(world, plan(world, schedule("a", "0 6 * * *"), tmp_path=tmp_path))

    same = {"priority": 5, "timezone": "UTC", "expression": "0 6 * * *", "name": "a", "tenant": "acme", "input": None}

    assert plan(world, same, tmp_path=tmp_path).commands == []


def test_a_change_says_what_it_was(world: World, tmp_path: Path) -> None:
    apply(world, plan(world, schedule("a", "0 6 * * *"), tmp_path=tmp_path))

    planned = plan(world, schedule("a", "0 7 * * *"), tmp_path=tmp_path)

    assert planned.changes[0].fields == [FieldChange("expression", '"0 6 * * *"', '"0 7 * * *"')]


def test_prune_deletes_of_the_tenants_named_what_the_files_do_not_have(world: World, tmp_path: Path) -> None:
    world.emit("Put Calendar", {"tenant": "acme", "name": "used", "dates": ["2026-12-03"]})
    world.emit("Put Calendar", {"tenant": "acme", "name": "unused", "dates": ["2026-12-03"]})
    world.run(seconds=5)
    kept = schedule("kept", "0 6 * * *", exclude=["calendar:used"])
    other = {**schedule("other", "0 6 * * *"), "tenant": "globex"}
    apply(world, plan(world, kept, schedule("gone", "0 7 * * *"), other, tmp_path=tmp_path))
    world.run(seconds=5)

    planned = plan(world, kept, tmp_path=tmp_path, prune=("acme",))

    assert {(type(one), one.name) for one in planned.commands} == {
        (DeleteSchedule, "gone"),
        (DeleteCalendar, "unused"),
    }
    assert len(planned.moves[Key("acme", "gone")].removed) == 7
    apply(world, planned)
    assert plan(world, kept, tmp_path=tmp_path, prune=("acme",)).commands == []
    assert world.store.records[Key("globex", "other")].schedule is not None


def test_what_the_registrar_would_reject_is_known_before_anything_is_sent(world: World, tmp_path: Path) -> None:
    planned = plan(
        world,
        schedule("past", "at(2020-01-01T00:00:00)"),
        schedule("no-calendar", "0 6 * * *", exclude=["calendar:none"]),
        schedule("broken", "99 * * * *"),
        schedule("good", "0 6 * * *"),
        schedule("good", "0 7 * * *"),
        tmp_path=tmp_path,
    )

    assert [one.name for one in planned.commands] == ["good"]
    lines = sorted(int(reason.split(":")[1]) for reason in planned.rejected)
    assert lines == [1, 2, 3, 5]


def test_with_something_rejected_nothing_is_pruned(world: World, tmp_path: Path) -> None:
    """The entry that is wrong may be of the schedule that would be deleted."""
    apply(world, plan(world, schedule("a", "0 6 * * *"), tmp_path=tmp_path))

    planned = plan(world, {"tenant": "acme", "name": "a"}, tmp_path=tmp_path, prune=("acme",))

    assert (planned.commands, len(planned.rejected)) == ([], 1)


def test_days_of_a_calendar_that_change_move_fires(world: World, tmp_path: Path) -> None:
    def lines(day: str) -> list[dict[str, Any]]:
        calendar = {"detail-type": "Put Calendar", "detail": {"tenant": "acme", "name": "off", "dates": [day]}}
        return [schedule("a", "0 6 * * *", exclude=["calendar:off"]), calendar]

    apply(world, plan(world, *lines("2026-12-03"), tmp_path=tmp_path))
    world.run(seconds=5)

    planned = plan(world, *lines("2026-12-05"), tmp_path=tmp_path)

    found = planned.moves[Key("acme", "a")]
    assert (len(found.added), len(found.removed)) == (1, 1)
    apply(world, planned)
    world.run(seconds=5)
    assert plan(world, *lines("2026-12-05"), tmp_path=tmp_path).commands == []


@pytest.mark.parametrize("long", ["", "x" * 5_000])
def test_an_input_that_a_bus_wrote_anew_is_no_change(world: World, tmp_path: Path, long: str) -> None:
    """EventBridge leaves out blanks, and a client may escape what is not ASCII."""
    given = schedule("a", "0 6 * * *", input={"b": [1, True], "å": long})
    apply(world, plan(world, given, tmp_path=tmp_path))

    given["input"] = msgspec.Raw(f'{{"\\u00e5": "{long}",  "b": [1, true]}}'.encode())
    assert plan(world, given, tmp_path=tmp_path).commands == []
    given["input"] = msgspec.Raw(f'{{"\\u00e5": "{long}",  "b": [1, 1]}}'.encode())
    assert [str(field) for field in plan(world, given, tmp_path=tmp_path).changes[0].fields] == ["input"]
