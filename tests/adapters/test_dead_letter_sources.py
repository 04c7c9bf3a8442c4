"""Whose dead-letter queue a queue is: that of a queue, a rule, a function, or of what is in it; else nobody's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from eventcron.adapters.aws.dead_letter_sources import NotADeadLetterQueue, require_dead_letter_queue

URL = "https://sqs.eu-north-1.amazonaws.com/123456789012/letters"
ARN = "arn:aws:sqs:eu-north-1:123456789012:letters"
OTHER = "arn:aws:sqs:eu-north-1:123456789012:other"


class Account:
    """Every client in one. Of its two buses, each has its rule on a second page, and each rule its second target."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.rules_dead_letters = OTHER
        self.functions_dead_letters = OTHER
        self.messages: list[dict[str, Any]] = []
        self.refused: dict[str, str] = {}
        self.hidden: list[int] = []
        self.asked: list[str] = []

    async def client(self, _service: str) -> Any:
        return self

    def _check(self, operation: str) -> None:
        if operation in self.refused:
            raise ClientError({"Error": {"Code": self.refused[operation], "Message": "no"}}, operation)

    async def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        self._check("GetQueueAttributes")
        return {"Attributes": {"QueueArn": ARN}}

    async def list_dead_letter_source_queues(self, **_: object) -> dict[str, Any]:
        return {"queueUrls": self.sources}

    async def list_event_buses(self) -> dict[str, Any]:
        return {"EventBuses": [{"Name": "default"}, {"Name": "eventcron"}]}

    async def list_rules(self, *, EventBusName: str, NextToken: str = "") -> dict[str, Any]:  # noqa: N803  # boto's
        self._check("ListRules")
        self.asked.append(EventBusName)
        return {"Rules": [], "NextToken": "2"} if not NextToken else {"Rules": [{"Name": f"{EventBusName}-rule"}]}

    async def list_targets_by_rule(self, *, EventBusName: str, Rule: str, NextToken: str = "") -> dict[str, Any]:  # noqa: N803
        assert Rule == f"{EventBusName}-rule"
        if not NextToken:
            return {"Targets": [{"Id": "a", "Arn": ARN}], "NextToken": "2"}
        return {"Targets": [{"Id": "b", "Arn": OTHER, "DeadLetterConfig": {"Arn": self.rules_dead_letters}}]}

    async def list_functions(self, *, Marker: str = "") -> dict[str, Any]:  # noqa: N803
        if not Marker:
            return {"Functions": [{"FunctionName": "a"}], "NextMarker": "2"}
        return {"Functions": [{"FunctionName": "b", "DeadLetterConfig": {"TargetArn": self.functions_dead_letters}}]}

    async def receive_message(self, *, VisibilityTimeout: int, **_: object) -> dict[str, Any]:  # noqa: N803
        self.hidden.append(VisibilityTimeout)
        return {"Messages": self.messages} if self.messages else {}


async def require(account: Account) -> None:
    await require_dead_letter_queue(account.client, URL, bus="eventcron")


def _of_a_queue(account: Account) -> None:
    account.sources = ["https://sqs.eu-north-1.amazonaws.com/123456789012/work"]


def _of_a_rule(account: Account) -> None:
    account.rules_dead_letters = ARN


def _of_a_function(account: Account) -> None:
    account.functions_dead_letters = ARN


def _by_its_messages(account: Account) -> None:
    account.messages = [{"Body": "{}"}, {"Body": "{}", "MessageAttributes": {"ERROR_CODE": {"StringValue": "x"}}}]


@pytest.mark.parametrize("named", [_of_a_queue, _of_a_rule, _of_a_function, _by_its_messages])
async def test_it_is_somebodys(named: Callable[[Account], None]) -> None:
    account = Account()
    named(account)

    await require(account)


async def test_the_rules_of_the_deployment_s_bus_are_looked_at_first() -> None:
    account = Account()
    account.rules_dead_letters = ARN

    await require(account)

    assert account.asked == ["eventcron", "eventcron"]  # two pages, and no other bus


async def test_a_queue_of_work_is_nobodys_and_its_messages_stay_visible() -> None:
    account = Account()
    account.messages = [{"Body": "work", "MessageAttributes": {"trace": {"StringValue": "1"}}}]

    with pytest.raises(
        NotADeadLetterQueue, match="is nobody's dead-letter queue: no queue's redrive policy"
    ) as refused:
        await require(account)

    assert URL in str(refused.value)
    assert account.hidden == [0]


@pytest.mark.parametrize("code", ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidAddress"])
async def test_no_queue_is_named_as_such(code: str) -> None:
    account = Account()
    account.refused = {"GetQueueAttributes": code}

    with pytest.raises(NotADeadLetterQueue, match=f"there is no queue {URL}; AWS_DEFAULT_REGION, AWS_PROFILE"):
        await require(account)


async def test_what_may_not_be_looked_at_is_no_yes() -> None:
    account = Account()
    account.refused = {"ListRules": "AccessDeniedException"}

    with pytest.raises(NotADeadLetterQueue, match=r"cannot be found out: .*AccessDeniedException.* ListRules"):
        await require(account)
