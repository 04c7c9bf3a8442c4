"""Dates and times as the numbers that ``timing`` counts in, by ``datetime`` alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from eventcron.model.names import Instant
from eventcron.timing.cron import Cron
from eventcron.timing.expression import read_expression

_EPOCH = date(1970, 1, 1)


def day(text: str) -> int:
    """The number of a date, from 1970-01-01 on."""
    return (date.fromisoformat(text) - _EPOCH).days


def dates(days: Iterable[int]) -> list[str]:
    return [(_EPOCH + timedelta(days=number)).isoformat() for number in days]


def dates_in(year: int, bits: int) -> list[str]:
    """The dates of *year* whose bits are set, from the 1st of January on."""
    first = date(year, 1, 1)
    return [(first + timedelta(days=bit)).isoformat() for bit in range(bits.bit_length()) if bits >> bit & 1]


def seconds(text: str) -> int:
    """The seconds that a wall clock or, in UTC, the time has counted from 1970 on."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def times(counted: Iterable[int]) -> list[str]:
    return [datetime.fromtimestamp(one, UTC).replace(tzinfo=None).isoformat(" ") for one in counted]


def at(text: str) -> Instant:
    """The instant that *text* names in UTC."""
    return seconds(text) * 1_000


def utc(instants: Iterable[Instant]) -> list[str]:
    return times(instant // 1_000 for instant in instants)


def cron(expression: str) -> Cron:
    item = read_expression(expression, anchor=0)
    assert isinstance(item, Cron)
    return item
