"""Read an expression by the rules of the scheduler that it was written for. ``convert`` and ``import`` share this."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from eventcron.errors import InvalidExpression
from eventcron.model.names import Key
from eventcron.timing.dialects import (
    CELERY,
    EVENTBRIDGE,
    FUGIT,
    FUGIT_WITH_SECONDS,
    JENKINS,
    KUBERNETES,
    QUARTZ,
    QUARTZ_WITH_YEAR,
    SPRING,
    UNIX,
    DayJoin,
    refuse_count,
)
from eventcron.timing.expression import MACROS, Item, read_expression, split_call
from eventcron.timing.fields import shorten
from eventcron.timing.on_calendar import read_calendar_event


class Notation(StrEnum):
    """The dialects that ``convert`` reads. It writes the first seven."""

    EVENTCRON = "eventcron"
    UNIX = "unix"
    EVENTBRIDGE = "eventbridge"
    QUARTZ = "quartz"
    KUBERNETES = "kubernetes"
    CELERY = "celery"
    SYSTEMD = "systemd"
    SPRING = "spring"
    JENKINS = "jenkins"
    SIDEKIQ = "sidekiq"


_CELERY_ARGUMENT = re.compile(
    r"""(?P<name>[a-z_]+)\s*=\s*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<bare>[0-9]+))"""
)
_CELERY_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")

#: Jenkins spreads its macros: https://github.com/jenkinsci/jenkins, CronTab.java.
JENKINS_MACROS = {
    "@yearly": "H H H H *",
    "@annually": "H H H H *",
    "@monthly": "H H H * *",
    "@weekly": "H H * * H",
    "@daily": "H H * * *",
    "@midnight": "H H(0-2) * * *",
    "@hourly": "H * * * *",
}
#: In fugit, -1 in the day-of-month field is the month's last day, -2 the day before it, and ``-7-L`` the last seven.
_FUGIT_FROM_THE_END = re.compile(r"-(?P<back>[0-9]{1,2})(?:-(?P<end>L|-[0-9]{1,2}))?")
#: In fugit, ``fri#-1`` and ``fri#L`` are the month's last Friday.
_FUGIT_LAST = re.compile(r"#(?:-1|L|LAST)\Z", re.IGNORECASE)


def read(text: str, notation: Notation, *, key: Key | None = None) -> Item:
    """Read *text* by the rules of *notation*. *key* decides the value of ``H``.

    Raises:
        InvalidExpression: *text* does not parse in that notation.
    """
    return _READERS[notation](text, key)


def _read_eventcron(text: str, key: Key | None) -> Item:
    return read_expression(text, anchor=0, key=key)


def _read_unix(text: str, key: Key | None) -> Item:
    return UNIX.read(_fields(text), key=key)


def _read_eventbridge(text: str, key: Key | None) -> Item:
    kind, inside = split_call(text)
    if kind in {"rate", "at"}:
        return read_expression(text, anchor=0)
    return EVENTBRIDGE.read(inside.split(), key=key)


def _read_quartz(text: str, key: Key | None) -> Item:
    fields = split_call(text)[1].split()
    if len(fields) not in {len(QUARTZ.fields), len(QUARTZ_WITH_YEAR.fields)}:
        hint = "; five fields are those of --from unix" if len(fields) == len(UNIX.fields) else ""
        refuse_count(text, len(fields), f"6 or 7: {QUARTZ.order}, and if you like a year{hint}")
    return (QUARTZ if len(fields) == len(QUARTZ.fields) else QUARTZ_WITH_YEAR).read(fields, key=key)


def _read_kubernetes(text: str, key: Key | None) -> Item:
    if text.lstrip().lower().startswith("@every"):
        return read_expression(text, anchor=0)
    return KUBERNETES.read(_fields(text), key=key)


def _read_celery(text: str, key: Key | None) -> Item:
    called = re.fullmatch(r"\s*crontab\((.*)\)\s*", text, re.DOTALL)
    if called is None:
        return CELERY.read(split_call(text)[1].split(), key=key)
    unparsed = _CELERY_ARGUMENT.sub("", called[1])
    given = {
        matched["name"]: next(filter(None, matched.groups()[1:]), "")
        for matched in _CELERY_ARGUMENT.finditer(called[1])
    }
    if unparsed.strip(", \n") or not set(given) <= set(_CELERY_FIELDS):
        allowed = f"crontab() with {', '.join(_CELERY_FIELDS)} as keywords"
        raise InvalidExpression(field="expression", given=shorten(text), allowed=allowed)
    # Celery reads a missing argument as every value, and allows spaces inside a field.
    return CELERY.read([given.get(name, "*").replace(" ", "") or "*" for name in _CELERY_FIELDS], key=key)


def _read_spring(text: str, key: Key | None) -> Item:
    fields = _fields(text)
    if text.strip().startswith("@") and len(fields) == len(UNIX.fields):
        fields = ["0", *fields]
    return SPRING.read(fields, key=key)


def _read_jenkins(text: str, key: Key | None) -> Item:
    inside = split_call(text)[1]
    return JENKINS.read(JENKINS_MACROS.get(inside.lower(), inside).split(), key=key)


def _read_sidekiq(text: str, key: Key | None) -> Item:
    fields = _fields(text)
    dialect = FUGIT_WITH_SECONDS if len(fields) == len(FUGIT_WITH_SECONDS.fields) else FUGIT
    if len(fields) != len(dialect.fields):
        refuse_count(text, len(fields), f"5: {FUGIT.order}, or 6, with the second first")
    *others, day, month, weekday = fields
    if day.endswith("&") or weekday.endswith("&"):  # both days have to match
        dialect = replace(dialect, join=DayJoin.BOTH)
        day, weekday = day.removesuffix("&"), weekday.removesuffix("&")
    days = [part for term in day.upper().replace("LAST", "L").split(",") for part in _from_the_end(term)]
    weekdays = [_FUGIT_LAST.sub("L", term) for term in weekday.split(",")]
    return dialect.read([*others, ",".join(days), month, ",".join(weekdays)], key=key)


def _read_systemd(text: str, _key: Key | None) -> Item:
    item, zone = read_calendar_event(text)
    if zone is not None and not text.lstrip().startswith("@"):
        allowed = "no zone in the expression: it is a field of the schedule, timezone"
        raise InvalidExpression(field="expression", given=shorten(zone), allowed=allowed)
    return item


def _from_the_end(term: str) -> Sequence[str]:
    matched = _FUGIT_FROM_THE_END.fullmatch(term)
    if matched is None:
        return [term]
    back, end = int(matched["back"]), matched["end"]
    last = back if end is None else 1 if end == "L" else int(end[1:])
    if not 1 <= last <= back:
        return [term]
    return [f"L-{day - 1}" if day > 1 else "L" for day in range(back, last - 1, -1)]


def _fields(text: str) -> Sequence[str]:
    inside = split_call(text)[1]
    return MACROS.get(inside.lower(), inside).split()


_READERS: Mapping[Notation, Callable[[str, Key | None], Item]] = {
    Notation.EVENTCRON: _read_eventcron,
    Notation.UNIX: _read_unix,
    Notation.EVENTBRIDGE: _read_eventbridge,
    Notation.QUARTZ: _read_quartz,
    Notation.KUBERNETES: _read_kubernetes,
    Notation.CELERY: _read_celery,
    Notation.SYSTEMD: _read_systemd,
    Notation.SPRING: _read_spring,
    Notation.JENKINS: _read_jenkins,
    Notation.SIDEKIQ: _read_sidekiq,
}
