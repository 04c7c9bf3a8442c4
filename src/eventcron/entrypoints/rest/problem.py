"""What went wrong, as RFC 9457 has it: a status for machines, a code, a field, and what would have been taken."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from msgspec import UNSET, Struct, UnsetType

from eventcron.errors import EventcronError, InvalidSchedule
from eventcron.model.codes import RejectionCode

#: The path of the code in a problem's ``type``.
TYPE_PREFIX = "urn:eventcron:problem:"

#: Code of a refused command → status. Every other code is of a request that is well formed and means nothing: 422.
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
    """Why a request was not done. Nothing was changed, unless it says that to ask again may help."""

    #: The code as a URI.
    type: str
    #: The code in words.
    title: str
    #: The response's status.
    status: int
    #: What is wrong with this very request, in one sentence.
    detail: str
    #: Machine-readable and stable. Those of a refused command are those of Schedule Rejected.
    code: str
    #: What is at fault: a dotted path into the body, a parameter, or a header.
    field: str | UnsetType = UNSET
    #: A short form of what was sent.
    given: str | UnsetType = UNSET
    #: What would have been taken.
    allowed: str | UnsetType = UNSET


class Refused(EventcronError):
    """A request that is answered by a problem."""

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
    """*error* as an answer; *status* if it is not its code that decides."""
    if status is None:
        status = STATUSES.get(error.code, HTTPStatus.UNPROCESSABLE_ENTITY)
    return Refused(status, error.code, str(error), about=error)
