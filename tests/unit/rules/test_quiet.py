"""What is left out of planning: only what would come to nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from eventcron.model.names import Window
from eventcron.model.records import IndexEntry
from eventcron.rules import quiet
from eventcron.rules.planning import Memos, WindowMemo, contribution, first_occurrence
from eventcron.rules.quiet import NextOccurrences, is_left_out
from eventcron.timing.trigger import parse

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOON = 20_000 * DAY + 12 * HOUR
TRIGGERS = [
    parse(text, anchor=NOON - DAY, exclude=exclude).canonical
    for text, exclude in [
        ("0 12 * * *", []),
        ("*/5 * * * *", []),
        ("30 13 * * *", ["2024-10-04/2026-01-01"]),
        ("rate(7 minutes)", []),
        ("0 0 1 1 *", []),
        (f"at({2024}-10-04T12:03:00)", []),
    ]
]


def an_entry(trigger: str, **more: int) -> IndexEntry:
    plain = IndexEntry(tenant="acme", name="n", revision=1, trigger=trigger, start=0, handoff=0)
    return replace(plain, **more)


@given(
    st.lists(st.tuples(st.sampled_from(TRIGGERS), st.integers(-200, 200), st.integers(1, 90)), min_size=1, max_size=12)
)
def test_what_is_quiet_would_contribute_nothing_in_whatever_order_windows_are_planned(
    asked: list[tuple[str, int, int]],
) -> None:
    known = NextOccurrences()
    for trigger, minutes, length in asked:
        start = NOON + minutes * MINUTE
        window = Window(start, start + length * MINUTE)
        found = contribution(an_entry(trigger), window, WindowMemo(window), now=window.start)
        nothing = found.fires == [] == found.skips and found.following is not None
        assert known.quiet_in(window)(trigger) == nothing


def test_a_trigger_that_cannot_be_read_is_not_quiet() -> None:
    window = Window(NOON, NOON + MINUTE)

    assert not NextOccurrences().quiet_in(window)("2;UTC;shift,once;s sunrise")


def test_in_the_first_window_of_a_segment_nothing_is_quiet() -> None:
    assert not NextOccurrences().quiet_in(Window(0, NOON))(TRIGGERS[4])


@pytest.mark.parametrize(
    ("entry", "left_out"),
    [
        pytest.param(an_entry("quiet"), True, id="dense"),
        pytest.param(an_entry("due"), False, id="due"),
        pytest.param(an_entry("quiet", wake=NOON), False, id="timed"),
        pytest.param(an_entry("quiet", end=NOON), False, id="with-an-end"),
        pytest.param(an_entry("quiet", flexible_window_seconds=60), False, id="with-a-flexible-window"),
    ],
)
def test_an_entry_of_its_own_mind_is_not_left_out(entry: IndexEntry, left_out: bool) -> None:
    assert is_left_out(entry, lambda trigger: trigger == "quiet") == left_out


def test_a_trigger_is_searched_once_for_as_long_as_nothing_of_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []

    def counted(trigger: str, since: int) -> int | None:
        searched.append(trigger)
        return first_occurrence(trigger, since)

    monkeypatch.setattr(quiet, "first_occurrence", counted)
    known = NextOccurrences()
    for minute in range(24 * 60):
        start = NOON + minute * MINUTE
        for trigger in TRIGGERS[:2]:
            known.quiet_in(Window(start, start + MINUTE))(trigger)

    assert searched.count(TRIGGERS[0]) == 2  # noon, and after it
    assert searched.count(TRIGGERS[1]) == 24 * 12 + 1


def test_what_is_remembered_is_bounded_and_what_is_past_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "MAX_BYTES", 3 * (quiet.ENTRY_BYTES + 100))
    texts = [parse(f"{minute} 12 * * *", anchor=0).canonical for minute in range(10)]
    known = NextOccurrences()
    for text in texts:
        assert known.quiet_in(Window(NOON - HOUR, NOON))(text)
    assert list(known._known) == texts[:3]

    for text in texts[5:]:
        known.quiet_in(Window(NOON + 5 * MINUTE, NOON + 6 * MINUTE))(text)

    assert list(known._known) == texts[5:8]
    assert known._bytes == sum(quiet.ENTRY_BYTES + len(text) for text in known._known)


def test_segments_of_one_window_share_its_answers_which_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "MAX_ANSWERS", 2)
    asked: list[str] = []

    class Counted(NextOccurrences):
        def _is_quiet(self, window: Window, trigger: str) -> bool:
            asked.append(trigger)
            return super()._is_quiet(window, trigger)

    known, window = Counted(), Window(NOON - 10 * MINUTE, NOON)
    for _segment in range(3):
        is_quiet = known.quiet_in(window)
        assert [is_quiet(trigger) for trigger in TRIGGERS[:3]] == [True, False, True]

    assert asked == [*TRIGGERS[:3], TRIGGERS[2], TRIGGERS[2]]
    assert not known.quiet_in(Window(NOON, NOON + MINUTE))(TRIGGERS[0]), "another window has its own answers"


def test_a_trigger_that_was_planned_is_not_searched_for_the_next_window(monkeypatch: pytest.MonkeyPatch) -> None:
    known = NextOccurrences()
    memo = Memos(known.note).of(Window(NOON - MINUTE, NOON + MINUTE))
    for trigger in TRIGGERS:
        memo.look_up(trigger)

    monkeypatch.delattr(quiet, "first_occurrence")
    is_quiet = known.quiet_in(Window(NOON + MINUTE, NOON + 5 * MINUTE))

    assert [is_quiet(trigger) for trigger in TRIGGERS] == [True, True, True, False, True, False]
