"""The limits of a deployment, told from outside: what is refused, and what goes on under a limit that was lowered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from eventcron.testing import World
from eventcron.testing.world import SETTINGS

START = "2026-12-01T08:00:00Z"


def put(world: World, name: str, tenant: str = "acme", **fields: Any) -> None:
    send(world, "Put Schedule", {"tenant": tenant, "name": name, "expression": "* * * * *", **fields})


def send(world: World, detail_type: str, detail: Mapping[str, Any]) -> None:
    world.emit(detail_type, detail)
    world.run(seconds=2)


def answers(world: World) -> list[tuple[str, str]]:
    """The answers so far: each rejection by its code, every other event by its detail type."""
    answers = [(event["detail"].get("code", event["detail-type"]), event["detail"]["name"]) for event in world.events]
    return [one for one in answers if one[0] not in {"Schedule Fired", "Schedule Skipped"}]


def lower(world: World, **settings: Any) -> World:
    """Another deployment over what *world* has stored, with other *settings*."""
    after = World(world.now, settings=msgspec.structs.replace(SETTINGS, **settings))
    after.store, after.leases = world.store, world.leases
    return after


def test_an_input_and_a_period_beyond_their_limits_are_refused_and_nothing_else() -> None:
    settings = msgspec.structs.replace(SETTINGS, max_input_bytes=10, min_period_seconds=60)
    with World(START, settings=settings) as world:
        put(world, "fits", input="12345678")
        put(world, "long", input="123456789")
        put(world, "often", expression="rate(59 seconds)")
        put(world, "escaped", input="æøåæ")

        assert answers(world) == [
            ("Schedule Created", "fits"),
            ("input_too_large", "long"),
            ("too_often", "often"),
            ("Schedule Created", "escaped"),
        ]
        assert {key.name for key in world.store.records} == {"fits", "escaped"}


def test_under_lowered_limits_a_schedule_fires_on_and_takes_every_command() -> None:
    acme = {"tenant": "acme", "name": "old"}
    with World(START) as before:
        put(before, "old", expression="rate(10 seconds)", input="x" * 2_000)
        with lower(before, max_input_bytes=10, min_period_seconds=60) as world:
            world.run(minutes=20)  # beyond what the deployment before has queued
            put(world, "old", expression="rate(10 seconds)", input="x" * 2_000, labels={"a": "b"})
            send(world, "Pause Schedule", acme)
            send(world, "Resume Schedule", acme)
            put(world, "old", expression="rate(20 seconds)", input="x" * 2_000)
            put(world, "old", expression="rate(10 seconds)", input="y" * 2_000)
            send(world, "Delete Schedule", acme)

            assert len(world.fired) >= 6
            assert answers(world) == [
                ("Schedule Updated", "old"),
                ("Schedule Paused", "old"),
                ("Schedule Resumed", "old"),
                ("too_often", "old"),
                ("input_too_large", "old"),
                ("Schedule Deleted", "old"),
            ]
            assert world.failures == []


def test_a_further_schedule_is_refused_until_there_is_room_and_another_tenant_notices_nothing() -> None:
    settings = msgspec.structs.replace(SETTINGS, max_schedules_per_tenant=2)
    with World(START, settings=settings) as world:
        for name in ("a", "b", "c"):
            put(world, name)
        put(world, "a", tenant="beta")
        put(world, "a", labels={"changed": "yes"})
        send(world, "Delete Schedule", {"tenant": "acme", "name": "b"})
        send(world, "Delete Schedule", {"tenant": "acme", "name": "never-there"})
        put(world, "c")

        assert answers(world) == [
            ("Schedule Created", "a"),
            ("Schedule Created", "b"),
            ("too_many_schedules", "c"),
            ("Schedule Created", "a"),
            ("Schedule Updated", "a"),
            ("Schedule Deleted", "b"),
            ("not_found", "never-there"),
            ("Schedule Created", "c"),
        ]


def test_one_shot_schedules_make_room_when_they_have_fired_unless_they_are_kept() -> None:
    settings = msgspec.structs.replace(SETTINGS, max_schedules_per_tenant=2)
    with World(START, settings=settings) as world:
        put(world, "gone", expression="at(2026-12-01T08:01:00)", after_completion="DELETE")
        put(world, "kept", expression="at(2026-12-01T08:01:00)")
        world.run(minutes=2)
        put(world, "new")
        put(world, "newer")

        assert answers(world)[2:] == [
            ("Schedule Completed", "gone"),
            ("Schedule Completed", "kept"),
            ("Schedule Created", "new"),
            ("too_many_schedules", "newer"),
        ]


def test_over_a_lowered_limit_every_schedule_fires_on_and_takes_every_command() -> None:
    with World(START) as before:
        for name in ("a", "b", "c"):
            put(before, name)
        with lower(before, max_schedules_per_tenant=1) as world:
            world.run(minutes=20)
            put(world, "a", labels={"changed": "yes"})
            send(world, "Pause Schedule", {"tenant": "acme", "name": "b"})
            send(world, "Resume Schedule", {"tenant": "acme", "name": "b"})
            put(world, "d")
            send(world, "Delete Schedule", {"tenant": "acme", "name": "c"})
            put(world, "d")

            assert {fire.schedule for fire in world.fired} == {"acme/a", "acme/b", "acme/c"}
            assert answers(world) == [
                ("Schedule Updated", "a"),
                ("Schedule Paused", "b"),
                ("Schedule Resumed", "b"),
                ("too_many_schedules", "d"),
                ("Schedule Deleted", "c"),
                ("too_many_schedules", "d"),
            ]
