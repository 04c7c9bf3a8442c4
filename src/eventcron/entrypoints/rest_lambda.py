"""Lambda: API Gateway → REST API."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.process import process
from eventcron.entrypoints.rest.api import Answered, answer
from eventcron.entrypoints.rest.request import write
from eventcron.entrypoints.telemetry import LambdaContext, begin, emit, logger


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of an HTTP API (payload format 2.0)."""
    begin(context)
    return process.run(lambda cases: handle(cases, event))


async def handle(cases: UseCases, event: dict[str, Any]) -> dict[str, Any]:
    """As ``handler``, on *cases*."""
    answered = await answer(cases, event)
    _report(answered)
    return write(answered.response)


def _report(answered: Answered) -> None:
    response, request, route = answered
    log = logger.info if response.status < HTTPStatus.INTERNAL_SERVER_ERROR else logger.warning
    log(
        "request_answered",
        status=int(response.status),
        method=None if request is None else request.method,
        path=None if request is None else request.path,
        caller=None if request is None else request.caller,
        request_id=None if request is None else request.id,
    )
    if route is not None and route.writes:
        emit("rest", {_metric(response.status): 1})


def _metric(status: HTTPStatus) -> str:
    """The registrar's metric for this status: commands count alike whether the queue or the REST API brought them."""
    if status < HTTPStatus.BAD_REQUEST:
        return "CommandsAccepted"
    return "CommandsRejected" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "CommandsFailed"
