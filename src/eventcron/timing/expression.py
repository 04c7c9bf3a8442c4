"""Read an expression: recognise its dialect and return a ``Cron``, a ``Rate``, an ``At`` or ``Manual``."""

from __future__ import annotations

import re
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from eventcron.errors import InvalidExpression
from eventcron.model.codes import RejectionCode
from eventcron.model.names import MAX_EXPRESSION_CHARS, Instant, Key
from eventcron.timing.cron import Cron
from eventcron.timing.dialects import EVENTBRIDGE, UNIX, WITH_SECONDS, WITH_YEAR, Dialect, refuse_count
from eventcron.timing.fields import FIRST_YEAR, LAST_YEAR, shorten
from eventcron.timing.hints import refuse_what_is_no_expression, with_hint

#: Each macro's five fields. Kubernetes has the same macros.
MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

UNITS_MS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}

#: Milliseconds: a hundred years of 365.25 days. No schedule is stored that long.
MAX_PERIOD_MS = 36_525 * 86_400_000

_BY_COUNT = {5: UNIX, 6: WITH_SECONDS, 7: WITH_YEAR}
_CALL = re.compile(r"(?P<kind>[A-Za-z]+)\s*\((?P<inside>[^()]*(?:\([^()]*\)[^()]*)*)\)")
_RATE = re.compile(r"(?P<count>[0-9]+)\s+(?P<unit>second|minute|hour|day)s?", re.IGNORECASE)
#: Go's duration, such as ``1h30m``: https://pkg.go.dev/time#ParseDuration
_EVERY = re.compile(r"@every\s+(?P<duration>\S+)", re.IGNORECASE)
_PART = re.compile(r"(?P<count>[0-9]+(?:\.[0-9]+)?)(?P<unit>h|ms|us|ns|m|s)")
_UNIT_SECONDS = {
    "h": Fraction(3_600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 10**3),
    "us": Fraction(1, 10**6),
    "ns": Fraction(1, 10**9),
}
_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?")


class Rate(NamedTuple):
    """A fixed interval: fires ``phase`` after each multiple of ``period``, both in milliseconds since 1970."""

    period: int
    phase: int


class At(NamedTuple):
    """Fires once, when the wall clock shows ``local``: milliseconds since 1970-01-01T00:00:00 local time."""

    local: int


class Manual(NamedTuple):
    """Never fires by itself: only Run Schedule fires the schedule."""


#: The expression that reads as ``Manual``.
MANUAL = "manual"

Item: TypeAlias = Cron | Rate | At | Manual


def read_expression(text: str, *, anchor: Instant, key: Key | None = None) -> Item:
    """Read one expression in any dialect. ``rate()`` counts from *anchor*; *key* decides the value of ``H``.

    Raises:
        InvalidExpression: *text* does not parse, or can never match.
    """
    kind, inside = split_call(text)
    if not kind and inside.lower() == MANUAL:
        return Manual()
    if kind == "rate":
        return _rate(inside, anchor)
    if kind == "at":
        return _at(inside)
    try:
        dialect, fields = dialect_of(text)
        return dialect.read(fields, key=key)
    except InvalidExpression as error:
        raise with_hint(error, inside.split(), called=kind == "cron") from None


def dialect_of(text: str) -> tuple[Dialect, list[str]]:
    """Return the cron dialect of *text* and its fields. The number of fields decides; macros are expanded.

    Raises:
        InvalidExpression: *text* is neither cron of 5 to 7 fields, ``cron()``, nor a known macro.
    """
    kind, inside = split_call(text)
    if kind == "cron":
        return EVENTBRIDGE, inside.split()
    if inside.startswith("@"):
        inside = _macro(inside)
    fields = inside.split()
    if len(fields) not in _BY_COUNT:
        allowed = f"5 ({UNIX.order}), 6 (second first) or 7 (second first, year last), cron(), rate(), at() or a macro"
        refuse_count(inside, len(fields), allowed)
    return _BY_COUNT[len(fields)], fields


def split_call(text: str) -> tuple[str, str]:
    """Split ``rate(5 minutes)`` into ``("rate", "5 minutes")``. Without a call, the first part is "".

    ``@every 5m`` is another way to write ``rate(300 seconds)``.

    Raises:
        InvalidExpression: *text* is too long, empty, not ASCII, or calls something else than cron, rate or at.
    """
    if len(text) > MAX_EXPRESSION_CHARS:
        allowed = f"at most {MAX_EXPRESSION_CHARS} characters"
        raise InvalidExpression(
            field="expression", given=f"{len(text)} characters", allowed=allowed, code=RejectionCode.TOO_LONG
        )
    stripped = text.strip()
    if not stripped or not stripped.isascii():
        allowed = "an expression of ASCII characters, such as '30 2 * * *'"
        raise InvalidExpression(field="expression", given=shorten(text), allowed=allowed)
    every = _EVERY.fullmatch(stripped)
    if every is not None:
        return "rate", f"{_whole_seconds(every['duration'])} seconds"
    called = _CALL.fullmatch(stripped)
    if called is None:
        refuse_what_is_no_expression(stripped)
        return "", stripped
    kind = called["kind"].lower()
    if kind not in {"cron", "rate", "at"}:
        if kind == "h":  # "H(0-9)" is a cron field, not a call
            return "", stripped
        raise InvalidExpression(field="expression", given=shorten(stripped), allowed="cron(), rate() or at()")
    return kind, called["inside"].strip()


def _macro(text: str) -> str:
    expanded = MACROS.get(text.lower())
    if expanded is None:
        allowed = ", ".join(MACROS) + "; for a fixed interval @every 5m or rate(5 minutes)"
        raise InvalidExpression(field="expression", given=shorten(text), allowed=allowed)
    return expanded


def _whole_seconds(duration: str) -> int:
    """The seconds of a duration in Go's units."""
    parts = list(_PART.finditer(duration))
    seconds = sum((Fraction(part["count"]) * _UNIT_SECONDS[part["unit"]] for part in parts), Fraction())
    if "".join(part[0] for part in parts) != duration or seconds.denominator != 1:
        allowed = "whole seconds in Go's units h, m, s, such as @every 5m or @every 1h30m"
        raise InvalidExpression(field="@every", given=shorten(duration), allowed=allowed)
    return seconds.numerator


def _rate(inside: str, anchor: Instant) -> Rate:
    matched = _RATE.fullmatch(inside)
    if matched is None:
        allowed = "a whole number and second(s), minute(s), hour(s) or day(s), such as rate(5 minutes)"
        raise InvalidExpression(field="rate", given=shorten(inside), allowed=allowed)
    period = int(matched["count"]) * UNITS_MS[matched["unit"].lower()]
    if not 1 <= period <= MAX_PERIOD_MS:
        raise InvalidExpression(field="rate", given=shorten(inside), allowed="1 second to 36525 days")
    return Rate(period, anchor % period)


def _at(inside: str) -> At:
    if _AT.fullmatch(inside) is None:
        allowed = "a local time such as at(2026-12-01T09:00:00), milliseconds optional, no offset: `timezone` sets it"
        raise InvalidExpression(field="at", given=shorten(inside), allowed=allowed)
    try:
        moment = datetime.fromisoformat(inside)
    except ValueError as error:
        raise InvalidExpression(field="at", given=shorten(inside), allowed=f"a date that exists ({error})") from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise InvalidExpression(field="at", given=shorten(inside), allowed=f"a year {FIRST_YEAR}-{LAST_YEAR}")
    elapsed = moment - datetime(1970, 1, 1)  # noqa: DTZ001  a wall clock has no offset
    return At((elapsed.days * 86_400 + elapsed.seconds) * 1_000 + elapsed.microseconds // 1_000)
