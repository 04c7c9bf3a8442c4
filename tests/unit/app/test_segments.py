"""Operators see of each segment how far it is planned, who has it, and how late that is; never means None."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryLeases
from eventcron.app.segments import segment_rows
from eventcron.errors import Unavailable
from eventcron.model.names import Instant
from eventcron.ports import SegmentState
from eventcron.testing import FakeClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import from_rfc3339

NOW = from_rfc3339("2026-12-01T08:00:00Z")
NEVER: dict[str, Any] = {
    "planned_through": None,
    "leased_through": None,
    "held_until": None,
    "fence": 0,
    "lag_ms": None,
}


async def rows(leases: MemoryLeases, *, segments: int, now: Instant = NOW) -> list[dict[str, Any]]:
    settings = replace(SETTINGS, segments=segments, horizon_seconds=720, tick_seconds=300)
    return await segment_rows(memory_ports(FakeClock(now), leases=leases).use_cases(settings))


async def planned(leases: MemoryLeases, segment: int, *, through: Instant) -> None:
    lease = await leases.acquire(segment, end=through, now=NOW, lease_until=NOW + 60_000)
    assert lease is not None
    assert await leases.commit(lease)


async def test_every_segment_of_the_deployment_has_a_row_in_order_also_one_that_was_never_planned() -> None:
    leases = MemoryLeases()
    await planned(leases, 1, through=NOW + 720_000)
    await planned(leases, 7, through=NOW + 720_000)  # of a deployment that had more segments

    first, second, third = await rows(leases, segments=3)

    assert first == {"segment": 0} | NEVER
    assert second["planned_through"] == "2026-12-01T08:12:00.000Z"
    assert third == {"segment": 2} | NEVER


async def test_a_segment_that_is_being_planned_has_a_holder_and_a_lease_beyond_what_is_planned() -> None:
    leases = MemoryLeases()
    await planned(leases, 0, through=NOW + 60_000)
    await leases.acquire(0, end=NOW + 720_000, now=NOW, lease_until=NOW + 120_000)

    assert await rows(leases, segments=1) == [
        {
            "segment": 0,
            "planned_through": "2026-12-01T08:01:00.000Z",
            "leased_through": "2026-12-01T08:12:00.000Z",
            "held_until": "2026-12-01T08:02:00.000Z",
            "fence": 2,
            "lag_ms": 360_000,
        }
    ]


async def test_a_lease_that_has_run_out_is_held_by_nobody_and_still_claims_its_window() -> None:
    """Its planner has died: the next one begins where that one began."""
    leases = MemoryLeases()
    await leases.acquire(0, end=NOW + 720_000, now=NOW, lease_until=NOW + 120_000)

    (row,) = await rows(leases, segments=1, now=NOW + 120_000)

    assert (row["held_until"], row["leased_through"], row["lag_ms"]) == (None, "2026-12-01T08:12:00.000Z", None)


async def test_a_segment_that_is_planned_is_held_by_nobody() -> None:
    leases = MemoryLeases()
    await planned(leases, 0, through=NOW + 720_000)

    (row,) = await rows(leases, segments=1)

    assert (row["held_until"], row["leased_through"], row["fence"]) == (None, None, 1)


@pytest.mark.parametrize(("later", "lag"), [(0, 0), (300_000, 0), (300_001, 1), (900_000, 600_000)])
async def test_a_segment_is_late_by_what_its_next_tick_is_overdue(later: int, lag: int) -> None:
    leases = MemoryLeases()
    await planned(leases, 0, through=NOW + 720_000)

    (row,) = await rows(leases, segments=1, now=NOW + later)

    assert row["lag_ms"] == lag


async def test_a_ledger_that_cannot_be_read_is_no_deployment_without_segments() -> None:
    class Down(MemoryLeases):
        async def segments(self, count: int) -> list[SegmentState]:
            raise Unavailable("dynamodb", "ThrottlingException")

    with pytest.raises(Unavailable):
        await rows(Down(), segments=1)
