"""Properties that hold for every expression, zone and window."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.errors import InvalidExpression
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import Occurrence, Window
from eventcron.timing.canonical import Parts, decode, encode
from eventcron.timing.convert import WRITERS, convert
from eventcron.timing.cron import Cron
from eventcron.timing.notation import Notation, read
from eventcron.timing.trigger import Trigger, from_canonical, next_occurrence, occurrences, parse, walk
from tests.time.expressions import ZONES, Maker, changes
from tests.time.test_oracle import instant

HOUR_MS = 3_600_000

seeds = st.integers(0, 2**32)
zones = st.sampled_from([*ZONES, "Africa/Cairo", "Asia/Beirut", "America/St_Johns"])
offsets = st.integers(0, 48 * HOUR_MS)


def case(seed: int, zone: str) -> tuple[Trigger, Window]:
    """Return a trigger of up to three expressions, and two days around a clock change."""
    maker = Maker(seed)
    night = maker.random.choice(changes(zone))
    start = instant(night - timedelta(hours=24))
    while True:
        expressions = [
            maker.expression(seconds=maker.random.random() < 0.1) for _ in range(maker.random.choice([1, 1, 3]))
        ]
        if maker.random.random() < 0.2:
            expressions.append(f"rate({maker.random.randint(1, 500)} minutes)")
        try:
            trigger = parse(
                expressions,
                timezone=zone,
                daylight_saving=DaylightSaving(
                    gap=maker.random.choice(["shift", "skip"]), overlap=maker.random.choice(["once", "twice"])
                ),
                exclude=maker.exclude(night) if maker.random.random() < 0.3 else (),
                anchor=start,
            )
        except InvalidExpression:
            continue
        return trigger, Window(start, start + 48 * HOUR_MS)


@pytest.mark.slow
@given(seeds, zones, st.lists(offsets, max_size=4))
def test_splitting_a_window_changes_nothing(seed: int, zone: str, cuts: list[int]) -> None:
    trigger, window = case(seed, zone)
    edges = [window.start, *sorted(window.start + cut for cut in cuts), window.end]
    pieces: list[Occurrence] = []
    for start, end in pairwise(edges):
        pieces.extend(walk(trigger, Window(start, end)))

    assert pieces == list(walk(trigger, window))


@given(seeds, zones)
def test_occurrences_are_in_strict_order_and_inside_the_window(seed: int, zone: str) -> None:
    trigger, window = case(seed, zone)
    dues = [occurrence.due for occurrence in walk(trigger, window)]

    assert dues == sorted(set(dues))
    assert all(window.start <= due < window.end for due in dues)


@given(seeds, zones, offsets)
def test_next_is_the_first_that_fires_from_any_start(seed: int, zone: str, offset: int) -> None:
    trigger, window = case(seed, zone)
    start = window.start + offset
    fires = [o.due for o in walk(trigger, window) if o.skipped is None and o.due >= start]

    assert next_occurrence(trigger, start, before=window.end) == (fires[0] if fires else None)


@given(seeds, zones)
def test_skipping_excluded_days_loses_no_fire(seed: int, zone: str) -> None:
    trigger, window = case(seed, zone)

    assert list(occurrences(trigger, window)) == [o.due for o in walk(trigger, window) if o.skipped is None]


@given(seeds, zones)
def test_the_canonical_text_has_the_same_occurrences(seed: int, zone: str) -> None:
    trigger, window = case(seed, zone)
    from_canonical.cache_clear()
    again = from_canonical(trigger.canonical)

    assert encode(decode(trigger.canonical)) == trigger.canonical
    assert again is not trigger
    assert list(walk(again, window)) == list(walk(trigger, window))


@given(seeds)
def test_a_union_fires_at_the_instants_of_all(seed: int) -> None:
    maker = Maker(seed)
    night = maker.random.choice(changes("Europe/Oslo"))
    window = Window(instant(night - timedelta(hours=5)), instant(night + timedelta(hours=5)))
    expressions = [f"{maker.minute()} {maker.hour()} * * *" for _ in range(2)]
    policy = DaylightSaving(gap="skip")
    one, other, both = (
        set(occurrences(parse(e, timezone="Europe/Oslo", daylight_saving=policy, anchor=0), window))
        for e in (expressions[0], expressions[1], expressions)
    )

    assert both == one | other


@given(seeds, st.sampled_from(list(WRITERS)), st.sampled_from(list(WRITERS)))
def test_a_conversion_keeps_the_occurrences_or_is_rejected(seed: int, source: Notation, target: Notation) -> None:
    maker = Maker(seed)
    day, weekday = maker.day(), maker.weekday(0)
    text = f"{maker.minute()} {maker.hour()} {day} {maker.month()} {weekday}"
    checked_from = instant(changes("UTC")[0])
    try:
        written = convert(text, Notation.UNIX, source, checked_from=checked_from)
        converted = convert(written, source, target, checked_from=checked_from)
    except InvalidExpression as error:
        assert error.code in {"cannot_convert", "never_matches"}  # noqa: PT017  the code of a rejection is part of the property
        return
    before, after = read(written, source), read(converted, target)

    assert isinstance(before, Cron)
    assert isinstance(after, Cron)
    window = Window(checked_from, checked_from + 90 * 24 * HOUR_MS)
    assert _walk(before, window) == _walk(after, window)


def _walk(cron: Cron, window: Window) -> list[Occurrence]:
    trigger = from_canonical(encode(Parts("UTC", DaylightSaving(), (cron,), ())))
    return list(walk(trigger, window))
