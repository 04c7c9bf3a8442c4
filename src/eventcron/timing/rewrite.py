"""Write another scheduler's expression as eventcron's own, with an exclusion where two day fields must both match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from eventcron.errors import InvalidExpression
from eventcron.model.names import Instant, Key
from eventcron.timing.canonical import render
from eventcron.timing.convert import convert, plainest, same, write_eventcron
from eventcron.timing.cron import EVERY_SECOND, Cron
from eventcron.timing.expression import Item, read_expression
from eventcron.timing.fields import DAY_OF_MONTH, DAY_OF_WEEK, shorten
from eventcron.timing.notation import JENKINS_MACROS, Notation, read

#: Fields in front of the day of the month: minute and hour, and a second before them.
_CLOCK, _CLOCK_WITH_SECONDS = 2, 3
#: Two schedules, by whose names ``H`` differs in every field.
_ANY, _OTHER = Key("acme", "nightly"), Key("beta", "report")


class Rewritten(NamedTuple):
    """An expression of eventcron, and the entry of ``exclude`` that belongs to it, if it needs one."""

    expression: str
    exclude: str | None = None


def convert_to_eventcron(text: str, source: Notation, *, checked_from: Instant) -> str:
    """Return *text* as ``convert`` does, and where it has ``H``, with its ``H``: eventcron has it too.

    Raises:
        InvalidExpression: as ``convert`` does; also if ``H`` would have to be replaced by a number.
    """
    if source is Notation.JENKINS:
        text = JENKINS_MACROS.get(text.strip().lower(), text)
    try:
        return convert(text, source, Notation.EVENTCRON, checked_from=checked_from)
    except InvalidExpression:
        # What stays the same for one schedule and for another has kept its H.
        rewritten = {rewrite(text, source, key=key, checked_from=checked_from) for key in (_ANY, _OTHER)}
        (kept, exclude), *others = rewritten
        if others or exclude is not None:
            raise
        return kept


def rewrite(text: str, source: Notation, *, key: Key, checked_from: Instant) -> Rewritten:
    """Return *text*, an expression in *source*, as eventcron writes it.

    A text that means the same in eventcron stays as it is. *key* decides the value of ``H``. What is written is read
    again and compared with *text* over the year from *checked_from* on.

    Raises:
        InvalidExpression: *text* is not valid in *source*, or eventcron has no form for it.
    """
    item = read(text, source, key=key)
    return written(item, text, key=key, checked_from=checked_from)


def written(item: Item, text: str, *, key: Key, checked_from: Instant) -> Rewritten:
    """Return *item*, which is what *text* says, as eventcron writes it. See ``rewrite``."""
    plain = " ".join(text.split())
    if "(" not in plain:  # within cron() it is required
        plain = plain.replace("?", "*")
    if _means(plain, item, key):
        return Rewritten(plain)
    try:
        expression, exclude = write_eventcron(item), None
    except InvalidExpression:
        if not isinstance(item, Cron) or item.either:
            raise
        days, exclude = _apart(item)
        expression, item = write_eventcron(days), days
    again = read_expression(expression, anchor=0)
    if not same(item, again, checked_from):
        raise InvalidExpression(
            field="expression", given=shorten(text), allowed=f"{expression!r}, which fires at other times"
        )
    return Rewritten(_as_given(expression, again, plain, key), exclude)


def _means(text: str, item: Item, key: Key) -> bool:
    """Whether eventcron reads *text* as *item*."""
    try:
        found = read_expression(text, anchor=0, key=key)
    except InvalidExpression:
        return False
    if isinstance(item, Cron) and isinstance(found, Cron):
        return plainest(found) == plainest(item)
    return found == item


def _apart(cron: Cron) -> tuple[Cron, str]:
    """Split *cron*, whose days match both day fields: into the one field, and an exclusion by the other.

    Raises:
        InvalidExpression: both fields have ``L``, ``W`` or ``#``.
    """
    if not cron.weekday_rules:
        others = sorted(set(EVERY_SECOND.weekdays).difference(cron.weekdays))
        return replace(cron, weekdays=EVERY_SECOND.weekdays), f"* * * * {render(others, DAY_OF_WEEK)}"
    if not cron.day_rules:
        rest = sorted(set(EVERY_SECOND.days).difference(cron.days))
        return replace(cron, days=EVERY_SECOND.days), f"* * {render(rest, DAY_OF_MONTH)} * *"
    raise InvalidExpression(
        field="day_of_month", given="L, W or # in both day fields", allowed="such a rule in one of the two"
    )


def _as_given(expression: str, item: Item, text: str, key: Key) -> str:
    """Return *expression* with the fields of *text* that need no change, so that ``H`` and names stay as given."""
    fields, given = expression.split(), text.split()
    for candidate in _mixtures(fields, given):
        if _means(candidate, item, key):
            return candidate
    return expression


def _mixtures(fields: Sequence[str], given: Sequence[str]) -> list[str]:
    if len(fields) != len(given):
        return []
    clock = _CLOCK if len(fields) == _CLOCK + 3 else _CLOCK_WITH_SECONDS
    if len(fields) < clock + 3:
        return []
    with_month = [*given[:clock], fields[clock], given[clock + 1], *fields[clock + 2 :]]
    return [" ".join(with_month), " ".join([*given[:clock], *fields[clock:]])]
