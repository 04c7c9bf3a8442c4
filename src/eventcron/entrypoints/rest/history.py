"""``GET …/history``: what became of a schedule, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from eventcron.app.history import HistoryNotKept
from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.rest.caller import authorise
from eventcron.entrypoints.rest.pages import decode_place, encode_token
from eventcron.entrypoints.rest.parameters import SchedulePath, decode_parameters
from eventcron.entrypoints.rest.problem import Refused, refused
from eventcron.entrypoints.rest.request import Request, Response
from eventcron.model.names import END_OF_TIME, Key, Moment, Window
from eventcron.timing.instant import from_datetime
from eventcron.wire.history import ShownEntry, shown
from eventcron.wire.rejection import to_invalid_schedule

#: An instant as text: as a number, it would be taken for seconds.
_Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class HistoryQuery(Struct, frozen=True, forbid_unknown_fields=True):
    since: Annotated[_Time, Meta(description="Only what is about this instant or a later one.")] | UnsetType = UNSET
    until: Annotated[_Time, Meta(description="Only what is about an earlier instant.")] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=100, description="The largest number of events on a page.")] = 50
    next: (
        Annotated[
            str, Meta(min_length=1, max_length=256, description="The page token: next of the previous page. Opaque.")
        ]
        | UnsetType
    ) = UNSET


class _Span(Struct, frozen=True):
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET


class HistoryPage(Struct, frozen=True, kw_only=True):
    """A page of what became of a schedule, the latest first."""

    entries: list[ShownEntry]
    next: Annotated[str, Meta(description="The token of the next page; absent on the last page.")] | UnsetType = UNSET


async def get_history(cases: UseCases, request: Request, path: Mapping[str, str]) -> Response:
    named = decode_parameters(path, SchedulePath)
    authorise(request.caller, named.tenant, cases.settings)
    query = decode_parameters(request.query, HistoryQuery)
    window = _window({name: text for name, text in request.query.items() if name in _Span.__struct_fields__})
    cursor = None if query.next is UNSET else decode_place(query.next, window=window)
    try:
        page = await cases.past.page(Key(named.tenant, named.name), window, cursor=cursor, limit=query.limit)
    except HistoryNotKept as error:
        raise Refused(HTTPStatus.NOT_FOUND, "history_not_kept", str(error)) from error
    answer = HistoryPage(
        entries=[shown(entry) for entry in page.items],
        next=UNSET if page.cursor is None else encode_token(page.cursor),
    )
    return Response(HTTPStatus.OK, msgspec.json.encode(answer))


def _window(given: Mapping[str, str]) -> Window:
    """The span that *given*, ``since`` and ``until``, asks for.

    Raises:
        Refused: 400; one of them is no instant.
    """
    try:
        span = msgspec.convert(given, _Span)
    except msgspec.ValidationError as error:
        raise refused(to_invalid_schedule(error, dict(given), _Span), status=HTTPStatus.BAD_REQUEST) from error
    return Window(
        0 if span.since is UNSET else max(0, from_datetime(span.since)),
        END_OF_TIME if span.until is UNSET else max(0, from_datetime(span.until)),
    )
