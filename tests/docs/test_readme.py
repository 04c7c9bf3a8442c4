"""What the README tells people to type works: its code and its ``aws`` commands run against the embedded AWS."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiobotocore.session import get_session

from eventcron import consumer
from eventcron.wire.decode import Received, decode_command
from tests.acceptance.running_dev import dev, until
from tests.docs.pages import ROOT, blocks
from tests.emulators import ministack_server, use_endpoint
from tests.resources import create_bus
from tests.waiting import HANG_SECONDS, received

PYTHON = blocks("README.md", "python")
SHELL = [
    shlex.split(line)
    for page in ("README.md", "CONTRIBUTING.md")
    for block in blocks(page, "sh")
    for line in block.replace("\\\n", "").split("\n\n")
]
AWS = {command[2]: dict(zip(command[3::2], command[4::2], strict=True)) for command in SHELL if command[0] == "aws"}


class Bus(NamedTuple):
    """The bus that the README speaks of, and a queue in which all that is put on it arrives."""

    events: Any
    sqs: Any
    queue_url: str

    async def command(self) -> Received:
        """The next event, read as the registrar reads it."""
        (message,) = await received(self.sqs, self.queue_url)
        return decode_command(message["Body"], trusted_sources=frozenset())


@pytest.fixture(name="bus")
async def _bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    session = get_session()
    async with AsyncExitStack() as clients:
        use_endpoint(monkeypatch, clients.enter_context(ministack_server(tmp_path)))
        events: Any = await clients.enter_async_context(session.create_client("events"))
        sqs: Any = await clients.enter_async_context(session.create_client("sqs"))
        yield Bus(events, sqs, await create_bus(events, sqs, "eventcron"))


@pytest.mark.embedded
async def test_the_python_example_puts_a_schedule(bus: Bus) -> None:
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", PYTHON[1])

    assert await program.wait() == 0
    received = await bus.command()
    assert str(received.command.key) == "acme/nightly-export"
    assert received.detail_type == "Put Schedule"


@pytest.mark.embedded
def test_the_client_example_prints_a_fire_of_a_running_dev(tmp_path: Path) -> None:
    """Neither its directory nor its environment says where to go: the file of ``eventcron dev`` does."""
    with dev(tmp_path, "--port", "0") as running:
        until(lambda: "Ctrl-C" in running.stdout, running)
        done = subprocess.run(
            [sys.executable, "-c", PYTHON[0]], cwd=tmp_path, capture_output=True, text=True,
            timeout=HANG_SECONDS, check=False,
        )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"\S+Z \{'hello': 'world'\}\n", done.stdout)


@pytest.mark.embedded
async def test_the_shell_example_puts_a_schedule(bus: Bus) -> None:
    answer = await bus.events.put_events(Entries=json.loads(AWS["put-events"]["--entries"]))
    received = await bus.command()

    assert answer["FailedEntryCount"] == 0
    assert str(received.command.key) == "acme/hello"


@pytest.mark.embedded
async def test_the_rule_of_the_example_matches_the_fire_of_the_example(bus: Bus) -> None:
    given = AWS["put-rule"]
    pattern = given["--event-pattern"]
    (fire,) = [json.loads(text) for text in blocks("README.md", "json") if "fire_id" in text]
    event = fire | {"id": "1", "account": "123456789012", "region": "us-east-1"}
    await bus.events.put_rule(
        Name=given["--name"], EventBusName=given["--event-bus-name"], EventPattern=given["--event-pattern"]
    )
    matched = await bus.events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))
    event["detail"]["tenant"] = "globex"
    strange = await bus.events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))

    assert matched["Result"] is True
    assert strange["Result"] is False


async def test_the_worker_of_the_example_does_the_work_of_the_fire_of_the_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (fire,) = [text for text in blocks("README.md", "json") if "fire_id" in text]
    names: dict[str, Any] = {}
    exec(compile(PYTHON[2], "README.md", "exec"), names)
    how = await names["worker"].handle(fire)

    assert how.end is consumer.JobEnd.SUCCEEDED
    assert capsys.readouterr().out == "nightly-export 2026-12-01 01:00:00+00:00 leads\n"


def test_the_world_of_the_example_fires_as_it_says() -> None:
    subprocess.run([sys.executable, "-c", PYTHON[3]], check=True, timeout=HANG_SECONDS)


def test_there_are_no_other_examples() -> None:
    assert len(PYTHON) == 4
    assert set(AWS) == {"put-events", "put-rule"}
    assert {command[0] for command in SHELL} == {"make", "aws", "sam", "git"}


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/quick-start.md", "docs/design/simulation.md"])
def test_every_make_target_on_a_page_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))

    assert named - _targets() == set()


def test_every_target_is_explained_to_contributors() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()

    assert [target for target in sorted(_targets() - {"help"}) if f"`make {target}" not in text] == []
