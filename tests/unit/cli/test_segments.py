"""``eventcron segments resize``: it is stopped and carried on, and refuses what nobody would plan."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from eventcron.adapters.memory import MemoryScheduleStore
from eventcron.app.restore import Restorer
from eventcron.entrypoints.cli import segments
from eventcron.entrypoints.cli.operations import Operations
from eventcron.model.commands import Schedule
from eventcron.model.records import Record, State
from eventcron.ports import Page
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.trigger import parse
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
MONDAYS = parse("0 9 * * MON", anchor=0).canonical


class Deployment:
    """Four segments and a hundred schedules, all in segment 3."""

    def __init__(self) -> None:
        #: The stack that the command named last.
        self.stack = ""
        self.clock = JumpingClock(NOW)
        self.store = MemoryScheduleStore(self.clock, page_size=3)
        ports = memory_ports(self.clock, store=self.store)
        self.cases = ports.use_cases(SETTINGS)
        self.restorer = Restorer(
            clock=self.clock, store=self.store, calendars=ports.calendars, bus=ports.bus, jitter=ports.jitter
        )

    async def fill(self) -> None:
        for number in range(100):
            schedule = Schedule(tenant="acme", name=f"n{number}", expression="0 9 * * MON")
            record = record_of(schedule, trigger=MONDAYS, state=State.ENABLED, segment=3, wake=NOW, start=NOW)
            assert await self.store.put(record, replacing=None)

    @asynccontextmanager
    async def operations(self, stack: str) -> AsyncIterator[Operations]:
        self.stack = stack
        if not self.store.records:
            await self.fill()
        yield Operations(self.cases, lambda _queue, _to: pytest.fail("no queue is asked"), [], self.restorer)


@pytest.fixture(name="deployment")
def _deployment(monkeypatch: pytest.MonkeyPatch) -> Deployment:
    deployment = Deployment()
    monkeypatch.setattr(segments, "operations", deployment.operations)
    return deployment


def resize(*arguments: str) -> Result:
    return CliRunner().invoke(segments.command, ["resize", *arguments], catch_exceptions=False)


def test_ctrl_c_stops_it_and_the_same_command_carries_on(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, scanned = deployment.store.scan, 0

    async def interrupted(part: int, parts: int, *, cursor: str | None = None) -> Page[Record]:
        nonlocal scanned
        scanned += 1
        if scanned == 40:
            os.kill(os.getpid(), signal.SIGINT)
        return await scan(part, parts, cursor=cursor)

    monkeypatch.setattr(deployment.store, "scan", interrupted)
    stopped = resize("2")
    before = scanned
    done = resize("2")

    assert stopped.exit_code == 128 + signal.SIGINT
    assert "% of the table checked; the same command carries on from there" in stopped.output
    assert done.exit_code == 0
    assert done.output.endswith(" schedules moved to 2 segments\n")
    # A share is one page or two.
    assert scanned - before < 64, "what was read is not read again"
    assert {record.segment for record in deployment.store.records.values()} == {0, 1}


@pytest.mark.parametrize(
    ("arguments", "number"), [pytest.param(["1"], 1, id="fewer"), pytest.param([], 4, id="those-of-the-deployment")]
)
def test_it_says_what_it_did(deployment: Deployment, arguments: list[str], number: int) -> None:
    done = resize(*arguments, "--json")

    answer: dict[str, Any] = json.loads(done.output)
    assert done.exit_code == 0
    assert (answer["segments"], answer["finished"], answer["percent"], answer["records"]) == (number, True, 100, 100)


def test_segments_that_nobody_plans_are_refused(deployment: Deployment) -> None:
    with pytest.raises(click.UsageError, match="got 5 for SEGMENTS; allowed: at most 4, the deployment's parameter"):
        segments.command.main(["resize", "5"], standalone_mode=False)
    assert {record.segment for record in deployment.store.records.values()} == {3}


@pytest.mark.parametrize(
    ("arguments", "stack"),
    [
        pytest.param(["resize", "--stack", "mine"], "mine", id="after"),
        pytest.param(["--stack", "mine", "resize"], "mine", id="before"),
        pytest.param(["--stack", "other", "resize", "--stack", "mine"], "mine", id="after-counts"),
        pytest.param(["resize"], "eventcron", id="neither"),
    ],
)
def test_the_stack_may_be_named_before_or_after_resize(
    deployment: Deployment, arguments: list[str], stack: str
) -> None:
    done = CliRunner().invoke(segments.command, arguments, catch_exceptions=False)

    assert (done.exit_code, deployment.stack) == (0, stack)


def test_the_stack_of_the_environment_gives_way_to_one_named_before(deployment: Deployment) -> None:
    arguments = ["--stack", "mine", "resize"]
    done = CliRunner().invoke(segments.command, arguments, env={"EVENTCRON_STACK": "other"}, catch_exceptions=False)

    assert (done.exit_code, deployment.stack) == (0, "mine")


def test_json_may_stand_before_resize(deployment: Deployment) -> None:
    done = CliRunner().invoke(segments.command, ["--json", "resize"], catch_exceptions=False)

    assert json.loads(done.output)["records"] == 100
    assert deployment.stack == "eventcron"
