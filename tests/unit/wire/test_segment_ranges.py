"""Segments in ranges: every one in exactly one, and no planner with nothing to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.wire.segment_ranges import decode_range, encode_range, split

counts = st.integers(1, 1024)


@pytest.mark.parametrize(
    ("segments", "workers", "at_once", "sizes"),
    [
        pytest.param(256, 8, 32, [32] * 8, id="one-range-a-planner"),
        pytest.param(256, 8, 16, [16] * 16, id="no-more-than-a-planner-works-on-at-once"),
        pytest.param(64, 16, 16, [4] * 16, id="something-for-every-planner"),
        pytest.param(4, 8, 16, [1] * 4, id="more-planners-than-segments"),
        pytest.param(100, 8, 16, [13] * 7 + [9], id="the-last-is-what-is-left"),
    ],
)
def test_a_range_is_as_large_as_says_the_rule(segments: int, workers: int, at_once: int, sizes: list[int]) -> None:
    assert [part.end - part.first for part in split(segments, workers=workers, at_once=at_once, tick=7)] == sizes


@given(counts, st.integers(1, 256), st.integers(1, 256))
def test_every_segment_is_in_one_range_and_every_range_is_read_as_it_was_written(
    segments: int, workers: int, at_once: int
) -> None:
    ranges = split(segments, workers=workers, at_once=at_once, tick=1_796_112_000_000)

    assert [segment for part in ranges for segment in range(part.first, part.end)] == list(range(segments))
    assert all(part.end - part.first <= at_once for part in ranges)
    assert len(ranges) >= min(workers, segments) // 2  # whole ranges: with 10 segments for 6 planners, five of two
    assert [decode_range(encode_range(part)) for part in ranges] == ranges
