"""``If-Match`` and ``If-None-Match`` on commands (RFC 9110, 13.1): the command is applied only if they hold."""

from __future__ import annotations

import re
from http import HTTPStatus

from eventcron.app.registrar import Precondition
from eventcron.entrypoints.rest.problem import Refused
from eventcron.entrypoints.rest.representation import entity_tag
from eventcron.entrypoints.rest.request import Request
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RequestCode
from eventcron.model.records import Record
from eventcron.wire.strict_json import short

#: One or more entity tags, or ``*``. A weak tag is well formed and matches nothing.
_TAGS = re.compile(r'\*|(?:W/)?"[!#-~]*"(?:[ \t]*,[ \t]*(?:W/)?"[!#-~]*")*')


def precondition(request: Request) -> Precondition:
    """The check that *request* asks for: it raises ``Refused`` (412) if the stored record does not pass.

    Raises:
        Refused: 400; a header is malformed, or commands do not take it.
    """
    match = _header(request, "if-match")
    none_match = _header(request, "if-none-match")
    if none_match not in {None, "*"}:
        raise _malformed("If-None-Match", none_match or "", allowed="*")

    def check(stored: Record | None) -> None:
        exists = stored is not None and stored.schedule is not None
        found = entity_tag(stored.revision) if stored is not None and exists else None
        if match is not None and not (exists and (match == "*" or found in [tag.strip() for tag in match.split(",")])):
            raise _failed("If-Match", match, found)
        if none_match is not None and exists:
            raise _failed("If-None-Match", none_match, found)

    return check


def require_unconditional(request: Request) -> None:
    """Refuse conditions on a command that changes no schedule: nothing would check them.

    Raises:
        Refused: 400; the request has ``If-Match`` or ``If-None-Match``.
    """
    for name in ("if-match", "if-none-match"):
        if name in request.headers:
            raise _malformed(name.title(), request.headers[name], allowed="none: this command changes no schedule")


def _header(request: Request, name: str) -> str | None:
    value = request.headers.get(name)
    if value is not None and not _TAGS.fullmatch(value.strip()):
        raise _malformed(name.title(), value, allowed='* or revisions in quotation marks, such as "1764547200000"')
    return value if value is None else value.strip()


def _malformed(header: str, value: str, *, allowed: str) -> Refused:
    about = InvalidSchedule(RequestCode.INVALID_HEADER, field=header, given=short(value), allowed=allowed)
    return Refused(HTTPStatus.BAD_REQUEST, about.code, str(about), about=about)


def _failed(header: str, given: str, found: str | None) -> Refused:
    about = InvalidSchedule(
        RequestCode.PRECONDITION_FAILED, field=header, given=short(given), allowed=found or "no schedule is stored"
    )
    return Refused(HTTPStatus.PRECONDITION_FAILED, about.code, str(about), about=about)
