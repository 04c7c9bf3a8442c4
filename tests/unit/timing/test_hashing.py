"""Segments are equal shares, fixed by name, that split in two when their number doubles."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.model.names import Key
from eventcron.timing.hashing import flexible_offset_ms, segment_of, stable_hash

NAMES = st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCXYZ0189._-", min_size=1, max_size=128)
KEYS = st.builds(Key, NAMES, NAMES)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param(Key("acme", "nightly-export"), 15012691568425330901, id="plain"),
        pytest.param(Key("a", "bc"), 1064598656239328844, id="short-tenant"),
        pytest.param(Key("ab", "c"), 6616600181743479016, id="the-same-letters-split-elsewhere"),
    ],
)
def test_the_hash_never_changes(key: Key, expected: int) -> None:
    """It decides what is stored where; another value would lose schedules on an upgrade."""
    assert stable_hash(key) == expected


@given(KEYS, st.integers(1, 1024))
def test_every_schedule_is_in_exactly_one_segment(key: Key, segments: int) -> None:
    assert 0 <= segment_of(key, segments) < segments


@given(KEYS, st.integers(1, 512))
def test_doubling_the_segments_splits_each_in_two(key: Key, segments: int) -> None:
    before = segment_of(key, segments)

    assert segment_of(key, 2 * segments) in (before, before + segments)


def test_segments_are_roughly_equal() -> None:
    """40,000 schedules over 64 segments: 625 each; six standard deviations are 150."""
    shares = Counter(segment_of(Key(f"tenant-{n % 200}", f"job-{n}"), 64) for n in range(40_000))

    assert set(shares) == set(range(64))
    assert max(shares.values()) <= 625 + 150
    assert min(shares.values()) >= 625 - 150


@given(KEYS, st.integers(1, 86_400))
def test_a_flexible_offset_is_whole_seconds_inside_the_window(key: Key, seconds: int) -> None:
    offset = flexible_offset_ms(key, seconds)

    assert 0 <= offset < seconds * 1000
    assert offset % 1000 == 0


@given(KEYS)
def test_without_a_flexible_window_there_is_no_offset(key: Key) -> None:
    assert flexible_offset_ms(key, 0) == 0


def test_the_schedules_of_one_segment_use_the_whole_flexible_window() -> None:
    """An offset by the segment's own hash would leave a segment of 64 only each 64th second."""
    keys = [key for n in range(20_000) if segment_of(key := Key("acme", f"job-{n}"), 64) == 7]
    offsets = {flexible_offset_ms(key, 64) // 1000 for key in keys}

    assert len(keys) > 200
    assert len(offsets) > 55


def test_offsets_are_spread_evenly() -> None:
    minutes = Counter(flexible_offset_ms(Key("acme", f"job-{n}"), 600) // 60_000 for n in range(10_000))

    assert set(minutes) == set(range(10))
    assert max(minutes.values()) < 1_200
    assert min(minutes.values()) > 800
