"""A second, slow implementation of docs/reference/expressions.md. It steps through every minute or second of a window.

It shares neither code nor approach with the engine. It tests each value against each term, tests days one by one, and
detects clock changes when the wall clock jumps between two steps.
"""

from __future__ import annotations

import calendar
import importlib.resources
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

Predicate = Callable[[int], bool]

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
#: Longer than any overlap: the local time of the window's first second may be a repeated one.
_LOOK_BACK = timedelta(hours=3)


@dataclass(frozen=True)
class Spec:
    """One question to engine and oracle."""

    expression: str
    zone: str = "UTC"
    gap: str = "shift"
    overlap: str = "once"
    exclude: tuple[str, ...] = ()


@dataclass
class Step:
    """One tick of the wall clock: the instant, the local time, whether it is repeated, and the local times skipped."""

    instant: int  # milliseconds
    shown: datetime  # naive
    repeated: bool
    jumped: list[datetime] = field(default_factory=list)


@lru_cache(maxsize=64)
def zone_info(name: str) -> ZoneInfo:
    with importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def steps(zone: str, start: datetime, end: datetime, seconds: int) -> list[Step]:
    """Return every tick of [start, end), naive UTC, one every *seconds*."""
    info = zone_info(zone)
    tick = timedelta(seconds=seconds)
    moment = (start - _LOOK_BACK).replace(tzinfo=UTC)
    finish = end.replace(tzinfo=UTC)
    last: datetime | None = None
    latest: datetime | None = None
    found = []
    while moment < finish:
        shown = moment.astimezone(info).replace(tzinfo=None)
        repeated = latest is not None and shown <= latest
        jumped = []
        if last is not None and shown > last + tick:
            missing = last + tick
            while missing < shown:
                jumped.append(missing)
                missing += tick
        latest = shown if latest is None or shown > latest else latest
        last = shown
        if moment >= start.replace(tzinfo=UTC):
            found.append(Step(round(moment.timestamp()) * 1000, shown, repeated, jumped))
        moment += tick
    return found


class Fields:
    """The fields of an expression, as predicates."""

    def __init__(self, expression: str) -> None:
        text = expression.strip().upper()
        from_one = text.startswith("CRON(")
        parts = text.removeprefix("CRON(").removesuffix(")").split()
        if from_one or len(parts) == 5:
            parts = ["0", *parts]
        if len(parts) == 6:
            parts.append("*")
        self.has_seconds = not from_one and len(expression.split()) >= 6
        self.texts = parts
        self.from_one = from_one
        second, minute, hour, self.day_text, month, self.weekday_text, year = parts
        self.seconds = _set(second, range(60))
        self.minutes = _set(minute, range(60))
        self.hours = _set(hour, range(24))
        self.months = _set(month, range(1, 13), _MONTHS)
        self.years = _set(year, range(1970, 2200))
        self.wildcard = minute[0] == "*" or hour[0] == "*"
        self.both = self.day_text[0] in "*?" or self.weekday_text[0] in "*?"
        self._days: dict[date, bool] = {}

    def match(self, shown: datetime) -> bool:
        return (
            shown.minute in self.minutes
            and shown.hour in self.hours
            and shown.second in self.seconds
            and self.match_date(shown.date())
        )

    def match_minute(self, shown: datetime) -> bool:
        """Whatever the second."""
        return shown.minute in self.minutes and shown.hour in self.hours and self.match_date(shown.date())

    def match_date(self, day: date) -> bool:
        if day not in self._days:
            self._days[day] = day.month in self.months and day.year in self.years and self._match_day(day)
        return self._days[day]

    def _match_day(self, day: date) -> bool:
        by_day = any(_day_term(term, day) for term in self.day_text.split(","))
        by_weekday = any(_weekday_term(term, day, from_one=self.from_one) for term in self.weekday_text.split(","))
        return (by_day and by_weekday) if self.both else (by_day or by_weekday)


def _set(text: str, values: range, names: Iterable[str] = ()) -> frozenset[int]:
    return frozenset(v for v in values if any(_term(term, v, values, list(names)) for term in text.split(",")))


def _term(term: str, value: int, values: range, names: list[str]) -> bool:
    """Whether *value* is in the term. Walk from its first value in steps, around the end of the field if necessary."""
    if term == "?":
        return True
    body, _, step_text = term.partition("/")
    step = int(step_text) if step_text else 1
    first, last = values[0], values[-1]
    if body == "*":
        begin, end = first, last
    elif "-" in body:
        begin, end = (_read(part, names, first) for part in body.split("-"))
    else:
        begin = _read(body, names, first)
        end = last if step_text else begin
    at, size = begin, len(values)
    end = end if begin <= end else end + size
    while at <= end:
        if (at - first) % size + first == value:
            return True
        at += step
    return False


def _read(text: str, names: list[str], first: int) -> int:
    return names.index(text) + first if text in names else int(text)


def _last(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _day_term(term: str, day: date) -> bool:
    if term.startswith("L"):
        before, weekday = term[1:].rstrip("W").lstrip("-") or "0", term.endswith("W")
        target = _last(day) - int(before)
        return day.day == (_nearest(day, target) if weekday else target)
    if term.endswith("W"):
        target = int(term[:-1])
        return target <= _last(day) and day.day == _nearest(day, target)
    return _term(term, day.day, range(1, 32), [])


def _nearest(day: date, target: int) -> int:
    """Try the day itself, then one and two days to either side, the earlier one first."""
    if target < 1:
        return 0
    for distance in (0, -1, 1, -2, 2):
        candidate = target + distance
        if 1 <= candidate <= _last(day) and day.replace(day=candidate).weekday() < 5:
            return candidate
    raise AssertionError("five days in a row have a weekday among them")


def _weekday_term(term: str, day: date, *, from_one: bool) -> bool:
    number = day.isoweekday() % 7  # Sunday = 0
    if term == "L":
        return number == 6
    if term.endswith("L"):
        return _weekday(term[:-1], from_one=from_one) == number and day.day + 7 > _last(day)
    if "#" in term:
        weekday, nth = term.split("#")
        return _weekday(weekday, from_one=from_one) == number and (day.day - 1) // 7 + 1 == int(nth)
    if from_one:
        return _term(_named(term, 1), number + 1, range(1, 8), [])
    term = _named(term, 0)
    body = term.partition("/")[0]
    if "-" in body:
        first, last = (int(part) for part in body.split("-"))
        if first > last:  # around the end of a week of seven days
            wrapped = f"{first % 7}-{last}" + term[len(body) :]
            return _term(wrapped, number, range(7), [])
    return any(_term(term, candidate, range(8), []) for candidate in ((0, 7) if number == 0 else (number,)))


def _named(term: str, first: int) -> str:
    for position, name in enumerate(_DAYS):
        term = term.replace(name, str(position + first))
    return term


def _weekday(text: str, *, from_one: bool) -> int:
    return (int(_named(text, 1)) - 1) % 7 if from_one else int(_named(text, 0)) % 7


class Exclusion:
    def __init__(self, entry: str) -> None:
        self.entry = entry
        self.first = self.last = None
        self.fields = None
        if entry[:4].isdigit() and entry[4:5] == "-":
            first, _, last = entry.partition("/")
            self.first, self.last = date.fromisoformat(first), date.fromisoformat(last or first)
        else:
            self.fields = Fields(entry)

    def covers(self, shown: datetime) -> bool:
        if self.fields is None:
            assert self.first is not None
            assert self.last is not None
            return self.first <= shown.date() <= self.last
        return self.fields.match(shown) if self.fields.has_seconds else self.fields.match_minute(shown)


def occurrences(spec: Spec, ticks: list[Step]) -> list[tuple[int, str | None, str | None]]:
    """Return (instant, reason for a skip or None, excluding entry or None) for every occurrence in *ticks*."""
    fields = Fields(spec.expression)
    exclusions = [Exclusion(entry) for entry in spec.exclude]

    def excluded(shown: datetime) -> str | None:
        return next((exclusion.entry for exclusion in exclusions if exclusion.covers(shown)), None)

    found: list[tuple[int, str | None, str | None]] = []
    minutes, hours = fields.minutes, fields.hours
    for tick in ticks:
        if not tick.jumped and (tick.shown.minute not in minutes or tick.shown.hour not in hours):
            continue
        here = fields.match(tick.shown)
        if here and not fields.wildcard and spec.overlap == "once" and tick.repeated:
            here = False
        lost = [] if fields.wildcard else [shown for shown in tick.jumped if fields.match(shown)]
        if not here and not lost:
            continue
        wanted = [shown for shown in lost if excluded(shown) is None]
        if (here and excluded(tick.shown) is None) or (wanted and spec.gap == "shift"):
            found.append((tick.instant, None, None))
        elif wanted:
            found.append((tick.instant, "daylight_saving_gap", None))
        else:
            found.append((tick.instant, "excluded", excluded(tick.shown) if here else excluded(lost[0])))
    return found
