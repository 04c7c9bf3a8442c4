"""Reads and writes systemd's calendar events, such as ``Mon..Fri *-*-* 09:00 Europe/Oslo``: OnCalendar= of a timer.

The grammar is that of systemd.time(7). A day has to match the weekdays and the date.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from eventcron.errors import InvalidExpression
from eventcron.model.codes import RejectionCode, RequestCode
from eventcron.timing.canonical import render_rule
from eventcron.timing.cron import EVERY_SECOND, Cron, first_match
from eventcron.timing.expression import MANUAL, At, Item, Manual, Rate
from eventcron.timing.fields import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    FIRST_YEAR,
    HOUR,
    LAST_YEAR,
    MINUTE,
    MONTH,
    SECOND,
    WEEKDAYS,
    YEAR,
    Field,
    LastDay,
    NthWeekday,
    number_of,
    runs,
    shorten,
)

_SHORTHANDS = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
    "annualy": "*-01-01 00:00:00",  # systemd takes the misspelling too
    "anually": "*-01-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
    "semi-annually": "*-01,07-01 00:00:00",
    "biannually": "*-01,07-01 00:00:00",
    "bi-annually": "*-01,07-01 00:00:00",
}
_LONG_WEEKDAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
_DAYS_A_WEEK = 7
_WEEKDAY = re.compile(r"[A-Za-z]{3,9}(?:(?:\.\.|-|,)[A-Za-z]{3,9})*,?")
_DATE = re.compile(r"(?:(?P<year>[0-9*,./]+)-)?(?P<month>[0-9*,./]+)(?P<from>[-~])(?P<day>[0-9*,./]+)")
_TIME = re.compile(r"(?P<hour>[0-9*,./]+):(?P<minute>[0-9*,./]+)(?::(?P<second>[0-9*,./]+))?")
_TERM = re.compile(r"(?P<first>[0-9]+)(?:\.\.(?P<last>[0-9]+))?(?:/(?P<step>[0-9]+))?")
_TIMESTAMP = re.compile(r"@(?P<seconds>[0-9]{1,11})")
#: systemd takes years of two digits: those before 70 are of this century.
_CENTURY = ((70, 2000), (100, 1900))


class CalendarEvent(NamedTuple):
    """What a calendar event says: when, and in which zone; None if it is the host's."""

    item: Item
    timezone: str | None


def read_calendar_event(text: str) -> CalendarEvent:
    """Read *text*, which is a calendar event of systemd.

    Raises:
        InvalidExpression: *text* is none, can never match, or names fractions of a second.
    """
    parts = text.split()
    zone = _zone(parts.pop()) if len(parts) > 1 and _is_zone(parts[-1]) else None
    if len(parts) == 1 and (timestamp := _TIMESTAMP.fullmatch(parts[0])):
        moment = datetime.fromtimestamp(int(timestamp["seconds"]), UTC)
        if moment.year > LAST_YEAR:
            raise InvalidExpression(field="year", given=shorten(text), allowed=f"a year {FIRST_YEAR}-{LAST_YEAR}")
        return CalendarEvent(At(int(timestamp["seconds"]) * 1000), "UTC")
    if len(parts) == 1:
        parts = _SHORTHANDS.get(parts[0].lower(), parts[0]).split()
    weekday, date, time = _parted(parts, text)
    cron = _cron(weekday, date, time)
    if weekday is None and (once := _once(cron)) is not None:
        return CalendarEvent(once, zone)
    if first_match(cron) is None:
        raise InvalidExpression(
            field="day_of_month", given=f"{shorten(text)}, so it can never match", allowed="a date that comes",
            code=RejectionCode.NEVER_MATCHES,
        )  # fmt: skip
    return CalendarEvent(cron, zone)


def write_calendar_event(item: Item) -> str:
    """Return *item* as a calendar event.

    Raises:
        InvalidExpression: systemd cannot say it; the code is ``cannot_convert``.
    """
    if isinstance(item, At):
        if item.local % 1000:
            raise _refusal(
                f"{item.local % 1000} milliseconds", "systemd's calendar events are written in whole seconds here"
            )
        return f"{datetime.fromtimestamp(item.local // 1000, UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(item, Rate):
        raise _refusal("rate()", "systemd counts intervals by OnUnitActiveSec=, from the last start of the unit")
    if isinstance(item, Manual):
        raise _refusal(MANUAL, "systemd has no calendar event that never elapses; start the unit by hand")
    if item.either:
        raise _refusal("both day fields", "systemd requires a day to match weekday and date; it cannot accept either")
    weekdays, days = _weekdays_and_days(item)
    year = "*" if item.years is None else _terms(item.years, YEAR)
    date = f"{year}-{_terms(item.months, MONTH)}{days}"
    time = ":".join(_terms(values, field) for values, field in _clock(item))
    return " ".join([*([weekdays] if weekdays else []), date, time])


def _clock(cron: Cron) -> Sequence[tuple[Sequence[int], Field]]:
    return (cron.hours, HOUR), (cron.minutes, MINUTE), (cron.seconds, SECOND)


def _weekdays_and_days(cron: Cron) -> tuple[str, str]:
    """The weekdays, "" for all, and the days of the month behind their ``-`` or ``~``."""
    if cron.weekday_rules:
        return _nth_weekdays(cron)
    weekdays = "" if len(cron.weekdays) == DAY_OF_WEEK.cycle else _named(cron.weekdays)
    if not cron.day_rules:
        return weekdays, "-" + _terms(cron.days, DAY_OF_MONTH)
    before = [rule.before for rule in cron.day_rules if isinstance(rule, LastDay) and not rule.weekday]
    if cron.days or len(before) < len(cron.day_rules):
        given = ",".join(map(render_rule, cron.day_rules))
        raise _refusal(given, "systemd counts days from the start or from the end of a month, and knows no W")
    return weekdays, "~" + _terms(sorted(number + 1 for number in before), DAY_OF_MONTH)


def _nth_weekdays(cron: Cron) -> tuple[str, str]:
    """``MON#1`` is a Monday in the days 1 to 7, and ``1L`` one in the last seven."""
    rules = {(rule.weekday, rule.nth) for rule in cron.weekday_rules if isinstance(rule, NthWeekday)}
    weekdays, weeks = sorted({weekday for weekday, _ in rules}), sorted({nth for _, nth in rules})
    last = weeks == [-1]
    if (
        cron.weekdays
        or len(cron.days) != DAY_OF_MONTH.cycle
        or len(rules) != len(weekdays) * len(weeks)
        or (-1 in weeks and not last)
    ):
        given = ",".join(map(render_rule, cron.weekday_rules))
        raise _refusal(given, "systemd says it only for the same weeks of each weekday, and with no other day")
    if last:
        return _named(weekdays), "~07/1"
    days = [day for nth in weeks for day in range(7 * nth - 6, min(7 * nth, DAY_OF_MONTH.high) + 1)]
    return _named(weekdays), "-" + _terms(days, DAY_OF_MONTH)


def _named(weekdays: Sequence[int]) -> str:
    """Weekdays by name, Monday first."""
    positions = sorted((weekday - 1) % _DAYS_A_WEEK for weekday in weekdays)
    names = [WEEKDAYS[(position + 1) % _DAYS_A_WEEK].capitalize() for position in range(_DAYS_A_WEEK)]
    return ",".join(
        names[first] if first == last else f"{names[first]}..{names[last]}" for first, last in runs(positions)
    )


def _terms(values: Sequence[int], field: Field) -> str:
    """Sorted numbers as ``*``, ``a/n``, ``a..b/n`` or a list of ranges."""
    if len(values) == field.cycle:
        return "*"
    steps = {later - earlier for earlier, later in pairwise(values)}
    if len(values) > 2 and len(steps) == 1 and steps != {1}:  # noqa: PLR2004  two are shorter as a list
        (step,) = steps
        last = "" if values[-1] + step > field.low + field.cycle - 1 else f"..{values[-1]:02}"
        return f"{values[0]:02}{last}/{step}"
    return ",".join(f"{first:02}" if first == last else f"{first:02}..{last:02}" for first, last in runs(values))


def _refusal(given: str, reason: str) -> InvalidExpression:
    return InvalidExpression(field="expression", given=given, allowed=reason, code=RequestCode.CANNOT_CONVERT)


def _once(cron: Cron) -> At | None:
    """The instant of a date and a time that come once; None if they do not."""
    parts = (cron.years or (), cron.months, cron.days, cron.hours, cron.minutes, cron.seconds)
    if any(len(part) != 1 for part in parts) or cron.day_rules:
        return None
    try:
        moment = datetime(*(part[0] for part in parts), tzinfo=UTC)  # type: ignore[misc, arg-type]  # six numbers
    except ValueError:  # such as 31 April: it never comes
        return None
    return At(int(moment.timestamp()) * 1000)


def _is_zone(part: str) -> bool:
    return part.upper() == "UTC" or bool(re.fullmatch(r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+", part))


def _zone(part: str) -> str:
    """The zone's name. systemd takes ``UTC`` in any case."""
    return "UTC" if part.upper() == "UTC" else part


def _parted(parts: Sequence[str], text: str) -> tuple[str | None, re.Match[str] | None, re.Match[str] | None]:
    """Return the weekdays, the date and the time, which stand in this order; each may be missing, but not all."""
    left = list(parts)
    weekday = left.pop(0) if left and _WEEKDAY.fullmatch(left[0]) else None
    date = _DATE.fullmatch(left[0]) if left else None
    if date is not None:
        left.pop(0)
    time = _TIME.fullmatch(left[0]) if left else None
    if time is not None:
        left.pop(0)
    if left or not parts:
        allowed = "weekdays, a date and a time, such as Mon..Fri *-*-* 09:00:00, or daily, weekly, …"
        raise InvalidExpression(field="expression", given=shorten(text), allowed=allowed)
    return weekday, date, time


def _cron(weekday: str | None, date: re.Match[str] | None, time: re.Match[str] | None) -> Cron:
    hour, minute, second = time.group("hour", "minute", "second") if time else ("0", "0", "0")
    if "." in (second or "").replace("..", ""):
        raise InvalidExpression(field="second", given=shorten(second or ""), allowed="whole seconds")
    year = "*" if date is None or date["year"] is None else date["year"]
    day = "*" if date is None else date["day"]
    from_the_end = date is not None and date["from"] == "~" and day != "*"
    counted = _numbers(DAY_OF_MONTH, day, down=from_the_end)
    return Cron(
        seconds=_numbers(SECOND, second or "0"),
        minutes=_numbers(MINUTE, minute),
        hours=_numbers(HOUR, hour),
        days=() if from_the_end else counted,
        months=EVERY_SECOND.months if date is None else _numbers(MONTH, date["month"]),
        weekdays=EVERY_SECOND.weekdays if weekday is None else _weekdays(weekday),
        years=None if year == "*" else _years(year),
        day_rules=tuple(LastDay(number - 1) for number in counted) if from_the_end else (),
        fixed=not (hour.startswith("*") or minute.startswith("*")),
    )


def _numbers(field: Field, text: str, *, down: bool = False) -> tuple[int, ...]:
    """Return the sorted numbers of a component. *down*: they count from the end of the month; ``7/1`` goes to it."""
    if text == "*":
        return tuple(range(field.low, field.high + 1))
    return tuple(sorted({number for term in text.split(",") for number in _term(field, term, down=down)}))


def _term(field: Field, term: str, *, down: bool) -> Sequence[int]:
    matched = _TERM.fullmatch(term)
    if matched is None:
        field.refuse(term, f"{field.low}-{field.high}, *, lists a,b, ranges a..b, steps a/n and a..b/n")
    first = number_of(matched["first"])
    step = number_of(matched["step"] or "1")
    last = number_of(matched["last"]) if matched["last"] else None
    if down and last is None and matched["step"]:
        values: Sequence[int] = range(first, field.low - 1, -max(step, 1))
    else:
        values = range(
            first, (last if last is not None else field.high if matched["step"] else first) + 1, max(step, 1)
        )
    if not step or not values or min(values) < field.low or max(values) > field.high:
        field.refuse(term, f"{field.low}-{field.high}, the smaller value first, steps of at least 1")
    return values


def _years(text: str) -> tuple[int, ...]:
    def full(found: re.Match[str]) -> str:
        year = int(found[0])
        return str(year + next((century for below, century in _CENTURY if year < below), 0))

    steps = [part.partition("/") for part in text.split(",")]
    spelt = [re.sub("[0-9]{1,9}", full, years) + slash + step for years, slash, step in steps]
    return _numbers(YEAR, ",".join(spelt))


def _weekdays(text: str) -> tuple[int, ...]:
    """Return weekdays from Sunday = 0. A range does not go around the end of the week, which is Sunday."""
    found = set[int]()
    for term in text.rstrip(",").split(","):
        first, *last = re.split(r"\.\.|-", term)
        low, high = _position(first), _position(last[0] if last else first)
        if len(last) > 1 or low > high:
            raise InvalidExpression(field="day_of_week", given=shorten(term), allowed="the earlier day first, from Mon")
        found.update((position + 1) % _DAYS_A_WEEK for position in range(low, high + 1))
    return tuple(sorted(found))


def _position(name: str) -> int:
    """The position of a weekday from Monday = 0."""
    upper = name.upper()
    for number, (short, long) in enumerate(zip(WEEKDAYS, _LONG_WEEKDAYS, strict=True)):
        if upper in {short, long}:
            return (number - 1) % _DAYS_A_WEEK
    raise InvalidExpression(field="day_of_week", given=shorten(name), allowed="Mon, Monday, …")
