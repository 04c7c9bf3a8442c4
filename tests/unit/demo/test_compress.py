"""The demo plays an hour of the real schedules as a minute, and nothing but their speed changes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from eventcron.demo import samples
from eventcron.demo.compress import DAY, HOUR, PLAYED_AFTER_MS, compress
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Window
from eventcron.oracle.occurrences import can_match, due_instants
from eventcron.preview.files import read_schedules
from eventcron.timing.instant import from_datetime
from eventcron.timing.trigger import occurrences, parse
from tests.docs.pages import read

#: 2026-06-01T12:00:12Z.
NOW: Instant = 1_780_315_212_000
#: 18 s, with which the demo's minute begins: 8 to put the schedules on two cores, the rest for workers and lead.
SPAN = Window(NOW + 18_000, NOW + 78_000)
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def schedule(expression: str | list[str], **fields: object) -> Schedule:
    return msgspec.convert({"tenant": "acme", "name": "a", "expression": expression, **fields}, Schedule)


def shipped() -> list[Schedule]:
    return [entry.schedule for entry in read_schedules([samples.find_examples()]) if entry.schedule is not None]


def dues(given: Schedule, window: Window) -> list[Instant]:
    """By the engine, so that nothing here relies on the reader of cron that ``compress`` has."""
    trigger = parse(given.expression, timezone=given.timezone, exclude=(), anchor=NOW, key=given.key)
    return list(occurrences(trigger, window))


def fires(schedules: list[Schedule]) -> list[int]:
    """How often each of *schedules* that fires in the demo's minute does so."""
    counts = [len(due_instants(one, SPAN.start, SPAN.end, NOW)) for one in schedules]
    return [count for count in counts if count]


def test_hundreds_of_the_real_schedules_fire_within_the_minute_and_hardly_any_as_they_are() -> None:
    as_they_are, compressed = fires(shipped()), fires(compress(shipped(), NOW))

    assert len(as_they_are) < 20
    assert len(compressed) > 250
    assert sum(compressed) > 300


def test_the_pages_say_how_many_real_schedules_fire_and_how_often() -> None:
    compressed = fires(compress(shipped(), NOW))
    (readme,) = re.findall(r"about (\d+) of the real ones", " ".join(read("README.md").split()))
    ((schedules, times),) = re.findall(
        r"About (\d+) of the real schedules fire, some (\d+) times", " ".join(read("docs/reference/cli.md").split())
    )

    assert int(readme) == int(schedules) == pytest.approx(len(compressed), abs=15)  # it depends on the second
    assert int(times) == pytest.approx(sum(compressed), abs=15)


def test_each_real_cron_expression_plays_the_day_by_the_minute() -> None:
    """Every due instant of 24 hours is there, sixty times as fast, and no other."""
    midnight = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    first = from_datetime(midnight)
    played = (NOW + PLAYED_AFTER_MS) // MINUTE_MS * MINUTE_MS - HOUR * MINUTE_MS
    crons = [one for one in shipped() if not str(one.expression).startswith("rate(") and can_match(one)]
    changed = 0
    for real, faster in zip(crons, compress(crons, NOW), strict=True):
        of_the_day = dues(real, Window(first, first + 24 * HOUR_MS))
        if not of_the_day:
            assert faster == real
            continue
        changed += 1
        expected = [played + (due - first) // 60 for due in of_the_day]
        assert dues(faster, Window(played, played + 24 * MINUTE_MS)) == expected, real.expression
        assert msgspec.structs.replace(faster, expression=real.expression) == real

    assert (len(crons), changed) == (403, 400)


@pytest.mark.parametrize(
    ("expression", "faster"),
    [
        ("rate(1 minute)", "rate(1 second)"),
        ("rate(5 minutes)", "rate(5 seconds)"),
        ("rate(12 hours)", "rate(720 seconds)"),
        ("rate(7 days)", "rate(10080 seconds)"),
    ],
)
def test_a_rate_is_sixty_times_as_fast_and_begins_within_its_period(expression: str, faster: str) -> None:
    (given,) = compress([schedule(expression)], NOW)
    period = timedelta(seconds=int(faster[5:].split(maxsplit=1)[0]))

    assert given.expression == faster
    assert given.start is not None
    assert timedelta() <= given.start - datetime.fromtimestamp(NOW / 1000, UTC) < period


def test_rates_of_the_same_period_do_not_begin_together() -> None:
    rates = [one for one in shipped() if one.expression == "rate(12 hours)"]

    assert len({one.start for one in compress(rates, NOW)}) > len(rates) * 0.9


@pytest.mark.parametrize("expression", ["rate(30 seconds)", "*/3 * * * * *", "@daily", ["0 1 * * *", "0 2 * * *"]])
def test_another_expression_stays_as_it_is(expression: str | list[str]) -> None:
    assert compress([schedule(expression)], NOW) == [schedule(expression)]
