"""Catching up has a rate: after a long pause, and under a tenant's limit. Nothing is lost to the limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryLeases
from eventcron.app.backfill import MAX_OPEN_CATCH_UPS
from eventcron.model.messages import Fire
from eventcron.model.names import BackfillKey, Instant, Key
from eventcron.model.records import BackfillState, State
from eventcron.ports import Lease
from eventcron.testing import World
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import rfc3339
from eventcron.wire.encode import fire_id
from tests.simulation.test_crashes import Killed, Killer

START = "2026-12-01T00:00:00Z"
ACME = {"tenant": "acme", "name": "report"}
MINUTELY = {**ACME, "expression": "* * * * *"}
ALL = {**ACME, "missed": "fire_all"}
RESUMED = 10**13
REMAINDER = BackfillKey("acme", "report", f"resume:{RESUMED}")


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with World(START) as world:
        yield world
        assert world.failures == []


def limited(limit: int) -> World:
    return World(START, settings=replace(SETTINGS, tenant_fires_per_minute=limit))


def pause(world: World, put: dict[str, Any], *, hours: float, minutes: int = 1) -> None:
    """Put a schedule, pause it after two *minutes*, and let *hours* pass."""
    world.emit("Put Schedule", put)
    world.run(minutes=minutes, seconds=30)
    world.emit("Pause Schedule", {"tenant": put["tenant"], "name": put["name"]})
    world.run(hours=hours)


def dues(world: World) -> list[str]:
    return [fire.due[11:16] for fire in world.fired]


def hours(first: int, last: int) -> list[str]:
    """The minutes of the day from *first* to *last*."""
    return [f"{minute // 60:02}:{minute % 60:02}" for minute in range(first, last + 1)]


def by_minute(world: World) -> Counter[str]:
    return Counter(rfc3339(fire.published)[11:16] for fire in world.fired)


def test_twelve_hours_are_caught_up_at_the_deployment_s_rate_beside_what_is_due(world: World) -> None:
    pause(world, MINUTELY, hours=12)
    world.emit("Resume Schedule", ALL)
    world.run(minutes=15)

    late = [fire for fire in world.fired if fire.lateness_ms > 2_000]
    assert len(late) == 720
    assert [fire.due for fire in late] == sorted(fire.due for fire in late)
    assert max(Counter(fire.published // 1000 for fire in late).values()) == 1
    assert sorted(dues(world)) == hours(1, 12 * 60 + 16)
    assert {fire.detail["cause"] for fire in world.fired} == {"schedule"}
    assert not any("cause_id" in fire.detail for fire in world.fired)
    ordinary = [fire_id(Fire("acme", "report", 1, fire.due_at, fire.due_at)) for fire in world.fired]
    assert [fire.detail["fire_id"] for fire in world.fired] == ordinary
    assert world.events_of("Schedule Skipped") == []


def test_a_resume_says_how_fast(world: World) -> None:
    pause(world, MINUTELY, hours=2)
    world.emit("Resume Schedule", {**ALL, "per_minute": 6})
    world.run(minutes=25)

    late = [fire for fire in world.fired if fire.lateness_ms > 2_000]
    assert [b.published - a.published for a, b in pairwise(late)] == [10_000] * 119
    assert len(late) == 120


def test_a_remainder_is_reported_like_a_backfill(world: World) -> None:
    pause(world, MINUTELY, hours=2)
    world.emit("Resume Schedule", {**ALL, "per_minute": 6, "revision": RESUMED})
    world.run(minutes=25)

    reports = world.events_of("Schedule Backfilled")
    assert {report["backfill_id"] for report in reports} == {REMAINDER.id}
    assert (reports[-1]["state"], reports[-1]["per_minute"], reports[-1]["fires"]) == ("COMPLETED", 6, 60)


def test_under_a_limit_nothing_is_lost_and_what_is_due_goes_first() -> None:
    with limited(60) as world:
        pause(world, MINUTELY, hours=6)
        world.emit("Resume Schedule", {**ALL, "per_minute": 6_000})
        world.run(minutes=30)

        assert sorted(dues(world)) == hours(1, 6 * 60 + 31)
        assert world.events_of("Schedule Skipped") == []
        assert max(by_minute(world).values()) <= 60
        assert all(fire.lateness_ms < 2_000 for fire in world.fired if fire.due >= "2026-12-01T06:02")


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["fire_all", "skip"])
def test_a_tenant_with_little_room_left_catches_up_in_it(policy: str) -> None:
    """Six schedules that are due use the limit of seven nearly up, each minute.

    The resume says ``fire_all``. So what the schedule says of its own late fires does not matter.
    """
    with limited(7) as world:
        for name in "abcde":
            world.emit("Put Schedule", {**MINUTELY, "name": name})
        pause(world, {**MINUTELY, "misfire": {"policy": policy}}, hours=1)
        world.emit("Resume Schedule", ALL)
        world.run(hours=3)

        of_report = [fire for fire in world.fired if fire.schedule == "acme/report"]
        lost = Counter(event["name"] for event in world.events_of("Schedule Skipped"))
        caught_up = [fire for fire in of_report if fire.lateness_ms > 60_000]
        assert len({fire.due for fire in of_report if fire.due < "2026-12-01T01:01"}) == 60
        assert len(caught_up) == 60
        assert max(by_minute(world).values()) <= 7
        assert lost == Counter()


@pytest.mark.slow
def test_what_is_caught_up_on_waits_in_vain_for_a_limit_that_is_used_up_and_is_reported() -> None:
    with limited(6) as world:
        for name in "abcde":
            world.emit("Put Schedule", {**MINUTELY, "name": name})
        pause(world, {**MINUTELY, "misfire": {"grace_seconds": 7_200}}, hours=1)
        world.emit("Resume Schedule", ALL)
        world.run(hours=4)

        skipped = world.events_of("Schedule Skipped")
        assert {(event["name"], event["reason"]) for event in skipped} == {("report", "quota")}
        late = [fire for fire in world.fired if fire.lateness_ms > 60_000]
        assert len({event["first_due"] for event in skipped}) + len(late) == 60
        assert len(late) <= 1  # in the minute of the resume, which the schedule itself does not use


@pytest.mark.slow
def test_many_schedules_resumed_at_once_are_all_caught_up() -> None:
    with limited(600) as world:
        names = [f"s{number}" for number in range(30)]
        for name in names:
            world.emit("Put Schedule", {**ACME, "name": name, "expression": "*/10 * * * *"})
        world.run(minutes=1)
        for name in names:
            world.emit("Pause Schedule", {**ACME, "name": name})
        world.run(hours=8)
        for name in names:
            world.emit("Resume Schedule", {**ALL, "name": name})
        world.run(minutes=40)

        assert Counter(fire.schedule for fire in world.fired) == {f"acme/{name}": 52 for name in names}
        assert world.events_of("Schedule Skipped") == []
        assert max(by_minute(world).values()) <= 600


def slow(world: World, *, hours: float = 2, put: dict[str, Any] = MINUTELY) -> None:
    """A catch-up of one fire a minute: the registrar sends ten, a remainder the rest. Ten minutes of it have passed."""
    pause(world, put, hours=hours)
    world.emit("Resume Schedule", {**ALL, "per_minute": 1, "revision": RESUMED})
    world.run(minutes=10)


def test_a_delete_while_catching_up_stops_what_is_not_fired_and_reports_it(world: World) -> None:
    slow(world)
    world.emit("Delete Schedule", {**ACME, "revision": RESUMED + 1})
    world.run(seconds=2)
    before = len(world.fired)
    world.run(hours=3)

    assert len(world.fired) == before
    skipped = world.events_of("Schedule Skipped")
    assert {event["reason"] for event in skipped} == {"deleted"}
    reported = sum(event["count"] for event in {(s["first_due"], s["count"]): s for s in skipped}.values())
    late = [fire for fire in world.fired if fire.lateness_ms > 2_000]
    assert len(late) + reported == 120
    assert world.backfills.stored[REMAINDER].state is BackfillState.CANCELLED
    assert not world.backfills.entered


def test_a_schedule_put_after_a_delete_fires_nothing_of_the_deleted_one(world: World) -> None:
    slow(world)
    world.emit("Delete Schedule", {**ACME, "revision": RESUMED + 1})
    world.run(seconds=1)
    world.emit("Put Schedule", {**MINUTELY, "expression": "0 0 1 1 *", "revision": RESUMED + 2})
    world.run(seconds=2)
    before = len(world.fired)
    world.run(hours=3)

    assert len(world.fired) == before


def test_nor_of_what_the_resume_of_the_deleted_one_has_queued(world: World) -> None:
    pause(world, MINUTELY, hours=1)
    world.emit("Resume Schedule", {**ALL, "per_minute": 6, "revision": RESUMED})
    world.run(minutes=1)
    world.emit("Delete Schedule", {**ACME, "revision": RESUMED + 1})
    world.run(seconds=1)
    world.emit("Put Schedule", {**MINUTELY, "expression": "0 0 1 1 *", "revision": RESUMED + 2})
    world.run(seconds=2)
    before = len(world.fired)
    world.run(minutes=15)

    assert len(world.fired) == before
    missed = [event for event in world.events_of("Schedule Skipped") if event["first_due"] < "2026-12-01T01:01"]
    assert {event["reason"] for event in missed} == {"deleted"}


def test_a_put_while_catching_up_goes_on_with_what_was_missed_and_its_own(world: World) -> None:
    slow(world)
    for number in range(12):  # more puts than eras are kept
        change = {"expression": "*/30 * * * *", "input": number, "revision": RESUMED + number + 1}
        world.emit("Put Schedule", {**MINUTELY, **change})
        world.run(minutes=1)
    world.run(hours=3)

    missed = [due for due in dues(world) if "00:02" <= due <= "02:01"]
    assert sorted(missed) == hours(2, 121)
    on_time = [fire.due[11:16] for fire in world.fired if fire.lateness_ms <= 2_000]
    assert [due for due in on_time if due > "02:13"] == ["02:30", "03:00", "03:30", "04:00", "04:30", "05:00"]
    assert all(event["first_due"] > "2026-12-01T02:11" for event in world.events_of("Schedule Skipped"))


def test_paused_again_while_catching_up_and_resumed_it_loses_nothing(world: World) -> None:
    slow(world)
    world.emit("Pause Schedule", {**ACME, "revision": RESUMED + 1})
    world.run(minutes=30)
    world.emit("Resume Schedule", {**ALL, "per_minute": 60, "revision": RESUMED + 2})
    world.run(hours=3)

    assert sorted(dues(world)) == hours(1, 5 * 60 + 41)
    assert world.events_of("Schedule Skipped") == []


def test_a_catch_up_is_cancelled_by_the_revision_of_its_resume(world: World) -> None:
    slow(world)
    world.emit("Cancel Backfill", {**ACME, "backfill_id": REMAINDER.id})
    world.run(seconds=2)
    before = len(world.fired)
    world.run(hours=1)

    assert len(world.fired) == before + 60
    reasons = {event["reason"] for event in world.events_of("Schedule Skipped")}
    assert reasons == {"cancelled"}
    missed = [due for due in dues(world) if "00:02" <= due <= "02:01"]
    reported = sum(event["count"] for event in world.events_of("Schedule Skipped"))
    assert len(missed) + reported == 120


def test_max_fires_counts_what_is_caught_up_on_and_completes_after_the_last(world: World) -> None:
    slow(world, put={**MINUTELY, "max_fires": 50})
    assert world.events_of("Schedule Completed") == []
    world.run(hours=2)

    assert dues(world) == hours(1, 50)
    assert len(world.events_of("Schedule Completed")) == 1
    assert world.store.records[Key("acme", "report")].state is State.COMPLETED
    assert world.fired[-1].published <= world.now - 3_600_000


def test_what_is_older_than_the_grace_is_not_caught_up_on(world: World) -> None:
    pause(world, {**MINUTELY, "misfire": {"policy": "fire_all", "grace_seconds": 3_600}}, hours=3)
    world.emit("Resume Schedule", {**ALL, "per_minute": 1})
    world.run(hours=1, minutes=30)

    missed = [fire.due[11:16] for fire in world.fired if fire.lateness_ms > 2_000]
    assert missed == hours(122, 181)


@pytest.mark.slow
@pytest.mark.parametrize("function", ["registrar", "planner"])
def test_who_dies_anywhere_while_catching_up_loses_nothing(function: str) -> None:
    def live(killer: Killer) -> tuple[set[str], Counter[str]]:
        with World(START, pause=killer, settings=replace(SETTINGS, segments=1)) as world:
            pause(world, {**MINUTELY, "end": "2026-12-01T00:22:00Z"}, hours=0.4)
            killer.steps.clear()
            world.emit("Resume Schedule", {**ALL, "per_minute": 1})
            world.run(minutes=35)
            assert all(isinstance(failure, Killed) for failure in world.failures)
            assert world.store.records[Key("acme", "report")].state is State.COMPLETED
            return set(dues(world)), killer.steps

    calm, steps = live(Killer())
    assert sorted(calm) == hours(1, 21)
    for step in range(1, steps[function] + 1):
        assert live(Killer(function, step))[0] == calm, f"{function} killed at step {step}"


class Leases(MemoryLeases):
    """Leases that no planner gets while it is *down*."""

    down = False

    async def acquire(self, segment: int, *, end: Instant, now: Instant, lease_until: Instant) -> Lease | None:
        return None if self.down else await super().acquire(segment, end=end, now=now, lease_until=lease_until)


def outage(world: World, *, hours: float, put: dict[str, Any]) -> None:
    """A planner that is down for *hours*, until the next tick."""
    world.leases = leases = Leases()
    world.emit("Put Schedule", put)
    world.run(minutes=20)
    leases.down = True
    world.run(hours=hours)
    leases.down = False


ALL_LATE = {"misfire": {"policy": "fire_all"}}


def test_a_planner_that_was_down_catches_up_at_a_rate(world: World) -> None:
    outage(world, hours=24, put={**MINUTELY, **ALL_LATE})
    world.run(hours=3)

    assert sorted({fire.due for fire in world.fired}) == sorted(fire.due for fire in world.fired)
    assert len(world.fired) == 27 * 60 + 20
    late = [fire for fire in world.fired if fire.lateness_ms > 60_000]
    assert len(late) > 23 * 60
    assert max(Counter(fire.published // 1000 for fire in late).values()) <= 2
    assert max(by_minute(world).values()) <= 14
    assert world.events_of("Schedule Skipped") == []


def test_of_what_a_planner_missed_the_latest_of_fire_once_is_not_put_off(world: World) -> None:
    outage(world, hours=1, put={**MINUTELY, "expression": "*/40 * * * *"})
    world.run(minutes=6)

    (late,) = [fire for fire in world.fired if fire.lateness_ms > 60_000]
    assert (late.due[11:16], rfc3339(late.published)[11:19]) == ("01:00", "01:25:00")


def test_what_would_be_beyond_its_grace_is_not_put_off(world: World) -> None:
    put = {**MINUTELY, "expression": "50 * * * *", "misfire": {"policy": "fire_all", "grace_seconds": 1_500}}
    outage(world, hours=0.9, put=put)
    world.run(minutes=20)

    assert dues(world) == ["00:50"]


@pytest.mark.slow
def test_late_fires_of_a_limited_tenant_wait_for_it_and_are_not_lost() -> None:
    with limited(60) as world:
        for name in "abcde":
            world.emit("Put Schedule", {**MINUTELY, "name": name, **ALL_LATE})
        outage(world, hours=6, put={**MINUTELY, **ALL_LATE})
        world.run(hours=2, seconds=5)

        assert Counter(fire.schedule for fire in world.fired) == {f"acme/{name}": 500 for name in [*"abcde", "report"]}
        assert world.events_of("Schedule Skipped") == []
        assert max(by_minute(world).values()) <= 60


def test_where_too_many_are_caught_up_on_a_resume_is_not_refused_but_spread_over_ten_minutes(world: World) -> None:
    pause(world, MINUTELY, hours=2)
    others = [BackfillKey("bolt", f"s{number}", "resume:1") for number in range(MAX_OPEN_CATCH_UPS)]
    for key in others:
        world.backfills._open.add(key)  # as if others were under way
    world.emit("Resume Schedule", {**ALL, "per_minute": 1})
    world.run(minutes=11)

    late = [fire for fire in world.fired if fire.lateness_ms > 2_000]
    assert len(late) == 120
    assert {later.published - fire.published for fire, later in pairwise(late)} == {5_000}
    assert world.events_of("Schedule Rejected") == []


def test_a_catch_up_leaves_the_tenant_s_backfills_their_room(world: World) -> None:
    for number in range(12):
        world.emit("Put Schedule", {**MINUTELY, "name": f"s{number}"})
    world.run(minutes=1)
    for number in range(12):
        world.emit("Pause Schedule", {**ACME, "name": f"s{number}"})
    world.run(hours=1)
    for number in range(12):
        world.emit("Resume Schedule", {**ALL, "name": f"s{number}", "per_minute": 1})
    world.run(seconds=5)
    span = {"from": "2026-12-01T00:00:00Z", "until": "2026-12-01T00:05:00Z", "backfill_id": "x"}
    world.emit("Backfill Schedule", {**ACME, "name": "s0", **span})
    world.run(seconds=5)

    assert len([key for key in world.backfills.entered if key.is_catch_up]) == 12
    assert world.events_of("Schedule Rejected") == []


def test_what_a_resume_sends_itself_can_be_cancelled_too(world: World) -> None:
    pause(world, MINUTELY, hours=1)
    world.emit("Resume Schedule", {**ALL, "per_minute": 6, "revision": RESUMED})
    world.run(seconds=30)
    world.emit("Cancel Backfill", {**ACME, "backfill_id": REMAINDER.id})
    world.run(minutes=12)

    late = [fire for fire in world.fired if fire.lateness_ms > 2_000]
    skipped = world.events_of("Schedule Skipped")
    assert {event["reason"] for event in skipped} == {"cancelled"}
    assert len(late) + len(skipped) == 60
