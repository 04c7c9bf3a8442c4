"""A tenant over its limit: who loses is another one each minute, nobody loses in silence, and the limit is kept."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from eventcron.testing.world import SETTINGS, World

START = "2026-12-01T08:00:00Z"
MINUTES = 30
LIMIT = 60
SCHEDULES = 500
#: A fair share is 3.6 fires in 30 minutes. By the binomial distribution one schedule in 350,000 has more than 13.
MOST = 13
#: Of 500 schedules, 11 never fire in 30 minutes (0.88 ** 30 of them); more than 30 do in less than one run in 100,000.
NEVER = 30


@pytest.mark.slow
@pytest.mark.parametrize("pack_size", [20, 200])
def test_a_tenant_over_its_limit_loses_other_schedules_each_minute(pack_size: int) -> None:
    """With packs of 20 each minute's fires are split over some 25 executors; with 200, over four."""
    settings = replace(SETTINGS, tenant_fires_per_minute=LIMIT, pack_size=pack_size)
    with World(START, settings=settings) as world:
        for number in range(SCHEDULES):
            world.emit("Put Schedule", {"tenant": "acme", "name": f"n{number:03}", "expression": "* * * * *"})
        world.run(minutes=MINUTES, seconds=30)
        fired = [(fire.detail["due"][11:16], fire.detail["name"]) for fire in world.fired]
        early = [fire for fire in world.fired if fire.lateness_ms < 0]
        skips = world.events_of("Schedule Skipped")

    by_name = Counter(name for _, name in fired)
    assert len(by_name) >= SCHEDULES - NEVER
    assert max(by_name.values()) <= MOST
    by_minute = Counter(minute for minute, _ in fired)
    assert by_minute == {f"08:{minute:02}": LIMIT for minute in range(1, MINUTES + 1)}
    assert early == []
    assert {(skip["reason"], skip["by"]) for skip in skips} == {("quota", f"{LIMIT} fires a minute")}
    reported = {(skip["first_due"][11:16], skip["name"]) for skip in skips}
    assert len(skips) == len(reported) == MINUTES * (SCHEDULES - LIMIT)
    assert reported.isdisjoint(fired)
