"""Fires by tenant and part of a window."""

from __future__ import annotations

import pytest

from eventcron.model.names import Window
from eventcron.rules.heat_map import MOST_CELLS, HeatMap, cell_ms

HOUR_MS = 3_600_000
DAY = Window(0, 24 * HOUR_MS)


def test_the_rows_are_the_sum_the_busiest_and_the_others() -> None:
    cells = {("a", 0): 5, ("a", 95): 1, ("b", 1): 2, ("c", 1): 9, ("d", 1): 1}
    rows = HeatMap(DAY, cells).rows(3)

    assert [(row.name, row.fires) for row in rows] == [("all tenants", 18), ("c", 9), ("a", 6), ("2 other tenants", 3)]
    assert (rows[0].counts[0], rows[0].counts[1], rows[0].counts[95], rows[3].counts[1]) == (5, 12, 1, 3)


def test_as_many_tenants_as_lines_have_one_each() -> None:
    rows = HeatMap(DAY, {("b", 0): 1, ("a", 0): 1}).rows(2)

    assert [row.name for row in rows] == ["all tenants", "a", "b"]


def test_without_fires_there_is_an_empty_line() -> None:
    (row,) = HeatMap(DAY, {}).rows(20)

    assert (row.name, set(row.counts), len(row.counts)) == ("all tenants", {0}, 96)


@pytest.mark.parametrize(
    ("hours", "minutes"), [(0.5, 1), (1, 1), (2, 2), (24, 15), (25, 30), (7 * 24, 120), (366 * 24, 4 * 1_440)]
)
def test_a_part_is_a_round_span_and_there_are_not_too_many(hours: float, minutes: int) -> None:
    window = Window(7, 7 + round(hours * HOUR_MS))

    assert cell_ms(window) == minutes * 60_000
    assert 0 < len(HeatMap(window, {}).starts) <= MOST_CELLS


def test_a_window_of_centuries_is_one_part() -> None:
    assert HeatMap(Window(0, 1_000 * 366 * 24 * HOUR_MS), {}).starts == [0]
