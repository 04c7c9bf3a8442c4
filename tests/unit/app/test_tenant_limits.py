"""A tenant is shown the limits that its commands and fires are held to, and the count that its puts are held to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryScheduleStore
from eventcron.app.tenant_limits import TenantLimits, limits_of
from eventcron.errors import EventcronError, Unavailable, Undecodable
from eventcron.testing import FakeClock, World
from eventcron.testing.world import SETTINGS

LIMITED = replace(
    SETTINGS,
    max_schedules_per_tenant=2,
    tenant_fires_per_minute=3,
    min_period_seconds=60,
    max_input_bytes=5,
)


def put(world: World, name: str, *, tenant: str = "acme", expression: str = "0 * * * *", given: object = 1) -> None:
    detail = {"tenant": tenant, "name": name, "expression": expression, "input": given}
    world.emit("Put Schedule", detail)
    world.run(seconds=2)


async def test_each_limit_is_the_deployment_s_setting_of_that_name() -> None:
    assert await limits_of(MemoryScheduleStore(FakeClock(0)), LIMITED, "acme") == TenantLimits(
        tenant="acme", schedules=0, max_schedules=2, fires_per_minute=3, min_period_seconds=60, max_input_bytes=5
    )


async def test_no_limit_is_zero() -> None:
    unlimited = replace(SETTINGS, max_schedules_per_tenant=0, tenant_fires_per_minute=0)
    limits = await limits_of(MemoryScheduleStore(FakeClock(0)), unlimited, "acme")

    assert (limits.max_schedules, limits.fires_per_minute) == (0, 0)


def test_what_is_shown_is_what_is_enforced() -> None:
    with World("2026-12-01T08:00:00Z", settings=LIMITED) as world:
        put(world, "frequent", expression="* * * * * *")
        put(world, "large", given="12345")
        put(world, "first")
        put(world, "second")
        put(world, "third")
        shown = world.call(limits_of(world.ports.store, LIMITED, "acme"))

        assert [(event["name"], event["code"]) for event in world.events_of("Schedule Rejected")] == [
            ("frequent", "too_often"),
            ("large", "input_too_large"),
            ("third", "too_many_schedules"),
        ]
        assert (shown.schedules, shown.max_schedules) == (2, 2)


def test_only_the_tenant_s_own_schedules_count_and_a_deleted_one_no_longer() -> None:
    with World("2026-12-01T08:00:00Z", settings=LIMITED) as world:
        put(world, "mine")
        put(world, "gone")
        put(world, "theirs", tenant="beta")
        world.emit("Delete Schedule", {"tenant": "acme", "name": "gone"})
        world.run(seconds=2)

        counts = [world.call(limits_of(world.ports.store, LIMITED, name)).schedules for name in ("acme", "beta", "new")]

        assert counts == [1, 1, 0]


@pytest.mark.parametrize("error", [Unavailable("dynamodb", "ThrottlingException"), Undecodable("count in format 2")])
async def test_a_count_that_cannot_be_read_is_not_none(error: EventcronError) -> None:
    class Torn(MemoryScheduleStore):
        async def count(self, tenant: str) -> int:
            raise error

    with pytest.raises(type(error)):
        await limits_of(Torn(FakeClock(0)), SETTINGS, "acme")
