"""The count of a tenant's schedules on a DynamoDB that refuses, and one whose answer is lost."""

from __future__ import annotations

from typing import Any

import pytest

from eventcron.adapters.aws.counts import DynamoCounts
from eventcron.adapters.aws.table import DynamoTable
from eventcron.errors import Unavailable, Undecodable
from tests.adapters.scripted import Answer, Script, Waits, refused


def counts(*answers: Answer) -> tuple[DynamoCounts, Script]:
    script = Script("dynamodb", answers)
    waits = Waits()
    return DynamoCounts(DynamoTable(script.client, "schedules", retry=waits.retry()), clock=waits), script


def added(script: Script) -> list[int]:
    """By how much each call changed the count."""
    values = (request["ExpressionAttributeValues"] for request in script.requests)
    return [int((value.get(":one") or value[":less"])["N"]) for value in values]


async def test_a_place_is_asked_for_again_where_the_answer_was_lost() -> None:
    """One place too many is taken, if the first call had its effect."""
    port, script = counts(refused("InternalServerError", status=500), {})

    assert await port.reserve("acme", limit=5)
    assert added(script) == [1, 1]


async def test_without_a_limit_the_count_rises_unconditionally() -> None:
    port, script = counts({})

    assert await port.reserve("acme", limit=0)
    assert "ConditionExpression" not in script.requests[0]


async def test_a_place_is_given_back_once_even_where_the_answer_was_lost() -> None:
    """Given back twice, the tenant would have more schedules than its limit."""
    port, script = counts(refused("InternalServerError", status=500))

    await port.release("acme")

    assert added(script) == [-1]


async def test_a_service_that_goes_on_refusing_is_reported_where_a_place_is_asked_for() -> None:
    port, _ = counts(*[refused("ThrottlingException")] * 3)

    with pytest.raises(Unavailable):
        await port.reserve("acme", limit=5)


async def test_a_count_of_a_later_format_is_not_guessed() -> None:
    item: dict[str, Any] = {"tenant": {"S": "acme#"}, "name": {"S": "schedules"}, "v": {"N": "9"}}
    port, _ = counts({"Responses": {"schedules": [item]}})

    with pytest.raises(Undecodable, match="acme# is stored in format 9"):
        await port.count("acme")


async def test_a_tenant_of_several_pages_is_counted_to_the_last() -> None:
    item = {"count": {"N": "9"}, "changed": {"N": "-900001"}, "tenant": {"S": "acme#"}, "v": {"N": "1"}}
    more = {"Count": 4, "LastEvaluatedKey": {"tenant": {"S": "acme"}, "name": {"S": "n4"}}}
    port, script = counts({"Responses": {"schedules": [item]}}, more, {"Count": 2}, {})

    assert await port.recount("acme") == 3
    assert script.requests[2]["ExclusiveStartKey"] == more["LastEvaluatedKey"]
    assert script.requests[3]["ExpressionAttributeValues"][":there"] == {"N": "6"}
