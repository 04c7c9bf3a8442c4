"""The OpenAPI document, generated from the routes and the structs.

``python -m eventcron.entrypoints.rest.openapi`` writes it; a test fails when it is stale.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from eventcron.app.tenant_limits import TenantLimits
from eventcron.entrypoints.rest.api import PROBLEM_JSON
from eventcron.entrypoints.rest.history import HistoryPage
from eventcron.entrypoints.rest.operations import SentCommand
from eventcron.entrypoints.rest.parameters import SchedulePath
from eventcron.entrypoints.rest.problem import Problem
from eventcron.entrypoints.rest.representation import Accepted, SchedulePage, StoredSchedule
from eventcron.entrypoints.rest.request import JSON
from eventcron.entrypoints.rest.routes import DOCUMENT, ROUTES, Route
from eventcron.model.commands import BackfillSchedule, Schedule
from eventcron.wire import schemas

#: To be raised when a path, a parameter or an answer changes in a way that breaks clients.
VERSION = "1"

#: The body may leave these out, as the path has them.
PATH_FIELDS = frozenset(SchedulePath.__struct_fields__)

REFERENCE = "#/components/schemas/{name}"

_ANSWERS = {
    HTTPStatus.OK: "The present state.",
    HTTPStatus.CREATED: "The schedule was stored for the first time, or again after its deletion.",
    HTTPStatus.ACCEPTED: "The command was accepted. Events on the bus report its result.",
    HTTPStatus.NO_CONTENT: "The schedule was deleted. Nothing due a second later or more fires.",
}
#: Every route can answer these.
_ALWAYS = {
    HTTPStatus.BAD_REQUEST: "A parameter, a header or the body is malformed.",
    HTTPStatus.FORBIDDEN: "The caller may not do this. API Gateway answers with a message, eventcron with a problem.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "eventcron failed.",
    HTTPStatus.SERVICE_UNAVAILABLE: "AWS is unavailable for now. Send the request again after Retry-After seconds.",
}
_OF_BODIES = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body has more than 262,144 bytes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not application/json.",
}
_OF_COMMANDS = {
    HTTPStatus.CONFLICT: "A command with this or a later revision was applied before, or no occurrence is left.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A field is wrong. The problem names it.",
}
_QUOTA = {HTTPStatus.TOO_MANY_REQUESTS: "Too many backfills are running."}
_OF_CONDITIONS = {HTTPStatus.PRECONDITION_FAILED: "The stored schedule does not satisfy If-Match or If-None-Match."}
#: API Gateway's own answer, before it calls eventcron.
_FORBIDDEN: dict[str, Any] = {JSON: {"schema": {"type": "object", "properties": {"message": {"type": "string"}}}}}
_NO_SCHEDULE = {HTTPStatus.NOT_FOUND: "There is no such schedule."}
_NO_HISTORY = {HTTPStatus.NOT_FOUND: "The deployment keeps no history."}


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "eventcron",
            "version": VERSION,
            "description": "Schedules in, fires out on EventBridge. Every request is signed (SigV4, execute-api).",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The stack's output RestApiUrl"}],
        "security": [{"sigv4": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4 of the service execute-api.",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
        },
    }


def text() -> str:
    """The document's file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*_parameters(route.path_parameters, "path"), *_parameters(route.query, "query")],
        "responses": dict(_responses(route)),
    }
    if route.conditional:
        operation["parameters"] += _conditions()
    if route.body is not None:
        required = bool({field.name for field in fields(route.body) if field.required} - PATH_FIELDS)
        operation["requestBody"] = {"required": required, "content": {JSON: {"schema": _reference(route.body)}}}
    return operation


def _responses(route: Route) -> Iterator[tuple[str, dict[str, Any]]]:
    for status, kind in route.answers.items():
        yield str(int(status)), _answer(status, kind)
    problems = dict(_ALWAYS)
    if "name" in {field.name for field in fields(route.path_parameters)} or route.body is SentCommand:
        problems |= _NO_HISTORY if HistoryPage in route.answers.values() else _NO_SCHEDULE
    if route.writes:
        problems |= _OF_BODIES | _OF_COMMANDS
    if route.body in {BackfillSchedule, SentCommand}:
        problems |= _QUOTA
    if route.conditional:
        problems |= _OF_CONDITIONS
    for status, description in sorted(problems.items()):
        content = {PROBLEM_JSON: {"schema": _reference(Problem)}}
        if status is HTTPStatus.FORBIDDEN:
            content |= _FORBIDDEN
        yield str(int(status)), {"description": description, "content": content}


def _answer(status: HTTPStatus, kind: type[Struct] | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _ANSWERS[status]}
    if kind is not None:
        answer["content"] = {JSON: {"schema": _reference(kind)}}
    elif status is not HTTPStatus.NO_CONTENT:
        answer["content"] = {JSON: {"schema": {"type": "object"}}}
    if kind is StoredSchedule:
        description = "The revision in quotation marks, for If-Match."
        answer["headers"] = {"ETag": {"description": description, "required": True, "schema": {"type": "string"}}}
    return answer


def _parameters(kind: type[Struct], place: str) -> Iterator[dict[str, Any]]:
    described = schemas.components([kind], ref_template=REFERENCE)[kind.__name__]
    for name, schema in described["properties"].items():
        yield {
            "name": name,
            "in": place,
            "required": name in described["required"],
            **({"description": schema.pop("description")} if "description" in schema else {}),
            "schema": schema,
        }


def _conditions() -> Iterator[dict[str, Any]]:
    tags = r'^(\*|"[0-9]+"( *, *"[0-9]+")*)$'
    yield _header(
        "If-Match", "Apply the command only if the stored revision is this one, in quotation marks, or any (*).", tags
    )
    yield _header("If-None-Match", "Apply the command only if no schedule is stored.", r"^\*$")


def _header(name: str, description: str, pattern: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def _reference(kind: type[Struct]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(name=kind.__name__)}


def _schemas() -> dict[str, Any]:
    """The schemas of bodies and answers. A body may leave out tenant and name, as the path has them."""
    bodies = [route.body for route in ROUTES if route.body is not None]
    found = schemas.components(
        [*bodies, StoredSchedule, SchedulePage, TenantLimits, HistoryPage, Accepted, Problem], ref_template=REFERENCE
    )
    for body in bodies:
        schema = found[body.__name__]
        schema["required"] = [name for name in schema["required"] if name not in PATH_FIELDS]
    found[StoredSchedule.__name__]["properties"]["schedule"] |= _reference(Schedule)
    return found


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")
