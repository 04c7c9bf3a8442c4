"""The table says what was measured, what is required, and which of it falls short."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks import table
from benchmarks.table import Row


@pytest.mark.parametrize(
    ("measured", "at_most", "holds"),
    [(10.0, True, True), (10.1, True, False), (10.0, False, True), (9.9, False, False), (None, True, False)],
)
def test_a_row_holds_at_its_bound_and_not_beyond(measured: float | None, at_most: bool, holds: bool) -> None:
    assert Row(what="x", measured=measured, unit="µs", required=10, at_most=at_most).holds is holds


def test_the_table_names_what_falls_short() -> None:
    rows = [
        Row(what="planner", measured=14_400, unit="schedules/s", required=500_000),
        Row(what="memory", measured=104.5, unit="MB", required=120, at_most=True),
        Row(what="rates", measured=5, unit="µs"),
    ]
    lines = table.text(rows).splitlines()

    assert "14,400 schedules/s" in lines[1]
    assert "≥ 500,000" in lines[1]
    assert lines[1].endswith("falls short")
    assert lines[2].endswith("ok")
    assert table.short(rows) == rows[:1]


@pytest.mark.parametrize(("required", "status"), [(2.0, 0), (4.0, 1)])
def test_the_program_fails_if_a_row_falls_short(
    required: float, status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    row = Row(what="planner against (b)", measured=3.0, unit="x", required=required)
    monkeypatch.setattr(program, "quick", lambda _: [row])
    monkeypatch.setattr(program, "_write", lambda *_: None)

    assert program.main(["--quick"]) == status


@pytest.mark.slow
def test_the_plots_are_drawn_of_what_was_measured(tmp_path: Path) -> None:
    from benchmarks import plots  # noqa: PLC0415  # matplotlib takes longer to import than all tests here

    runs = [{"us_each": 70.0}]
    figures = {f"planner, real, {name}": runs for name in ("100", "1000", "sequential", "gathered")}
    made = plots.draw({**figures, "lateness": {"100": [1.0, 2.0, 3.0]}}, tmp_path)

    assert {path.name for path in made} == {"cost.png", "cost.svg", "lateness.png", "lateness.svg"}
    assert all(path.stat().st_size > 1_000 for path in made)
    assert plots.draw({}, tmp_path) == []
