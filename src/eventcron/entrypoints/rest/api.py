"""Answer one request: find its route, run the operation. Every failure becomes a problem, never a stack trace."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.rest import routes
from eventcron.entrypoints.rest.problem import Refused, refused
from eventcron.entrypoints.rest.request import Request, Response, read
from eventcron.entrypoints.rest.routes import Route
from eventcron.entrypoints.telemetry import logger
from eventcron.errors import Conflict, InvalidSchedule, Unavailable

PROBLEM_JSON = "application/problem+json"

#: Seconds. Sent when AWS is unavailable for now.
RETRY_AFTER = {"retry-after": "1"}


class Answered(NamedTuple):
    """A response, with its request and route if they could be read."""

    response: Response
    request: Request | None = None
    route: Route | None = None


async def answer(cases: UseCases, event: Mapping[str, Any]) -> Answered:
    """The answer to *event*, a request in API Gateway's payload format 2.0."""
    request = route = None
    try:
        request = read(event)
        route, path = routes.find(request.method, request.path)
        response = await route.operation(cases, request, path)
    except Refused as error:
        response = _problem(error)
    except InvalidSchedule as error:
        response = _problem(refused(error))
    except (Unavailable, Conflict) as error:
        response = _problem(
            Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", f"{error}; send the request again", headers=RETRY_AFTER
            )
        )
    except Exception:  # noqa: BLE001  # one answer and one log line, which tell the caller nothing of the inside
        logger.exception("request_crashed")
        response = _problem(
            Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "eventcron failed; its log has the cause")
        )
    return Answered(response, request, route)


def _problem(error: Refused) -> Response:
    status = HTTPStatus(error.problem.status)
    return Response(status, msgspec.json.encode(error.problem), error.headers, PROBLEM_JSON)
