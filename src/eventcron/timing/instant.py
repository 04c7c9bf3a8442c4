"""Instants as RFC 3339 text in UTC, always with ``Z``, and as datetimes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from eventcron.model.names import Instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@lru_cache(maxsize=1_024)
def rfc3339(instant: Instant, *, millis: bool = True) -> str:
    """Return *instant* as RFC 3339 text. With ``millis=False``, the text omits milliseconds that are zero.

    >>> rfc3339(1764550800000)
    '2025-12-01T01:00:00.000Z'
    >>> rfc3339(1764550800000, millis=False)
    '2025-12-01T01:00:00Z'
    """
    text = to_datetime(instant).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return (text if millis or instant % 1000 else text[:-4]) + "Z"


def to_datetime(instant: Instant) -> datetime:
    """Return *instant* as an aware datetime in UTC, exact to the millisecond."""
    return _EPOCH + timedelta(milliseconds=instant)


def from_datetime(moment: datetime) -> Instant:
    """Return the instant of an aware datetime, rounded down to whole milliseconds."""
    return (moment - _EPOCH) // _MILLISECOND


def from_rfc3339(text: str) -> Instant:
    """Return the instant of an RFC 3339 text with an offset, rounded down to whole milliseconds.

    >>> from_rfc3339("2025-12-01T02:00:00+01:00") == from_rfc3339("2025-12-01T01:00:00Z")
    True
    """
    return from_datetime(datetime.fromisoformat(text))
