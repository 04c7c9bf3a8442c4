"""A lease is alive until it ends; one that no invocation can have is of a clock ahead, and holds nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.model.names import Instant
from eventcron.rules.leases import LONGEST_LEASE_MS, is_held

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z


@pytest.mark.parametrize(
    ("lease_until", "held"),
    [
        pytest.param(0, False, id="never-taken"),
        pytest.param(NOW - 1, False, id="over"),
        pytest.param(NOW, False, id="it-ends-now"),
        pytest.param(NOW + 1, True, id="a-millisecond-is-left"),
        pytest.param(NOW + LONGEST_LEASE_MS, True, id="the-longest-just-taken"),
        pytest.param(NOW + LONGEST_LEASE_MS + 1, False, id="longer-than-any-can-be"),
    ],
)
def test_a_lease_is_held_for_as_long_as_its_invocation_can_last(lease_until: Instant, *, held: bool) -> None:
    assert is_held(lease_until, now=NOW) is held


def test_the_longest_lease_is_the_longest_that_lambda_lets_an_invocation_last() -> None:
    assert LONGEST_LEASE_MS == 15 * 60 * 1000


@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_no_lease_keeps_others_out_for_longer_than_the_longest(lease_until: Instant, now: Instant) -> None:
    assert not is_held(lease_until, now=now) or not is_held(lease_until, now=now + LONGEST_LEASE_MS)
