"""``eventcron dev --empty``: an AWS without a stack, for `sam deploy`."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import boto3
import pytest

from tests.acceptance.processes import descendants, wait_gone
from tests.acceptance.running_dev import dev, exports, until

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes by /proc"),
]


def test_it_has_no_stack_and_can_be_stopped_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dev(tmp_path, "--empty", "--port", "0") as running:
        until(lambda: "Ctrl-C" in running.stdout, running)
        variables = exports(running.stdout)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        stacks = boto3.client("cloudformation").list_stacks()["StackSummaries"]
        buses = boto3.client("events").list_event_buses()["EventBuses"]
        below = descendants(running.process.pid)
        port = variables["AWS_ENDPOINT_URL"].rpartition(":")[2]
        status = running.stop(signal.SIGINT)
        wait_gone(below, int(port))

    assert "\nsam build && sam deploy\nsam delete\n" in running.stdout
    assert stacks == []
    assert [bus["Name"] for bus in buses] == ["default"]
    assert status == 0

    with dev(tmp_path, "--empty", "--port", port, "--json") as again:
        until(lambda: again.stdout.endswith("\n"), again)
        below = descendants(again.process.pid)
        status = again.stop(signal.SIGTERM)
        wait_gone(below)

    assert json.loads(again.stdout)["environment"] == variables
    assert status == 0
