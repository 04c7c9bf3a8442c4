"""``eventcron dev --keep``: the next run has the same state, and an incomplete state is not loaded."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from eventcron.local.embedded import EmbeddedAws
from eventcron.local.errors import LocalError
from eventcron.local.snapshot import Snapshot
from tests.acceptance.broken import broken
from tests.acceptance.processes import descendants, wait_gone

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes by /proc"),
]

#: Seconds after which a hang is ended. What is waited for takes a fraction of it.
PATIENCE = 240.0
REGION = "us-east-1"
DEV = [sys.executable, "-m", "eventcron", "dev", "--port", "0"]


@contextmanager
def dev(keep: Path, source: Path | None = None) -> Iterator[dict[str, Any]]:
    """Run ``eventcron dev --keep`` with the eventcron in *source*, yield its JSON, and end it by Ctrl-C."""
    process = subprocess.Popen(
        [*DEV, "--keep", str(keep), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | ({"PYTHONPATH": str(source)} if source is not None else {}),
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        yield json.loads(line)
    finally:
        below = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        wait_gone(below)
    assert process.returncode == 0


def client(service: str, facts: dict[str, Any]) -> Any:
    return boto3.client(
        service, endpoint_url=facts["endpoint"], region_name=REGION, aws_access_key_id="t", aws_secret_access_key="t"
    )


def code_of(function: str, facts: dict[str, Any]) -> str:
    name = facts["outputs"][f"{function}FunctionName"]
    digest: str = client("lambda", facts).get_function_configuration(FunctionName=name)["CodeSha256"]
    return digest


def test_schedules_rules_and_messages_are_saved_and_functions_run_the_new_code(tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    with dev(keep) as before:
        sqs, events = client("sqs", before), client("events", before)
        url = sqs.create_queue(QueueName="fires")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name="all", EventBusName=before["bus"], EventPattern='{"source": ["eventcron"]}')
        events.put_targets(Rule="all", EventBusName=before["bus"], Targets=[{"Id": "fires", "Arn": arn}])
        schedule = {"tenant": "acme", "name": "hello", "expression": "rate(1 second)"}
        events.put_events(
            Entries=[
                {
                    "EventBusName": before["bus"],
                    "Source": "eventcron.tenant.acme",
                    "DetailType": "Put Schedule",
                    "Detail": json.dumps(schedule),
                }
            ]
        )
        [created] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=created["ReceiptHandle"])
        sqs.send_message(QueueUrl=url, MessageBody="left")
        code = code_of("Planner", before)
    changed = broken(tmp_path, ("app/planner.py", "#: Conditional ``wake``", "#: Changed. Conditional ``wake``"))
    with dev(keep, changed) as after:
        sqs = client("sqs", after)
        bodies: list[str] = []
        while "left" not in bodies or not any("Schedule Fired" in body for body in bodies[bodies.index("left") :]):
            messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, MaxNumberOfMessages=10)["Messages"]
            bodies += [message["Body"] for message in messages]
        new_code = code_of("Planner", after)

    assert json.loads(created["Body"])["detail-type"] == "Schedule Created"
    assert after["endpoint"] == before["endpoint"]
    assert after["outputs"] == before["outputs"]
    assert new_code != code


def test_another_region_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    Snapshot(tmp_path / "kept", region=REGION, parameters={}).begin(4566)
    done = subprocess.run(
        [*DEV, "--region", "eu-north-1", "--keep", str(tmp_path / "kept")],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    assert done.returncode == 2
    assert "differs in region, parameters" in done.stderr
    assert "Traceback" not in done.stderr


def embedded(directory: Path) -> tuple[EmbeddedAws, Snapshot]:
    snapshot = Snapshot(directory, region=REGION, parameters={})
    aws = EmbeddedAws(port=snapshot.port(), region=REGION, on_output=lambda _: None, snapshot=snapshot)
    return aws, snapshot


def make_queue(aws: EmbeddedAws) -> None:
    client("sqs", {"endpoint": aws.endpoint}).create_queue(QueueName="any")


async def test_a_state_that_could_not_be_saved_is_not_loaded(tmp_path: Path) -> None:
    aws, snapshot = embedded(tmp_path / "kept")
    await aws.__aenter__()
    make_queue(aws)
    shutil.rmtree(tmp_path / "kept" / "state")
    (tmp_path / "kept" / "state").touch()  # a file where the directory was: nothing can be saved
    with pytest.raises(LocalError, match="could not save everything"):
        await aws.__aexit__(None, None, None)

    with pytest.raises(LocalError, match="ended before it could save"):
        snapshot.port()


async def test_the_state_of_an_embedded_aws_that_was_killed_is_not_loaded(tmp_path: Path) -> None:
    first, _ = embedded(tmp_path / "kept")
    async with first:
        make_queue(first)
    second, snapshot = embedded(tmp_path / "kept")
    async with second:
        make_queue(second)
        [host] = descendants(os.getpid()) & _serving(second.port)
        os.kill(host, signal.SIGKILL)
        await second.died()

    assert snapshot.resumed
    with pytest.raises(LocalError, match="ended before it could save"):
        snapshot.port()


def _serving(port: int) -> set[int]:
    """The processes that have *port* in their environment as the embedded AWS has."""
    found = set()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            text = environ.read_bytes()
        except OSError:
            continue  # it has ended meanwhile, or belongs to another user
        if f"GATEWAY_PORT={port}".encode() in text.split(b"\0"):
            found.add(int(environ.parent.name))
    return found
