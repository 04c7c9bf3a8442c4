"""The mixes are what they are called, and their fires are counted as eventcron's own engine finds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import product

import pytest

from benchmarks import mixes
from benchmarks.mixes import Trigger
from eventcron.model.names import Window
from eventcron.timing.trigger import parse, walk

#: 2026-12-01T08:03:07Z, a Tuesday, five minutes.
WINDOW = Window(1_796_112_187_000, 1_796_112_487_000)
#: A whole hour of the Saturday after it.
SATURDAY = Window(WINDOW.start + 4 * mixes.DAY_MS, WINDOW.start + 4 * mixes.DAY_MS + 3_600_000)


#: Four hours in which the clocks of zones go forward or back.
NIGHTS = {
    "forward in Europe": "2026-03-28T23:00:00Z",
    "back in Europe": "2026-10-24T23:00:00Z",
    "forward in New York": "2027-03-14T05:00:00Z",
    "back in New York": "2026-11-01T04:00:00Z",
    "forward in Sydney": "2026-10-03T14:00:00Z",
    "back in Sydney": "2027-04-03T14:00:00Z",
}


def found_by_the_engine(triggers: Sequence[Trigger], window: Window) -> int:
    return sum(
        count * len(list(walk(parse(one.expression, timezone=one.zone, anchor=one.anchor), window)))
        for one, count in Counter(triggers).items()
    )


@pytest.mark.parametrize("window", [WINDOW, SATURDAY], ids=["tuesday", "saturday"])
@pytest.mark.parametrize("mix", mixes.MIXES.values(), ids=mixes.MIXES)
def test_the_fires_of_a_mix_are_those_that_the_engine_finds(
    mix: Callable[[int], list[Trigger]], window: Window
) -> None:
    triggers = mix(600)

    assert mixes.fires(triggers, window.start, window.end) == found_by_the_engine(triggers, window)


def at_night() -> list[Trigger]:
    """Fixed times and wildcards of each zone, at the hours at which clocks change."""
    found = [Trigger(f"{minute} * * * *", zone, 0, frozenset({minute})) for minute in (0, 30) for zone in mixes.ZONES]
    for zone, hour, minute, second in product(mixes.ZONES, (1, 2, 3), (0, 30), (0, 7)):
        daily = Trigger(f"{second} {minute} {hour} * * *", zone, second, frozenset({minute}), frozenset({hour}))
        weekdays = f"{second} {minute} {hour} * * 1-5"
        found += [daily, daily._replace(expression=weekdays, weekdays=mixes.MONDAY_TO_FRIDAY)]
    two = Trigger("0,30 2,3 * * *", "Europe/Oslo", 0, frozenset({0, 30}), frozenset({2, 3}))
    return [*found, two, two._replace(zone="America/New_York"), *mixes.real(600)]


@pytest.mark.parametrize("night", NIGHTS.values(), ids=NIGHTS)
def test_the_fires_of_a_night_on_which_clocks_change_are_those_that_the_engine_finds(night: str) -> None:
    """In parts, as they are planned: a fire that a gap moves belongs to the part that begins with the gap's end."""
    first, triggers = round(datetime.fromisoformat(night).timestamp() * 1000), at_night()
    windows = [Window(first + part * 600_000, first + (part + 1) * 600_000) for part in range(24)]
    counted = [mixes.fires(triggers, window.start, window.end) for window in windows]

    assert counted == [found_by_the_engine(triggers, window) for window in windows]
    assert mixes.fires(triggers, first, windows[-1].end) == sum(counted)


def test_the_real_mix_has_its_shares_its_zones_and_its_triggers() -> None:
    triggers = mixes.real(100_000)
    daily = sum(one.weekdays is None and one.hours is not None for one in triggers) / len(triggers)
    five = sum(one.minutes is not None and len(one.minutes) == 12 for one in triggers) / len(triggers)

    assert daily == pytest.approx(0.58, abs=0.01)
    assert five == pytest.approx(0.02, abs=0.005)
    assert len({one.zone for one in triggers}) == 12
    assert len(set(triggers)) == mixes.TRIGGERS


def test_every_schedule_of_the_minutely_mix_fires_five_times_in_five_minutes() -> None:
    triggers = mixes.every_minute(120)

    assert mixes.fires(triggers, WINDOW.start, WINDOW.end) == 5 * len(triggers)


def test_no_two_triggers_of_the_distinct_mix_are_equal() -> None:
    assert len(set(mixes.all_distinct(100_000))) == 100_000
