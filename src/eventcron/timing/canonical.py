"""Triggers as one line of text. Triggers that mean the same have the same text.

The index stores this text, and the planner's memo uses it as its key. An example is
``1;Europe/Oslo;shift,once;f& 0 30 2 * * * *;x 2026-12-24``: format version, zone, daylight-saving policy, items,
exclusions. An item has one of four forms:

- seven cron fields as sorted numbers, after ``f`` (fixed time) or ``w`` (wildcard) and ``&`` or ``|``, which says how
  the two day fields combine;
- ``r period phase``, both in milliseconds;
- ``a local-time``, in milliseconds;
- ``m``, manual.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import DaylightSaving
from eventcron.timing.cron import Cron
from eventcron.timing.exclusions import Exclusion, parse_dates, read_exclusions
from eventcron.timing.expression import At, Item, Manual, Rate
from eventcron.timing.fields import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    YEAR,
    DayRule,
    Field,
    LastDay,
    NearestWeekday,
    is_whole,
    read_field,
    runs,
    shorten,
)

_VERSION = "1"
_MANUAL = "m"
#: The fields of a cron expression in their order.
_FIELDS = (SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, YEAR)
#: Fields that stay in memory as they were read: most triggers differ in the combination of their fields only. Each is
#: a kilobyte or two at most.
_KNOWN_FIELDS = 2_048


class Parts(NamedTuple):
    """The parts of a canonical text."""

    zone: str
    policy: DaylightSaving
    items: tuple[Item, ...]
    exclusions: tuple[Exclusion, ...]


def encode(parts: Parts) -> str:
    """Return *parts* as canonical text.

    The text leaves out whatever does not change the occurrences, so that more schedules share one trigger.
    """
    zone, policy, items, exclusions = parts
    if Manual() in items:
        exclusions = ()
    if not exclusions and all(isinstance(item, Rate | Manual) for item in items):
        zone = "UTC"
    if zone == "UTC" or not any(isinstance(item, At) or (isinstance(item, Cron) and item.fixed) for item in items):
        policy = DaylightSaving()
    texts = sorted({_item(item) for item in items})
    return ";".join([_VERSION, zone, f"{policy.gap},{policy.overlap}", *texts, *map(_exclusion, exclusions)])


def decode(text: str) -> Parts:
    """Return the parts that ``encode`` wrote as *text*.

    Raises:
        InvalidSchedule: *text* is not in this version of the format.
    """
    try:
        return _decode(text)
    except ValueError:
        allowed = f"the canonical text of a trigger, version {_VERSION}"
        raise InvalidSchedule(
            RejectionCode.INVALID_TRIGGER, field="trigger", given=shorten(text), allowed=allowed
        ) from None


def _decode(text: str) -> Parts:
    version, zone, policy, *rest = text.split(";")
    if version != _VERSION:
        raise ValueError(version)
    gap, overlap = policy.split(",")
    items = tuple(_read_item(part) for part in rest if not part.startswith("x "))
    exclusions = tuple(_read_exclusion(part[2:]) for part in rest if part.startswith("x "))
    return Parts(zone, DaylightSaving(gap=gap, overlap=overlap), items, exclusions)  # type: ignore[arg-type]  # ours


def render(values: Sequence[int], field: Field) -> str:
    """Return sorted numbers as a list of ranges, or ``*`` for all values of *field*.

    >>> render((0, 1, 2, 5), MINUTE)
    '0-2,5'
    """
    if len(values) == field.cycle:
        return "*"
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs(values))


def render_rule(rule: DayRule) -> str:
    """Return a day rule in cron notation. Days of the week count from Sunday = 0."""
    if isinstance(rule, LastDay):
        return "L" + (f"-{rule.before}" if rule.before else "") + ("W" if rule.weekday else "")
    if isinstance(rule, NearestWeekday):
        return f"{rule.day}W"
    return f"{rule.weekday}L" if rule.nth == -1 else f"{rule.weekday}#{rule.nth}"


def _item(item: Item) -> str:
    if isinstance(item, Rate):
        return f"r {item.period} {item.phase}"
    if isinstance(item, At):
        return f"a {item.local}"
    if isinstance(item, Manual):
        return _MANUAL
    flags = ("f" if item.fixed else "w") + ("|" if item.either else "&")
    fields = (
        render(item.seconds, SECOND),
        render(item.minutes, MINUTE),
        render(item.hours, HOUR),
        _days(item.days, DAY_OF_MONTH, item.day_rules),
        render(item.months, MONTH),
        _days(item.weekdays, DAY_OF_WEEK, item.weekday_rules),
        "*" if item.years is None else render(item.years, YEAR),
    )
    return " ".join((flags, *fields))


def _days(values: Sequence[int], field: Field, rules: Sequence[DayRule]) -> str:
    numbers = render(values, field)
    if numbers == "*":
        return numbers
    return ",".join([*([numbers] if numbers else []), *sorted({render_rule(rule) for rule in rules})])


#: How an item with cron fields begins: fixed or wildcard, and how the two day fields combine.
_CRONS = frozenset({"f&", "f|", "w&", "w|"})


def _read_item(text: str) -> Item:
    if text == _MANUAL:
        return Manual()
    kind, *fields = text.split(" ")
    if kind == "r":
        period, phase = map(int, fields)
        return Rate(period, phase)
    if kind == "a":
        (local,) = map(int, fields)
        return At(local)
    if kind not in _CRONS or len(fields) != len(_FIELDS):
        raise ValueError(text)
    seconds, minutes, hours, days, months, weekdays, years = map(_read_field, range(len(_FIELDS)), fields)
    return Cron(
        seconds=seconds.numbers,
        minutes=minutes.numbers,
        hours=hours.numbers,
        days=days.numbers,
        months=months.numbers,
        weekdays=weekdays.numbers,
        years=None if fields[-1] == "*" else years.numbers,
        day_rules=days.rules,
        weekday_rules=weekdays.rules,
        either=kind[1] == "|",
        fixed=kind[0] == "f",
    )


class _Numbers(NamedTuple):
    numbers: tuple[int, ...]
    rules: tuple[DayRule, ...]


@lru_cache(maxsize=_KNOWN_FIELDS)
def _read_field(position: int, text: str) -> _Numbers:
    """What *text* says in the field at that *position*."""
    field = _FIELDS[position]
    reading = read_field(field, text, key=None)
    if is_whole(field, reading.spans):
        return _Numbers(tuple(range(field.low, field.low + field.cycle)), ())
    return _Numbers(
        tuple(number for span in reading.spans for number in range(span.first, span.last + 1)), reading.rules
    )


def _exclusion(exclusion: Exclusion) -> str:
    if exclusion.entry.startswith("calendar:"):
        return f"x {exclusion.entry} " + " ".join(map(str, exclusion.spans))
    return f"x {exclusion.entry}"


def _read_exclusion(text: str) -> Exclusion:
    if text.startswith("calendar:"):
        entry, *spans = text.split(" ")
        return Exclusion(entry, tuple(parse_dates(span) for span in spans if span))
    return read_exclusions([text])[0]
