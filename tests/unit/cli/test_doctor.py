"""``eventcron doctor``: a table or an object, and a status that says how bad it is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from click.testing import CliRunner, Result

from eventcron.adapters.aws.doctor import Patient
from eventcron.entrypoints.cli import doctor
from tests.adapters.patient import HandMade, refusal


@pytest.fixture(name="run")
def _run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def run(aws: HandMade, *arguments: str) -> Result:
        @asynccontextmanager
        async def connected(_stack: str) -> AsyncIterator[Patient]:
            yield aws.patient()

        monkeypatch.setattr(doctor, "connected", connected)
        return CliRunner().invoke(doctor.command, arguments, catch_exceptions=False)

    return run


def test_a_deployment_that_is_well_is_status_0_with_a_line_for_each_check(run: Callable[..., Result]) -> None:
    done = run(HandMade())

    lines = done.output.splitlines()
    assert done.exit_code == 0
    assert lines[0].split() == ["result", "check", "what", "remedy"]
    assert [line.split()[0] for line in lines[1:]] == ["ok"] * 10


def test_what_failed_is_status_1_with_its_remedy(run: Callable[..., Result]) -> None:
    aws = HandMade()
    aws.states["tick"] = "DISABLED"
    aws.targets = []

    done = run(aws)

    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if line.startswith("failed")]
    assert line.endswith("aws events enable-rule --name tick --event-bus-name default")


def test_warnings_alone_are_status_3(run: Callable[..., Result]) -> None:
    aws = HandMade()
    aws.answers["get_metric_data"] = refusal("GetMetricData")

    done = run(aws, "--json")

    assert done.exit_code == 3
    (found,) = [one for one in json.loads(done.output)["findings"] if one["level"] != "ok"]
    assert found == {
        "level": "warning",
        "check": "invocations",
        "what": "could not be checked: you may not call GetMetricData: no",
        "remedy": "allow your role GetMetricData, see the page on the command line, doctor",
    }


def test_an_option_that_does_not_exist_is_a_mistake(run: Callable[..., Result]) -> None:
    assert run(HandMade(), "--fix").exit_code == 2
