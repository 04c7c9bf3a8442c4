"""The grammar of one cron field. croniter expands the steps of the plain spans that this module produces.

This module checks every term and rewrites it as spans ``first-last/step`` with ``first <= last``. croniter misreads
some terms, so it never gets them: ``5-5`` (croniter reads every value), wrap-around ranges, ``R``, ``H``, ``?``, ``L``
and ``W``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, NoReturn, TypeAlias

from eventcron.errors import InvalidExpression
from eventcron.model.names import Key
from eventcron.timing.hashing import stable_hash

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

#: The years that EventBridge's cron() accepts. Eventcron uses the same bounds everywhere.
FIRST_YEAR, LAST_YEAR = 1970, 2199

#: ``H`` alone chooses a day of the month up to this one, which every month has.
_LAST_COMMON_DAY = 28


class LastDay(NamedTuple):
    """``L``, ``L-3`` (three days before the last), ``LW`` (the last Monday to Friday), ``L-3W``."""

    before: int = 0
    weekday: bool = False


class NearestWeekday(NamedTuple):
    """``15W``: the Monday to Friday nearest to the 15th, within its month."""

    day: int


class NthWeekday(NamedTuple):
    """``MON#2`` and ``5L``. ``weekday`` counts from Sunday = 0; ``nth`` is 1-5, or -1 for the month's last."""

    weekday: int
    nth: int


DayRule: TypeAlias = LastDay | NearestWeekday | NthWeekday


class Span(NamedTuple):
    """``first``, ``first + step``, … up to ``last``, in the field's own numbers."""

    first: int
    last: int
    step: int = 1


def runs(values: Sequence[int]) -> list[tuple[int, int]]:
    """The first and the last of each run of consecutive numbers in *values*, which ascend.

    >>> runs((0, 1, 2, 5))
    [(0, 2), (5, 5)]
    """
    found: list[tuple[int, int]] = []
    for value in values:
        if found and value == found[-1][1] + 1:
            found[-1] = (found[-1][0], value)
        else:
            found.append((value, value))
    return found


class Reading(NamedTuple):
    """The content of one field. ``starred``: its text starts with ``*`` or is ``?``, which Debian calls a wildcard."""

    starred: bool
    spans: tuple[Span, ...]
    rules: tuple[DayRule, ...] = ()


class Field(NamedTuple):
    """One position of an expression. ``sunday`` is the number for Sunday in a day-of-week field."""

    name: str
    low: int
    high: int
    names: Mapping[str, int] = {}
    sunday: int = 0

    @property
    def cycle(self) -> int:
        """The number of distinct values. In a day-of-week field, 0 and 7 are the same Sunday."""
        return 7 if self.name == "day_of_week" else self.high - self.low + 1

    @property
    def allowed(self) -> str:
        numbers = f"{self.low}-{self.high}"
        if self.names:
            first, last = min(self.names, key=self.names.__getitem__), max(self.names, key=self.names.__getitem__)
            return f"{numbers} or {first}-{last}"
        return numbers

    @property
    def grammar(self) -> str:
        forms = f"{self.allowed}, *, lists a,b, ranges a-b, steps */n, a/n and a-b/n, H"
        if self.name == "day_of_month":
            forms += ", L, L-3, LW, 15W"
        if self.name == "day_of_week":
            forms += ", L, 5L, MON#2"
        return forms

    def refuse(self, given: str, allowed: str | None = None) -> NoReturn:
        """Raise ``InvalidExpression`` for this field. Without *allowed*, the error lists the field's whole grammar."""
        raise InvalidExpression(field=self.name, given=shorten(given), allowed=allowed or self.grammar)


def shorten(text: str) -> str:
    """Return *text* in quotes, cut to 60 characters."""
    return repr(text) if len(text) <= 60 else repr(text[:57]) + "…"  # noqa: PLR2004  a line of a terminal


def weekday_names(sunday: int) -> dict[str, int]:
    return {name: position + sunday for position, name in enumerate(WEEKDAYS)}


SECOND = Field("second", 0, 59)
MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY_OF_MONTH = Field("day_of_month", 1, 31)
MONTH = Field("month", 1, 12, {name: position for position, name in enumerate(MONTHS, 1)})
#: Unix: 0 and 7 are Sunday.
DAY_OF_WEEK = Field("day_of_week", 0, 7, weekday_names(0))
#: Kubernetes and Celery: 0 is Sunday, 7 is invalid.
DAY_OF_WEEK_TO_6 = Field("day_of_week", 0, 6, weekday_names(0))
#: EventBridge and Quartz: 1 is Sunday.
DAY_OF_WEEK_FROM_1 = Field("day_of_week", 1, 7, weekday_names(1), 1)
YEAR = Field("year", FIRST_YEAR, LAST_YEAR)

#: Significant digits that are read. No field has a number with as many, and reading a long number takes long.
_MAX_DIGITS = 9

_VALUE = r"(?:[0-9]+|[A-Z]{3})"
_PLAIN = re.compile(rf"(?P<first>\*|{_VALUE})(?:-(?P<last>{_VALUE}))?(?:/(?P<step>[0-9]+))?")
_HASHED = re.compile(rf"H(?:\((?P<first>{_VALUE})-(?P<last>{_VALUE})\))?(?:/(?P<step>[0-9]+))?")
_LAST_DAY = re.compile(r"L(?:-(?P<before>[0-9]+))?(?P<weekday>W)?")
_NEAREST = re.compile(r"(?P<day>[0-9]+)W")
_NTH = re.compile(rf"(?P<weekday>{_VALUE})(?:#(?P<nth>[0-9]+)|L)")


def read_field(field: Field, text: str, *, key: Key | None) -> Reading:
    """Read *text* as the given field. *key* decides the value of ``H``.

    Raises:
        InvalidExpression: a term does not parse; the error names the field, the term and what the field accepts.
    """
    spans: list[Span] = []
    rules: list[DayRule] = []
    if text == "?":
        if field.name not in {"day_of_month", "day_of_week"}:
            field.refuse(text)
        return Reading(starred=True, spans=(_whole(field),))
    for term in dict.fromkeys(text.upper().split(",")):
        if term.isdigit():
            number = _number(field, term)
            spans.append(Span(number, number))
        elif (rule := _rule(field, term)) is not None:
            rules.append(rule)
        elif term.startswith("H"):
            spans.append(_hashed(field, term, key))
        else:
            spans.extend(_plain(field, term))
    return Reading(text.startswith("*"), tuple(spans), tuple(rules))


def _plain(field: Field, term: str) -> Iterable[Span]:
    if term == "L" and field.name == "day_of_week":
        term = "SAT"  # Quartz and EventBridge: L alone is the last day of the week
    matched = _PLAIN.fullmatch(term)
    if matched is None:
        short = re.sub(r"[A-Z]{4,}", lambda word: word[0][:3], term)
        named = short != term and set(re.findall(r"[A-Z]{3,}", short)) <= field.names.keys()
        field.refuse(term, f"three-letter names: {short}" if named else None)
    step = _step(field, matched["step"])
    if matched["first"] == "*":
        if matched["last"] is not None:
            field.refuse(term)
        return [Span(field.low, field.high, step)]
    first = _number(field, matched["first"])
    if matched["last"] is not None:
        return _range(field, first, _number(field, matched["last"]), step, term)
    # FreeBSD's cron, cronsim and Quartz: "5/15" runs from 5 to the end of the field.
    return [Span(first, first if matched["step"] is None else field.high, step)]


def _range(field: Field, first: int, last: int, step: int, term: str) -> list[Span]:
    """Return one span, or two if the range wraps around: ``22-2`` is 22, 23, 0, 1, 2."""
    if first <= last:
        return [Span(first, last, step)]
    if field is YEAR:
        field.refuse(term, "the earlier year first")
    first = first - field.cycle if first >= field.low + field.cycle else first  # 7-2 is Sunday to Tuesday
    if first <= last:
        return [Span(first, last, step)]
    top = field.low + field.cycle - 1
    beyond = first + (top - first) // step * step + step - field.cycle
    return [Span(first, top, step)] + ([Span(beyond, last, step)] if beyond <= last else [])


def _hashed(field: Field, term: str, key: Key | None) -> Span:
    """Return the span of a hashed term.

    ``H`` is one value of the field. ``H/15`` is every 15th, from a value below 15. The hash includes the field's name,
    so that ``H H`` does not give the same number twice.
    """
    matched = _HASHED.fullmatch(term)
    if matched is None:
        field.refuse(term)
    if key is None:
        field.refuse(term, "no H here: its value depends on a schedule's tenant and name")
    if field is YEAR:
        field.refuse(term, "no H in the year field")
    if matched["first"] is None:
        first, last = field.low, field.low + field.cycle - 1
        if field.name == "day_of_month" and matched["step"] is None:
            last = _LAST_COMMON_DAY
    else:
        first, last = _number(field, matched["first"]), _number(field, matched["last"])
    if first > last:
        field.refuse(term, "the smaller value first in H(a-b)")
    hashed = stable_hash(key, purpose=field.name.encode())
    size = last - first + 1
    if matched["step"] is None:
        return Span(first + hashed % size, first + hashed % size)
    step = _step(field, matched["step"])
    return Span(first + hashed % min(step, size), last, step)


def _rule(field: Field, term: str) -> DayRule | None:
    """Return the day rule that *term* stands for, such as ``L``, or None if *term* is plain numbers."""
    if field.name == "day_of_month":
        if matched := _LAST_DAY.fullmatch(term):
            return _last_day(field, matched)
        if matched := _NEAREST.fullmatch(term):
            return NearestWeekday(_number(field, matched["day"]))
    if field.name == "day_of_week" and (matched := _NTH.fullmatch(term)):
        weekday = (_number(field, matched["weekday"]) - field.sunday) % 7
        nth = -1 if matched["nth"] is None else number_of(matched["nth"])
        if nth not in {-1, 1, 2, 3, 4, 5}:
            field.refuse(term, "#1 to #5")
        return NthWeekday(weekday, nth)
    return None


def _last_day(field: Field, matched: re.Match[str]) -> LastDay:
    before = number_of(matched["before"] or "0")
    if before >= field.high:
        field.refuse(matched[0], "L-0 to L-30")
    return LastDay(before, matched["weekday"] is not None)


def _number(field: Field, text: str) -> int:
    if not text[0].isdigit():
        if text not in field.names:
            field.refuse(text)
        return field.names[text]
    number = int(text) if len(text) <= _MAX_DIGITS else number_of(text)
    if not field.low <= number <= field.high:
        field.refuse(text, field.allowed)
    return number


def number_of(digits: str) -> int:
    """Return the number that *digits* spell, however many zeros lead it. Numbers of over nine digits are all alike.

    >>> number_of("0000000059"), number_of("9" * 200) == number_of("8" * 100)
    (59, True)
    """
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _MAX_DIGITS else 10**_MAX_DIGITS


def _step(field: Field, text: str | None) -> int:
    if text is None:
        return 1
    step = int(text) if len(text) <= _MAX_DIGITS else number_of(text)
    if step == 0:
        field.refuse(f"/{text}", "a step of at least 1")
    return step


def _whole(field: Field) -> Span:
    return Span(field.low, field.high)


def is_whole(field: Field, spans: Sequence[Span]) -> bool:
    """Whether one of the spans covers the whole field, as ``*`` does."""
    return any(span.step == 1 and span.last - span.first + 1 >= field.cycle for span in spans)


def expand(field: Field, reading: Reading) -> tuple[int, ...]:
    """Return the sorted numbers of *reading*. Days of the week count from Sunday = 0."""
    if is_whole(field, reading.spans):
        return tuple(range(field.low - field.sunday, field.low - field.sunday + field.cycle))
    values = set[int]()
    for span in reading.spans:
        if span.first + span.step > span.last:
            values.add(span.first)
        else:
            values.update(_numbers(field, span))
    if field.name == "day_of_week":
        values = {(value - field.sunday) % 7 for value in values}
    return tuple(sorted(values))


def _numbers(field: Field, span: Span) -> Iterable[int]:
    """The numbers of *span*. croniter is asked for steps only, and has no year.

    croniter expands the steps from the field's lowest number on. A span has the same steps from its own first number.
    """
    if field is YEAR or span.step == 1:
        return range(span.first, span.last + 1, span.step)
    low = 0 if field.name == "day_of_week" else field.low  # croniter takes 7 for 0
    return [
        span.first + number - low
        for number in _by_croniter(span.step)[field.name]
        if number - low <= span.last - span.first
    ]


@lru_cache(maxsize=64)  # each takes croniter 200 microseconds; no field has a longer step than 59
def _by_croniter(step: int) -> dict[str, list[int]]:
    """The numbers that a step leaves of each field, from the lowest on."""
    from croniter import croniter  # noqa: PLC0415  takes 40 ms to import, and the planner never parses expressions

    asked = {field.name: field for field in (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK_TO_6, SECOND)}
    texts = [
        f"{field.low}-{field.high}/{step}" if field.low + step <= field.high else str(field.low)
        for field in asked.values()
    ]
    numbers, _ = croniter.expand(" ".join(texts))
    return {name: [int(number) for number in found] for name, found in zip(asked, numbers, strict=True)}
