"""``eventcron limits``: a tenant's schedules beside what it may have."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from eventcron.adapters.memory import MemoryScheduleStore
from eventcron.app.restore import Restorer
from eventcron.entrypoints.cli import limits
from eventcron.entrypoints.cli.operations import Operations
from eventcron.model.commands import Schedule
from eventcron.settings import Settings
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, settings: Settings = SETTINGS) -> str:
    """The output of the command in a deployment in which acme has two schedules."""
    clock = JumpingClock(NOW)
    store = MemoryScheduleStore(clock)
    ports = memory_ports(clock, store=store)

    @asynccontextmanager
    async def operations(_stack: str) -> AsyncIterator[Operations]:
        for name in ("a", "b"):
            record = record_of(Schedule(tenant="acme", name=name, expression="@daily"))
            assert await store.put(record, replacing=None, added=1)
        restorer = Restorer(clock=clock, store=store, calendars=ports.calendars, bus=ports.bus, jitter=ports.jitter)
        yield Operations(ports.use_cases(settings), lambda _queue, _to: pytest.fail("no queue is asked"), [], restorer)

    monkeypatch.setattr(limits, "operations", operations)
    result = CliRunner().invoke(limits.command, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_each_tenant_has_a_row_with_its_schedules_and_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "acme", "beta") == (
        "tenant  schedules  at most  fires a minute  seconds between fires  bytes of input\n"
        "acme            2   10,000          30,000                      1          32,768\n"
        "beta            0   10,000          30,000                      1          32,768\n"
    )


def test_what_has_no_limit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SETTINGS, max_schedules_per_tenant=0, tenant_fires_per_minute=0)

    assert run(monkeypatch, "acme", settings=settings).count("no limit") == 2


def test_programs_get_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = json.loads(run(monkeypatch, "acme", "--json"))["tenants"]

    assert shown == {
        "tenant": "acme",
        "schedules": 2,
        "max_schedules": 10_000,
        "fires_per_minute": 30_000,
        "min_period_seconds": 1,
        "max_input_bytes": 32_768,
    }
