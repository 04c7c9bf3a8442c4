"""Requests and responses in the payload format 2.0 of API Gateway's HTTP APIs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from eventcron.entrypoints.rest.caller import principal
from eventcron.entrypoints.rest.problem import Refused
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.wire.strict_json import short

#: Bytes. PutEvents takes entries of less than 256 KB, so no command is larger.
MAX_BODY_BYTES = 262_144

JSON = "application/json"


class Request(NamedTuple):
    """``headers`` have lower-case names. ``path`` is as it was sent, undecoded and without the stage."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    #: See ``caller.principal``.
    caller: str | None
    #: API Gateway's request id, which is unique.
    id: str


class Response(NamedTuple):
    status: HTTPStatus
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})
    content_type: str = JSON


def read(event: Mapping[str, Any]) -> Request:
    """The request in *event*.

    Raises:
        Refused: a parameter is given twice, the body is too large, or its ``Content-Type`` is not JSON.
    """
    context = event["requestContext"]
    headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
    return Request(
        method=context["http"]["method"],
        path=_path(event["rawPath"], context.get("stage", "$default")),
        query=_query(event.get("rawQueryString", "")),
        headers=headers,
        body=_body(event, headers.get("content-type", JSON)),
        caller=principal(
            ((context.get("authorizer") or {}).get("iam") or {}).get("userArn"), account=context.get("accountId")
        ),
        id=context["requestId"],
    )


def write(response: Response) -> dict[str, Any]:
    """*response* in API Gateway's payload format."""
    headers = {**response.headers, "cache-control": "no-store"}
    if response.body:
        headers["content-type"] = response.content_type
    return {"statusCode": int(response.status), "headers": headers, "body": response.body.decode()}


def _path(raw: str, stage: str) -> str:
    """The path without the stage. API Gateway puts every stage but ``$default`` before the path."""
    return raw.removeprefix(f"/{stage}") if raw.startswith(f"/{stage}/") else raw


def _query(raw: str) -> dict[str, str]:
    given = parse_qsl(raw, keep_blank_values=True)
    query = dict(given)
    if len(query) < len(given):
        raise Refused(HTTPStatus.BAD_REQUEST, "duplicate_parameter", "a query parameter is given twice")
    return query


def _body(event: Mapping[str, Any], content_type: str) -> bytes:
    text = event.get("body") or ""
    try:
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "not_utf8", f"the body cannot be read: {error}") from error
    if len(body) > MAX_BODY_BYTES:
        about = InvalidSchedule(
            RejectionCode.TOO_LARGE,
            field="body",
            given=f"{len(body):,} bytes",
            allowed=f"at most {MAX_BODY_BYTES:,} bytes",
        )
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, about.code, str(about), about=about)
    if body and content_type.partition(";")[0].strip().lower() != JSON:
        about = InvalidSchedule(RejectionCode.NOT_JSON, field="Content-Type", given=short(content_type), allowed=JSON)
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, about.code, str(about), about=about)
    return body
