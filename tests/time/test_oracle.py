"""The engine agrees with the oracle around every kind of clock change of 2000-2040.

``make test-time`` tries 5,000 expressions in each of twelve zones. Other runs try fewer.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from eventcron.errors import InvalidExpression
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Occurrence, Window
from eventcron.oracle.occurrences import can_match, occurrences
from eventcron.timing.trigger import parse, walk
from tests.time.expressions import ZONES, Maker, changes

#: A sweep. ``test_nights`` and ``test_properties`` are quick.
pytestmark = pytest.mark.slow

ALL = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
#: Schedules in each zone: over two days, by the second, with exclusions, with several expressions.
OVER_DAYS, BY_SECOND, WITH_EXCLUSIONS, WITH_SEVERAL = (4_000, 500, 500, 100) if ALL else (80, 8, 20, 6)
#: How many clock changes the schedules of one zone are tried at.
NIGHTS = 80 if ALL else 6
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def instant(moment: datetime) -> Instant:
    return round(moment.replace(tzinfo=UTC).timestamp()) * 1000


def engine(schedule: Schedule, window: Window) -> list[Occurrence]:
    trigger = parse(
        schedule.expression,
        timezone=schedule.timezone,
        daylight_saving=schedule.daylight_saving,
        exclude=schedule.exclude,
        anchor=window.start - HOUR_MS,
    )
    return list(walk(trigger, window))


def compare(schedule: Schedule, window: Window) -> int:
    """Compare engine and oracle in *window*. Return the number of occurrences."""
    if not can_match(schedule):
        with pytest.raises(InvalidExpression) as caught:
            engine(schedule, window)
        assert caught.value.code == "never_matches"
        return 0
    expected = occurrences(schedule, window, window.start - HOUR_MS)

    assert engine(schedule, window) == expected, f"{schedule} in {window}"
    return len(expected)


def nights(zone: str, maker: Maker) -> list[datetime]:
    known = changes(zone)
    return list(known) if len(known) <= NIGHTS else sorted(maker.random.sample(known, NIGHTS))


def around(night: datetime, *, before: timedelta, after: timedelta) -> Window:
    return Window(instant(night - before), instant(night + after))


def two_days(night: datetime) -> Window:
    return around(night, before=timedelta(hours=20), after=timedelta(hours=28))


def cut(window: Window, maker: Maker, step: int) -> Window:
    """Return *window*, or what is left of it from a random multiple of *step* milliseconds on."""
    ticks = (window.end - window.start) // step
    return window._replace(start=window.start + maker.random.choice([0, maker.random.randrange(ticks)]) * step)


@pytest.mark.parametrize("zone", ZONES)
def test_over_two_days(zone: str) -> None:
    maker = Maker(seed=len(zone) * 1_000 + ZONES.index(zone))
    chosen = nights(zone, maker)
    total = 0
    for night in chosen:
        window = two_days(night)
        for _ in range(-(-OVER_DAYS // len(chosen))):
            total += compare(maker.schedule(zone), cut(window, maker, MINUTE_MS))

    assert total > OVER_DAYS, "expressions that hardly ever match prove nothing"


@pytest.mark.parametrize("zone", ZONES)
def test_by_the_second(zone: str) -> None:
    maker = Maker(seed=ZONES.index(zone))
    chosen = nights(zone, maker)[: 40 if ALL else 2]
    for night in chosen:
        window = around(night, before=timedelta(minutes=70), after=timedelta(minutes=70))
        for _ in range(-(-BY_SECOND // len(chosen))):
            compare(maker.schedule(zone, seconds=True), cut(window, maker, 1_000))


@pytest.mark.parametrize("zone", ZONES)
def test_with_exclusions(zone: str) -> None:
    maker = Maker(seed=100 + ZONES.index(zone))
    chosen = nights(zone, maker)
    for night in chosen:
        for _ in range(-(-WITH_EXCLUSIONS // len(chosen))):
            compare(maker.schedule(zone, exclude=maker.exclude(night)), two_days(night))


@pytest.mark.parametrize("zone", ZONES)
def test_with_several_expressions(zone: str) -> None:
    """Two cron expressions, a rate and an ``at()`` fire at the instants of all, each once."""
    maker = Maker(seed=200 + ZONES.index(zone))
    for night in maker.random.sample(changes(zone), 3):
        for _ in range(WITH_SEVERAL // 3):
            schedule = maker.schedule(zone, exclude=maker.exclude(night))
            local = night + timedelta(minutes=maker.random.randint(-600, 600))
            others = [
                maker.expression(),
                maker.random.choice(["rate({} minutes)", "@every {}m"]).format(maker.random.randint(1, 500)),
                f"at({local.isoformat(timespec='seconds')})",
            ]
            compare(replace(schedule, expression=[str(schedule.expression), *others]), two_days(night))
