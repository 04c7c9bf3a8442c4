"""Calls to services that speak JSON: what is sent, what is answered, and which errors come of it."""

from __future__ import annotations

import asyncio
import json
from binascii import crc32
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from eventcron.adapters.aws.failures import mapped
from eventcron.adapters.aws.json_api import DynamoJson, EventsJson, JsonApi, SqsJson
from eventcron.adapters.aws.signing import Keys
from eventcron.errors import Unavailable
from tests.adapters.http_server import Handle, response, serving


class Anybody:
    """An access to one endpoint; its keys change with each call, as those of a role do after an hour."""

    region = "eu-west-1"
    ca_bundle = ""

    def __init__(self, url: str) -> None:
        self._url = url
        self._calls = 0

    async def keys(self) -> Keys:
        self._calls += 1
        return Keys(f"AKID{self._calls}", "secret", f"token{self._calls}")

    def endpoint(self, _service: str) -> str:
        return self._url


def saying(said: bytes) -> Handle:
    async def handle(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(said)

    return handle


async def answer(said: bytes, api: type[JsonApi] = DynamoJson) -> dict[str, Any]:
    async with serving(saying(said)) as server:
        client = api(Anybody(server.url), limit=1)
        try:
            return await client.call("Operation", {})
        finally:
            client.close()


@pytest.mark.parametrize(
    ("api", "operation", "target", "kind"),
    [
        (DynamoJson, "query", "DynamoDB_20120810.Query", "1.0"),
        (DynamoJson, "get_item", "DynamoDB_20120810.GetItem", "1.0"),
        (DynamoJson, "update_item", "DynamoDB_20120810.UpdateItem", "1.0"),
        (SqsJson, "send_message_batch", "AmazonSQS.SendMessageBatch", "1.0"),
        (EventsJson, "put_events", "AWSEvents.PutEvents", "1.1"),
    ],
)
async def test_a_request_names_its_operation_and_carries_its_parameters(
    api: Any, operation: str, target: str, kind: str
) -> None:
    async with serving(saying(response(b'{"Items":[]}'))) as server:
        client = api(Anybody(server.url), limit=1)
        assert await getattr(client, operation)(Name="naïve", Values=({"N": "1"},)) == {"Items": []}
        client.close()

    [(head, body)] = server.requests
    lines = head.decode().split("\r\n")
    assert f"X-Amz-Target: {target}" in lines
    assert f"Content-Type: application/x-amz-json-{kind}" in lines
    assert json.loads(body) == {"Name": "naïve", "Values": [{"N": "1"}]}


async def test_each_call_is_signed_with_the_keys_of_its_time() -> None:
    async with serving(saying(response(b"{}"))) as server:
        client = SqsJson(Anybody(server.url), limit=1)
        for _ in range(2):
            await client.call("SendMessage", {})
        client.close()

    assert [b"Credential=AKID%d/" % number in head for number, (head, _) in enumerate(server.requests, 1)] == [True] * 2
    assert b"X-Amz-Security-Token: token2" in server.requests[1][0]


@pytest.mark.parametrize(
    ("body", "headers", "code", "message"),
    [
        pytest.param(
            b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow"}',
            [],
            "ThrottlingException",
            "slow",
            id="with-a-namespace",
        ),
        pytest.param(b'{"__type":"InternalException","Message":"so"}', [], "InternalException", "so", id="without"),
        pytest.param(
            b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"which?"}',
            ["x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender"],
            "AWS.SimpleQueueService.NonExistentQueue",
            "which?",
            id="by-the-name-of-the-older-protocol",
        ),
        pytest.param(b"<html>Bad Gateway</html>", [], "503", "<html>Bad Gateway</html>", id="of-a-proxy"),
        pytest.param(b"[]", [], "503", "[]", id="no-object"),
        pytest.param(b"", [], "503", "", id="empty"),
    ],
)
async def test_a_refusal_is_an_error_as_botocore_has_it(
    body: bytes, headers: list[str], code: str, message: str
) -> None:
    with pytest.raises(ClientError) as raised:
        await answer(response(body, "x-amzn-RequestId: R7", *headers, status="503 No"))

    said: Any = raised.value.response
    assert said["Error"] == {"Code": code, "Message": message}
    assert said["ResponseMetadata"] == {"HTTPStatusCode": 503, "RequestId": "R7"}
    with pytest.raises(Unavailable), mapped("dynamodb"):
        raise raised.value


async def test_a_failed_condition_brings_the_item_that_stands_in_the_way() -> None:
    body = b'{"__type":"x#ConditionalCheckFailedException","Message":"no","Item":{"pk":{"S":"a"}}}'
    with pytest.raises(ClientError) as raised:
        await answer(response(body, status="400 Bad Request"))

    said: Any = raised.value.response
    assert said["Item"] == {"pk": {"S": "a"}}


async def test_an_answer_with_the_right_checksum_counts() -> None:
    body = b'{"Count":1}'

    assert await answer(response(body, f"x-amz-crc32: {crc32(body)}")) == {"Count": 1}


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(response(b'{"Count":1}', "x-amz-crc32: 7"), id="another-checksum"),
        pytest.param(response(b'{"Count":'), id="cut"),
        pytest.param(response(b"[]"), id="no-object"),
    ],
)
async def test_an_answer_that_is_not_what_was_sent_is_asked_for_again(said: bytes) -> None:
    with pytest.raises(HTTPClientError) as raised:
        await answer(said)

    with pytest.raises(Unavailable), mapped("dynamodb"):
        raise raised.value
