"""Powertools' idempotency on DynamoDB, as a Lambda target uses it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError

from eventcron import consumer
from eventcron.consumer import loop
from eventcron.testing import fire_event
from tests.emulators import use_endpoint

_names = (f"fires-{number}" for number in itertools.count(1))


class Context:
    """As Lambda's own, with so much time left."""

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


@pytest.fixture(
    name="layer",
    params=[pytest.param("moto", marks=pytest.mark.moto), pytest.param("ministack", marks=pytest.mark.embedded)],
)
def _layer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    use_endpoint(monkeypatch, request.getfixturevalue(f"{request.param}_endpoint"))
    name = next(_names)
    boto3.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield DynamoDBPersistenceLayer(table_name=name)
    loop.close()


def test_a_fire_delivered_twice_is_worked_on_once(layer: Any) -> None:
    done: list[str] = []

    @consumer.handler(once=layer)
    async def export(fire: consumer.Fire[Any]) -> dict[str, int]:
        done.append(fire.name)
        return {"rows": 3}

    events = [fire_event("acme", name) for name in ("nightly", "nightly", "weekly")]

    assert [export(event, Context(30_000)) for event in events] == [{"rows": 3}] * 3
    assert done == ["nightly", "weekly"]


def test_the_work_of_an_invocation_that_died_is_done_when_its_time_is_over(layer: Any) -> None:
    class Died(BaseException):
        """As if the process had ended."""

    deaths = iter([Died(), None])

    @consumer.handler(once=layer)
    def export(_fire: consumer.Fire[Any]) -> str:
        death = next(deaths)
        if death is not None:
            raise death
        return "done"

    event = fire_event("acme", "nightly")
    with pytest.raises(Died):
        export(event, Context(60_000))
    with pytest.raises(IdempotencyAlreadyInProgressError):
        export(event, Context(60_000))

    other = fire_event("acme", "weekly")
    deaths = iter([Died(), None])
    with pytest.raises(Died):
        export(other, Context(0))

    assert export(other, Context(60_000)) == "done"
