"""What a function's process does before its first invocation."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.process import IN_LAMBDA, started
from eventcron.errors import Unavailable
from eventcron.settings import InvalidSettings
from tests.emulators import use_endpoint

SETTINGS = (
    "SCHEDULES_TABLE",
    "LEDGER_TABLE",
    "BUS_NAME",
    "REGISTRAR_QUEUE_URL",
    "FIRE_QUEUE_URL",
    "COMMAND_DLQ_URL",
    "FIRE_DLQ_URL",
)


@pytest.fixture(name="service")
def _service(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service that takes connections and says nothing, and a deployment that is told to use it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        use_endpoint(monkeypatch, f"http://127.0.0.1:{listening.getsockname()[1]}")
        for name in SETTINGS:
            monkeypatch.setenv(f"EVENTCRON_{name}", "x")
        yield listening


def connections(service: socket.socket) -> int:
    """How many connections were opened since the last time."""
    count = 0
    while True:
        try:
            service.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


async def nothing(_: UseCases) -> None:
    """Work that calls no service."""


def test_in_lambda_the_clients_are_connected_before_the_first_invocation(
    service: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(IN_LAMBDA, "executor")

    process = started()
    before = connections(service)
    process.run(nothing)
    process.close()

    assert (before, connections(service)) == (3, 0)  # DynamoDB, SQS, EventBridge


def test_elsewhere_nothing_is_opened_before_it_is_used(service: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(IN_LAMBDA, raising=False)

    process = started()
    process.run(nothing)
    process.close()

    assert connections(service) == 0


def test_a_service_that_cannot_be_reached_is_reported_by_the_first_call(
    service: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(IN_LAMBDA, "executor")
    service.close()

    async def read(cases: UseCases) -> None:
        with pytest.raises(Unavailable, match="EndpointConnectionError"):
            await cases.leases.planned_through(0)

    process = started()
    process.run(read)
    process.close()


def test_settings_that_cannot_work_end_the_start_and_the_next_start_tries_again(
    service: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(IN_LAMBDA, "executor")
    monkeypatch.setenv("EVENTCRON_SEGMENTS", "0")
    with pytest.raises(InvalidSettings, match=r"environment EVENTCRON_\*: .*>= 1 - at `\$\.segments`"):
        started()
    monkeypatch.setenv("EVENTCRON_SEGMENTS", "4")

    process = started()
    process.close()

    assert connections(service) == 3


@pytest.mark.slow
@pytest.mark.parametrize("in_lambda", [True, False])
def test_a_handler_that_lambda_imports_without_settings_says_what_is_missing(in_lambda: bool) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EVENTCRON_")}
    environ |= {IN_LAMBDA: "executor"} if in_lambda else {}
    command = [sys.executable, "-c", "import eventcron.entrypoints.executor_lambda"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == int(in_lambda)
    missing = "Object missing required field `schedules_table`"
    said = f"eventcron.settings.InvalidSettings: environment EVENTCRON_*: {missing}"
    assert done.stderr.strip().rpartition("\n")[2] == (said if in_lambda else "")
