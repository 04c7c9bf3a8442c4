"""A hand-made AWS client that answers as told: it refuses, throttles, leaves keys unprocessed, fails midway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

import botocore.session
import msgspec
from botocore.exceptions import ClientError
from botocore.model import ServiceModel
from botocore.validate import validate_parameters

from eventcron.app.retry import Retry
from eventcron.model.names import Instant

#: What a call returns, or the error that it raises.
Answer: TypeAlias = dict[str, Any] | Exception


class Script:
    """A client of *service* whose calls get *answers* in order, or what the function *answers* makes of each request.

    Every request is checked against botocore's model of the service, as a real client does.
    """

    def __init__(self, service: str, answers: Sequence[Answer] | Callable[[dict[str, Any]], Answer]) -> None:
        self._service = service
        self._answers = answers if callable(answers) else iter(answers)
        self.requests: list[dict[str, Any]] = []
        self.most_at_once = 0
        self._open = 0

    @property
    def client(self) -> Any:
        """To be passed where a client is wanted."""
        return self

    async def query_bytes(self, **request: Any) -> bytes:
        """As ``query``, but the answer as DynamoDB sends it."""
        return msgspec.json.encode(await self.query(**request))

    async def batch_get_item_bytes(self, **request: Any) -> bytes:
        """As ``batch_get_item``, but the answer as DynamoDB sends it."""
        return msgspec.json.encode(await self.batch_get_item(**request))

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        shape = _input_shape(self._service, operation)

        async def call(**request: Any) -> dict[str, Any]:
            validate_parameters(request, shape)
            self.requests.append(request)
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
            await asyncio.sleep(0)
            self._open -= 1
            answer = self._answers(request) if callable(self._answers) else next(self._answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


class Waits:
    """A clock that stands still: it remembers how long it was to sleep, and lets others run."""

    def __init__(self) -> None:
        self.milliseconds: list[int] = []

    def now(self) -> Instant:
        return 0

    async def sleep_until(self, instant: Instant) -> None:
        self.milliseconds.append(instant)
        await asyncio.sleep(0)

    def retry(self, *, tries: int = 3) -> Retry:
        """Waits nothing, and draws the middle of the range each time."""
        return Retry(clock=self, jitter=lambda: 0.5, tries=tries)


def refused(code: str, *, status: int = 400, **members: Any) -> ClientError:
    """The service's answer to a whole call."""
    response: Any = {
        "Error": {"Code": code, "Message": "as told"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    } | members
    return ClientError(response, "Operation")


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


@cache
def _input_shape(service: str, operation: str) -> Any:
    name = "".join(part.capitalize() for part in operation.split("_"))
    return _model(service).operation_model(name).input_shape
