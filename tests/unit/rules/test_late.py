"""What a planner that was behind catches up on appears over one tick."""

from __future__ import annotations

from eventcron.model.commands import Misfire, MisfirePolicy
from eventcron.model.messages import Fire
from eventcron.model.names import Key, Window
from eventcron.model.records import IndexEntry
from eventcron.rules.late import Spread, graces

HOUR = 3_600_000
SPREAD = Spread(Window(0, HOUR), now=10 * HOUR, tick_ms=300_000, longest_ms=HOUR)
DAY_MS = 86_400_000


def fires(*ats: int, name: str = "all") -> list[Fire]:
    return [Fire("acme", name, 1, at, at) for at in ats]


def test_an_hour_appears_over_one_tick_in_order() -> None:
    assert [SPREAD.appears_at(at) - 10 * HOUR for at in (0, HOUR // 2, HOUR)] == [0, 150_000, 300_000]
    assert SPREAD.appears_at(-1) == 10 * HOUR


def test_only_what_is_late_and_lasts_is_spread() -> None:
    patience = {Key("acme", "all"): DAY_MS, Key("acme", "short"): 10 * HOUR}
    late, recent = fires(0, HOUR - 1), fires(10 * HOUR - 60_000)
    others, short = fires(0, name="once"), fires(60_000, name="short")

    timely, spread = SPREAD.split([*late, *recent, *others, *short], patience)

    assert spread == late
    assert timely == [*recent, *others, *short]


def test_a_planner_that_is_not_behind_spreads_nothing() -> None:
    punctual = SPREAD._replace(now=30_000)

    assert punctual.split(fires(0), {Key("acme", "all"): DAY_MS}) == (fires(0), ())


def test_only_fire_all_has_several_that_are_late() -> None:
    entries = [
        IndexEntry(tenant="acme", name=policy, revision=1, trigger="", start=0, handoff=0, misfire=Misfire(policy, 5))
        for policy in MisfirePolicy
    ]

    assert graces(entries) == {Key("acme", "fire_all"): 5_000}
