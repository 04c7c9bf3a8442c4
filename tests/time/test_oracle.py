"""The engine agrees with the oracle around every kind of clock change of 2000-2040.

``make test-time`` tries 5,000 expressions in each of twelve zones. Other runs try fewer.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from eventcron.errors import InvalidExpression
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import Instant, Window
from eventcron.timing.trigger import parse, walk
from tests.time.expressions import ZONES, Maker, changes
from tests.time.oracle import Spec, Step, occurrences, steps

#: A sweep. ``test_nights`` and ``test_properties`` are quick.
pytestmark = pytest.mark.slow

ALL = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
#: Expressions in each zone: by the minute, by the second, with exclusions.
BY_MINUTE, BY_SECOND, WITH_EXCLUSIONS = (4_000, 500, 500) if ALL else (160, 16, 40)
#: How many clock changes the expressions of one zone are tried at.
NIGHTS = 80 if ALL else 6


def instant(moment: datetime) -> Instant:
    return round(moment.replace(tzinfo=UTC).timestamp()) * 1000


def engine(spec: Spec, window: Window) -> list[tuple[Instant, str | None, str | None]] | None:
    """Return the engine's answer, or None if it rejects the expression because it can never match."""
    try:
        trigger = parse(
            spec.expression,
            timezone=spec.zone,
            daylight_saving=DaylightSaving(gap=spec.gap, overlap=spec.overlap),  # type: ignore[arg-type]  # its words
            exclude=spec.exclude,
            anchor=0,
        )
    except InvalidExpression as error:
        assert error.code == "never_matches", error  # noqa: PT017  the code decides what is returned
        return None
    return [(found.due, found.skipped, found.by) for found in walk(trigger, window)]


def compare(spec: Spec, ticks: list[Step], since: int) -> int:
    """Compare engine and oracle from tick number *since* on. Return the number of occurrences."""
    window = Window(ticks[since].instant, ticks[-1].instant + 1)
    expected = occurrences(spec, ticks[since:])
    found = engine(spec, window)

    assert (found or []) == expected, f"{spec} from {ticks[since]}"
    return len(expected)


def nights(zone: str, maker: Maker) -> list[datetime]:
    known = changes(zone)
    return list(known) if len(known) <= NIGHTS else sorted(maker.random.sample(known, NIGHTS))


@pytest.mark.parametrize("zone", ZONES)
def test_by_the_minute(zone: str) -> None:
    maker = Maker(seed=len(zone) * 1_000 + ZONES.index(zone))
    chosen = nights(zone, maker)
    total = 0
    for night in chosen:
        ticks = steps(zone, night - timedelta(hours=20), night + timedelta(hours=28), 60)
        for _ in range(-(-BY_MINUTE // len(chosen))):
            spec = maker.spec(zone)
            if "0,30 " in spec.expression[:5]:
                spec = Spec(spec.expression.replace("0,30 ", "0 ", 1), spec.zone, spec.gap, spec.overlap)
            total += compare(spec, ticks, maker.random.choice([0, maker.random.randrange(len(ticks))]))

    assert total > BY_MINUTE, "expressions that hardly ever match prove nothing"


@pytest.mark.parametrize("zone", ZONES)
def test_by_the_second(zone: str) -> None:
    maker = Maker(seed=ZONES.index(zone))
    chosen = nights(zone, maker)[: 40 if ALL else 2]
    for night in chosen:
        ticks = steps(zone, night - timedelta(minutes=70), night + timedelta(minutes=70), 1)
        for _ in range(-(-BY_SECOND // len(chosen))):
            compare(maker.spec(zone, seconds=True), ticks, maker.random.choice([0, maker.random.randrange(len(ticks))]))


@pytest.mark.parametrize("zone", ZONES)
def test_with_exclusions(zone: str) -> None:
    maker = Maker(seed=100 + ZONES.index(zone))
    chosen = nights(zone, maker)
    for night in chosen:
        ticks = steps(zone, night - timedelta(hours=20), night + timedelta(hours=28), 60)
        for _ in range(-(-WITH_EXCLUSIONS // len(chosen))):
            spec = maker.spec(zone)
            expression = (
                spec.expression.replace("0,30 ", "0 ", 1) if "0,30 " in spec.expression[:5] else spec.expression
            )
            compare(Spec(expression, zone, spec.gap, spec.overlap, maker.exclude(night)), ticks, 0)
