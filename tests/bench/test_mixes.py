"""The mixes are what they are called, and their fires are counted as eventcron's own engine finds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from benchmarks import mixes
from benchmarks.mixes import Trigger
from eventcron.model.names import Window
from eventcron.timing.trigger import parse, walk

#: 2026-12-01T08:03:07Z, a Tuesday, five minutes.
WINDOW = Window(1_796_112_187_000, 1_796_112_487_000)
#: A whole hour of the Saturday after it.
SATURDAY = Window(WINDOW.start + 4 * mixes.DAY_MS, WINDOW.start + 4 * mixes.DAY_MS + 3_600_000)


@pytest.mark.parametrize("window", [WINDOW, SATURDAY], ids=["tuesday", "saturday"])
@pytest.mark.parametrize("mix", mixes.MIXES.values(), ids=mixes.MIXES)
def test_the_fires_of_a_mix_are_those_that_the_engine_finds(
    mix: Callable[[int], list[Trigger]], window: Window
) -> None:
    triggers = mix(600)
    found = sum(
        count * len(list(walk(parse(one.expression, timezone=one.zone, anchor=one.anchor), window)))
        for one, count in Counter(triggers).items()
    )

    assert mixes.fires(triggers, window.start, window.end) == found


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
