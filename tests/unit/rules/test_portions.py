"""A window planned in portions comes to what it comes to in one piece, and holds few fires at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from eventcron.model.commands import Misfire, MisfirePolicy
from eventcron.model.messages import Fire
from eventcron.model.names import Instant, Window
from eventcron.model.records import IndexEntry
from eventcron.rules import planning
from eventcron.rules.planning import Contribution, Memos, WindowMemo, contribution
from eventcron.rules.portions import PagePlan, Planned
from eventcron.timing.trigger import parse

NOW: Instant = 1_796_112_000_000  # 2026-12-01T08:00:00Z
HOUR, MINUTE, SECOND = 3_600_000, 60_000, 1_000
EXPRESSIONS = ["* * * * * *", "*/7 * * * * *", "* * * * *", "30 8 * * *", "0 0 1 1 *", "rate(90 seconds)"]


def entry(
    expression: str = "* * * * * *", *, name: str = "report", exclude: Sequence[str] = (), **more: object
) -> IndexEntry:
    trigger = parse(expression, anchor=NOW, exclude=list(exclude)).canonical
    values = {"tenant": "acme", "name": name, "revision": 1, "trigger": trigger, "start": 0, "handoff": 0, **more}
    return IndexEntry(**values)  # type: ignore[arg-type]  # fields by name


def plan(entries: Sequence[IndexEntry], window: Window, *, limit: int, now: Instant = NOW) -> PagePlan:
    def contribute(one: IndexEntry, memo: WindowMemo, since: Instant) -> Contribution:
        return contribution(one, memo.window, memo, now=now, since=since)

    return PagePlan(entries, window, Memos(), limit=limit, contribute=contribute)


def in_one_piece(one: IndexEntry, window: Window, *, now: Instant) -> tuple[list[Fire], Planned]:
    whole = contribution(one, window, WindowMemo(window), now=now)
    fires = [replace(fire, last=False) for fire in whole.fires]
    return fires, Planned(one, fires[-1].at if fires else None, False, whole.skips, whole.following)


@pytest.mark.slow
@pytest.mark.no_cover
@settings(max_examples=100, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(data=st.data(), limit=st.sampled_from([1, 50, 5_000]))
def test_portions_come_to_what_one_piece_comes_to(data: st.DataObject, limit: int) -> None:
    start = NOW - data.draw(st.sampled_from([0, 5 * MINUTE, 50 * MINUTE]))
    window = Window(start, NOW + 12 * MINUTE)
    entries = [
        entry(
            data.draw(st.sampled_from(EXPRESSIONS)),
            name=f"n{number}",
            exclude=data.draw(st.sampled_from([[], ["* 8 * * *"], ["*/2 * * * *"]])),
            wake=data.draw(st.sampled_from([0, start, start - 40 * MINUTE, NOW + MINUTE])),
            handoff=data.draw(st.sampled_from([0, start - MINUTE, NOW + 90 * SECOND])),
            end=data.draw(st.sampled_from([None, NOW - 3 * MINUTE, NOW + 2 * MINUTE])),
            flexible_window_seconds=data.draw(st.sampled_from([0, 600])),
            misfire=Misfire(
                policy=data.draw(st.sampled_from(MisfirePolicy)),
                grace_seconds=data.draw(st.sampled_from([0, 600, 86_400])),
            ),
        )
        for number in range(data.draw(st.integers(1, 4)))
    ]
    whole = [in_one_piece(one, window, now=NOW) for one in entries]

    plan_ = plan(entries, window, limit=limit)
    fires = [replace(fire, last=False) for portion in plan_.portions() for fire in portion]

    assert sorted(fires, key=str) == sorted((fire for found, _ in whole for fire in found), key=str)
    assert [planned._replace(ends=False) for planned in plan_.planned] == [planned for _, planned in whole]
    for one in plan_.planned:
        assert one.ends <= (one.following is None and one.fired is not None)
        assert one.ends or one.fired is None or one.following is not None or one.skips, "the last fire says so"


def test_where_only_skips_follow_the_last_fire_in_another_slice_it_is_not_marked() -> None:
    """The planner completes such a schedule itself, once its end is past."""
    one = entry("* * * * * *", exclude=["1-59 8 * * *"], end=NOW + 40 * MINUTE)
    plan_ = plan([one], Window(NOW, NOW + 60 * MINUTE), limit=5_000)
    fires = [fire for portion in plan_.portions() for fire in portion]

    assert (len(fires), fires[-1].last, plan_.planned[0].ends) == (60, False, False)


def test_a_portion_has_no_more_fires_than_the_limit_and_seconds_stay_whole() -> None:
    entries = [entry(name=f"n{number}") for number in range(30)]
    window = Window(NOW, NOW + 5 * MINUTE)

    portions = list(plan(entries, window, limit=1_000).portions())

    assert max(map(len, portions)) <= 1_000
    assert sum(map(len, portions)) == 30 * 300
    seconds = [{fire.at // SECOND for fire in portion} for portion in portions]
    assert all(not one & other for one, other in pairwise(seconds)), "packs stay full"


def test_a_slice_with_too_many_fires_is_cut_before_they_are_made() -> None:
    made: list[int] = []

    def contribute(one: IndexEntry, memo: WindowMemo, since: Instant) -> Contribution:
        found = contribution(one, memo.window, memo, now=NOW, since=since)
        made.append(len(found.fires))
        return found

    entries = [entry(name=f"n{number}") for number in range(30)]
    plan_ = PagePlan(entries, Window(NOW, NOW + 5 * MINUTE), Memos(), limit=1_000, contribute=contribute)

    assert sum(map(len, plan_.portions())) == sum(made)


def test_schedules_of_one_second_are_parted_where_they_are_too_many() -> None:
    entries = [entry("0 8 * * *", name=f"n{number}") for number in range(25)]

    portions = list(plan(entries, Window(NOW, NOW + MINUTE), limit=10).portions())

    assert [len(portion) for portion in portions] == [10, 10, 5]


@pytest.mark.parametrize(("policy", "fires"), [(MisfirePolicy.FIRE_ONCE, 1), (MisfirePolicy.FIRE_ALL, 60)])
def test_windows_that_are_all_late_fire_the_latest_once(policy: MisfirePolicy, fires: int) -> None:
    """The planner is an hour behind and plans ten minutes at a time."""
    late = entry("* * * * *", misfire=Misfire(policy=policy), end=NOW - 2 * MINUTE)
    windows = [Window(NOW - minutes * MINUTE, NOW - (minutes - 10) * MINUTE) for minutes in range(62, 2, -10)]

    dues = [fire.due for window in windows for portion in plan([late], window, limit=9).portions() for fire in portion]

    assert (len(dues), dues[-1]) == (fires, NOW - 3 * MINUTE)


def test_an_entry_that_the_index_hid_for_a_day_is_planned_from_its_wake_in_slices() -> None:
    hidden = entry(wake=NOW - 24 * HOUR, misfire=Misfire(policy=MisfirePolicy.FIRE_ALL, grace_seconds=604_800))

    portions = [len(portion) for portion in plan([hidden], Window(NOW, NOW + MINUTE), limit=2_000).portions()]

    assert (sum(portions), max(portions) <= 2_000) == (86_400 + 60, True)


def test_an_instant_far_away_costs_one_slice() -> None:
    slices = []

    def contribute(one: IndexEntry, memo: WindowMemo, since: Instant) -> Contribution:
        slices.append(memo.window)
        return contribution(one, memo.window, memo, now=NOW, since=since)

    yearly = entry("0 0 1 1 *", start=NOW - 24 * 365 * 10 * HOUR, misfire=Misfire(policy=MisfirePolicy.FIRE_ALL))
    list(PagePlan([yearly], Window(0, NOW), Memos(), limit=9, contribute=contribute).portions())

    assert len(slices) == 11, "ten years and the first look"


def test_a_memo_forgets_before_it_holds_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "MAX_REMEMBERED", 1_000)
    memo = WindowMemo(Window(NOW, NOW + 5 * MINUTE))
    for second in range(60):
        memo.look_up(parse(f"{second},* * * * * *", exclude=[f"{second} 0 0 1 1 *"], anchor=NOW).canonical)

    assert memo._held <= 1_000 + 2 * 301
    assert len(memo._known) <= 5


def test_the_memos_of_the_last_windows_are_kept() -> None:
    memos = Memos()
    first = memos.of(Window(NOW, NOW + 1))
    for number in range(1, planning.MAX_MEMOS):
        memos.of(Window(NOW, NOW + 1 + number))

    assert memos.of(Window(NOW, NOW + 1)) is first
    memos.of(Window(NOW, NOW + 100))
    assert memos.of(Window(NOW, NOW + 1)) is first
