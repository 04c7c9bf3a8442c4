"""The dialects of cron: which fields each one has, in which order, and how its two day fields combine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import NoReturn

from eventcron.errors import InvalidExpression
from eventcron.model.codes import RejectionCode
from eventcron.model.names import Key
from eventcron.timing.cron import Cron, first_match
from eventcron.timing.fields import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    DAY_OF_WEEK_FROM_1,
    DAY_OF_WEEK_TO_6,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    YEAR,
    Field,
    Reading,
    expand,
    is_whole,
    read_field,
    shorten,
)

#: Steps from one value on, ``5/15``.
OPEN_STEP = re.compile(r"(?P<first>[0-9]+|[A-Za-z]{2,})/(?P<step>[0-9]+)")


class DayJoin(Enum):
    """Which days match when an expression restricts day-of-month and day-of-week."""

    DEBIAN = auto()  # a day that matches either field; both fields, if one of them starts with *
    ROBFIG = auto()  # a day that matches either field; both fields, if one is * or ?. Unlike Debian, "*/2" is neither
    BOTH = auto()  # a day that matches both fields
    ONE = auto()  # the expression must have ? in exactly one of the fields


@dataclass(frozen=True)
class Dialect:
    """One way to write cron.

    ``name`` is what messages call it, ``fields`` are in the order they are written, ``rules`` says whether the
    dialect has ``L``, ``W`` and ``#``, and ``open_steps`` whether it has steps from one value, such as ``5/15``.
    """

    name: str
    fields: tuple[Field, ...]
    join: DayJoin = DayJoin.DEBIAN
    rules: bool = True
    open_steps: bool = True

    def read(self, texts: Sequence[str], *, key: Key | None = None) -> Cron:
        """Read an expression from the texts of its fields. *key* decides the value of ``H``.

        Raises:
            InvalidExpression: the number of fields is wrong, a field does not parse, or no date can ever match.
        """
        if len(texts) != len(self.fields):
            refuse_count(" ".join(texts), len(texts), f"{len(self.fields)}: {self.order}")
        if self.join is DayJoin.ONE:
            self._check_question_marks(texts)
        readings = [self._reading(field, text, key) for field, text in zip(self.fields, texts, strict=True)]
        cron = self._cron(dict(zip((field.name for field in self.fields), readings, strict=True)))
        if first_match(cron) is None:
            self._refuse_never(cron, texts)
        return cron

    def _reading(self, field: Field, text: str, key: Key | None) -> Reading:
        for term in text.split(",") if not self.open_steps else ():
            if stepped := OPEN_STEP.fullmatch(term):
                meant = f"{stepped['first']}-{field.high}/{stepped['step']}"
                field.refuse(term, f"{meant}, if that is meant: {self.name} takes a step after * or a range")
        reading = read_field(field, text, key=key)
        if not self.rules and (reading.rules or "L" in text.upper().split(",")):
            field.refuse(text, f"no L, W or #: {self.name} does not have them")
        return reading

    @property
    def order(self) -> str:
        """The names of the fields in order, for messages."""
        return " ".join(field.name for field in self.fields)

    def _cron(self, readings: dict[str, Reading]) -> Cron:
        values = {field.name: expand(field, readings[field.name]) for field in self.fields}
        day, weekday = readings["day_of_month"], readings["day_of_week"]
        year = readings.get("year")
        return Cron(
            seconds=values.get("second", (0,)),
            minutes=values["minute"],
            hours=values["hour"],
            days=values["day_of_month"],
            months=values["month"],
            weekdays=values["day_of_week"],
            years=None if year is None or is_whole(YEAR, year.spans) else values["year"],
            day_rules=day.rules,
            weekday_rules=weekday.rules,
            either=self._either(day, weekday),
            fixed=not (readings["minute"].starred or readings["hour"].starred),
        )

    def _either(self, day: Reading, weekday: Reading) -> bool:
        if self.join is DayJoin.DEBIAN:
            return not (day.starred or weekday.starred)
        if self.join is DayJoin.ROBFIG:
            every_day = day.starred and is_whole(DAY_OF_MONTH, day.spans[:1])
            every_weekday = weekday.starred and is_whole(DAY_OF_WEEK, weekday.spans[:1])
            return not (every_day or every_weekday)
        return False

    def _check_question_marks(self, texts: Sequence[str]) -> None:
        named = {field.name: text for field, text in zip(self.fields, texts, strict=True)}
        day, weekday = named["day_of_month"], named["day_of_week"]
        if (day == "?") == (weekday == "?"):
            raise InvalidExpression(
                field="day_of_week" if day != "?" else "day_of_month",
                given=shorten(f"{day} {weekday}"),
                allowed="? in exactly one of day_of_month and day_of_week",
            )

    def _refuse_never(self, cron: Cron, texts: Sequence[str]) -> NoReturn:
        """Raise an error that names the field which keeps the expression from ever matching."""
        named = {field.name: text for field, text in zip(self.fields, texts, strict=True)}
        if first_match(replace(cron, years=None)) is not None:
            field, allowed = "year", "a year in which that date exists"
        else:
            field, allowed = "day_of_month", "a day that the given months have"
        raise InvalidExpression(
            field=field,
            given=f"{named[field]!r}, so it can never match",
            allowed=allowed,
            code=RejectionCode.NEVER_MATCHES,
        )


def refuse_count(text: str, count: int, allowed: str) -> NoReturn:
    raise InvalidExpression(
        field="expression", given=f"{count} field{'s' if count != 1 else ''} in {shorten(text)}", allowed=allowed
    )


UNIX = Dialect("Unix cron", (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK))
WITH_SECONDS = Dialect("cron with seconds first", (SECOND, *UNIX.fields))
WITH_YEAR = Dialect("cron with seconds first and year last", (*WITH_SECONDS.fields, YEAR))
EVENTBRIDGE = Dialect("EventBridge cron()", (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK_FROM_1, YEAR), DayJoin.ONE)

# Dialects that only ``convert`` and ``import`` read.
QUARTZ = Dialect("Quartz", (SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK_FROM_1), DayJoin.ONE)
QUARTZ_WITH_YEAR = Dialect("Quartz", (*QUARTZ.fields, YEAR), DayJoin.ONE)
KUBERNETES = Dialect("Kubernetes", (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK_TO_6), DayJoin.ROBFIG, rules=False)
CELERY = Dialect("Celery", KUBERNETES.fields, DayJoin.BOTH, rules=False, open_steps=False)
SPRING = Dialect("Spring", WITH_SECONDS.fields, DayJoin.BOTH)
JENKINS = Dialect("Jenkins", UNIX.fields, DayJoin.BOTH, rules=False, open_steps=False)
FUGIT = Dialect("fugit", UNIX.fields, DayJoin.ROBFIG)
FUGIT_WITH_SECONDS = Dialect("fugit", WITH_SECONDS.fields, DayJoin.ROBFIG)
