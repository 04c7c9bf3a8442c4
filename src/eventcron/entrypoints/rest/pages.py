"""Paging: an opaque token holds the name, or the place in a history, after which the next page starts."""

from __future__ import annotations

import base64
import binascii
import re
from http import HTTPStatus

import msgspec

from eventcron.entrypoints.rest.problem import Refused, refused
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RequestCode
from eventcron.model.names import ScheduleName, Window
from eventcron.rules.history import DIGITS, first_place
from eventcron.wire.strict_json import short

_PLACE = re.compile(rf"[0-9]{{{DIGITS}}}#[a-z]+#[A-Za-z0-9._-]{{1,80}}")


def encode_token(name: str) -> str:
    """The token of the page that follows *name*, or that place."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def decode_token(token: str, *, prefix: str) -> str:
    """The name in *token*, which the store takes as a cursor.

    Raises:
        Refused: 400; no page gave this token, or a list with another *prefix* did.
    """
    name = _decoded(token)
    try:
        msgspec.convert(name, ScheduleName)
    except msgspec.ValidationError as error:
        raise _refused(token) from error
    if not name.startswith(prefix):
        raise _refused(token)
    return name


def decode_place(token: str, *, window: Window) -> str:
    """The place in *token*, which the history takes as a cursor.

    Raises:
        Refused: 400; no page gave this token, or one of another *window* did.
    """
    place = _decoded(token)
    if not _PLACE.fullmatch(place) or not first_place(window.start) <= place < first_place(window.end):
        raise _refused(token)
    return place


def _decoded(token: str) -> str:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise _refused(token) from error


def _refused(token: str) -> Refused:
    about = InvalidSchedule(
        RequestCode.INVALID_TOKEN, field="next", given=short(token), allowed="the field next of the previous page"
    )
    return refused(about, status=HTTPStatus.BAD_REQUEST)
