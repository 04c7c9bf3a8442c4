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
