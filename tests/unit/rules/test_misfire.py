"""Late occurrences: merely late ones fire, missed ones by the policy, none older than the grace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.model.commands import Misfire, MisfirePolicy
from eventcron.rules.misfire import LATE_MS, TIMELY_MS, is_missed, sort_late

NOW = 10_000_000
HOUR_AGO, TEN_MINUTES_AGO, FUTURE = NOW - 3_600_000, NOW - 600_000, NOW + 5_000


@pytest.mark.parametrize(
    ("policy", "grace_seconds", "fire", "miss"),
    [
        pytest.param("fire_once", 86_400, [TEN_MINUTES_AGO, FUTURE], [HOUR_AGO], id="the-latest-missed-fires"),
        pytest.param("fire_all", 86_400, [HOUR_AGO, TEN_MINUTES_AGO, FUTURE], [], id="every-missed-one-fires"),
        pytest.param("skip", 86_400, [FUTURE], [HOUR_AGO, TEN_MINUTES_AGO], id="none-missed-fires"),
        pytest.param("fire_all", 900, [TEN_MINUTES_AGO, FUTURE], [HOUR_AGO], id="older-than-grace-never-fires"),
        pytest.param("fire_once", 300, [FUTURE], [HOUR_AGO, TEN_MINUTES_AGO], id="nor-the-latest-of-them"),
        pytest.param("fire_all", 0, [FUTURE], [HOUR_AGO, TEN_MINUTES_AGO], id="no-grace-no-late-fire"),
    ],
)
def test_policy_decides_what_was_missed(policy: str, grace_seconds: int, fire: list[int], miss: list[int]) -> None:
    misfire = Misfire(policy=MisfirePolicy(policy), grace_seconds=grace_seconds)

    assert sort_late([HOUR_AGO, TEN_MINUTES_AGO, FUTURE], misfire, now=NOW) == (fire, miss)


@pytest.mark.parametrize("policy", MisfirePolicy)
def test_a_merely_late_fire_always_fires(policy: MisfirePolicy) -> None:
    assert sort_late([NOW - LATE_MS], Misfire(policy=policy), now=NOW) == ([NOW - LATE_MS], [])


def test_once_is_once_where_a_merely_late_one_fires_too() -> None:
    assert sort_late([TEN_MINUTES_AGO, NOW - 1], Misfire(), now=NOW) == ([NOW - 1], [TEN_MINUTES_AGO])


def test_a_fire_within_a_second_is_timely_even_without_grace() -> None:
    misfire = Misfire(grace_seconds=0)

    assert not is_missed(NOW - TIMELY_MS, misfire, now=NOW, is_followed=lambda: True)
    assert is_missed(NOW - TIMELY_MS - 1, misfire, now=NOW, is_followed=lambda: False)


@pytest.mark.parametrize(
    ("policy", "at", "followed", "missed"),
    [
        pytest.param("fire_once", TEN_MINUTES_AGO, True, True, id="a-later-one-fires-instead"),
        pytest.param("fire_once", TEN_MINUTES_AGO, False, False, id="it-is-the-latest"),
        pytest.param("fire_once", NOW - LATE_MS, True, False, id="it-is-merely-late"),
        pytest.param("fire_all", TEN_MINUTES_AGO, True, False, id="every-missed-one-fires"),
        pytest.param("skip", TEN_MINUTES_AGO, False, True, id="none-missed-fires"),
    ],
)
def test_a_late_fire_is_missed_once_a_later_one_is_due(policy: str, at: int, *, followed: bool, missed: bool) -> None:
    misfire = Misfire(policy=MisfirePolicy(policy))

    assert is_missed(at, misfire, now=NOW, is_followed=lambda: followed) is missed


@given(
    instants=st.lists(st.integers(NOW - 10_000_000, NOW + 1_000_000), unique=True).map(sorted),
    policy=st.sampled_from(MisfirePolicy),
    grace_seconds=st.integers(0, 10_000),
)
def test_each_instant_fires_or_is_missed_and_policies_keep_their_word(
    instants: list[int], policy: MisfirePolicy, grace_seconds: int
) -> None:
    fire, miss = sort_late(instants, Misfire(policy=policy, grace_seconds=grace_seconds), now=NOW)

    assert sorted(fire + miss) == instants
    assert fire == sorted(fire)
    assert all(NOW - instant <= max(grace_seconds * 1000, TIMELY_MS) for instant in fire)
    if policy is not MisfirePolicy.FIRE_ALL:
        assert sum(NOW - instant > LATE_MS for instant in fire) <= (policy is MisfirePolicy.FIRE_ONCE)
