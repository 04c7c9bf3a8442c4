"""What ``eventcron.local`` relies on in ministack: one test for each assumption.

If a test fails after an update, check ``eventcron.local`` first.
"""

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
from eventcron.local.template import NOT_EMULATED
from tests.waiting import HANG_SECONDS, received, until

#: Seconds. Longer than a function takes on a busy machine, or the queue hands a message out twice.
VISIBILITY = "8"

#: What ``ministack_patches``, ``event_patches``, ``lambda_patches``, ``stack_patches`` and ``snapshot`` replace or
#: call, with the parameters they rely on.
REPLACED = {
    "app._build_persistence_save_dict": [],
    "app._load_persisted_state": [],
    "core.lambda_runtime.Worker._drain_stderr": ["self"],
    "core.lambda_runtime.Worker._spawn": ["self"],
    "core.lambda_runtime._collect": ["proc", "deadline"],
    "core.lambda_runtime._signal": ["proc"],
    "core.persistence.save_all": ["services"],
    "services.cloudformation.provisioners._ddb_create": ["logical_id", "props", "stack_name"],
    "services.cloudformation.provisioners._ddb_update": [
        *("physical_id", "old_props", "new_props", "stack_name", "logical_id"),
    ],
    "services.cloudformation.stacks._add_event": [
        *("stack_id", "stack_name", "logical_id", "resource_type", "status"),
        *("reason", "physical_id", "detailed_status"),
    ],
    "services.dynamodb._update_ttl": ["data"],
    "services.eventbridge._api_destination_send_sync": ["request", "auth_headers"],
    "services.eventbridge._coerce_timestamp": ["value"],
    "services.eventbridge._create_api_destination": ["data"],
    "services.eventbridge._create_connection": ["data"],
    "services.eventbridge._delete_api_destination": ["data"],
    "services.eventbridge._delete_connection": ["data"],
    "services.eventbridge._dispatch_to_lambda": ["arn", "payload"],
    "services.eventbridge._dispatch_to_sqs": ["spec", "payload", "sqs_parameters"],
    "services.eventbridge._archive_event": ["event", "view"],
    "services.eventbridge._compiled_pattern": ["pattern_str"],
    "services.eventbridge._event_bus_name_from_ref": ["name"],
    "services.eventbridge._events_log_list": [],
    "services.eventbridge._invoke_target": ["target", "event", "rule", "view"],
    "services.eventbridge._matches_alternative": ["view", "alternative"],
    "services.eventbridge._matches_pattern_view": ["pattern_str", "view", "owner"],
    "services.eventbridge._pattern_event_view": ["event"],
    "services.eventbridge._put_events": ["data", "allow_aws_source"],
    "services.eventbridge.new_uuid": [],
    "services.eventbridge.parse_arn": ["value"],
    "services.lambda_svc._emit_lambda_logs": ["func", "request_id", "log_text", "error", "duration_ms", "log_source"],
    "services.lambda_svc._ensure_poller": [],
    "services.lambda_svc._execute_function_warm": ["func", "event", "request_id"],
    "services.lambda_svc._execute_function_with_config_scope": ["func", "event"],
    "services.lambda_svc._execution_record_for_config": ["func", "config"],
    "services.lambda_svc._get_func_record_for_ref": ["function_ref"],
    "services.lambda_svc._route_async_failure": ["target_arn", "func_name", "event", "result"],
    "services.lambda_svc._sqs_esm_concurrency": ["esm", "func_rec", "config", "queue"],
    "services.lambda_svc._update_code": ["name", "data"],
    "services.sqs._collect_msgs": ["q", "max_n", "vis_timeout"],
    "services.sqs._delete_messages_for_esm": ["queue_url", "receipt_handles"],
    "services.sqs._dlq_sweep": ["q"],
    "services.sqs._ensure_msg_fields": ["m"],
    "services.sqs._expire_retained": ["q"],
    "services.sqs._receive_messages_for_esm": ["queue_url", "max_number"],
    "services.sqs.parse_arn": ["value"],
}

_LOOK = """
import inspect, json, pkgutil, sys
found = {
    path: list(inspect.signature(pkgutil.resolve_name("ministack." + path)).parameters) for path in json.load(sys.stdin)
}
print(json.dumps(found))
"""


def test_the_version_is_the_one_that_these_tests_were_written_for() -> None:
    assert version("ministack") == "1.5.33"


def test_the_patched_functions_exist_with_the_expected_parameters() -> None:
    # Use another process, because importing ministack configures logging for the whole process.
    done = subprocess.run(
        [sys.executable, "-c", _LOOK], input=json.dumps(list(REPLACED)), capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout) == REPLACED


def test_its_queues_lack_the_operation_that_a_patch_adds() -> None:
    code = "from ministack.services import sqs; print(sqs._get_q.__name__, type(sqs._queues).__name__, *sqs._HANDLERS)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "GetQueueAttributes" in done.stdout.split()
    assert "ListDeadLetterSourceQueues" not in done.stdout.split()


def test_its_cloudformation_lacks_what_patches_add() -> None:
    """It has alarms and dashboards, but incomplete ones: see ``template.NOT_EMULATED``."""
    code = "from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as h; print(*h)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    known = set(done.stdout.split())

    assert NOT_EMULATED.keys() & known == {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"}
    assert not {"AWS::Events::Connection", "AWS::Events::ApiDestination"} & known  # a patch adds these


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
        self.url = self.dead_letters = self.seen = ""

    async def make(self, source: str, *, concurrency: int = 2) -> Mapped:
        sqs = self._runtime.client("sqs")
        self.dead_letters, dead_letters_arn = await self._queue("dead-letters")
        self.seen, _ = await self._queue("seen")
        redrive = json.dumps({"deadLetterTargetArn": dead_letters_arn, "maxReceiveCount": 2})
        # What a function fails comes back because the function says so, not after a time in which it could be done.
        self.url, arn = await self._queue("work", VisibilityTimeout="600", RedrivePolicy=redrive)
        function = await self._runtime.client("lambda").create_function(
            FunctionName=self._name,
            Runtime="python3.13",
            Handler="main.handler",
            Role="arn:aws:iam::000000000000:role/any",
            Code={"ZipFile": _package(source)},
            Environment={"Variables": {"SEEN": self.seen, "WORK": self.url}},
            Timeout=HANG_SECONDS,
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
        """Return the next *count* messages of the queue, as JSON."""
        taken: list[Any] = []
        while len(taken) < count:
            taken += [json.loads(message["Body"]) for message in await received(self._sqs, url, at_most=10)]
        return taken

    async def is_empty(self) -> bool:
        """Whether no message is left, not even in a function's hands."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return [answer["Attributes"][name] for name in names] == ["0", "0"]


#: Refuses the body "bad", raises for "worse", and says of each record what it was and when.
PICKY = """
import json, os, time, boto3
sqs = boto3.client("sqs")
def give_back(record):
    handle = record["receiptHandle"]
    sqs.change_message_visibility(QueueUrl=os.environ["WORK"], ReceiptHandle=handle, VisibilityTimeout=0)
def handler(event, context):
    failed = []
    for record in event["Records"]:
        body = json.loads(record["body"])
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        seen = [body, receives, time.time(), os.getpid()]
        sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(seen))
        if body in ("bad", "worse"):
            give_back(record)
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

    assert await mapped.take(mapped.dead_letters, 1) == [poison]
    assert [seen[:2] for seen in await mapped.take(mapped.seen, 2)] == [[poison, 1], [poison, 2]]


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
async def test_other_messages_of_a_batch_with_a_failure_are_not_received_again(runtime: Runtime) -> None:
    mapped = await Mapped(runtime, "partial").make(PICKY)
    await mapped.send('"good"', '"bad"', '"fine"')
    assert await mapped.take(mapped.dead_letters, 1) == ["bad"]
    seen = sorted(seen[:2] for seen in await mapped.take(mapped.seen, 4))

    assert await until(mapped.is_empty)
    assert seen == [["bad", 1], ["bad", 2], ["fine", 1], ["good", 1]]


@pytest.mark.embedded
@pytest.mark.asyncio(loop_scope="module")
async def test_a_delayed_message_reaches_its_function_and_not_before_its_time(runtime: Runtime) -> None:
    mapped = await Mapped(runtime, "delayed").make(PICKY)
    sent = time.time()
    await mapped.send('"later"', delay=2)
    [[_, _, came, _]] = await mapped.take(mapped.seen, 1)

    assert came - sent >= 2.0


#: Prints how long the polling of event sources pauses after it found nothing.
_PAUSE = """
from ministack.services import lambda_svc
class Wake:
    def clear(self):
        pass
    def wait(self, seconds):
        print(seconds)
        raise SystemExit
lambda_svc._esm_wake = Wake()
lambda_svc._esms["any"] = {"UUID": "any"}
lambda_svc._poll_loop()
"""


def test_a_quiet_queue_is_looked_at_more_than_once_in_the_local_lead() -> None:
    done = subprocess.run([sys.executable, "-c", _PAUSE], capture_output=True, text=True, check=True)

    assert float(done.stdout) * 2 <= LocalSettings().lead_seconds


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
async def test_time_to_live_is_on_although_its_cloudformation_ignores_it(runtime: Runtime) -> None:
    for output in ("SchedulesTableName", "LedgerTableName"):
        answer = await runtime.client("dynamodb").describe_time_to_live(TableName=runtime.outputs[output])

        assert answer["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}


#: The first environment starts and waits for a signal before it answers. Every other one crashes at its start.
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
async def test_an_environment_that_crashes_at_its_start_does_not_stop_the_others(
    runtime: Runtime, tmp_path: Path
) -> None:
    born, go = tmp_path / "born", tmp_path / "go"
    aws_lambda = runtime.client("lambda")
    await aws_lambda.create_function(
        FunctionName="only-child",
        Runtime="python3.13",
        Handler="main.handler",
        Role="arn:aws:iam::000000000000:role/any",
        Code={"ZipFile": _package(ONLY_CHILD)},
        Environment={"Variables": {"BORN": str(born), "GO": str(go)}},
        Timeout=HANG_SECONDS,
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
