"""Schedules within the documented limits that may take long: how they are made, and how they are made worse.

``random_input`` draws from the whole grammar: all fields, lists, steps, ``L``, ``W``, ``#``, years, ``rate()`` with
periods that share much or nothing with a day, ``at()``, dates, calendars of the largest size, and zones whose clocks
change often, by a day, or in Ramadan. ``mutated`` changes a few parts of an input. ``climb`` repeats that from the
slowest of a few random inputs on, and keeps each input that takes longer than the one before.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from eventcron.errors import EventcronError
from eventcron.model.names import MAX_CALENDAR_SPANS, MAX_EXPRESSION_CHARS, Instant
from eventcron.timing import trigger
from eventcron.timing.exclusions import DateSpan

#: Parts of ``Schedule``.
MAX_EXPRESSIONS, MAX_EXCLUSIONS = 16, 64
#: How many random inputs one climb starts from, and after how many steps without an ascent it ends.
STARTS, STALE = 20, 30

FIELDS = (("second", 0, 59), ("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
ZONES = ("UTC", "America/New_York", "Africa/Casablanca", "Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Apia")
PERIODS = (1, 2, 7, 11, 59, 60, 61, 77, 3_599, 3_600, 3_601, 7_919, 43_201, 86_353, 86_399, 86_400, 86_401, 604_801)
_FIRST_DAY = 20_454  # 2026-01-01
CALENDARS = {
    "often": [DateSpan(_FIRST_DAY + 3 * n, _FIRST_DAY + 3 * n + 1) for n in range(MAX_CALENDAR_SPANS)],
    "nearly-always": [DateSpan(_FIRST_DAY + 60 * n, _FIRST_DAY + 60 * n + 58) for n in range(MAX_CALENDAR_SPANS)],
}


class Input(NamedTuple):
    """The parts of a schedule that decide when it fires."""

    expression: list[str]
    exclude: list[str]
    timezone: str


def is_accepted(given: Input, now: Instant) -> bool:
    """Whether *given* is within the limits."""
    if max(map(len, given.expression + given.exclude)) > MAX_EXPRESSION_CHARS:
        return False
    try:
        parsed(given, now)
    except EventcronError:
        return False
    return True


def parsed(given: Input, now: Instant) -> trigger.Trigger:
    return trigger.parse(
        given.expression, timezone=given.timezone, exclude=given.exclude, anchor=now, calendars=CALENDARS
    )


def all_but_one(choose: random.Random, low: int, high: int) -> str:
    left_out = choose.randint(low, high)
    spans = [(low, left_out - 1), (left_out + 1, high)]
    return ",".join(f"{first}-{last}" for first, last in spans if first <= last)


def sample(choose: random.Random, low: int, high: int, count: int) -> str:
    return ",".join(map(str, sorted(choose.sample(range(low, high + 1), count))))


def random_input(choose: random.Random) -> Input:
    expressions = [_expression(choose) for _ in range(choose.choice([1, 1, 3, MAX_EXPRESSIONS]))]
    exclusions = [_exclusion(choose) for _ in range(choose.choice([0, 4, 20, 60]))]
    return Input(expressions, exclusions, choose.choice(ZONES))


def mutated(choose: random.Random, given: Input) -> Input:
    expression, exclude, zone = list(given.expression), list(given.exclude), given.timezone
    for _ in range(choose.choice([1, 1, 2, 6])):
        parts, make, most = (
            (exclude, _exclusion, MAX_EXCLUSIONS)
            if choose.random() < 0.7
            else (expression, _expression, MAX_EXPRESSIONS)
        )
        kind = choose.choice(["add", "replace", "remove", "field", "field", "zone"])
        if kind == "add" and len(parts) < most:
            parts.insert(choose.randrange(len(parts) + 1), make(choose))
        elif kind == "replace" and parts:
            parts[choose.randrange(len(parts))] = make(choose)
        elif kind == "remove" and len(parts) > 1:
            parts.pop(choose.randrange(len(parts)))
        elif kind == "field" and parts:
            index = choose.randrange(len(parts))
            parts[index] = _other_field(choose, parts[index])
        elif kind == "zone":
            zone = choose.choice(ZONES)
    return Input(expression, exclude, zone)


def climb(
    choose: random.Random, cost: Callable[[Input], float], *, now: Instant, more: Callable[[], bool]
) -> tuple[float, Input] | None:
    """Return the slowest input that is found from one start, and its cost. It ends early when *more* is false."""
    starts = [given for _ in range(STARTS) if is_accepted(given := random_input(choose), now)]
    if not starts:
        return None
    best, given = max((cost(start), start) for start in starts)
    stale = 0
    while stale < STALE and more():
        other = mutated(choose, given)
        if not is_accepted(other, now):
            continue
        took = cost(other)
        if took > best * 1.02:
            took = min(took, cost(other))  # a busy machine makes anything slow once
        if took > best * 1.02:
            best, given, stale = took, other, 0
        else:
            stale += 1
    return best, given


def _expression(choose: random.Random) -> str:
    kind = choose.random()
    if kind < 0.35:
        period = choose.choice(PERIODS) if choose.random() < 0.7 else choose.randint(1, 200_000)
        return f"rate({period} seconds)"
    if kind < 0.4:
        return f"at({choose.randint(2026, 2199)}-0{choose.randint(1, 9)}-15T09:00:00)"
    return _cron(choose)


def _exclusion(choose: random.Random) -> str:
    kind = choose.random()
    if kind < 0.05:
        return f"calendar:{choose.choice(sorted(CALENDARS))}"
    if kind < 0.1:
        year = choose.randint(2026, 2198)
        return f"{year}-01-01/{year + choose.randint(0, 1)}-12-31"
    return _cron(choose)


def _cron(choose: random.Random) -> str:
    fields = [_field(choose, position) for position in range(len(FIELDS))]
    if choose.random() < 0.3:
        fields = [choose.choice(["*", "*", field]) for field in fields]
    form = choose.choice(["minutes", "seconds", "seconds", "years"])
    return " ".join({"minutes": fields[1:], "seconds": fields, "years": [*fields, _years(choose)]}[form])


def _field(choose: random.Random, position: int) -> str:
    name, low, high = FIELDS[position]
    kind = choose.choice(["*", "*", "but one", "some", "from", "step", "rules", "one"])
    if kind == "but one":
        return all_but_one(choose, low, high)
    if kind == "some":
        return sample(choose, low, high, max(1, (high - low + 1) * choose.randint(1, 9) // 10))
    if kind in {"from", "step"}:
        first = "*" if kind == "step" else f"{choose.randint(low, high)}-{high}"
        return f"{first}/{choose.randint(2, high)}"
    if kind == "rules" and name == "day":
        rules = ["L", "LW", f"L-{choose.randint(1, 30)}", f"{choose.randint(1, 31)}W", f"L-{choose.randint(1, 30)}W"]
        return ",".join(choose.choices(rules, k=3))
    if kind == "rules" and name == "weekday":
        return ",".join(f"{choose.randint(0, 6)}{choose.choice(['#1', '#3', '#5', 'L'])}" for _ in range(3))
    return str(choose.randint(low, high)) if kind == "one" else "*"


def _years(choose: random.Random) -> str:
    return choose.choice(["*", "2199", "2190-2199", "2026-2199/7", sample(choose, 2026, 2199, choose.randint(1, 30))])


def _other_field(choose: random.Random, text: str) -> str:
    """*text* with another value in one field, if it has fields."""
    fields = text.split(" ")
    if len(fields) not in {5, 6, 7} or "(" in text:
        return text
    index = choose.randrange(len(fields))
    position = index + (1 if len(fields) == 5 else 0)
    fields[index] = _field(choose, position) if position < len(FIELDS) else _years(choose)
    return " ".join(fields)
