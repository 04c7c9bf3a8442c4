"""The SAM CLI itself builds, deploys, updates and deletes the stack, against ``eventcron dev --empty``.

``scripts/tool`` installs the SAM CLI once, into ``build/tools``. Where that fails, the test is skipped, or fails where
``EVENTCRON_REQUIRE_TOOLS`` is set.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import boto3
import pytest

from scripts import package_lambda
from tests.acceptance.running_dev import Dev, dev, until
from tests.infra.stack import ROOT
from tests.tools import missing
from tests.waiting import LONG_POLL_SECONDS

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.sam,
    pytest.mark.timeout(1800),  # it takes a minute of processor time, and as much again to install the SAM CLI
]

#: What a clone has and `sam` uses.
CLONE = ("constraints.txt", "infra", "pyproject.toml", "samconfig.toml", "scripts", "src")
TRUSTED = "com.example.platform"


class Sam:
    """Runs the SAM CLI in *clone*, with the *environment* that ``eventcron dev --empty`` prints."""

    def __init__(self, clone: Path, environment: dict[str, str]) -> None:
        self._clone = clone
        settings = {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "__SAM_CLI_APP_DIR": str(clone / "sam-app"),
            "SAM_CLI_POLL_DELAY": "0.5",  # seconds between two looks at the stack; by default 5
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        # `sam build` packs the functions with python3.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = inherited | environment | settings | {"PATH": path}
        if package_lambda.compiler() is None:  # then cold starts are slower, and all else is the same
            self._environment[package_lambda.WITHOUT_BYTECODE] = "1"

    def __call__(self, *arguments: str) -> str:
        """Run ``sam`` with *arguments* and return its output. Each question gets its default as the answer, but
        whether to deploy gets yes."""
        process = subprocess.Popen(
            [ROOT / "scripts" / "tool", "sam", *arguments],
            cwd=self._clone,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            output = _answered(process.stdout, process.stdin)
        assert process.returncode == 0, output
        return output


def _answered(questions: IO[str], answers: IO[str]) -> str:
    """Answer *questions*, and return all that was said, when there is no more."""
    said = line = ""
    while character := questions.read(1):  # a question ends without the end of a line
        said += character
        line = "" if character == "\n" else line + character
        if line.endswith("]: "):
            answers.write("y\n" if line.startswith("Deploy this changeset?") else "\n")
            answers.flush()
            line = ""
    return said


@pytest.fixture(name="clone")
def _clone(tmp_path: Path) -> Path:
    installed = subprocess.run(
        [ROOT / "scripts" / "tool", "sam", "--version"], capture_output=True, text=True, check=False
    )
    if installed.returncode != 0:
        missing(f"the SAM CLI cannot be installed: {installed.stderr.strip()[-300:]}")
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in CLONE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, clone / name)
    return clone


class Account:
    """What is in the embedded AWS, as a tenant and an administrator see it."""

    def __init__(self, running: Dev, environment: dict[str, str]) -> None:
        self._running = running
        self._environment = environment

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            self._environment["AWS_REGION"],
            endpoint_url=self._environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=self._environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._environment["AWS_SECRET_ACCESS_KEY"],
        )

    def put(self, source: str, name: str) -> None:
        schedule = {"tenant": "acme", "name": name, "expression": "rate(1 second)"}
        entry = {"Source": source, "DetailType": "Put Schedule", "Detail": json.dumps(schedule)}
        answer = self.client("events").put_events(Entries=[{"EventBusName": "eventcron", **entry}])
        assert answer["FailedEntryCount"] == 0

    def subscribe(self) -> str:
        """Subscribe a new queue to all events on the bus, and return its URL."""
        sqs, events = self.client("sqs"), self.client("events")
        url: str = sqs.create_queue(QueueName="events")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name="events", EventBusName="eventcron", EventPattern='{"source": ["eventcron"]}')
        events.put_targets(Rule="events", EventBusName="eventcron", Targets=[{"Id": "queue", "Arn": arn}])
        return url

    def wait_for(self, url: str, kind: str, **detail: str) -> None:
        """Wait until the queue has received an event of that *kind* with these fields in its detail."""
        batches = self._batches(url)

        def came() -> bool:
            events = next(batches)
            return any(event["detail-type"] == kind and detail.items() <= event["detail"].items() for event in events)

        until(came, self._running)

    def _batches(self, url: str) -> Iterator[list[dict[str, Any]]]:
        sqs = self.client("sqs")
        while True:
            answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=LONG_POLL_SECONDS, MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            yield [json.loads(message["Body"]) for message in messages]

    def content(self) -> dict[str, list[str]]:
        """What a stack can leave behind, by kind. Not log groups: an invocation that ends later makes its own again."""
        s3 = self.client("s3")
        objects = [s3.list_objects_v2(Bucket=bucket["Name"]) for bucket in s3.list_buckets()["Buckets"]]
        return {
            "tables": [name.rsplit("-", 1)[0] for name in self.client("dynamodb").list_tables()["TableNames"]],
            "queues": [url.rpartition("/")[2] for url in self.client("sqs").list_queues().get("QueueUrls", [])],
            "functions": [one["FunctionName"] for one in self.client("lambda").list_functions()["Functions"]],
            "mappings": [
                one["UUID"] for one in self.client("lambda").list_event_source_mappings()["EventSourceMappings"]
            ],
            "buses": [one["Name"] for one in self.client("events").list_event_buses()["EventBuses"]],
            "roles": [one["RoleName"] for one in self.client("iam").list_roles()["Roles"]],
            "objects": [one["Key"] for answer in objects for one in answer.get("Contents", [])],
        }


def test_sam_builds_deploys_updates_and_deletes_the_stack_and_schedules_fire_in_between(
    clone: Path, tmp_path: Path
) -> None:
    with dev(tmp_path, "--empty", "--port", "0", "--json") as running:
        until(lambda: running.stdout.endswith("\n"), running)
        environment = json.loads(running.stdout)["environment"]
        sam, account = Sam(clone, environment), Account(running, environment)

        sam("build")
        deployed = sam("deploy", "--guided")
        events = account.subscribe()
        account.put("eventcron.tenant.acme", "of-its-tenant")
        account.wait_for(events, "Schedule Fired", name="of-its-tenant")
        account.put(TRUSTED, "of-the-platform")
        account.wait_for(events, "Schedule Rejected", source=TRUSTED)
        updated = sam("deploy", "--parameter-overrides", f"TrustedSources={TRUSTED}")
        account.put(TRUSTED, "of-the-platform")
        account.wait_for(events, "Schedule Fired", name="of-the-platform")
        account.wait_for(events, "Schedule Fired", name="of-its-tenant")
        sam("delete", "--no-prompts")
        left = account.content()

    assert "accepted, not" in deployed  # sam wraps the reasons
    for output in (deployed, updated):
        assert "Successfully created/updated stack - eventcron in us-east-1" in output
    # The schedules table is retained, the queue is the subscriber's.
    kept = {"tables": ["eventcron-SchedulesTable"], "queues": ["events"], "buses": ["default"]}
    assert left == {kind: [] for kind in left} | kept
