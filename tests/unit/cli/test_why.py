"""why, on the command line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from click.testing import CliRunner

from eventcron.adapters.memory import MemoryDeadLetterQueue
from eventcron.app.redrive import Redrive
from eventcron.entrypoints.cli import why
from eventcron.entrypoints.cli.main import cli
from eventcron.entrypoints.cli.operations import Operations
from tests.unit.cli.deployed import Deployed, Runs, schedule


@pytest.fixture(name="run")
def _run(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Runs:
    @asynccontextmanager
    async def operations(_stack: str) -> AsyncIterator[Operations]:
        async def redrive(name: str, _instead: str | None) -> Redrive:
            return Redrive(clock=deployed.clock, queue=MemoryDeadLetterQueue(deployed.clock), name=name)

        yield Operations(deployed.cases, redrive, ["fires", "commands"], None)  # type: ignore[arg-type]  # nothing is restored

    monkeypatch.setattr(why, "operations", operations)
    monkeypatch.setattr(why, "connected", deployed.connected, raising=False)
    return Runs(deployed, monkeypatch)


def test_the_answer_is_a_sentence_and_says_what_is_not_known(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a", timezone="Europe/Oslo"))
    deployed.clock.instant += 86_400_000 + 120_000

    lines = run("why", "acme/a", "--at", "2026-12-02T08:00:00Z").output.splitlines()

    assert lines[0] == (
        "acme/a at 2026-12-02T08:00:00Z (2026-12-02T09:00:00+01:00 Europe/Oslo): it was due, and nothing stored says"
        " why it should not have fired"
    )
    assert "KeepHistory=ALL" in lines[1]


def test_the_last_due_instant_is_meant_if_none_is_given(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a", expression="0 * * * *"))
    deployed.clock.instant += 2 * 3_600_000

    assert run("why", "acme/a").output.startswith("acme/a at 2026-12-01T10:00:00Z: ")


def test_programs_get_one_answer_for_each_instant(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a", expression="0 * * * *", exclude=["* 9 * * *"]))
    deployed.clock.instant += 3 * 3_600_000

    document = json.loads(run("why", "acme/a", "--since", "2026-12-01T08:30:00Z", "--json").output)

    assert document["schedule"] == "acme/a"
    assert [(one["at"][11:16], one["because"], one["due"]) for one in document["answers"]] == [
        ("09:00", "exclusion", False), ("10:00", "not_kept", True), ("11:00", "on_its_way", True),
    ]  # fmt: skip
    first = document["answers"][0]
    assert (first["due_before"], first["due_after"]) == (None, "2026-12-01T10:00:00.000Z")
    assert first["local_time"] == "2026-12-01T09:00:00.000+00:00"


def test_a_schedule_that_is_not_there_is_an_answer_too(run: Runs) -> None:
    assert "no schedule of this name is stored" in run("why", "acme/none").output


def test_one_instant_or_a_span() -> None:
    result = CliRunner().invoke(cli, ["why", "acme/a", "--at", "now", "--since", "now-1h"])

    assert (result.exit_code, "not both" in result.output) == (2, True)
