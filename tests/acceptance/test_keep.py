"""``eventcron dev --keep``: the next run has the same state, and an incomplete state is not loaded."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from eventcron.local.embedded import EmbeddedAws
from eventcron.local.errors import LocalError
from eventcron.local.runtime import LocalSettings, Runtime
from eventcron.local.snapshot import Snapshot
from tests.acceptance.broken import DIFFERS_IN_A_COMMENT, broken
from tests.acceptance.processes import descendants, wait_gone
from tests.waiting import HANG_SECONDS, until

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes by /proc"),
]

REGION = "us-east-1"
DEV = [sys.executable, "-m", "eventcron", "dev", "--port", "0"]


@contextmanager
def dev(keep: Path, source: Path | None = None) -> Iterator[dict[str, Any]]:
    """Run ``eventcron dev --keep`` with the eventcron in *source*, yield its JSON, and end it by Ctrl-C."""
    process = subprocess.Popen(
        [*DEV, "--keep", str(keep), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=keep.parent,  # where it says that it runs
        env=os.environ | ({"PYTHONPATH": str(source)} if source is not None else {}),
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        yield json.loads(line)
    finally:
        below = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=HANG_SECONDS)
        wait_gone(below)
    assert process.returncode == 128 + signal.SIGINT


def client(service: str, facts: dict[str, Any]) -> Any:
    return boto3.client(
        service, endpoint_url=facts["endpoint"], region_name=REGION, aws_access_key_id="t", aws_secret_access_key="t"
    )


def receive(sqs: Any, *urls: str) -> list[dict[str, Any]]:
    """The next messages of the queues. Waits for one."""
    for url in itertools.cycle(urls):
        answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        if "Messages" in answer:
            return list(answer["Messages"])
    raise AssertionError("no queue to receive from")


def _received(sqs: Any, url: str) -> Iterator[dict[str, Any]]:
    """The messages of the queue, one by one. Waits for each."""
    while True:
        yield from receive(sqs, url)


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
        created = next(message for message in _received(sqs, url) if "Schedule Created" in message["Body"])
        sqs.delete_message(QueueUrl=url, ReceiptHandle=created["ReceiptHandle"])
        sqs.send_message(QueueUrl=url, MessageBody="left")
        code = code_of("Planner", before)
    changed = broken(tmp_path, DIFFERS_IN_A_COMMENT)
    with dev(keep, changed) as after:
        sqs = client("sqs", after)
        bodies: list[str] = []
        while "left" not in bodies or not any("Schedule Fired" in body for body in bodies[bodies.index("left") :]):
            bodies += [message["Body"] for message in receive(sqs, url)]
        new_code = code_of("Planner", after)

    assert json.loads(created["Body"])["detail-type"] == "Schedule Created"
    assert after["endpoint"] == before["endpoint"]
    assert after["outputs"] == before["outputs"]
    assert new_code != code


#: A handler that reports its start and does not end.
STUCK = """
import boto3, time
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl="STARTED", MessageBody="started")
    time.sleep(900)
"""


async def test_no_function_is_invoked_before_it_has_the_new_code(tmp_path: Path) -> None:
    """A command waits while all registrars are busy. The registrar of the next runtime is the first to receive it."""
    settings = LocalSettings(keep=tmp_path / "kept", max_registrars=2)
    async with Runtime(settings) as runtime:
        arrivals = await _queue_of_events(runtime)
        started: str = (await runtime.client("sqs").create_queue(QueueName="started"))["QueueUrl"]
        await _replace_registrar(runtime, STUCK.replace("STARTED", started))
        sqs = client("sqs", {"endpoint": runtime.endpoint})
        for _ in range(settings.max_registrars):
            await _put_schedule(runtime, "stuck")
            [message] = await asyncio.to_thread(receive, sqs, started)
            sqs.delete_message(QueueUrl=started, ReceiptHandle=message["ReceiptHandle"])
        await _put_schedule(runtime, "waiting")
        # A dispatcher that ends with it in hand would keep it from the next runtime.
        await until(lambda: _is_passed_on(runtime))
    came: list[str] = []

    def hold(step: str) -> None:
        """Delay the start, from the first step after the embedded AWS answers until a registrar was invoked."""
        if not came and step != "starting the embedded AWS":
            came.extend(message["Body"] for message in receive(sqs, arrivals, started))

    async with Runtime(settings, on_progress=hold):
        pass

    assert [json.loads(body)["detail"]["name"] for body in came if body != "started"] == ["waiting"]


async def _is_passed_on(runtime: Runtime) -> bool:
    """Whether a command waits for a registrar, and the dispatcher is done with it."""
    sqs, counts = runtime.client("sqs"), []
    for output, kind in (("RegistrarQueueUrl", ""), ("CommandQueueUrl", "NotVisible")):
        name = f"ApproximateNumberOfMessages{kind}"
        answer = await sqs.get_queue_attributes(QueueUrl=runtime.outputs[output], AttributeNames=[name])
        counts.append(int(answer["Attributes"][name]))
    return counts == [1, 0]


async def _queue_of_events(runtime: Runtime) -> str:
    """The URL of a queue that receives every event of eventcron."""
    sqs, events = runtime.client("sqs"), runtime.client("events")
    url: str = (await sqs.create_queue(QueueName="arrivals"))["QueueUrl"]
    arn = (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]
    await events.put_rule(Name="all", EventBusName=runtime.bus_name, EventPattern='{"source": ["eventcron"]}')
    await events.put_targets(Rule="all", EventBusName=runtime.bus_name, Targets=[{"Id": "arrivals", "Arn": arn}])
    return url


async def _replace_registrar(runtime: Runtime, source: str) -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("eventcron/__init__.py", "")
        archive.writestr("eventcron/entrypoints/__init__.py", "")
        archive.writestr("eventcron/entrypoints/registrar_lambda.py", source)
    aws_lambda, name = runtime.client("lambda"), runtime.outputs["RegistrarFunctionName"]
    await aws_lambda.update_function_configuration(FunctionName=name, Timeout=900)
    await aws_lambda.update_function_code(FunctionName=name, ZipFile=package.getvalue())


async def _put_schedule(runtime: Runtime, name: str) -> None:
    await runtime.client("events").put_events(
        Entries=[
            {
                "EventBusName": runtime.bus_name,
                "Source": "eventcron.tenant.acme",
                "DetailType": "Put Schedule",
                "Detail": json.dumps({"tenant": "acme", "name": name, "expression": "at(2999-01-01T00:00:00)"}),
            }
        ]
    )


def test_another_region_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    Snapshot(tmp_path / "kept", region=REGION, parameters={}).begin(port)
    done = subprocess.run(
        [*DEV, "--region", "eu-north-1", "--keep", str(tmp_path / "kept")],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
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
