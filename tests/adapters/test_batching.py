"""Batches respect count and bytes and lose nothing; calls at once all end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventcron.adapters.aws.batching import batches


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([1, 1, 1], [[0, 1, 2]], id="all-in-one"),
        pytest.param([1, 1, 1, 1], [[0, 1, 2], [3]], id="by-count"),
        pytest.param([5, 5, 1], [[0, 1], [2]], id="exactly-full"),
        pytest.param([5, 6], [[0], [1]], id="by-bytes"),
        pytest.param([11, 1, 99], [[0], [1], [2]], id="too-large-goes-alone"),
        pytest.param([0, 0, 0, 0], [[0, 1, 2], [3]], id="empty-items-count"),
    ],
)
def test_batches(sizes: list[int], expected: list[list[int]]) -> None:
    assert [list(batch) for batch in batches(sizes, count=3, total=10)] == expected


@given(st.lists(st.integers(0, 30)), st.integers(1, 10), st.integers(1, 40))
def test_batches_respect_count_and_bytes_and_lose_nothing(sizes: list[int], count: int, total: int) -> None:
    found = [list(batch) for batch in batches(sizes, count=count, total=total)]

    assert [index for batch in found for index in batch] == list(range(len(sizes)))
    for batch in found:
        assert 1 <= len(batch) <= count
        assert len(batch) == 1 or sum(sizes[index] for index in batch) <= total
