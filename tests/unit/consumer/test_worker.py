"""The worker as a program has it: functions registered by name, signals, the log."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventcron import consumer
from eventcron.adapters.aws.accounts import Account
from eventcron.adapters.clock import SystemClock
from eventcron.client.dev_file import Dev, announced
from eventcron.consumer.worker import _account_of
from eventcron.model.tracking import RunStatus
from eventcron.testing import MemoryQueue, MemoryRunReports, MemoryWorkQueue, fire_event
from tests.waiting import HANG_SECONDS


class Export(msgspec.Struct):
    report: str


def a_queue() -> tuple[MemoryQueue, MemoryWorkQueue]:
    clock = SystemClock()
    memory = MemoryQueue(clock)
    return memory, MemoryWorkQueue(memory, clock)


def body(name: str = "nightly", **fields: Any) -> str:
    return json.dumps(fire_event("acme", name, **fields))


async def test_each_fire_goes_to_the_function_that_is_registered_for_it() -> None:
    got: list[str] = []
    worker = consumer.Worker("https://queue")

    @worker.on("nightly-*", tenant="acme", input=Export)
    async def nightly(fire: consumer.Fire[Export]) -> None:
        got.append(f"nightly {fire.input.report}")

    @worker.on(route="eu")
    async def european(fire: consumer.Fire[Any]) -> None:
        got.append(f"european {fire.name}")

    @worker.on(detail_type="Quarter Hour Struck")
    def quarterly(fire: consumer.Fire[Any]) -> None:
        got.append(f"{threading.current_thread().name[:13]} {fire.name}")

    ends = [
        (await worker.handle(text)).end
        for text in (
            body("nightly-export", input={"report": "leads"}),
            body("weekly", route="eu"),
            body("bells", detail_type="Quarter Hour Struck"),
            body("weekly"),
        )
    ]

    assert got == ["nightly leads", "european weekly", "eventcron-job bells"]
    assert ends == [consumer.JobEnd.SUCCEEDED] * 3 + [consumer.JobEnd.UNHANDLED]


async def test_a_run_is_reported() -> None:
    reports = MemoryRunReports()
    worker = consumer.Worker("https://queue", report_to=reports)

    @worker.on()
    async def work(_fire: consumer.Fire[Any]) -> str:
        return "done"

    await worker.handle(body(run_token="secret"))

    assert [(report.status, report.result) for report in reports.taken] == [
        (RunStatus.STARTED, b"null"),
        (RunStatus.SUCCEEDED, b'"done"'),
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_the_jobs_end_and_stops_the_worker(number: signal.Signals) -> None:
    memory, queue = a_queue()
    worker = consumer.Worker(queue, wait_seconds=1)
    memory.put(body())
    before = signal.getsignal(number)

    @worker.on()
    async def work(_fire: consumer.Fire[Any]) -> None:
        os.kill(os.getpid(), number)
        await asyncio.sleep(0)

    async with asyncio.timeout(HANG_SECONDS):
        await worker.run()

    assert len(memory) == 0
    assert signal.getsignal(number) is before


async def test_a_function_that_blocks_holds_up_no_other() -> None:
    memory, queue = a_queue()
    worker = consumer.Worker(queue, wait_seconds=1)
    for second in (0, 1):
        memory.put(body("thread", due=f"2026-12-01T01:00:0{second}Z"))
    both = threading.Barrier(2, timeout=HANG_SECONDS)

    @worker.on("thread")
    def work(_fire: consumer.Fire[Any]) -> None:
        if both.wait() == 0:
            worker.stop()

    async with asyncio.timeout(HANG_SECONDS):
        await worker.run()

    assert len(memory) == 0


async def test_the_log_says_what_became_of_each_message(caplog: pytest.LogCaptureFixture) -> None:
    memory, queue = a_queue()
    worker = consumer.Worker(queue, wait_seconds=1)
    memory.put(body(run_token="secret"))
    memory.put("{}")
    caplog.set_level(logging.INFO, "eventcron.consumer")

    @worker.on()
    async def work(_fire: consumer.Fire[Any]) -> None:
        worker.stop()

    async with asyncio.timeout(HANG_SECONDS):
        await worker.run()

    levels = {record.levelname: record.getMessage() for record in caplog.records}
    assert caplog.messages[0] == "asking for messages; the queue gives one up after 5 deliveries"
    assert "acme/nightly" in levels["INFO"]
    assert levels["INFO"].endswith("succeeded, delivery 1 of message 1")
    assert levels["ERROR"].startswith("a message unreadable, delivery 1 of message 2: not a fire: ")
    assert "secret" not in caplog.text


async def test_a_worker_without_functions_does_not_start() -> None:
    with pytest.raises(ValueError, match=r"no function is registered: decorate one with @worker\.on"):
        await consumer.Worker("https://queue").run()


@pytest.mark.parametrize(
    ("url", "given", "region"),
    [
        ("https://sqs.eu-north-1.amazonaws.com/123456789012/acme-work", None, "eu-north-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/acme-work", None, "cn-north-1"),
        ("https://sqs.eu-north-1.amazonaws.com/123456789012/acme-work", "eu-west-1", "eu-west-1"),
    ],
)
def test_a_queue_is_in_the_region_of_its_url(url: str, given: str | None, region: str) -> None:
    assert _account_of(url, Account(region=given)) == Account(region=region)


def test_only_a_queue_that_is_not_of_aws_is_looked_for_in_a_running_dev(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
        dev = Dev(pid=os.getpid(), endpoint=endpoint, region="us-east-1", access_key_id="a", secret_access_key="s")
        with announced(dev, tmp_path):
            assert _account_of(f"{endpoint}/000000000000/work", Account()) == dev.account
            assert _account_of(f"{endpoint}/000000000000/work", Account(profile="mine")) == Account(profile="mine")
            assert _account_of("https://sqs.eu-north-1.amazonaws.com/1/work", Account()).endpoint is None


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"concurrency": 0}, "concurrency is 0; it is 1 to 10000"),
        ({"visibility_seconds": 43_201}, "visibility_seconds is 43201; it is 3 to 43200"),
        ({"attempts": 0}, "attempts is 0; it is 1 to 1000"),
    ],
)
def test_what_makes_no_sense_is_refused(option: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        consumer.Worker("https://queue", **option)
