"""``eventcron subscribe`` and ``rules``: what they show, do and refuse, over subscriptions in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from click.testing import CliRunner, Result

from eventcron.adapters.aws.subscriptions import BusRule, NotSubscribed
from eventcron.entrypoints.cli import rules, subscribe
from eventcron.rules.subscribing import Subscription

SQS = "sqs:arn:aws:sqs:eu-north-1:123456789012:work"


class Memory:
    """Subscriptions of one bus. *refusal* is what CloudFormation says to the next."""

    bus = "eventcron"

    def __init__(self) -> None:
        self.there: dict[str, tuple[str, str] | None] = {}
        self.refusal = ""

    async def exists(self, one: Subscription) -> bool:
        return one.name in self.there

    async def add(self, one: Subscription, *, key: tuple[str, str] | None = None) -> str:
        if self.refusal:
            raise NotSubscribed(self.refusal)
        self.there[one.name] = key
        return "https://sqs/dead-letters"

    async def remove(self, one: Subscription) -> None:
        del self.there[one.name]

    async def rules(self) -> AsyncIterator[BusRule]:
        yield BusRule(name="a", state="ENABLED", pattern={"source": ["eventcron"]}, targets=[SQS[4:]])
        yield BusRule(name="b", state="DISABLED", pattern={}, targets=[])


@pytest.fixture(name="memory")
def _memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    memory = Memory()

    @asynccontextmanager
    async def connected(_stack: str) -> AsyncIterator[Memory]:
        yield memory

    monkeypatch.setattr(subscribe, "connected", connected)
    monkeypatch.setattr(rules, "connected", connected)
    return memory


def run(*arguments: str) -> Result:
    return CliRunner().invoke(subscribe.command, arguments)


def test_it_shows_the_plan_and_does_it_once(memory: Memory) -> None:
    first = run("acme/*", "--to", SQS, "--yes")
    again = run("acme/*", "--to", SQS, "--yes")

    assert first.exit_code == again.exit_code == 0, first.output
    assert "+  AWS::Events::Rule" in first.output
    assert first.output.endswith("subscribed; what cannot be delivered is in https://sqs/dead-letters\n")
    assert again.output == f"nothing to do: {next(iter(memory.there))} is as asked for\n"


def test_it_is_taken_back_once(memory: Memory) -> None:
    run("acme/*", "--to", SQS, "--yes")
    removed = run("acme/*", "--to", SQS, "--remove", "--yes", "--json")
    again = run("acme/*", "--to", SQS, "--remove", "--yes", "--json")

    assert memory.there == {}
    assert json.loads(removed.output)["done"] == "removed"
    assert (json.loads(again.output)["done"], json.loads(again.output)["plan"]) == ("unchanged", [])


def test_a_dry_run_shows_the_plan_and_changes_nothing(memory: Memory) -> None:
    result = run("acme/nightly-*", "--to", SQS, "--dry-run")

    assert (result.exit_code, memory.there) == (0, {})
    assert '"wildcard": "nightly-*"' in result.output
    assert result.output.endswith("nothing done, as --dry-run asks\n")


@pytest.mark.usefixtures("memory")
def test_it_does_nothing_where_nobody_can_be_asked() -> None:
    result = run("acme/*", "--to", SQS)

    assert result.exit_code == 2
    assert "give --yes to do it, or --dry-run" in result.output


def test_an_endpoint_is_called_with_its_key(memory: Memory) -> None:
    without = run("acme/*", "--to", "https://example.com/fires", "--yes")
    done = run("acme/*", "--to", "https://example.com/fires", "--yes", "--api-key", "X-Api-Key=a=b")

    assert without.exit_code == 2
    assert "an https target needs --api-key HEADER=VALUE" in without.output
    assert done.exit_code == 0
    assert list(memory.there.values()) == [("X-Api-Key", "a=b")]
    assert "a=b" not in done.output


def test_what_cloudformation_refuses_is_one_sentence_and_status_1(memory: Memory) -> None:
    memory.refusal = "stack 'x' failed: no more than 300 rules"
    result = run("acme/*", "--to", SQS, "--yes")

    assert result.exit_code == 1
    assert result.output.endswith("eventcron: stack 'x' failed: no more than 300 rules\n")


@pytest.mark.usefixtures("memory")
def test_rules_have_a_line_each() -> None:
    shown = CliRunner().invoke(rules.command, []).output.splitlines()
    document = json.loads(CliRunner().invoke(rules.command, ["--json"]).output)

    assert [line.split()[:3] for line in shown[1:]] == [["a", "ENABLED", SQS[4:]], ["b", "DISABLED", "none"]]
    assert [rule["targets"] for rule in document["rules"]] == [[SQS[4:]], []]
