"""Problem details (RFC 9457): status, code, field, given and allowed."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from eventcron.errors import EventcronError, InvalidSchedule
from eventcron.model.codes import RejectionCode

#: The path of the code in a problem's ``type``.
TYPE_PREFIX = "urn:eventcron:problem:"

#: Code of a rejected command → status. Every other code belongs to a well-formed request with a wrong value: 422.
STATUSES: Mapping[str, HTTPStatus] = {
    RejectionCode.NOT_JSON: HTTPStatus.BAD_REQUEST,
    RejectionCode.NOT_UTF8: HTTPStatus.BAD_REQUEST,
    RejectionCode.TOO_DEEP: HTTPStatus.BAD_REQUEST,
    RejectionCode.DUPLICATE_KEY: HTTPStatus.BAD_REQUEST,
    RejectionCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    RejectionCode.COMPLETED: HTTPStatus.CONFLICT,
    RejectionCode.STALE_REVISION: HTTPStatus.CONFLICT,
    RejectionCode.BACKFILL_EXISTS: HTTPStatus.CONFLICT,
    RejectionCode.QUOTA: HTTPStatus.TOO_MANY_REQUESTS,
}

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Problem(Struct, frozen=True, kw_only=True):
    """Why a request failed. Nothing was changed, except perhaps with status 503: then ask again."""

    type: Annotated[str, Meta(description="The code as a URI.")]
    title: Annotated[str, Meta(description="The code as a phrase.")]
    status: Annotated[int, Meta(description="The response's status.")]
    detail: Annotated[str, Meta(description="What is wrong with this request, in one sentence.")]
    code: Annotated[
        str, Meta(description="Machine-readable and stable. A rejected command has the code of Schedule Rejected.")
    ]
    field: (
        Annotated[str, Meta(description="The wrong value: a dotted path into the body, a parameter, or a header.")]
        | UnsetType
    ) = UNSET
    given: Annotated[str, Meta(description="A short form of the value that was sent.")] | UnsetType = UNSET
    allowed: Annotated[str, Meta(description="What eventcron takes there.")] | UnsetType = UNSET


class Refused(EventcronError):
    """A request whose answer is a problem."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        about: InvalidSchedule | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> None:
        self.headers = headers
        self.problem = Problem(
            type=TYPE_PREFIX + code,
            title=code.replace("_", " ").capitalize(),
            status=status,
            detail=detail,
            code=code,
            field=UNSET if about is None else about.field,
            given=UNSET if about is None else about.given,
            allowed=UNSET if about is None else about.allowed,
        )
        super().__init__(detail)


def refused(error: InvalidSchedule, *, status: HTTPStatus | None = None) -> Refused:
    """*error* as a problem. Its status is *status*, or by default that of its code in ``STATUSES``."""
    if status is None:
        status = STATUSES.get(error.code, HTTPStatus.UNPROCESSABLE_ENTITY)
    return Refused(status, error.code, str(error), about=error)
