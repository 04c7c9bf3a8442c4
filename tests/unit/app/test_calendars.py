"""Calendars that are put: what schedules make of them, told as stories on the whole system in memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest

from eventcron.adapters.memory import MemoryCalendars
from eventcron.app.calendars import CalendarCommands
from eventcron.app.reconcile import ReconcileReport
from eventcron.errors import Conflict
from eventcron.model.commands import PutCalendar
from eventcron.model.names import CalendarKey, Key
from eventcron.model.records import Calendar
from eventcron.rules.reconcile import Fault
from eventcron.testing import FakeClock, World
from eventcron.testing.world import SETTINGS

START = "2026-12-23T12:00:00Z"
NORWAY = CalendarKey("acme", "norway")
REVISION = 1_796_000_000_000


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with World(START) as world:
        yield world
        assert world.failures == []


def put_calendar(world: World, *dates: str, tenant: str = "acme", name: str = "norway", **more: Any) -> str:
    return world.emit("Put Calendar", {"tenant": tenant, "name": name, "dates": dates}, **more)


def put(world: World, *exclude: str, expression: str = "0 9 * * *", **more: Any) -> None:
    detail = {"tenant": "acme", "name": "report", "expression": expression, "exclude": exclude, **more}
    world.emit("Put Schedule", detail)
    world.run(seconds=5)


def days(world: World) -> list[str]:
    return [fire.due[8:10] for fire in world.fired]


def stored(world: World) -> Calendar:
    return world.calendars._stored[NORWAY]


def rejections(world: World) -> list[tuple[str, str, str, str]]:
    answers = world.events_of("Schedule Rejected")
    return [(answer["code"], answer["field"], answer["given"], answer["allowed"]) for answer in answers]


# --- Schedules -------------------------------------------------------------------------------------------------------


def test_a_calendar_that_was_put_excludes_its_days_and_each_is_told(world: World) -> None:
    put_calendar(world, "2026-12-24", "2026-12-26/2026-12-27")
    world.run(seconds=5)
    put(world, "calendar:norway")
    world.run(hours=24 * 5)

    assert days(world) == ["25", "28"]
    skipped = world.events_of("Schedule Skipped")
    assert [(event["first_due"][8:10], event["reason"], event["by"], event["count"]) for event in skipped] == [
        (day, "excluded", "calendar:norway", 1) for day in ("24", "26", "27")
    ]


def test_its_days_are_those_of_the_schedules_own_zone(world: World) -> None:
    put_calendar(world, "2026-12-24")
    world.run(seconds=5)
    put(world, "calendar:norway", expression="0 0 * * *", timezone="Asia/Tokyo")
    world.run(hours=72)

    assert [fire.due for fire in world.fired] == [
        "2026-12-24T15:00:00.000Z",
        "2026-12-25T15:00:00.000Z",
    ]


@pytest.mark.parametrize("name", ["norway", "sweden"])
def test_another_tenants_calendar_is_not_seen(world: World, name: str) -> None:
    put_calendar(world, "2026-12-24", tenant="beta", name=name)
    world.run(seconds=5)
    put(world, f"calendar:{name}")

    assert rejections(world) == [("unknown_calendar", "exclude.0", f"'calendar:{name}'", "a known calendar")]
    assert Key("acme", "report") not in world.store.records


def test_two_tenants_calendars_of_one_name_are_two(world: World) -> None:
    put_calendar(world, "2026-12-24")
    put_calendar(world, "2026-12-25", tenant="beta")
    world.run(seconds=5)
    put(world, "calendar:norway")
    world.run(hours=48)

    assert days(world) == ["25"]


def test_the_calendars_of_one_schedule_are_bounded_together(world: World) -> None:
    for name, year in (("a", 2000), ("b", 2100)):
        put_calendar(world, *(f"{year + n // 12}-{1 + n % 12:02}-01" for n in range(501)), name=name)
    world.run(seconds=5)
    put(world, "calendar:a", "calendar:b")

    assert rejections(world) == [("calendar_too_long", "exclude", "1002 spans of days", "at most 1000")]


def test_put_again_a_schedule_follows_its_calendar(world: World) -> None:
    put_calendar(world, "2026-12-24")
    world.run(seconds=5)
    put(world, "calendar:norway")
    put_calendar(world, "2026-12-25")
    world.run(seconds=5)
    put(world, "calendar:norway")
    world.run(hours=48)

    assert days(world) == ["24"]


# --- Later changes ---------------------------------------------------------------------------------------------------


def walk(world: World, *, new_release: bool = True) -> ReconcileReport:
    """A sweep of the reconciler: one that computes every trigger, or one that moves schedules."""
    reconciler, deadline = world.ports.use_cases(world.settings).reconciler, world.now + 900_000
    if new_release:
        return world._runner.run(reconciler.run(deadline=deadline, rules=f"release of {world.now}"))
    return world._runner.run(reconciler.resize(deadline=deadline, segments=world.settings.segments))


@pytest.mark.parametrize("new_release", [True, False])
def test_the_daily_walk_brings_a_changed_calendar_to_schedules(world: World, new_release: bool) -> None:
    put_calendar(world, "2026-12-24")
    world.run(seconds=5)
    put(world, "calendar:norway")
    assert walk(world, new_release=new_release).repaired.total() == 0

    put_calendar(world, "2026-12-25")
    world.run(minutes=1)
    assert walk(world, new_release=new_release).repaired == {Fault.TRIGGER: 1}
    assert walk(world, new_release=new_release).repaired.total() == 0
    world.run(hours=72)

    assert days(world) == ["24", "26"]


def test_a_changed_calendar_reaches_schedules_within_a_day_of_a_world(world: World) -> None:
    put_calendar(world, "2026-12-24")
    world.run(seconds=5)
    put(world, "calendar:norway")
    world.run(hours=2)

    put_calendar(world, "2026-12-25")
    world.run(hours=72)

    assert days(world) == ["26"]


@pytest.mark.parametrize("new_release", [True, False])
def test_after_its_deletion_schedules_keep_the_days_they_have(world: World, new_release: bool) -> None:
    put_calendar(world, "2026-12-24")
    world.run(seconds=5)
    put(world, "calendar:norway")
    world.emit("Delete Calendar", {"tenant": "acme", "name": "norway"})
    world.run(minutes=1)
    report = walk(world, new_release=new_release)
    world.run(hours=48)

    assert (report.unreadable, report.repaired.total()) == ([], 0)
    assert days(world) == ["25"]
    put(world, "calendar:norway")
    assert [code for code, *_ in rejections(world)] == ["unknown_calendar"]


def test_the_daily_walk_mixes_no_tenants(world: World) -> None:
    for tenant in ("acme", "beta"):
        put_calendar(world, tenant=tenant)
    world.run(seconds=5)
    put(world, "calendar:norway")
    put(world, "calendar:norway", tenant="beta")
    put_calendar(world, "2026-12-24")
    put_calendar(world, "2026-12-25", tenant="beta")
    world.run(minutes=1)

    assert walk(world).repaired == {Fault.TRIGGER: 2}
    world.run(hours=48)
    assert [(fire.schedule, fire.due[8:10]) for fire in world.fired] == [("beta/report", "24"), ("acme/report", "25")]


def test_of_two_calendars_one_may_change_while_the_other_is_gone(world: World) -> None:
    put_calendar(world, "2026-12-24")
    put_calendar(world, "2026-12-25", name="sweden")
    world.run(seconds=5)
    put(world, "calendar:norway", "calendar:sweden")
    world.emit("Delete Calendar", {"tenant": "acme", "name": "norway"})
    put_calendar(world, "2026-12-26", name="sweden")
    world.run(minutes=1)
    walk(world)
    world.run(hours=96)

    assert days(world) == ["25", "27"]


# --- Commands --------------------------------------------------------------------------------------------------------


def test_a_put_and_a_delete_are_told(world: World) -> None:
    put = put_calendar(world, "2026-12-24/2026-12-26", "2026-12-26", "2027-05-17")
    world.run(seconds=5)
    first = stored(world)
    delete = world.emit("Delete Calendar", {"tenant": "acme", "name": "norway"})
    world.run(seconds=5)
    last = stored(world)

    assert world.events_of("Calendar Updated") == [
        {"tenant": "acme", "name": "norway", "revision": first.revision, "days": 4, "event_id": put}
    ]
    assert world.events_of("Calendar Deleted") == [
        {"tenant": "acme", "name": "norway", "revision": last.revision, "event_id": delete}
    ]
    assert [event["resources"] for event in world.events] == [["acme/calendar:norway"]] * 2
    assert (first.expires, last.dates) == (None, None)
    assert last.expires == pytest.approx(world.now // 1000 + world.settings.tombstone_days * 86_400, abs=10)


def revised(world: World, kind: str, revision: int, *dates: str) -> None:
    more = {"dates": dates} if kind == "Put Calendar" else {}
    world.emit(kind, {"tenant": "acme", "name": "norway", "revision": revision, **more})
    world.run(seconds=2)


def test_a_stale_put_changes_nothing(world: World) -> None:
    revised(world, "Put Calendar", REVISION, "2026-12-24")
    before = stored(world)
    revised(world, "Put Calendar", REVISION - 1, "2026-12-25")
    revised(world, "Put Calendar", REVISION, "2026-12-26")
    revised(world, "Delete Calendar", REVISION - 1)

    assert stored(world) == before
    allowed = f"more than {REVISION}, the revision already applied"
    assert rejections(world) == [
        ("stale_revision", "revision", str(revision), allowed) for revision in (REVISION - 1, REVISION, REVISION - 1)
    ]
    assert len(world.events_of("Calendar Updated")) == 1


COMMANDS = [
    ("Put Calendar", REVISION, "2026-12-24"),
    ("Put Calendar", REVISION + 1, "2026-12-25"),
    ("Delete Calendar", REVISION + 1),
    ("Delete Calendar", REVISION),
]


@pytest.mark.parametrize("order", list(permutations(COMMANDS)))
def test_in_whatever_order_they_arrive_the_highest_revision_wins_and_a_delete_a_tie(
    world: World, order: tuple[tuple[str, int, str], ...]
) -> None:
    for kind, revision, *dates in order:
        revised(world, kind, revision, *dates)

    assert (stored(world).revision, stored(world).dates) == (REVISION + 1, None)


def test_commands_of_one_second_are_applied_as_they_arrive_and_a_replay_is_not(world: World) -> None:
    ids = [put_calendar(world, "2026-12-24"), put_calendar(world, "2026-12-25", delay_seconds=1)]
    put_calendar(world, "2026-12-24", event_id=ids[0], delay_seconds=2)
    world.run(seconds=5)

    assert stored(world).dates == ("2026-12-25",)
    assert len(world.events_of("Calendar Updated")) == 2


def test_a_delete_of_what_is_not_there_is_rejected_and_remembered(world: World) -> None:
    revised(world, "Delete Calendar", REVISION)
    revised(world, "Put Calendar", REVISION - 1, "2026-12-24")

    assert [(code, given) for code, _, given, _ in rejections(world)] == [
        ("not_found", "'acme/calendar:norway'"),
        ("stale_revision", str(REVISION - 1)),
    ]
    assert stored(world).dates is None


OF_64 = "1-64 of A-Z a-z 0-9 . _ -, but not '.' or '..'"
ONLY_DATES = "a date (2026-12-24) or a range of dates (2026-12-24/2026-12-26)"
BACKWARDS, EARLIER = "2026-12-26/2026-12-24", "the earlier date first"
FIELDS = "tenant, name, dates, revision; did you mean 'dates'?"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"dates": ["2026-12-24", "eve"]}, ("invalid_date", "dates.1", "'eve'", ONLY_DATES), id="a-word"),
        pytest.param({"dates": ["2027-02-29"]}, ("invalid_date", "dates.0", "'2027-02-29'"), id="no-such-day"),
        pytest.param({"dates": [BACKWARDS]}, ("invalid_date", "dates.0", repr(BACKWARDS), EARLIER), id="backwards"),
        pytest.param({"dates": "2026-12-24"}, ("wrong_type", "dates"), id="no-list"),
        pytest.param({"dates": [20261224]}, ("wrong_type", "dates.0", "20261224"), id="a-number"),
        pytest.param({"dates": ["2026-12-24"] * 1_001}, ("out_of_range", "dates"), id="too-many"),
        pytest.param({"dates": ["2026-12-24T00:00:00+01:00"]}, ("out_of_range", "dates.0"), id="a-time"),
        pytest.param({"date": []}, ("unknown_field", "date", "[]", FIELDS), id="unknown-field"),
        pytest.param({"name": "a/b"}, ("invalid_name", "name", "'a/b'", OF_64), id="bad-name"),
        pytest.param({"name": "n" * 65}, ("invalid_name", "name"), id="long-name"),
        pytest.param({"revision": -1}, ("out_of_range", "revision", "-1"), id="bad-revision"),
    ],
)  # fmt: skip
def test_a_bad_calendar_is_rejected(world: World, change: dict[str, Any], expected: tuple[str, ...]) -> None:
    world.emit("Put Calendar", {"tenant": "acme", "name": "norway", "dates": ["2026-12-24"], **change})
    world.run(seconds=5)

    (answer,) = rejections(world)
    assert answer[: len(expected)] == expected
    assert world.calendars._stored == {}


def test_a_tenants_source_puts_calendars_for_that_tenant_alone(world: World) -> None:
    put_calendar(world, "2026-12-24", source="eventcron.tenant.beta")
    world.run(seconds=5)

    assert [code for code, *_ in rejections(world)] == ["not_allowed"]
    assert world.calendars._stored == {}


def test_a_crash_between_the_write_and_the_event_loses_neither() -> None:
    crashes = iter([True])

    async def crash(effect: str) -> None:
        if effect == "put_calendar.after" and next(crashes, False):
            raise ConnectionError(effect)

    with World(START, pause=crash) as world:
        put_calendar(world, "2026-12-24")
        world.run(minutes=5)

        assert len(world.failures) == 1
        assert [event["days"] for event in world.events_of("Calendar Updated")] == [1]


class Contested(MemoryCalendars):
    """Calendars that someone else always writes first."""

    async def put(self, calendar: Calendar, *, replacing: int | None) -> bool:
        return False


async def test_one_contested_calendar_is_left_to_the_queue() -> None:
    commands = CalendarCommands(clock=FakeClock(0), calendars=Contested(), settings=SETTINGS)
    command = PutCalendar(tenant="acme", name="norway", dates=["2026-12-24"])

    with pytest.raises(Conflict, match="acme/calendar:norway is being changed by others: not changed in 8 tries"):
        await commands.apply(command, time=0, event_id="e-1")
