"""``eventcron doctor`` and the lines of ``eventcron dev``, where several things are broken."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest

from tests.acceptance.running_dev import Dev, dev, until
from tests.commands import run

pytestmark = pytest.mark.embedded

NOWHERE = "arn:aws:sqs:us-east-1:000000000000:nowhere"


class Doctor(NamedTuple):
    status: int
    findings: list[dict[str, str]]

    def wrong(self) -> list[tuple[str, str]]:
        """What is not ok, without what the load of this machine may make late."""
        return [
            (one["level"], one["what"]) for one in self.findings if one["level"] != "ok" if one["check"] != "segments"
        ]


def doctor(directory: Path) -> Doctor:
    """What it finds. A command run in the directory of ``eventcron dev`` finds that by itself."""
    done = run("doctor", "--json", cwd=directory)
    return Doctor(done.status, done.json["findings"])


def broken(document: dict[str, Any]) -> dict[str, str]:
    """Break several things. Return the names of what was disabled."""
    where = {
        "endpoint_url": document["endpoint"],
        "region_name": document["region"],
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    events, sqs, aws_lambda = (boto3.client(name, **where) for name in ("events", "sqs", "lambda"))
    resources = boto3.client("cloudformation", **where).list_stack_resources(StackName="eventcron")
    names = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources["StackResourceSummaries"]}
    outputs, bus = document["outputs"], document["bus"]
    # ``dev`` disables the rule of the tick itself, as it ticks itself.
    events.disable_rule(Name=names["HourlyRule"])
    events.put_rule(Name="lost", EventBusName=bus, EventPattern='{"source": ["eventcron"]}')
    events.put_targets(Rule="lost", EventBusName=bus, Targets=[{"Id": "queue", "Arn": NOWHERE}])
    events.put_rule(Name="vain", EventBusName=bus, EventPattern='{"source": ["eventcorn"]}')
    events.put_targets(Rule="vain", EventBusName=bus, Targets=[{"Id": "queue", "Arn": NOWHERE}])
    polled = outputs["RegistrarFunctionName"]
    (mapping,) = aws_lambda.list_event_source_mappings(FunctionName=polled)["EventSourceMappings"]
    aws_lambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    sqs.send_message(QueueUrl=outputs["FireDeadLettersUrl"], MessageBody="poison")
    return {"hourly": names["HourlyRule"], "registrar": polled}


def test_what_is_broken_is_found_and_told(tmp_path: Path) -> None:
    with dev(tmp_path, "--port", "0", "--json") as running:
        until(lambda: running.stdout.endswith("\n"), running)
        assert doctor(tmp_path).wrong() == []
        _fires_and_skips_are_printed(tmp_path, running)

        names = broken(json.loads(running.stdout))
        found = doctor(tmp_path)

        until(
            lambda: "a rule's target got nothing: EventBridge → SQS: queue nowhere not found" in running.stderr, running
        )
        assert running.stop(signal.SIGINT) == 130

    told = "\n".join(what for _, what in found.wrong())
    assert found.status == 1
    assert sorted(level for level, _ in found.wrong()) == ["failed"] * 5 + ["warning"]
    for what in (
        f"the rule {names['hourly']} (HourlyRule) is disabled",
        f"the poller of {names['registrar']} is off: commands wait",
        "1 dead letter of fires",
        f"target queue of rule lost: {NOWHERE} does not exist",
        f"target queue of rule vain: {NOWHERE} does not exist",
        'rule vain matches nothing: no event has source "eventcorn"',
    ):
        assert what in told


def _fires_and_skips_are_printed(directory: Path, running: Dev) -> None:
    assert run("put", "acme/often", "rate(1 second)", cwd=directory).status == 0
    until(lambda: re.search(r"^\d\d:\d\d:\d\d\.\d{3}  acme/often  fired  due ", running.stderr, re.MULTILINE), running)

    def skipped() -> bool:
        assert run("pause", "acme/often", cwd=directory).status == 0
        # It has to last for more than a second, so that an occurrence is due in it.
        paused = time.time()
        until(lambda: time.time() > paused + 1.5, running)
        assert run("resume", "acme/often", "--missed", "skip", cwd=directory).status == 0
        return re.search(r"  acme/often  skipped  due .*: paused$", running.stderr, re.MULTILINE) is not None

    until(skipped, running)
