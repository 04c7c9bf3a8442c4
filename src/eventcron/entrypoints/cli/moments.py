"""Instants and spans of time on the command line: one form of each for every option."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import click

from eventcron.adapters.clock import SystemClock
from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.names import Instant
from eventcron.timing.fields import FIRST_YEAR, LAST_YEAR, shorten
from eventcron.timing.instant import from_datetime, to_datetime

INSTANT_FORMS = "RFC 3339 such as 2026-03-29T01:00:00Z, UTC without an offset; a date; now, now+1h or now-30m"
SPAN_FORMS = "numbers with ms, s, m, h, d or w, such as 90s or 1d12h, more than 0 in all"

_ABSOLUTE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_RELATIVE = re.compile(r"NOW(?:(?P<sign>[+-])(?P<span>.+))?")
_SPAN = re.compile(r"(?:[0-9]{1,15}(?:ms|[smhdw]))+")
_PART = re.compile(r"([0-9]+)(ms|[smhdw])")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

_FIRST, _END = (from_datetime(datetime(year, 1, 1, tzinfo=UTC)) for year in (FIRST_YEAR, LAST_YEAR + 1))
_MAX_SPAN_MS = _END - _FIRST

#: Where a click context has the instant that ``now`` means.
_NOW = "eventcron.now"


def read_moment(text: str, option: str, *, now: Instant | None = None) -> Instant:
    """The instant that *text* means. *option* is the field of the error; *now* is by default that of this machine.

    Raises:
        InvalidSchedule: *text* has none of ``INSTANT_FORMS``, or is not of the years 1970-2199.
    """
    wanted = text.strip().upper()
    relative = _RELATIVE.fullmatch(wanted)
    if relative is not None:
        instant = _whole_second() if now is None else now
        if relative["span"]:
            span = read_span(relative["span"].lower(), option)
            instant += span if relative["sign"] == "+" else -span
    else:
        instant = _absolute(wanted, option, given=text)
    if not _FIRST <= instant < _END:
        raise InvalidSchedule(
            RejectionCode.OUT_OF_RANGE, field=option, given=shorten(text), allowed=f"a year {FIRST_YEAR}-{LAST_YEAR}"
        )
    return instant


def read_span(text: str, option: str) -> int:
    """The milliseconds in *text*, such as ``90s`` or ``1d12h``. *option* is the field of the error.

    Raises:
        InvalidSchedule: *text* is not one of ``SPAN_FORMS``, or is longer than the years 1970-2199.
    """
    wanted = text.strip()
    parts = _PART.findall(wanted) if _SPAN.fullmatch(wanted) else []
    span = sum(int(number) * _UNIT_MS[unit] for number, unit in parts)
    if not span:
        raise InvalidSchedule(RejectionCode.INVALID_TIME, field=option, given=shorten(text), allowed=SPAN_FORMS)
    if span > _MAX_SPAN_MS:
        allowed = f"at most {_MAX_SPAN_MS // _UNIT_MS['d']}d"
        raise InvalidSchedule(RejectionCode.OUT_OF_RANGE, field=option, given=shorten(text), allowed=allowed)
    return span


def _absolute(wanted: str, option: str, *, given: str) -> Instant:
    reason = ""
    if _ABSOLUTE.fullmatch(wanted):
        try:
            moment = datetime.fromisoformat(wanted)
            return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except ValueError as error:
            reason = f" ({error})"
    raise InvalidSchedule(
        RejectionCode.INVALID_TIME, field=option, given=shorten(given), allowed=f"{INSTANT_FORMS}{reason}"
    )


def _whole_second() -> Instant:
    return SystemClock().now() // 1000 * 1000


class _InstantType(click.ParamType[Instant]):
    """One of ``INSTANT_FORMS``. ``now`` is the same whole second in every option of a command."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Instant:
        if isinstance(value, int):
            return value
        now = None if ctx is None else ctx.meta.setdefault(_NOW, _whole_second())
        return read_moment(value, _option(param), now=now)


class _SpanType(click.ParamType[int]):
    """Milliseconds, from one of ``SPAN_FORMS``."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ARG002  # click's signature
        return value if isinstance(value, int) else read_span(value, _option(param))


def _option(param: click.Parameter | None) -> str:
    return "time" if param is None else param.opts[0]


INSTANT = _InstantType()
SPAN = _SpanType()


def moment_of(instant: Instant | None) -> datetime | None:
    """The moment that an option of type ``INSTANT`` gives; None: it was not given."""
    return None if instant is None else to_datetime(instant)
