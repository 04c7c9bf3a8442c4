"""Paging: an opaque token holds the name after which the next page starts."""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus

import msgspec

from eventcron.entrypoints.rest.problem import refused
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RequestCode
from eventcron.model.names import ScheduleName
from eventcron.wire.strict_json import short


def encode_token(name: str) -> str:
    """The token of the page that follows *name*."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def decode_token(token: str, *, prefix: str) -> str:
    """The name in *token*, which the store takes as a cursor.

    Raises:
        Refused: 400; no page gave this token, or a list with another *prefix* did.
    """
    try:
        name = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
        msgspec.convert(name, ScheduleName)
        if name.startswith(prefix):
            return name
    except (binascii.Error, ValueError):
        pass  # refused below, as is a token of another list
    raise refused(
        InvalidSchedule(
            RequestCode.INVALID_TOKEN, field="next", given=short(token), allowed="the field next of the previous page"
        ),
        status=HTTPStatus.BAD_REQUEST,
    )
