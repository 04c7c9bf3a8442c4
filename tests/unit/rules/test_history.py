"""Which events a deployment keeps, and in which order. ``tests/infra/test_history.py`` has the rule that does it."""

from __future__ import annotations

from typing import Any

import pytest

from eventcron.model.history import EntryKind, HistoryEntry, KeepHistory
from eventcron.model.names import END_OF_TIME
from eventcron.rules.history import first_place, is_kept, place

NONE, TRACKED, ALL = (KeepHistory.NONE, KeepHistory.TRACKED, KeepHistory.ALL)


@pytest.mark.parametrize(
    ("detail_type", "detail", "kept_by"),
    [
        pytest.param("Schedule Fired", {"fire_id": "5f"}, {ALL}, id="a-fire"),
        pytest.param("Nightly Export", {"fire_id": "5f"}, {ALL}, id="a-fire-by-any-name"),
        pytest.param("Nightly Export", {"fire_id": "5f", "run_token": "t"}, {ALL, TRACKED}, id="a-tracked-fire"),
        pytest.param("Run Succeeded", {"fire_id": "5f"}, {ALL, TRACKED}, id="the-end-of-a-run"),
        pytest.param("Run Reported", {"fire_id": "5f"}, set(), id="progress-ends-nothing"),
        pytest.param("Schedule Failed", {"fire_id": "5f"}, {ALL}, id="a-fire-that-could-not-be-published"),
        pytest.param("Schedule Skipped", {"fire_id": "5f", "reason": "misfire"}, {ALL}, id="a-skip"),
        pytest.param(
            "Schedule Skipped", {"fire_id": "5f", "reason": "still_running"}, {ALL, TRACKED}, id="a-skip-for-a-run"
        ),
        pytest.param("Schedule Updated", {}, {ALL}, id="a-change"),
        pytest.param("Schedule Rejected", {"reason": "failures"}, {ALL}, id="a-rejection"),
        pytest.param("Schedule Paused", {}, {ALL}, id="a-pause"),
        pytest.param("Schedule Paused", {"reason": "failures"}, {ALL, TRACKED}, id="a-pause-for-failed-runs"),
        pytest.param("Schedule Unchanged", {}, set(), id="nothing-changed"),
        pytest.param("Calendar Updated", {}, set(), id="of-no-schedule"),
    ],
)
def test_a_deployment_keeps_every_fire_and_change_or_what_is_about_runs_or_nothing(
    detail_type: str, detail: dict[str, Any], kept_by: set[KeepHistory]
) -> None:
    assert {keep for keep in KeepHistory if is_kept(keep, detail_type, detail)} == kept_by
    assert not is_kept(NONE, detail_type, detail)


def entry(at: int, kind: EntryKind = EntryKind.FIRED, named: str = "5f") -> HistoryEntry:
    return HistoryEntry(
        tenant="acme", name="tea", at=at, kind=kind, id=named, detail_type="Schedule Fired", time=at, detail={}
    )


def test_entries_sort_by_their_instants_as_numbers_do() -> None:
    instants = [0, 9, 10, 999_999_999_999, 1_000_000_000_000, END_OF_TIME]

    assert sorted(map(entry, reversed(instants)), key=place) == [entry(at) for at in instants]


def test_what_stands_before_an_instant_is_before_all_its_entries_and_after_all_earlier_ones() -> None:
    at = 1_796_112_000_000

    assert all(place(entry(at - 1, kind)) < first_place(at) < place(entry(at, kind)) for kind in EntryKind)
    assert first_place(-1) == first_place(0) == "0" * 14


def test_an_event_that_comes_twice_is_one_entry_and_another_of_its_instant_is_another() -> None:
    first = entry(5)

    assert place(first) == place(entry(5))
    assert len({place(first), place(entry(5, EntryKind.RUN)), place(entry(5, named="6a")), place(entry(6))}) == 4
