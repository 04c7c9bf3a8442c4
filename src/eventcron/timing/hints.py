"""What the writer of an expression that does not parse most likely meant, as part of the error."""

from __future__ import annotations

import re
from collections.abc import Sequence

from eventcron.errors import InvalidExpression
from eventcron.model.codes import RejectionCode
from eventcron.timing.dialects import EVENTBRIDGE, UNIX, WITH_SECONDS, Dialect
from eventcron.timing.fields import MONTHS, WEEKDAYS, shorten

_FIVE, _SIX = len(UNIX.fields), len(WITH_SECONDS.fields)
_ZONE = re.compile(r"(?:CRON_)?TZ=(?P<zone>\S*)\s*", re.IGNORECASE)
_UNCLOSED = re.compile(r"(?P<kind>cron|rate|at)\s*(?P<bracket>\()?\s*(?P<inside>[^()]*)", re.IGNORECASE)
_YEARS = re.compile(r"(?:19|2[01])[0-9]{2}(?:[-,/][0-9]+)*")
#: What to write instead of a date that never comes, such as 31 February, which other schedulers are given for this.
BY_HAND = "or 'manual', for a schedule that only Run Schedule fires"
#: No field of cron has such signs. A path, an option and an assignment do.
_FOREIGN = re.compile(r"/[a-z]|--|[$=.~_]", re.IGNORECASE)


def refuse_what_is_no_expression(text: str) -> None:
    """Refuse a zone before the fields, and a call without its brackets.

    Raises:
        InvalidExpression: *text* has one of these; ``allowed`` says how to write it.
    """
    if zone := _ZONE.match(text):
        allowed = f"the expression alone; the zone goes into `timezone`, here {zone['zone'] or 'UTC'}"
        raise InvalidExpression(field="expression", given=shorten(text), allowed=allowed)
    call = _UNCLOSED.fullmatch(text)
    if call and call["inside"] and (call["bracket"] or text[len(call["kind"])].isspace()):
        allowed = f"both brackets: {call['kind']}({call['inside'].strip()})"
        raise InvalidExpression(field="expression", given=shorten(text), allowed=allowed)


def with_hint(error: InvalidExpression, fields: Sequence[str], *, called: bool) -> InvalidExpression:
    """Return *error* about *fields*, with what was most likely meant. *called*: they stood within ``cron()``."""
    if error.code == RejectionCode.NEVER_MATCHES:
        hint: str | None = BY_HAND
    else:
        hint = None if called else _meant(fields)
    if hint is None:
        return error
    return InvalidExpression(field=error.field, given=error.given, allowed=f"{error.allowed}; {hint}", code=error.code)


def _meant(fields: Sequence[str]) -> str | None:
    bare = " ".join(fields)
    if fields and fields[0].startswith("@"):
        return f"did you mean {fields[0]}? What it runs is no part of it" if len(fields) > 1 else None
    if len(fields) == _SIX and _reads(EVENTBRIDGE, fields):
        return f"did you mean cron({bare})?"
    if len(fields) in {_FIVE, _SIX} and _YEARS.fullmatch(fields[-1]):
        if len(fields) == _SIX and _reads(UNIX, fields[:_FIVE]):
            return f"the year is the seventh field, after a second: did you mean 0 {bare}?"
        return "the year is the seventh field, after a second"
    if len(fields) > _FIVE and any(map(_is_foreign, fields[_FIVE:])) and _reads(UNIX, fields[:_FIVE]):
        return f"did you mean {' '.join(fields[:_FIVE])}? A user or a command is no part of an expression"
    return None


def _is_foreign(field: str) -> bool:
    """Whether *field* is a user or part of a command."""
    names = re.findall("[A-Z]{3,}", field.upper())
    return bool(_FOREIGN.search(field)) or any(name[:3] not in {*MONTHS, *WEEKDAYS} for name in names)


def _reads(dialect: Dialect, fields: Sequence[str]) -> bool:
    try:
        dialect.read(fields)
    except InvalidExpression:
        return False
    return True
