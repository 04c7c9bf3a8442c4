"""``eventcron cost``: what it takes, and what it prints."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from eventcron.adapters.memory import MemoryScheduleStore
from eventcron.app.restore import Restorer
from eventcron.entrypoints.cli import cost
from eventcron.entrypoints.cli.operations import Operations
from eventcron.model.commands import Schedule
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.wire.decode import Received

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cost.command, arguments)


def test_a_number_of_schedules_has_a_bill_by_service() -> None:
    result = run("--schedules", "10000", "--fires-per-day", "24")

    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].startswith(
        "10,000 schedules, 240,000 fires a day; a month of 30 days, in dollars; prices of us-east-1 on "
    )
    assert any(line.split()[:2] == ["EventBridge", "7,200,000"] and line.endswith(" 7.20") for line in lines)
    assert lines[-1].startswith("EventBridge Scheduler ")


def test_programs_get_an_object_whose_items_make_the_sum() -> None:
    document = json.loads(run("--schedules", "10", "--fires-per-day", "1", "--json").output)

    assert document["dollars"] == pytest.approx(sum(item["dollars"] for item in document["items"]))
    assert (document["schedules"], document["fires_per_day"]) == (10, 10)


def test_a_faulty_entry_is_left_out_and_the_status_is_1(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("- {tenant: a, name: x, expression: '61 * * * *'}\n- {tenant: a, name: y, expression: '@daily'}\n")

    result = run(str(path))

    assert result.exit_code == 1
    assert "1 schedule, 1 fires a day" in result.output
    assert f"eventcron: {path}:1: " in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give FILES, or --stack, or --schedules and --fires-per-day"),
        (("--schedules", "5"), "give --schedules and --fires-per-day together"),
        (("some.yaml", "--stack", "x"), "give FILES, or --stack, or --schedules and --fires-per-day"),
        (("--schedules", "0", "--fires-per-day", "1"), "0 is not in the range"),
    ],
)
def test_what_is_missing_or_too_much_is_said(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert message in result.output


def test_a_stack_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = JumpingClock(NOW)
    store = MemoryScheduleStore(clock)
    ports = memory_ports(clock, store=store)

    @asynccontextmanager
    async def operations(_stack: str) -> AsyncIterator[Operations]:
        cases = ports.use_cases(SETTINGS)
        put = Schedule(tenant="acme", name="hourly", expression="@hourly")
        await cases.registrar.apply(
            Received(command=put, detail_type="Put Schedule", event_id="1", source="eventcron.tenant.acme", time=NOW)
        )
        restorer = Restorer(clock=clock, store=store, calendars=ports.calendars, bus=ports.bus, jitter=ports.jitter)
        yield Operations(cases, lambda _queue, _to: pytest.fail("no queue is asked"), [], restorer)

    monkeypatch.setattr(cost, "operations", operations)

    document = json.loads(run("--stack", "mine", "--json").output)

    assert (document["schedules"], document["dense"], document["fires_per_day"]) == (1, 1, 24)
