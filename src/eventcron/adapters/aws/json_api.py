"""Calls to AWS services that speak JSON: DynamoDB, SQS and EventBridge.

A request and a response are as botocore has them, except for instants, which are numbers, and the response's metadata.
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

import msgspec
from botocore.exceptions import ClientError, HTTPClientError

from eventcron.adapters.aws.access import Access
from eventcron.adapters.aws.connections import READ_TIMEOUT_S, Answer, Pool
from eventcron.adapters.aws.signing import Signer

#: A response as botocore parses it.
Response: TypeAlias = dict[str, Any]

_OK = 200
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class JsonApi:
    """A service, called at the endpoint that *access* names for it; at most *limit* calls at once."""

    #: What the endpoint, the environment and the signature call the service.
    service: ClassVar[str]
    #: What ``X-Amz-Target`` calls it, and the version of its JSON protocol.
    target: ClassVar[str]
    version: ClassVar[str]

    def __init__(self, access: Access, *, limit: int) -> None:
        self._access = access
        self._pool = Pool(access.endpoint(self.service), limit=limit, ca_bundle=access.ca_bundle)
        self._signer = Signer(
            service=self.service,
            region=access.region,
            host=self._pool.host,
            content_type=f"application/x-amz-json-{self.version}",
        )

    async def call(self, operation: str, request: Mapping[str, Any], *, within: float = READ_TIMEOUT_S) -> Response:
        """The response of *operation* to *request*, for which it waits *within* so many seconds.

        Raises:
            ClientError: the service refused.
            HTTPClientError: there is no answer; whether the service has done what it was asked is unknown.
        """
        answer = await self.call_bytes(operation, request, within=within)
        try:
            return _decode(answer)
        except msgspec.DecodeError as error:
            raise HTTPClientError(error=f"the answer to {operation} of {self.service} is no JSON: {error}") from error

    async def call_bytes(self, operation: str, request: Mapping[str, Any], *, within: float = READ_TIMEOUT_S) -> bytes:
        """As ``call``, but the response as it was sent."""
        body = _encode(request)
        head = self._signer.head(f"{self.target}.{operation}", body, await self._access.keys())
        answer = await self._pool.call(head, body, within=within)
        checksum = answer.headers.get(b"x-amz-crc32")
        if checksum is not None and int(checksum) != crc32(answer.body):
            raise HTTPClientError(
                error=f"the answer to {operation} is not what {self.service} sent: its checksum differs"
            )
        if answer.status != _OK:
            raise _refusal(operation, answer)
        return answer.body

    async def open(self) -> None:
        """Open a connection ahead of the first call."""
        await self._pool.open()

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class DynamoJson(JsonApi):
    """DynamoDB."""

    service, target, version = "dynamodb", "DynamoDB_20120810", "1.0"

    async def batch_get_item_bytes(self, **request: Any) -> bytes:
        return await self.call_bytes("BatchGetItem", request)

    async def batch_write_item(self, **request: Any) -> Response:
        return await self.call("BatchWriteItem", request)

    async def delete_item(self, **request: Any) -> Response:
        return await self.call("DeleteItem", request)

    async def get_item(self, **request: Any) -> Response:
        return await self.call("GetItem", request)

    async def put_item(self, **request: Any) -> Response:
        return await self.call("PutItem", request)

    async def query(self, **request: Any) -> Response:
        return await self.call("Query", request)

    async def query_bytes(self, **request: Any) -> bytes:
        return await self.call_bytes("Query", request)

    async def scan(self, **request: Any) -> Response:
        return await self.call("Scan", request)

    async def update_item(self, **request: Any) -> Response:
        return await self.call("UpdateItem", request)


class SqsJson(JsonApi):
    """SQS."""

    service, target, version = "sqs", "AmazonSQS", "1.0"

    async def change_message_visibility_batch(self, **request: Any) -> Response:
        return await self.call("ChangeMessageVisibilityBatch", request)

    async def delete_message_batch(self, **request: Any) -> Response:
        return await self.call("DeleteMessageBatch", request)

    async def get_queue_attributes(self, **request: Any) -> Response:
        return await self.call("GetQueueAttributes", request)

    async def receive_message(self, **request: Any) -> Response:
        """SQS itself waits for a message, as long as the request says."""
        waits: int = request.get("WaitTimeSeconds", 0)
        return await self.call("ReceiveMessage", request, within=READ_TIMEOUT_S + waits)

    async def send_message(self, **request: Any) -> Response:
        return await self.call("SendMessage", request)

    async def send_message_batch(self, **request: Any) -> Response:
        return await self.call("SendMessageBatch", request)


class EventsJson(JsonApi):
    """EventBridge."""

    service, target, version = "events", "AWSEvents", "1.1"

    async def put_events(self, **request: Any) -> Response:
        return await self.call("PutEvents", request)


def _refusal(operation: str, answer: Answer) -> ClientError:
    """The error in *answer*, as botocore has it: with the item that stands in the way, if the answer has one."""
    try:
        said = _decode(answer.body)
    except msgspec.DecodeError:
        said = {}
    # ``com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException``, or with a link after a colon.
    code = str(said.pop("__type", "") or answer.status).rpartition("#")[2].partition(":")[0]
    query_code = answer.headers.get(b"x-amzn-query-error")
    if query_code is not None:
        code = query_code.decode().partition(";")[0]
    message = said.pop("message", None) or said.pop("Message", None) or answer.body[:200].decode(errors="replace")
    request_id = answer.headers.get(b"x-amzn-requestid", b"").decode()
    metadata = {"HTTPStatusCode": answer.status, "RequestId": request_id}
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata, **said}
    return ClientError(response, operation)
