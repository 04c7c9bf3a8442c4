"""The schedules that are planned, and how many fires they have in a window, counted without eventcron's cron engine."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice, product
from typing import NamedTuple
from zoneinfo import ZoneInfo

ZONES = (
    *("UTC", "America/New_York", "America/Los_Angeles", "America/Chicago", "America/Sao_Paulo", "Europe/London"),
    *("Europe/Berlin", "Europe/Oslo", "Asia/Kolkata", "Asia/Tokyo", "Asia/Singapore", "Australia/Sydney"),
)
#: Distinct triggers of the real mix, and its shares.
TRIGGERS = 2_000
SHARES = {"daily": 0.58, "weekdays": 0.15, "hourly": 0.25, "every five minutes": 0.02}
#: Milliseconds of the periods of ``rate()``: two hours to five minutes.
PERIODS = {
    "rate(5 minutes)": 300_000,
    "rate(15 minutes)": 900_000,
    "rate(1 hour)": 3_600_000,
    "rate(2 hours)": 7_200_000,
}
#: The anchors of ``rate()`` are spread over a day before this instant: 2026-01-01T00:00:00Z.
ANCHORS_UNTIL = 1_767_225_600_000
MINUTE_MS, DAY_MS = 60_000, 86_400_000
MONDAY_TO_FRIDAY = frozenset(range(5))


class Trigger(NamedTuple):
    """When a schedule fires. A cron trigger fires in the minutes that its fields have; None = every one."""

    expression: str
    zone: str = "UTC"
    second: int = 0
    minutes: frozenset[int] | None = None
    hours: frozenset[int] | None = None
    weekdays: frozenset[int] | None = None
    #: Of a ``rate()``: its period and its anchor.
    period_ms: int = 0
    anchor: int = 0

    def fires(self, start: int, end: int, walls: dict[str, list[tuple[int, datetime]]]) -> int:
        """Its fires in [*start*, *end*). *walls* has the local times of the window's minutes, by zone."""
        if self.period_ms:
            return (end - 1 - self.anchor) // self.period_ms - (start - 1 - self.anchor) // self.period_ms
        return sum(
            start <= minute + self.second * 1000 < end
            and (self.minutes is None or wall.minute in self.minutes)
            and (self.hours is None or wall.hour in self.hours)
            and (self.weekdays is None or wall.weekday() in self.weekdays)
            for minute, wall in walls[self.zone]
        )


def fires(triggers: Sequence[Trigger], start: int, end: int) -> int:
    """How often schedules with *triggers* fire in [*start*, *end*), by looking at each minute's local time."""
    minutes = range(start // MINUTE_MS * MINUTE_MS, end, MINUTE_MS)
    walls = {zone: [(at, datetime.fromtimestamp(at / 1000, ZoneInfo(zone))) for at in minutes] for zone in ZONES}
    return sum(count * trigger.fires(start, end, walls) for trigger, count in Counter(triggers).items())


def _daily(rng: random.Random) -> Trigger:
    minute, hour = rng.randrange(60), rng.randrange(24)
    return Trigger(f"{minute} {hour} * * *", rng.choice(ZONES), 0, frozenset({minute}), frozenset({hour}))


def _weekdays(rng: random.Random) -> Trigger:
    daily = _daily(rng)
    return daily._replace(expression=daily.expression[:-1] + "1-5", weekdays=MONDAY_TO_FRIDAY)


def _hourly(rng: random.Random) -> Trigger:
    minute = rng.randrange(60)
    return Trigger(f"{minute} * * * *", rng.choice(ZONES), 0, frozenset({minute}))


def _every_five_minutes(rng: random.Random) -> Trigger:
    first = rng.randrange(5)
    return Trigger(f"{first}-59/5 * * * *", rng.choice(ZONES), 0, frozenset(range(first, 60, 5)))


_KINDS: dict[str, Callable[[random.Random], Trigger]] = {
    "daily": _daily,
    "weekdays": _weekdays,
    "hourly": _hourly,
    "every five minutes": _every_five_minutes,
}


def real(count: int) -> list[Trigger]:
    """The triggers of *count* schedules: 2,000 different ones, in 12 zones, most of them daily."""
    rng = random.Random(1)
    pools = {}
    for kind, share in SHARES.items():
        pool: dict[Trigger, None] = {}
        while len(pool) < round(TRIGGERS * share):
            pool[_KINDS[kind](rng)] = None
        pools[kind] = list(pool)
    kinds = rng.choices(list(SHARES), list(SHARES.values()), k=count)
    return [rng.choice(pools[kind]) for kind in kinds]


def every_minute(count: int) -> list[Trigger]:
    """Each schedule fires every minute, in one of its sixty seconds."""
    return [Trigger(f"{number % 60} * * * * *", second=number % 60) for number in range(count)]


def all_distinct(count: int) -> list[Trigger]:
    """No two schedules have the same trigger: each fires once a day."""
    return list(islice(_all(), count))


def _all() -> Iterator[Trigger]:
    for zone, second, minute, hour in product(ZONES, range(60), range(60), range(24)):
        yield Trigger(f"{second} {minute} {hour} * * *", zone, second, frozenset({minute}), frozenset({hour}))


def rates(count: int) -> list[Trigger]:
    """``rate()`` of four periods, each anchored to the millisecond at which its schedule was put."""
    rng = random.Random(2)
    found = []
    for _ in range(count):
        expression, period = rng.choice(list(PERIODS.items()))
        found.append(Trigger(expression, period_ms=period, anchor=ANCHORS_UNTIL - rng.randrange(DAY_MS)))
    return found


MIXES: dict[str, Callable[[int], list[Trigger]]] = {
    "real": real,
    "every minute": every_minute,
    "all distinct": all_distinct,
    "rates": rates,
}
