"""What the stored schedules fire on an average day."""

from __future__ import annotations

from typing import Any

import pytest

from eventcron.adapters.memory import MemoryScheduleStore
from eventcron.model.commands import Schedule
from eventcron.preview.workload import DAYS, of_deployment
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.trigger import parse
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z


async def test_three_days_are_one_read_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = JumpingClock(NOW)
    store = MemoryScheduleStore(clock)
    for name, expression in (("daily", "0 9 * * *"), ("once", "at(2026-12-03T10:00:00)"), ("later", "0 0 1 1 *")):
        trigger = parse([expression], timezone="UTC", anchor=0).canonical
        record = record_of(Schedule(tenant="acme", name=name, expression=expression), trigger=trigger)
        assert await store.put(record, replacing=None, added=1)
    reads: list[int] = []
    scan = store.scan

    async def counting(part: int, parts: int, **options: Any) -> Any:
        reads.append(part)
        return await scan(part, parts, **options)

    monkeypatch.setattr(store, "scan", counting)
    upcoming = memory_ports(clock, store=store).use_cases(SETTINGS).upcoming

    workload = await of_deployment(upcoming, now=NOW)

    assert sorted(reads) == [*range(SETTINGS.concurrency)]
    assert (workload.schedules, workload.dense) == (3, 2)
    assert workload.fires == pytest.approx((DAYS + 1) / DAYS)
