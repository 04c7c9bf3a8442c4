"""What the AWS adapters rely on in botocore, aiobotocore, moto and ministack: one test for each assumption."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from eventcron.adapters.aws.clients import AwsClients, aws_clients
from tests.emulators import ministack_server, moto_server, use_endpoint
from tests.eventbridgev2 import ARN, PATH
from tests.resources import Admin, admin, create_queue, create_table


@pytest.fixture(scope="module")
def moto_endpoint() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def ministack_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack_server(tmp_path_factory.mktemp("ministack")) as endpoint:
        yield endpoint


@pytest.fixture(
    params=[
        pytest.param("moto", marks=pytest.mark.moto),
        pytest.param("ministack", marks=pytest.mark.embedded),
    ]
)
async def clients(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AwsClients]:
    use_endpoint(monkeypatch, request.getfixturevalue(f"{request.param}_endpoint"))
    async with aws_clients(concurrency=4) as opened:
        yield opened


@pytest.fixture(name="creating")
async def _creating(clients: AwsClients) -> AsyncIterator[Admin]:  # it sets the endpoint
    async with admin() as opened:
        yield opened


@pytest.mark.parametrize(
    ("service", "operation", "said"),
    [
        pytest.param("sqs", "SendMessageBatch", "up to 10 messages", id="ten-messages-a-batch"),
        pytest.param("sqs", "SendMessageBatch", "are both 1 MiB 1,048,576 bytes", id="a-mebibyte-a-batch"),
        pytest.param("sqs", "SendMessageBatch", "check for batch errors even when the call returns", id="200-may-fail"),
        pytest.param("dynamodb", "BatchGetItem", "as many as 100 items", id="a-hundred-keys-a-read"),
        pytest.param("dynamodb", "BatchGetItem", "UnprocessedKeys", id="keys-may-be-left"),
        pytest.param("dynamodb", "BatchWriteItem", "up to 25 item put", id="25-items-a-batch"),
        pytest.param("dynamodb", "BatchWriteItem", "UnprocessedItems", id="items-may-be-left"),
        pytest.param("dynamodb", "Query", "LastEvaluatedKey", id="pages"),
    ],
)
def test_the_service_model_still_says_so(service: str, operation: str, said: str) -> None:
    model = botocore.session.get_session().get_service_model(service)

    assert said in re.sub(r"\s+", " ", re.sub("<[^>]+>", "", model.operation_model(operation).documentation))


def test_sqs_delays_0_to_900_seconds() -> None:
    shape: Any = botocore.session.get_session().get_service_model("sqs").shape_for("SendMessageBatchRequestEntry")

    assert "Valid values: 0 to 900" in shape.members["DelaySeconds"].documentation


def test_put_events_takes_ten_entries() -> None:
    shape = botocore.session.get_session().get_service_model("events").shape_for("PutEventsRequestEntryList")

    assert shape.metadata["max"] == 10


def test_requests_for_the_newer_bus_go_to_its_owner_s_endpoint() -> None:
    """docs/operations/second-bus.md tells operators of closed networks to allow this endpoint."""
    asked: list[str] = []

    def refuse(request: Any, **_: object) -> None:
        asked.append(request.url)
        raise ConnectionError

    session = botocore.session.get_session()
    client: Any = session.create_client(
        "eventbridgev2", region_name="eu-north-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    client.meta.events.register("before-send", refuse)
    with pytest.raises(ConnectionError):
        client.put_events(EventBusArn=ARN, Entries=[{"Source": "eventcron", "DetailType": "Fired"}])

    assert asked == [f"https://123456789012.eventsv2.eu-north-1.amazonaws.com{PATH}"]


async def test_a_failed_condition_shows_the_stored_item(clients: AwsClients, creating: Admin) -> None:
    """The adapter recognises its own put by that item if the first answer was lost."""
    table = await create_table(creating.dynamodb, f"pins-{os.getpid()}", "LedgerTable")
    item = {"pk": {"S": "a"}, "fence": {"N": "1"}}
    await clients.dynamodb.put_item(TableName=table, Item=item)

    with pytest.raises(ClientError) as raised:
        await clients.dynamodb.put_item(
            TableName=table,
            Item=item,
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    response: Any = raised.value.response
    assert (response["Error"]["Code"], response["Item"]) == ("ConditionalCheckFailedException", item)


async def test_a_standard_queue_takes_a_message_group(clients: AwsClients, creating: Admin) -> None:
    """SQS fair queues."""
    url = await create_queue(creating.sqs, f"pins-group-{os.getpid()}")

    response = await clients.sqs.send_message_batch(
        QueueUrl=url, Entries=[{"Id": "0", "MessageBody": "body", "MessageGroupId": "~mixed"}]
    )

    assert [entry["Id"] for entry in response["Successful"]] == ["0"]


async def test_sqs_requests_go_to_the_client_s_endpoint(creating: Admin) -> None:
    """The host in the queue's URL does not matter."""
    sqs = creating.sqs
    url = await create_queue(sqs, f"pins-url-{os.getpid()}")

    response = await sqs.get_queue_attributes(
        QueueUrl=re.sub("//[^/]+", "//nowhere.invalid", url), AttributeNames=["QueueArn"]
    )

    assert response["Attributes"]["QueueArn"].endswith(f"pins-url-{os.getpid()}")


@pytest.mark.moto
async def test_moto_refuses_a_delay_of_901_seconds_by_entry(
    moto_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ministack accepts it, and AWS refuses the whole call. So the adapter must check the delay itself."""
    use_endpoint(monkeypatch, moto_endpoint)
    async with aws_clients(concurrency=1) as clients, admin() as creating:
        url = await create_queue(creating.sqs, "pins-delay")
        response = await clients.sqs.send_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": "0", "MessageBody": "body", "DelaySeconds": 900},
                {"Id": "1", "MessageBody": "body", "DelaySeconds": 901},
            ],
        )

    assert [entry["Id"] for entry in response["Successful"]] == ["0"]
    assert [(entry["Id"], entry["SenderFault"]) for entry in response["Failed"]] == [("1", True)]


@pytest.mark.embedded
async def test_ministack_never_refuses_an_event(ministack_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts events even for a missing bus, so tests of refusals use a fake client."""
    use_endpoint(monkeypatch, ministack_endpoint)
    async with aws_clients(concurrency=1) as clients:
        response = await clients.events.put_events(
            Entries=[{"Source": "a", "DetailType": "b", "Detail": json.dumps({}), "EventBusName": "nowhere"}]
        )

    assert response["FailedEntryCount"] == 0
