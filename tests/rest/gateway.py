"""API Gateway's part, in the test's own process: requests as it hands them to Lambda; the API as a WSGI application."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from eventcron.adapters.memory import MemoryEventBus, MemoryFireQueue, MemoryHistory, MemoryQueue, MemoryScheduleStore
from eventcron.entrypoints import rest_lambda
from eventcron.model.history import KeepHistory
from eventcron.model.names import MAX_INPUT_BYTES, Instant
from eventcron.testing.ports import memory_ports
from eventcron.testing.world import SETTINGS

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z

ACCOUNT = "123456789012"
ACME = f"arn:aws:sts::{ACCOUNT}:assumed-role/eventcron-tenant-acme/session"
OTHER = f"arn:aws:sts::{ACCOUNT}:assumed-role/eventcron-tenant-other/session"
PLATFORM = f"arn:aws:sts::{ACCOUNT}:assumed-role/platform/session"

_ids = itertools.count(1)


class SteadyClock:
    """A clock that is a millisecond further each time it is read, and where one sleeps to."""

    def __init__(self) -> None:
        self.instant: Instant = NOW

    def now(self) -> Instant:
        self.instant += 1
        return self.instant

    async def sleep_until(self, instant: Instant) -> None:
        self.instant = max(self.instant, instant)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


class Api:
    """The REST API over memory ports."""

    def __init__(self) -> None:
        self.clock = SteadyClock()
        self.store = MemoryScheduleStore(self.clock)
        self.fires = MemoryQueue(self.clock)
        self.bus = MemoryEventBus(self.clock)
        self.history = MemoryHistory()
        ports = memory_ports(
            self.clock,
            store=self.store,
            fire_queue=MemoryFireQueue(self.fires),
            bus=self.bus,
            history=self.history,
        )
        trusted = frozenset({"role/platform"})
        # An answer has to hold the largest inputs that a deployment can allow.
        settings = msgspec.structs.replace(
            SETTINGS,
            rest_trusted_principals=trusted,
            max_input_bytes=MAX_INPUT_BYTES,
            keep_history=KeepHistory.ALL,
            history_table="history",
        )
        self.cases = ports.use_cases(settings)

    @property
    def events(self) -> list[str]:
        return [event.detail_type for _, event in self.bus.published]

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        caller: str | None = ACME,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request. *body* is text or bytes as they are, anything else JSON; *path* may have a query."""
        raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else b""
        if body is not None and not isinstance(body, bytes | str):
            raw = msgspec.json.encode(body)
        return self.send(event(method, path, raw, caller=caller, headers=headers or {}))

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the Lambda handler returns for *request*."""
        return asyncio.run(rest_lambda.handle(self.cases, request))

    def send(self, request: dict[str, Any]) -> Answer:
        answer = self.answer(request)
        text = answer["body"]
        return Answer(answer["statusCode"], answer["headers"], msgspec.json.decode(text) if text else None)


def event(
    method: str, path: str, body: bytes, *, caller: str | None, headers: Mapping[str, str], stage: str = "$default"
) -> dict[str, Any]:
    """A request as an HTTP API hands it over (payload format 2.0): text as it is, anything else in base 64."""
    raw_path, _, query = path.partition("?")
    given = {"content-type": "application/json"} | {name.lower(): value for name, value in headers.items()}
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw_path,
        "rawQueryString": query,
        "headers": given,
        "requestContext": {
            "http": {"method": method, "path": raw_path},
            "requestId": f"request-{next(_ids)}",
            "accountId": ACCOUNT,
            "stage": stage,
        },
        "isBase64Encoded": False,
    }
    if caller is not None:
        made["requestContext"]["authorizer"] = {"iam": {"userArn": caller, "accountId": ACCOUNT}}
    if body:
        try:
            made["body"] = body.decode()
        except UnicodeDecodeError:
            made["body"], made["isBase64Encoded"] = base64.b64encode(body).decode(), True
    return made


class Application:
    """The API as every Python HTTP client's tests take it: WSGI.

    What is signed at all is *caller*'s, the rest is refused. ``api`` answers; a test replaces it by one of its own.
    """

    def __init__(self, caller: str) -> None:
        self.api = Api()
        self._caller = caller

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        headers = {
            name.removeprefix("HTTP_").replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        if "AUTHORIZATION" not in headers:
            start_response("403 Forbidden", [("content-type", "application/json")])
            return [b'{"message":"Forbidden"}']
        if environ.get("CONTENT_TYPE"):
            headers["content-type"] = environ["CONTENT_TYPE"]
        path = environ.get("REQUEST_URI", environ["PATH_INFO"]).partition("?")[0]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        url = f"{path}?{environ.get('QUERY_STRING', '')}"
        answer = self.api.answer(event(environ["REQUEST_METHOD"], url, body, caller=self._caller, headers=headers))
        status = HTTPStatus(answer["statusCode"])
        start_response(f"{int(status)} {status.phrase}", list(answer["headers"].items()))
        return [answer["body"].encode()]
