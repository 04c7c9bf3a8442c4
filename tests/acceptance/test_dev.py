"""``eventcron dev`` from the command line: it starts, its schedules fire, and it leaves nothing when it is stopped."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import boto3
import pytest

from tests.acceptance.processes import children, descendants, wait_gone
from tests.acceptance.running_dev import dev, exports, until
from tests.waiting import HANG_SECONDS

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes by /proc"),
]

#: What a developer may have set, of which nothing may reach ``eventcron dev``.
DEVELOPERS_OWN = {
    "AWS_PROFILE": "not-there",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "EVENTCRON_SEGMENTS": "0",
    **dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
}


def test_its_output_makes_boto3_use_it_and_its_example_fires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        with monkeypatch.context() as own:
            for name, value in DEVELOPERS_OWN.items():
                own.setenv(name, value)
            running = stack.enter_context(dev(tmp_path, "--port", "0"))
            until(lambda: "Ctrl-C" in running.stdout, running)
        for name, value in exports(running.stdout).items():
            monkeypatch.setenv(name, value)
        [example] = re.findall(r"^aws events put-events --entries (.+)$", running.stdout, flags=re.MULTILINE)
        url = boto3.client("sqs").create_queue(QueueName="fires")["QueueUrl"]
        bus = "eventcron"
        events = boto3.client("events")
        events.put_rule(Name="fires", EventBusName=bus, EventPattern='{"detail-type": ["Schedule Fired"]}')
        arn = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        events.put_targets(Rule="fires", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}])

        put = events.put_events(Entries=json.loads(shlex.split(example)[0]))
        sqs = boto3.client("sqs")
        [message] = until(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), running)
        fired = json.loads(message["Body"])["detail"]

        # The port may not be had by anyone else meanwhile.
        port = events.meta.endpoint_url.rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "eventcron", "dev", "--port", port], capture_output=True, text=True, check=False
        )
        below = descendants(running.process.pid)
        status = running.stop(signal.SIGINT)

    assert put["FailedEntryCount"] == 0
    assert (fired["tenant"], fired["name"], fired["input"]) == ("acme", "hello", {"hello": "world"})
    assert second.returncode == 2
    assert f"eventcron: port {port} on 127.0.0.1 is in use; stop what uses it, or choose another" in second.stderr
    assert "Traceback" not in second.stderr
    assert status == 130
    assert len(below) >= 4  # the embedded AWS and a worker for each function
    wait_gone(below, int(port))


def test_a_killed_dev_leaves_nothing_and_starts_again_on_the_same_port(tmp_path: Path) -> None:
    with dev(tmp_path, "--port", "0", "--json", "--planner-workers", "2") as running:
        until(lambda: running.stdout.endswith("\n"), running)
        facts = json.loads(running.stdout)
        port = int(facts["endpoint"].rpartition(":")[2])
        below = descendants(running.process.pid)
        running.stop(signal.SIGKILL)
        wait_gone(below, port)

        assert facts["environment"]["AWS_ENDPOINT_URL"] == facts["endpoint"]
        assert "SegmentQueueUrl" in facts["outputs"]

    with dev(tmp_path, "--port", str(port), "--json") as again:
        until(lambda: again.stdout.endswith("\n"), again)
        assert json.loads(again.stdout)["endpoint"] == facts["endpoint"]
        below = descendants(again.process.pid)
        assert again.stop(signal.SIGTERM) == 128 + signal.SIGTERM
        wait_gone(below)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_it_can_be_stopped_while_it_starts(tmp_path: Path, number: signal.Signals) -> None:
    with dev(tmp_path, "--port", "0") as running:
        until(lambda: "creating the stack" in running.stderr, running)
        below = descendants(running.process.pid)
        status = running.stop(number)
        wait_gone(below)

    assert status == 128 + number
    assert running.stdout == ""


def test_it_reports_the_death_of_the_embedded_aws_and_ends(tmp_path: Path) -> None:
    with dev(tmp_path, "--port", "0", "--json") as running:
        until(lambda: running.stdout.endswith("\n"), running)
        below = descendants(running.process.pid)
        [host] = children(running.process.pid)
        os.kill(host, signal.SIGKILL)
        status = running.process.wait(HANG_SECONDS)
        wait_gone(below)

    assert status == 2
    assert "eventcron: the embedded AWS ended with status -9: no message" in running.stderr
    assert "Traceback" not in running.stderr
