"""The schedules that are planned, and how many fires they have in a window, counted without eventcron's cron engine."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice, pairwise, product
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
MINUTE = timedelta(minutes=1)
MONDAY_TO_FRIDAY = frozenset(range(5))


class Gap(NamedTuple):
    """Where the clocks of a zone have gone forward: the instant, and the local times that they skip."""

    end: int
    skipped: list[datetime]


class Walls(NamedTuple):
    """The local times of a zone in a window: those of its minutes, and those that no minute has."""

    minutes: list[tuple[int, datetime]]
    gaps: list[Gap]


class Trigger(NamedTuple):
    """When a schedule fires. A cron trigger fires in the minutes that its fields have; None = every one.

    One with hours fires at times of day: once where the clocks repeat its time, and where they skip it, after the gap.
    """

    expression: str
    zone: str = "UTC"
    second: int = 0
    minutes: frozenset[int] | None = None
    hours: frozenset[int] | None = None
    weekdays: frozenset[int] | None = None
    #: Of a ``rate()``: its period and its anchor.
    period_ms: int = 0
    anchor: int = 0

    def fires(self, start: int, end: int, walls: dict[str, Walls]) -> int:
        """Its fires in [*start*, *end*). *walls* has the local times of the window, by zone."""
        if self.period_ms:
            return (end - 1 - self.anchor) // self.period_ms - (start - 1 - self.anchor) // self.period_ms
        minutes, gaps = walls[self.zone]
        shifted = sum(start <= gap.end < end and self._is_shifted(gap) for gap in gaps)
        return shifted + sum(
            start <= minute + self.second * 1000 < end
            and self._matches(wall)
            and not (wall.fold and self.hours is not None)
            for minute, wall in minutes
        )

    def _matches(self, wall: datetime) -> bool:
        return (
            (self.minutes is None or wall.minute in self.minutes)
            and (self.hours is None or wall.hour in self.hours)
            and (self.weekdays is None or wall.weekday() in self.weekdays)
        )

    def _is_shifted(self, gap: Gap) -> bool:
        """Whether it fires at the end of *gap* only because of the gap."""
        fires_anyway = self.second == 0 and self._matches(gap.skipped[-1] + MINUTE)
        return self.hours is not None and any(map(self._matches, gap.skipped)) and not fires_anyway


def fires(triggers: Sequence[Trigger], start: int, end: int) -> int:
    """How often schedules with *triggers* fire in [*start*, *end*), by looking at each minute's local time."""
    walls = {zone: _walls(ZoneInfo(zone), start, end) for zone in ZONES}
    return sum(count * trigger.fires(start, end, walls) for trigger, count in Counter(triggers).items())


def _walls(zone: ZoneInfo, start: int, end: int) -> Walls:
    """The local times in *zone* of the minutes of [*start*, *end*), and the gaps between them."""
    first = start // MINUTE_MS * MINUTE_MS
    before, *minutes = [
        (at, datetime.fromtimestamp(at / 1000, zone)) for at in range(first - MINUTE_MS, end, MINUTE_MS)
    ]
    gaps = []
    for (_, previous), (at, wall) in pairwise([before, *minutes]):
        # Two times of one zone are subtracted as its clock shows them.
        skipped = [previous + number * MINUTE for number in range(1, (wall - previous) // MINUTE)]
        if skipped:
            gaps.append(Gap(at, skipped))
    return Walls(minutes, gaps)


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
