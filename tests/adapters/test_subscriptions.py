"""Subscriptions as stacks: what CloudFormation says decides, and a bus's rules are read to the last page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from eventcron.adapters.aws.subscriptions import NotSubscribed, Subscriptions
from eventcron.rules.subscribing import subscription

ONE = subscription("eventcron", "acme/*", "sqs:arn:aws:sqs:eu-north-1:123456789012:work")
HOOK = subscription("eventcron", "acme/*", "https://example.com/fires")


def _error(code: str, message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class Account:
    """CloudFormation and EventBridge in one. *fails* is why stacks fail; *refuses* why calls do."""

    def __init__(self) -> None:
        self.stacks: dict[str, str] = {}
        self.created: list[dict[str, Any]] = []
        self.fails = ""
        self.refuses = ""

    async def client(self, _service: str) -> Any:
        return self

    async def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803  # boto's names
        if StackName not in self.stacks:
            raise _error("ValidationError", f"Stack with id {StackName} does not exist", "DescribeStacks")
        outputs = [{"OutputKey": "DeadLettersUrl", "OutputValue": "url"}]
        return {"Stacks": [{"StackStatus": self.stacks[StackName], "Outputs": outputs}]}

    async def create_stack(self, **arguments: Any) -> None:
        if self.refuses:
            raise _error("AccessDenied", self.refuses, "CreateStack")
        assert arguments["StackName"] not in self.stacks
        self.created.append(arguments)
        self.stacks[arguments["StackName"]] = "ROLLBACK_COMPLETE" if self.fails else "CREATE_COMPLETE"

    async def delete_stack(self, *, StackName: str) -> None:  # noqa: N803
        if self.refuses:
            raise _error("AccessDenied", self.refuses, "DeleteStack")
        self.stacks.pop(StackName, None)

    async def describe_stack_events(self, **arguments: Any) -> dict[str, Any]:
        """The newest first, over two pages."""
        if "NextToken" not in arguments:
            later = {"ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "Resource creation cancelled"}
            return {"StackEvents": [{"ResourceStatus": "ROLLBACK_COMPLETE"}, later], "NextToken": "2"}
        return {"StackEvents": [{"ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": self.fails}]}

    def get_waiter(self, end: str) -> Account:
        self.awaited = end
        return self

    async def wait(self, **_: object) -> None:
        if self.fails and self.awaited == "stack_create_complete":
            raise WaiterError(self.awaited, "terminal failure", {})

    async def list_rules(self, *, EventBusName: str, NextToken: str = "") -> dict[str, Any]:  # noqa: N803
        assert EventBusName == "eventcron"
        if not NextToken:
            return {
                "Rules": [{"Name": "z", "State": "DISABLED", "EventPattern": '{"source": ["x"]}'}],
                "NextToken": "2",
            }
        return {"Rules": [{"Name": "a", "State": "ENABLED", "ScheduleExpression": "rate(1 day)"}]}

    async def list_targets_by_rule(self, **arguments: Any) -> dict[str, Any]:
        name = arguments["Rule"]
        if "NextToken" not in arguments:
            return {"Targets": [{"Arn": f"{name}-1"}], "NextToken": "2"}
        return {"Targets": [{"Arn": f"{name}-2"}]}


@pytest.fixture(name="account")
def _account() -> Account:
    return Account()


@pytest.fixture(name="subscriptions")
def _subscriptions(account: Account) -> Subscriptions:
    return Subscriptions(account.client, bus="eventcron")


async def test_it_is_made_once_with_its_rule_and_removed(account: Account, subscriptions: Subscriptions) -> None:
    assert not await subscriptions.exists(ONE)
    assert await subscriptions.add(ONE) == await subscriptions.add(ONE) == "url"
    assert await subscriptions.exists(ONE)
    (created,) = account.created
    assert json.loads(created["TemplateBody"])["Resources"]["Rule"]["Properties"]["Name"] == ONE.name

    await subscriptions.remove(ONE)
    assert not await subscriptions.exists(ONE)


async def test_a_key_travels_as_parameter_and_not_in_the_template(
    account: Account, subscriptions: Subscriptions
) -> None:
    await subscriptions.add(HOOK, key=("X-Api-Key", "secret"))

    (created,) = account.created
    assert {one["ParameterKey"]: one["ParameterValue"] for one in created["Parameters"]} == {
        "KeyHeader": "X-Api-Key",
        "Key": "secret",
    }
    assert "secret" not in created["TemplateBody"]


async def test_a_stack_that_fails_says_its_first_failure_and_the_next_attempt_begins_anew(
    account: Account, subscriptions: Subscriptions
) -> None:
    account.fails = "no more than 300 rules."
    with pytest.raises(NotSubscribed, match=r"failed: no more than 300 rules; look at its events"):
        await subscriptions.add(ONE)
    assert not await subscriptions.exists(ONE)

    account.fails = ""
    assert await subscriptions.add(ONE) == "url"


async def test_a_refused_call_is_named(account: Account, subscriptions: Subscriptions) -> None:
    account.refuses = "not authorized"

    with pytest.raises(NotSubscribed, match=f"CloudFormation refused stack '{ONE.name}'.*not authorized"):
        await subscriptions.add(ONE)
    with pytest.raises(NotSubscribed, match="not authorized"):
        await subscriptions.remove(ONE)


async def test_rules_are_read_to_the_last_page_and_sorted(subscriptions: Subscriptions) -> None:
    found = [rule async for rule in subscriptions.rules()]

    assert [(rule.name, rule.state, rule.pattern, rule.targets) for rule in found] == [
        ("a", "ENABLED", {}, ["a-1", "a-2"]),
        ("z", "DISABLED", {"source": ["x"]}, ["z-1", "z-2"]),
    ]
