"""Cuts a sequence into batches that a service takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def batches(sizes: Sequence[int], *, count: int, total: int) -> Iterator[range]:
    """Consecutive index ranges that cover *sizes*, each of at most *count* items and *total* bytes.

    An item larger than *total* gets a batch of its own.

    >>> list(batches([4, 4, 4, 20, 1], count=2, total=10))
    [range(0, 2), range(2, 3), range(3, 4), range(4, 5)]
    """
    start = held = 0
    for index, size in enumerate(sizes):
        if index > start and (index - start == count or held + size > total):
            yield range(start, index)
            start, held = index, 0
        held += size
    if sizes:
        yield range(start, len(sizes))
