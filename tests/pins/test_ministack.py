"""What we lean on in ministack, one test a fact: when one fails, look at ``eventcron.local`` before updating."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import AsyncIterator
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from eventcron.local.ministack_patches import _on_loop
from eventcron.local.runtime import LocalSettings, Runtime
from eventcron.local.template import UNSUPPORTED

#: Seconds after which a hang is ended. What is waited for takes a fraction of it.
PATIENCE = 240.0

#: Seconds. Longer than a function takes on a busy machine, or the queue hands a message out twice.
VISIBILITY = "8"

#: What ``eventcron.local.ministack_patches`` and ``snapshot`` replace or call, with the parameters they rely on.
REPLACED = {
    "app._build_persistence_save_dict": [],
    "app._load_persisted_state": [],
    "core.lambda_runtime.Worker._drain_stderr": ["self"],
    "core.lambda_runtime._collect": ["proc", "deadline"],
    "core.lambda_runtime._signal": ["proc"],
    "core.lambda_runtime.kill_workers": ["workers"],
    "core.lambda_runtime.release_worker": ["worker"],
    "core.persistence.save_all": ["services"],
    "services.eventbridge._api_destination_send_sync": ["request", "auth_headers"],
    "services.eventbridge._coerce_timestamp": ["value"],
    "services.eventbridge._create_api_destination": ["data"],
    "services.eventbridge._create_connection": ["data"],
    "services.eventbridge._delete_api_destination": ["data"],
    "services.eventbridge._delete_connection": ["data"],
    "services.eventbridge._dispatch_to_lambda": ["arn", "payload"],
    "services.eventbridge._events_log_list": [],
    "services.eventbridge._now_ts": [],
    "services.eventbridge._put_events": ["data", "allow_aws_source"],
    "services.lambda_svc._emit_lambda_logs": ["func", "request_id", "log_text", "error", "duration_ms", "log_source"],
    "services.lambda_svc._execute_function_warm": ["func", "event", "request_id"],
    "services.lambda_svc._execute_function_with_config_scope": ["func", "event"],
    "services.lambda_svc._execution_record_for_config": ["func", "config"],
    "services.lambda_svc._get_func_record_for_ref": ["function_ref"],
    "services.lambda_svc._route_async_failure": ["target_arn", "func_name", "event", "result"],
    "services.lambda_svc.release_worker": ["worker"],
    "services.lambda_svc._sqs_esm_concurrency": ["esm", "func_rec", "config", "queue"],
    "services.sqs._delete_messages_for_esm": ["queue_url", "receipt_handles"],
    "services.sqs._receive_messages_for_esm": ["queue_url", "max_number"],
}

_LOOK = """
import inspect, json, pkgutil, sys
found = {
    path: list(inspect.signature(pkgutil.resolve_name("ministack." + path)).parameters) for path in json.load(sys.stdin)
}
print(json.dumps(found))
"""


def test_the_version_is_the_one_that_was_looked_into() -> None:
    assert version("ministack") == "1.5.33"


def test_what_the_corrections_replace_is_there_with_the_parameters_they_know() -> None:
    # In a process of its own: importing ministack sets up logging for the whole process.
    done = subprocess.run(
        [sys.executable, "-c", _LOOK], input=json.dumps(list(REPLACED)), capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout) == REPLACED


def test_the_types_that_a_local_stack_lacks_are_those_its_cloudformation_does_not_know() -> None:
    """Alarms and dashboards it knows, though not enough of them: see ``template.UNSUPPORTED``."""
    code = "from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as h; print(*h)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    known = set(done.stdout.split())

    assert UNSUPPORTED.keys() & known == {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"}
    assert not {"AWS::Events::Connection", "AWS::Events::ApiDestination"} & known  # what a correction adds


async def test_work_handed_to_the_loop_runs_there_in_the_caller_s_context_and_raises_in_the_caller() -> None:
    loop = asyncio.get_running_loop()
    loop_thread = threading.get_ident()
    account: ContextVar[str] = ContextVar("account")

    def whose(divisor: int) -> tuple[int, str, float]:
        return threading.get_ident(), account.get(), 1 / divisor

    on_loop = _on_loop(whose, lambda: loop)

    def caller(divisor: int) -> tuple[int, str, float]:
        account.set("acme")
        return on_loop(divisor)

    assert await asyncio.to_thread(caller, 1) == (loop_thread, "acme", 1.0)
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(caller, 0)


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="runtime")
async def _runtime() -> AsyncIterator[Runtime]:
    async with Runtime(LocalSettings(log_level="WARNING")) as runtime:
        yield runtime


def _package(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("main.py", source)
    return buffer.getvalue()


class Mapped:
    """A queue, its dead-letter queue, and a function behind an event source mapping."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._runtime = runtime
        self._name = name
        self.url = self.letters = self.seen = ""

    async def make(self, source: str, *, concurrency: int = 2) -> Mapped:
        sqs = self._runtime.client("sqs")
        self.letters, letters_arn = await self._queue("letters")
        self.seen, _ = await self._queue("seen")
        redrive = json.dumps({"deadLetterTargetArn": letters_arn, "maxReceiveCount": 2})
        self.url, arn = await self._queue("work", VisibilityTimeout=VISIBILITY, RedrivePolicy=redrive)
        function = await self._runtime.client("lambda").create_function(
            FunctionName=self._name,
            Runtime="python3.13",
            Handler="main.handler",
            Role="arn:aws:iam::000000000000:role/any",
            Code={"ZipFile": _package(source)},
            Environment={"Variables": {"SEEN": self.seen}},
        )
        await self._runtime.client("lambda").create_event_source_mapping(
            EventSourceArn=arn,
            FunctionName=function["FunctionArn"],
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ScalingConfig={"MaximumConcurrency": concurrency},
        )
        self._sqs = sqs
        return self

    async def _queue(self, kind: str, **attributes: str) -> tuple[str, str]:
        sqs = self._runtime.client("sqs")
        url = (await sqs.create_queue(QueueName=f"{self._name}-{kind}", Attributes=attributes))["QueueUrl"]
        answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, answer["Attributes"]["QueueArn"]

    async def send(self, *bodies: str, delay: int = 0) -> None:
        entries = [{"Id": str(place), "MessageBody": body, "DelaySeconds": delay} for place, body in enumerate(bodies)]
        await self._sqs.send_message_batch(QueueUrl=self.url, Entries=entries)

    async def take(self, url: str, count: int) -> list[Any]:
        """The next *count* messages of the queue, as JSON."""
        taken: list[Any] = []
        deadline = time.monotonic() + PATIENCE
        while len(taken) < count:
            assert time.monotonic() < deadline, f"only {taken} of {count} came to {url}"
            answer = await self._sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                taken.append(json.loads(message["Body"]))
                await self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return taken


#: Refuses the body "bad", raises for "worse", and says of each record what it was and when.
PICKY = """
import json, os, time, boto3
sqs = boto3.client("sqs")
def handler(event, context):
    failed = []
    for record in event["Records"]:
        body = json.loads(record["body"])
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        seen = [body, receives, time.time(), os.getpid()]
        sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(seen))
        if body == "worse":
            raise ValueError(body)
        if body == "bad":
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
"""


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("poison", ["bad", "worse"])
async def test_a_poison_message_is_tried_as_often_as_allowed_and_goes_to_the_dead_letters(
    runtime: Runtime, poison: str
) -> None:
    mapped = await Mapped(runtime, f"poison-{poison}").make(PICKY)
    await mapped.send(json.dumps(poison))

    assert await mapped.take(mapped.letters, 1) == [poison]
    assert [seen[:2] for seen in await mapped.take(mapped.seen, 2)] == [[poison, 1], [poison, 2]]


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
async def test_messages_beside_a_failed_one_are_not_received_again(runtime: Runtime) -> None:
    mapped = await Mapped(runtime, "partial").make(PICKY)
    await mapped.send('"good"', '"bad"', '"fine"')
    assert await mapped.take(mapped.letters, 1) == ["bad"]
    seen = sorted(seen[:2] for seen in await mapped.take(mapped.seen, 4))

    assert seen == [["bad", 1], ["bad", 2], ["fine", 1], ["good", 1]]


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
async def test_a_delayed_message_reaches_its_function_no_earlier_than_asked(runtime: Runtime) -> None:
    mapped = await Mapped(runtime, "delayed").make(PICKY)
    await mapped.send('"warm up"')
    await mapped.take(mapped.seen, 1)
    sent = time.time()
    await mapped.send('"later"', delay=2)
    [[_, _, received, _]] = await mapped.take(mapped.seen, 1)

    assert received - sent >= 2.0


SLOW = PICKY.replace("    return {", "    time.sleep(0.3)\n    return {")


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
async def test_no_more_than_the_maximum_concurrency_run_at_once(runtime: Runtime) -> None:
    mapped = await Mapped(runtime, "bounded").make(SLOW, concurrency=2)
    for batch in range(6):
        await mapped.send(*(json.dumps(f"{batch}-{place}") for place in range(10)))
    processes = {seen[3] for seen in await mapped.take(mapped.seen, 60)}

    assert len(processes) <= 2


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
async def test_time_to_live_is_on_although_its_cloudformation_passes_over_it(runtime: Runtime) -> None:
    for output in ("SchedulesTableName", "LedgerTableName"):
        answer = await runtime.client("dynamodb").describe_time_to_live(TableName=runtime.outputs[output])

        assert answer["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}


#: Starts once; then waits to be told to answer. Any other environment dies as it starts.
ONLY_CHILD = """
import os, time
if os.path.exists(os.environ["BORN"]):
    os._exit(1)
def handler(event, context):
    open(os.environ["BORN"], "w").close()
    while not os.path.exists(os.environ["GO"]):
        time.sleep(0.01)
    return "alive"
"""


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
async def test_an_environment_that_dies_as_it_starts_takes_no_other_with_it(runtime: Runtime, tmp_path: Path) -> None:
    born, go = tmp_path / "born", tmp_path / "go"
    aws_lambda = runtime.client("lambda")
    await aws_lambda.create_function(
        FunctionName="only-child",
        Runtime="python3.13",
        Handler="main.handler",
        Role="arn:aws:iam::000000000000:role/any",
        Code={"ZipFile": _package(ONLY_CHILD)},
        Environment={"Variables": {"BORN": str(born), "GO": str(go)}},
        Timeout=int(PATIENCE),
    )
    first = asyncio.create_task(aws_lambda.invoke(FunctionName="only-child", Payload=b"{}"))
    while not born.exists():
        assert not first.done()
        await asyncio.sleep(0.01)
    second = await aws_lambda.invoke(FunctionName="only-child", Payload=b"{}")
    go.touch()
    answer = await first

    assert "FunctionError" in second
    assert b"exited immediately" in await second["Payload"].read()
    assert "FunctionError" not in answer
    assert json.loads(await answer["Payload"].read()) == "alive"


#: Says that it is at work, then waits to be told to answer.
PATIENT = """
import os, time
def handler(event, context):
    open(os.environ["BORN"], "w").close()
    while not os.path.exists(os.environ["GO"]):
        time.sleep(0.01)
    import late
    return late.ANSWER
"""


def _two_files(answer: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("main.py", PATIENT)
        archive.writestr("late.py", f"ANSWER = {answer!r}")
    return buffer.getvalue()


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
async def test_an_invocation_ends_on_the_code_it_began_with_when_the_code_is_replaced(
    runtime: Runtime, tmp_path: Path
) -> None:
    born, go = tmp_path / "born", tmp_path / "go"
    aws_lambda = runtime.client("lambda")
    await aws_lambda.create_function(
        FunctionName="replaced",
        Runtime="python3.13",
        Handler="main.handler",
        Role="arn:aws:iam::000000000000:role/any",
        Code={"ZipFile": _two_files("old")},
        Environment={"Variables": {"BORN": str(born), "GO": str(go)}},
        Timeout=int(PATIENCE),
    )
    first = asyncio.create_task(aws_lambda.invoke(FunctionName="replaced", Payload=b"{}"))
    while not born.exists():
        assert not first.done()
        await asyncio.sleep(0.01)
    await aws_lambda.update_function_code(FunctionName="replaced", ZipFile=_two_files("new"))
    go.touch()
    answer = await first
    second = await aws_lambda.invoke(FunctionName="replaced", Payload=b"{}")

    assert "FunctionError" not in answer
    assert json.loads(await answer["Payload"].read()) == "old"
    assert json.loads(await second["Payload"].read()) == "new"
