"""Times given on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.names import Instant
from eventcron.timing.fields import FIRST_YEAR, LAST_YEAR, shorten
from eventcron.timing.instant import from_datetime

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_ALLOWED = "RFC 3339 such as 2026-03-29T01:00:00Z; without an offset it is UTC, and the time may be left out"


def read_moment(text: str, option: str) -> Instant:
    """The instant *text* means; *option* names it in the error.

    Raises:
        InvalidSchedule: it is no such time, or not of the years 1970-2199.
    """
    if _MOMENT.fullmatch(text.strip()) is None:
        raise InvalidSchedule(RejectionCode.INVALID_TIME, field=option, given=shorten(text), allowed=_ALLOWED)
    try:
        moment = datetime.fromisoformat(text.strip().upper())
    except ValueError as error:
        raise InvalidSchedule(
            RejectionCode.INVALID_TIME, field=option, given=shorten(text), allowed=f"{_ALLOWED} ({error})"
        ) from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise InvalidSchedule(
            RejectionCode.OUT_OF_RANGE, field=option, given=shorten(text), allowed=f"a year {FIRST_YEAR}-{LAST_YEAR}"
        )
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
