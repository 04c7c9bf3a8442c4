"""What readers found becomes what a registrar accepts; what it would reject is listed."""

from __future__ import annotations

import pytest

from eventcron.errors import InvalidSchedule
from eventcron.migrate.assemble import Defaults, Import, assemble, check_defaults
from eventcron.migrate.model import Imported, Timing, Unsaid
from eventcron.timing.notation import Notation
from tests.unit.migrate.imports import NOW

DEFAULTS = Defaults("acme", "UTC", NOW)


def _imported(*expressions: str, notation: Notation = Notation.SPRING, **fields: object) -> Imported:
    return Imported("job", tuple(Timing(text, notation) for text in expressions), 7, "what it says", None, fields)


def _assemble(*found: Imported | Unsaid) -> Import:
    return assemble([("file", list(found))], DEFAULTS)


def test_each_schedule_says_where_it_came_from() -> None:
    (written,) = _assemble(_imported("0 0 4 * * *")).schedules

    assert (written.origin, written.text) == ("file:7", "what it says")
    assert written.detail["labels"] == {"imported-from": "file:7"}


def test_expressions_that_need_different_exclusions_are_several_schedules() -> None:
    result = _assemble(_imported("0 0 4 * * *", "0 0 0 13 * FRI", "0 0 5 * * *"))

    assert [(one.detail["name"], one.detail["expression"], one.detail.get("exclude")) for one in result.schedules] == [
        ("job", ["0 0 4 * * *", "0 0 5 * * *"], None),
        ("job-2", "0 0 13 * *", ["* * * * 0-4,6"]),
    ]


def test_a_field_that_a_registrar_rejects_is_listed() -> None:
    result = _assemble(_imported("0 0 4 * * *", priority=12))

    assert result.schedules == []
    assert [(listed.origin, listed.unsaid.given, listed.unsaid.reason) for listed in result.unsaid] == [
        ("file:7", "what it says", "priority: got 12")
    ]


def test_a_part_of_a_schedule_that_is_not_written_is_not_imported_either() -> None:
    part = Unsaid("job", "part", "reason", "nearest", 8, whole=False)
    refused, written = _imported("0 0 4 * *"), _imported("0 0 4 * * *")

    assert [listed.unsaid.whole for listed in _assemble(refused, part).unsaid] == [True, True]
    assert [listed.unsaid.whole for listed in _assemble(written, part).unsaid] == [False]


def test_what_is_too_long_is_cut_and_listed() -> None:
    found = _imported("0 0 4 * * *", description="d" * 513)._replace(name="n" * 257)
    result = _assemble(found)

    assert [len(result.schedules[0].detail[field]) for field in ("description", "display_name")] == [512, 256]
    assert [listed.unsaid.reason for listed in result.unsaid] == [
        "description has at most 512 characters",
        "display_name has at most 256 characters",
    ]


def test_a_time_that_the_end_leaves_out_is_over() -> None:
    result = _assemble(_imported("0 0 4 * * *", end="2026-11-26T01:00:00Z"))

    assert result.unsaid[0].unsaid.reason.endswith("until 2026-11-26T01:00:00+00:00, which is over")


@pytest.mark.parametrize("expression", ["0 0 0 31 2 *", "0 0 0 30 2 MON"])
def test_a_date_that_never_comes_is_run_by_hand(expression: str) -> None:
    (written,) = _assemble(_imported(expression)).schedules

    assert written.detail["expression"] == "manual"


def test_the_zone_decides_about_the_nights_when_the_clocks_change() -> None:
    policy = {"gap": "skip", "overlap": "once"}
    found = _imported("0 0 4 * * *", daylight_saving=policy)
    result = _assemble(found, found._replace(timezone="Europe/Oslo"))

    assert [one.detail.get("daylight_saving") for one in result.schedules] == [None, policy]


def test_the_progress_counts_schedules() -> None:
    counts: list[int] = []
    unsaid = Unsaid("", "given", "reason", "nearest")

    assemble(
        [("file", [_imported("0 0 4 * * *"), unsaid, _imported("0 0 5 * * *")])], DEFAULTS, on_progress=counts.append
    )

    assert counts == [1, 2]


@pytest.mark.parametrize(
    ("tenant", "timezone", "message"),
    [("a b", "UTC", "--tenant: got 'a b'"), ("acme", "Olso", "timezone: got 'Olso'")],
)
def test_what_is_wrong_with_all_is_refused_once(tenant: str, timezone: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as refused:
        check_defaults(Defaults(tenant, timezone, NOW))

    assert message in str(refused.value)
