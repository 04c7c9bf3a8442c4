"""Whose a fire is, when eras overlap: one sender's, and the earliest era's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.model.commands import Misfire
from eventcron.model.names import Instant
from eventcron.model.records import Era
from eventcron.rules.timeline import has, is_superseded, may_publish, not_taken
from eventcron.timing.trigger import parse

MINUTE = 60_000
MINUTELY = parse("* * * * *", anchor=0).canonical
HOURLY = parse("0 * * * *", anchor=0).canonical


def era(  # columns of a table
    revision: int,
    trigger: str = MINUTELY,
    start: Instant = 0,
    end: Instant | None = None,
    planned_through: Instant | None = None,
    *,
    paused: bool = False,
) -> Era:
    return Era(
        revision,
        trigger,
        start,
        end,
        planned_through=planned_through,
        paused=paused,
        misfire=Misfire(),
        flexible_window_seconds=0,
    )


#: Replaced at minute 10, when the planner had sent what is due before minute 12.
REPLACED = (era(1, end=10 * MINUTE, planned_through=8 * MINUTE), era(2, start=10 * MINUTE))


@pytest.mark.parametrize(
    ("revision", "minute", "may"),
    [
        pytest.param(1, 7, True, id="the-planner-sent-it-before-the-cut"),
        pytest.param(1, 8, False, id="the-planner-sent-what-was-left-to-the-registrar"),
        pytest.param(2, 8, True, id="the-registrar-sent-what-the-planner-left"),
        pytest.param(1, 11, False, id="a-fire-after-the-end-of-its-era"),
        pytest.param(2, 11, True, id="the-era-in-force"),
        pytest.param(3, 11, False, id="an-unknown-revision"),
    ],
)
def test_a_fire_is_published_for_the_sender_that_has_it(revision: int, minute: int, *, may: bool) -> None:
    assert may_publish(REPLACED, revision, due=minute * MINUTE, at=minute * MINUTE) is may


def test_an_era_that_was_paused_publishes_nothing_of_its_own() -> None:
    eras = (era(1, end=10 * MINUTE, planned_through=10 * MINUTE, paused=True), era(2, start=10 * MINUTE))

    assert not may_publish(eras, 1, due=5 * MINUTE, at=5 * MINUTE)


@st.composite
def timelines(draw: st.DrawFn) -> Sequence[Era]:
    """Eras that follow each other without a gap, each cut at its end, with the last in force."""
    cuts = sorted(draw(st.sets(st.integers(0, 30), min_size=1, max_size=4)))
    eras = [
        era(
            number,
            start=begun * MINUTE,
            end=ended * MINUTE,
            planned_through=draw(st.integers(begun, ended)) * MINUTE,
            paused=draw(st.booleans()),
        )
        for number, (begun, ended) in enumerate(pairwise([0, *cuts]), start=1)
    ]
    return (*eras, era(len(eras) + 1, start=cuts[-1] * MINUTE))


@given(timelines(), st.integers(0, 40))
def test_a_cut_eras_fire_is_accepted_from_one_sender(eras: Sequence[Era], minute: int) -> None:
    """The planner sends under the era's own revision, the registrar under the next era's."""
    due = minute * MINUTE
    for before, after in pairwise(eras):
        if not before.contains(due) or after.contains(due):
            continue
        planners = may_publish([before, after, era(99)], before.revision, due=due, at=due)
        registrars = may_publish([before, after, era(99)], after.revision, due=due, at=due)

        assert not (planners and registrars)
        assert registrars is (before.planned_through is not None and due >= before.planned_through)
        assert before.paused or planners is not registrars


@pytest.mark.parametrize(
    ("eras", "superseded"),
    [
        pytest.param((era(1),), True, id="no-other-era"),
        pytest.param((era(1, end=MINUTE * 60), era(2)), False, id="the-next-era-has-it-too"),
        pytest.param((era(1, HOURLY, end=MINUTE * 60), era(2, HOURLY, start=0)), True, id="not-at-that-minute"),
        pytest.param((era(1), era(2, trigger="")), False, id="deleted"),
        pytest.param((), False, id="no-timeline"),
    ],
)
def test_an_occurrence_that_no_other_era_has_is_superseded(eras: Sequence[Era], *, superseded: bool) -> None:
    assert is_superseded(eras, 1, due=30 * MINUTE, at=30 * MINUTE) is superseded


def test_an_era_has_the_occurrences_of_its_trigger_within_its_span() -> None:
    hourly = era(1, HOURLY, start=60 * MINUTE, end=180 * MINUTE)

    assert [minute for minute in range(0, 241, 30) if has(hourly, minute * MINUTE)] == [60, 120]
    assert not has(era(1, trigger=""), 0)


def test_what_two_eras_have_is_the_earlier_ones() -> None:
    free = not_taken([era(1, HOURLY, end=120 * MINUTE), era(2, start=30 * MINUTE)])

    assert [minute for minute in range(0, 181, 30) if not free(minute * MINUTE)] == [60]
    assert not_taken([])(0)
