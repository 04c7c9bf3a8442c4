"""Rewrite an expression in another dialect, or say why that dialect cannot express it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice, pairwise

from eventcron.errors import InvalidExpression
from eventcron.model.codes import RequestCode
from eventcron.model.names import Instant
from eventcron.timing.canonical import render, render_rule
from eventcron.timing.cron import DAY_S, EVERY_SECOND, Cron
from eventcron.timing.expression import MANUAL, UNITS_MS, At, Item, Manual, Rate
from eventcron.timing.fields import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    WEEKDAYS,
    YEAR,
    DayRule,
    Field,
    LastDay,
    NthWeekday,
    shorten,
)
from eventcron.timing.notation import Notation, read
from eventcron.timing.on_calendar import write_calendar_event

#: The last year that Quartz accepts.
_LAST_QUARTZ_YEAR = 2099
#: A conversion is checked over every day of a year, then over the next ten matching days: some expressions match less
#: than once a year.
_COMPARED_DAYS, _COMPARED_MATCHES = 366, 10
#: The arguments of Celery's crontab(), in the order of Unix cron's fields.
_CELERY_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
_DAYS_A_WEEK = 7


def convert(text: str, source: Notation, target: Notation, *, checked_from: Instant) -> str:
    """Return *text*, an expression in *source*, as an expression in *target*.

    ``convert`` reads its own result back and compares both over the year from *checked_from* on. A wildcard stays one,
    and a fixed time too, so that eventcron and Debian's cron do the same with both when the clocks change. Other
    schedulers have their own rules for that, or none.

    Raises:
        InvalidExpression: *text* is not valid in *source*; with code ``cannot_convert``, *target* cannot express it.
    """
    item = read(text, source)
    converted = WRITERS[target](plainest(item) if isinstance(item, Cron) else item)
    again = read(converted, target)
    if target is Notation.SYSTEMD and isinstance(item, Cron) and isinstance(again, Cron):
        again = replace(again, fixed=item.fixed)  # systemd treats wildcards and fixed times alike
    if not same(item, again, checked_from):
        raise _refusal(text, f"in {target}, {converted!r} fires at other times")
    return converted


def plainest(cron: Cron) -> Cron:
    """Return *cron* without the day rules and the OR that do not change its occurrences."""
    every_day, every_weekday = len(cron.days) == DAY_OF_MONTH.cycle, len(cron.weekdays) == DAY_OF_WEEK.cycle
    if cron.either and (every_day or every_weekday):
        return replace(
            cron, days=EVERY_SECOND.days, weekdays=EVERY_SECOND.weekdays, day_rules=(), weekday_rules=(), either=False
        )
    return replace(
        cron,
        day_rules=() if every_day else cron.day_rules,
        weekday_rules=() if every_weekday else cron.weekday_rules,
    )


def write_eventcron(item: Item) -> str:
    """Return *item* as eventcron's own expression.

    Raises:
        InvalidExpression: a day has to match both day fields, and neither of them can start with ``*``.
    """
    if isinstance(item, Rate):
        return _rate(item)
    if isinstance(item, At):
        return _at(item)
    if isinstance(item, Manual):
        return MANUAL
    item = by_week(plainest(item))
    day, weekday = _days(item, star=not item.either), _weekdays(item, star=not item.either)
    if not item.either and "*" not in {day[0], weekday[0]}:
        starred_day, starred_weekday = _starred(item.days, DAY_OF_MONTH), _starred(item.weekdays, DAY_OF_WEEK)
        if starred_day is not None:
            day = _with_rules(starred_day, item.days, item.day_rules)
        elif starred_weekday is not None:
            weekday = _with_rules(starred_weekday, item.weekdays, item.weekday_rules)
        else:
            reason = "bare fields require both days only where a day field starts with *, and so has its first value"
            raise _refusal(f"{day} {weekday}", reason)
    fields = [_clock_fields(item), day, _months(item), weekday]
    if item.seconds != (0,) or item.years is not None:
        fields.insert(0, _seconds(item.seconds))
    if item.years is not None:
        fields.append(_numbers(item.years, YEAR))
    return " ".join(fields)


def by_week(cron: Cron) -> Cron:
    """Return *cron* with ``MON#1`` for a Monday in the days 1-7, and ``MONL`` for one in the last seven days."""
    free_day, free_weekday = len(cron.days) == DAY_OF_MONTH.cycle, len(cron.weekdays) == DAY_OF_WEEK.cycle
    if cron.either or free_day or free_weekday or cron.weekday_rules:
        return cron
    left, weeks = set(cron.days), list[int]()
    for nth, first in enumerate(range(1, DAY_OF_MONTH.high + 1, _DAYS_A_WEEK), 1):
        week = set(range(first, min(first + _DAYS_A_WEEK, DAY_OF_MONTH.high + 1)))
        if week <= left:
            left -= week
            weeks.append(nth)
    if set(cron.day_rules) == {LastDay(before) for before in range(_DAYS_A_WEEK)}:
        weeks.append(-1)
    elif cron.day_rules:
        return cron
    if left or not weeks:
        return cron
    rules = tuple(NthWeekday(weekday, nth) for weekday in cron.weekdays for nth in weeks)
    return replace(cron, days=EVERY_SECOND.days, day_rules=(), weekdays=(), weekday_rules=rules)


def _seconds(values: Sequence[int]) -> str:
    """Return the seconds as Quartz and Spring write them: ``0/30`` rather than ``0,30``."""
    steps = range(values[0], SECOND.high + 1, values[1] - values[0]) if len(values) > 1 else range(0)
    return f"{values[0]}/{steps.step}" if steps.step > 1 and values == tuple(steps) else _numbers(values, SECOND)


def _write_unix(item: Item) -> str:
    cron = _only_cron(item, "Unix cron")
    _no_seconds(cron, "Unix cron")
    _no_years(cron, "Unix cron")
    day, weekday = _days(cron), _weekdays(cron)
    if not cron.either and "*" not in {day[0], weekday[0]}:
        raise _refusal(
            f"{day} {weekday}", "Unix cron fires on a day that matches either day field; it cannot require both"
        )
    if cron.either:
        day, weekday = _days(cron, star=False), _weekdays(cron, star=False)
    return f"{_clock_fields(cron)} {day} {_months(cron)} {weekday}"


def _write_kubernetes(item: Item) -> str:
    if isinstance(item, Rate):
        return f"@every {item.period // 1000}s"
    cron = _only_cron(item, "Kubernetes")
    _no_seconds(cron, "Kubernetes")
    _no_years(cron, "Kubernetes")
    _no_rules(cron, "Kubernetes")
    day, weekday = _days(cron), _weekdays(cron)
    if not cron.either and "*" not in {day, weekday}:
        raise _refusal(
            f"{day} {weekday}", "Kubernetes fires on a day that matches either day field; it cannot require both"
        )
    return f"{_clock_fields(cron)} {day} {_months(cron)} {weekday}"


def _write_celery(item: Item) -> str:
    cron = _only_cron(item, "Celery")
    _no_seconds(cron, "Celery")
    _no_years(cron, "Celery")
    _no_rules(cron, "Celery")
    day, weekday = _days(cron), _weekdays(cron)
    if cron.either:
        raise _refusal(f"{day} {weekday}", "Celery requires both day fields to match; it cannot accept either")
    values = [*_clock_fields(cron).split(), day, _months(cron), weekday]
    return f"crontab({', '.join(f'{name}={value!r}' for name, value in zip(_CELERY_FIELDS, values, strict=True))})"


def _write_eventbridge(item: Item) -> str:
    if isinstance(item, Rate):
        return _eventbridge_rate(item)
    if isinstance(item, At):
        return _eventbridge_at(item)
    if isinstance(item, Manual):
        raise _by_hand("EventBridge")
    _no_seconds(item, "EventBridge")
    if any(isinstance(rule, LastDay) and rule.before for rule in item.day_rules):
        raise _refusal(_days(item), "EventBridge has L and LW, but no days before the last, such as L-3")
    day, weekday = _one_day_field(item, "EventBridge")
    year = "*" if item.years is None else _numbers(item.years, YEAR)
    return f"cron({_clock_fields(item, beyond=False)} {day} {_months(item)} {weekday} {year})"


def _write_quartz(item: Item) -> str:
    cron = _only_cron(item, "Quartz")
    day, weekday = _one_day_field(cron, "Quartz")
    fields = [_numbers(cron.seconds, SECOND), _clock_fields(cron, beyond=False), day, _months(cron), weekday]
    if cron.years is not None:
        if cron.years[-1] > _LAST_QUARTZ_YEAR:
            raise _refusal(str(cron.years[-1]), f"Quartz accepts no year after {_LAST_QUARTZ_YEAR}")
        fields.append(_numbers(cron.years, YEAR))
    return " ".join(fields)


def _eventbridge_rate(rate: Rate) -> str:
    if rate.period % UNITS_MS["minute"]:
        raise _refusal(f"{rate.period // 1000} seconds", "EventBridge accepts whole minutes, hours and days")
    return _rate(rate)


def _rate(rate: Rate) -> str:
    """Return ``rate()`` in the largest unit that divides the period."""
    unit = max((unit for unit in UNITS_MS if rate.period % UNITS_MS[unit] == 0), key=UNITS_MS.__getitem__)
    count = rate.period // UNITS_MS[unit]
    return f"rate({count} {unit}{'s' if count > 1 else ''})"


def _eventbridge_at(at: At) -> str:
    if at.local % 1000:
        raise _refusal(f"{at.local % 1000} milliseconds", "EventBridge accepts whole seconds")
    return _at(at)


def _at(at: At) -> str:
    moment = datetime(1970, 1, 1) + timedelta(milliseconds=at.local)  # noqa: DTZ001  a wall clock has no offset
    return f"at({moment.isoformat(timespec='milliseconds' if at.local % 1000 else 'seconds')})"


def _only_cron(item: Item, name: str) -> Cron:
    if isinstance(item, Rate):
        raise _refusal("rate()", f"{name} follows the wall clock and has no fixed intervals")
    if isinstance(item, At):
        raise _refusal("at()", f"{name} has no expression for a single instant")
    if isinstance(item, Manual):
        raise _by_hand(name)
    return item


def _by_hand(name: str) -> InvalidExpression:
    return _refusal(MANUAL, f"{name} has no expression that never fires by itself")


def _no_seconds(cron: Cron, name: str) -> None:
    if cron.seconds != (0,):
        raise _refusal(_numbers(cron.seconds, SECOND), f"{name} has no seconds", field="second")


def _no_years(cron: Cron, name: str) -> None:
    if cron.years is not None:
        raise _refusal(_numbers(cron.years, YEAR), f"{name} has no years", field="year")


def _no_rules(cron: Cron, name: str) -> None:
    for field, rules in (("day_of_month", cron.day_rules), ("day_of_week", cron.weekday_rules)):
        if rules:
            raise _refusal(render_rule(rules[0]), f"{name} has no L, W or #", field=field)


def _one_day_field(cron: Cron, name: str) -> tuple[str, str]:
    """Return the two day fields for a dialect that wants ``?`` in exactly one of them."""
    cron = by_week(cron)
    free_day, free_weekday = len(cron.days) == DAY_OF_MONTH.cycle, len(cron.weekdays) == DAY_OF_WEEK.cycle
    if free_weekday:
        _one_rule(cron.days, cron.day_rules, name, "day_of_month")
        return _days(cron), "?"
    if free_day:
        _one_rule(cron.weekdays, cron.weekday_rules, name, "day_of_week")
        return "?", _named_weekdays(cron)
    wants = "fires on a day that matches either" if cron.either else "requires a day to match both"
    raise _refusal(
        f"{_days(cron)} {_weekdays(cron)}",
        f"{name} can restrict one of the two day fields; this schedule restricts both and {wants}",
    )


def _one_rule(values: Sequence[int], rules: Sequence[DayRule], name: str, field: str) -> None:
    if rules and (values or len(rules) > 1):
        raise _refusal(
            ",".join(map(render_rule, rules)), f"{name} accepts L, W and # alone, not in a list", field=field
        )


def _clock_fields(cron: Cron, *, beyond: bool = True) -> str:
    """Return the minute and hour fields.

    Only a wildcard expression's start with ``*``: a leading ``*`` is how eventcron and Debian's cron recognise a
    wildcard. *beyond*: the dialect takes ``*/60``, a step beyond the field, which leaves the first value.
    """
    minute, hour = (_numbers(values, field, star=not cron.fixed) for values, field in _clock(cron))
    if cron.fixed or "*" in {minute[0], hour[0]}:
        return f"{minute} {hour}"
    starred_minute, starred_hour = (_starred(values, field) for values, field in _clock(cron))
    choices = [f"{minute} {starred_hour}" if starred_hour else "", f"{starred_minute} {hour}" if starred_minute else ""]
    allowed = [text for text in choices if text and (beyond or not {"*/60", "*/24"} & set(re.split("[ ,]", text)))]
    if not allowed:
        raise _refusal(f"{minute} {hour}", "no minute or hour field that starts with *, so that it follows real time")
    return min(allowed, key=len)


def _clock(cron: Cron) -> tuple[tuple[tuple[int, ...], Field], tuple[tuple[int, ...], Field]]:
    return (cron.minutes, MINUTE), (cron.hours, HOUR)


def _starred(values: Sequence[int], field: Field) -> str | None:
    """Return *values* as a list that starts with ``*/n``; None if the field's first value is not among them."""
    known = set(values)
    for step in range(2, field.cycle + 1):
        steps = range(field.low, field.low + field.cycle, step)
        if known.issuperset(steps):
            rest = sorted(known.difference(steps))
            return ",".join([f"*/{step}", *([render(rest, field)] if rest else [])])
    return None


def _months(cron: Cron) -> str:
    return _numbers(cron.months, MONTH)


def _days(cron: Cron, *, star: bool = True) -> str:
    return _with_rules(_numbers(cron.days, DAY_OF_MONTH, star=star), cron.days, cron.day_rules)


def _weekdays(cron: Cron, *, star: bool = True) -> str:
    return _with_rules(_numbers(cron.weekdays, DAY_OF_WEEK, star=star), cron.weekdays, cron.weekday_rules)


def _with_rules(numbers: str, values: Sequence[int], rules: Sequence[DayRule]) -> str:
    return ",".join([*([numbers] if values else []), *(render_rule(rule) for rule in rules)])


def _named_weekdays(cron: Cron) -> str:
    """Return the days of the week by name. ``L`` and ``#`` need numbers, which count from Sunday = 1."""
    names = [WEEKDAYS[weekday] for weekday in cron.weekdays]
    positions = [(weekday - 1) % 7 for weekday in cron.weekdays]  # Monday first, so that MON-SUN would be a range
    positions.sort()
    if len(names) > 2 and positions[-1] - positions[0] == len(positions) - 1:  # noqa: PLR2004  two are a list
        return f"{WEEKDAYS[positions[0] + 1]}-{WEEKDAYS[(positions[-1] + 1) % 7]}"
    rules = [
        f"{rule.weekday + 1}L" if rule.nth == -1 else f"{rule.weekday + 1}#{rule.nth}"
        for rule in cron.weekday_rules
        if isinstance(rule, NthWeekday)
    ]
    return ",".join([*names, *rules])


def _numbers(values: Sequence[int], field: Field, *, star: bool = True) -> str:
    """Return sorted numbers as ``*``, ``*/n``, ``a-b/n`` or a list of ranges. Without *star*, avoid a leading ``*``."""
    low, high = field.low, field.low + field.cycle - 1
    if len(values) == field.cycle:
        return "*" if star else f"{low}-{high}"
    distances = {later - earlier for earlier, later in pairwise(values)}
    if len(values) > 2 and len(distances) == 1 and distances != {1}:  # noqa: PLR2004  two are shorter as a list
        (step,) = distances
        whole = values[0] == low and values[-1] + step > high
        return f"*/{step}" if whole and star else f"{values[0]}-{values[-1]}/{step}"
    return render(values, field)


def _refusal(given: str, reason: str, *, field: str = "expression") -> InvalidExpression:
    return InvalidExpression(field=field, given=shorten(given), allowed=reason, code=RequestCode.CANNOT_CONVERT)


def same(item: Item, other: Item, checked_from: Instant) -> bool:
    """Whether both have the same occurrences. A cron expression matches the same times of day on each of its days."""
    if not (isinstance(item, Cron) and isinstance(other, Cron)):
        return item == other
    if item.fixed != other.fixed:
        return False
    first = checked_from // 1000 // DAY_S
    return _sample(item, first) == _sample(other, first)


def _sample(cron: Cron, first: int) -> tuple[list[int], list[int], list[int]]:
    """Return the matching days of a year, the ten matching days after it, and the matching seconds of the first day."""
    year = list(cron.matching_days(first, first + _COMPARED_DAYS))
    later = list(
        islice(cron.matching_days(first + _COMPARED_DAYS + 1, first + 300 * _COMPARED_DAYS), _COMPARED_MATCHES)
    )
    day = next(iter([*year, *later]), first)
    return year, later, list(cron.local_times(day * DAY_S, (day + 1) * DAY_S))


#: The dialects that ``convert`` writes.
WRITERS: dict[Notation, Callable[[Item], str]] = {
    Notation.EVENTCRON: write_eventcron,
    Notation.UNIX: _write_unix,
    Notation.EVENTBRIDGE: _write_eventbridge,
    Notation.QUARTZ: _write_quartz,
    Notation.KUBERNETES: _write_kubernetes,
    Notation.CELERY: _write_celery,
    Notation.SYSTEMD: write_calendar_event,
}
