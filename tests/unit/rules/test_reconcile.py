"""What the reconciler repairs of one record, at the edges. ``tests/unit/app/test_reconcile.py`` walks over a table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from eventcron.errors import InvalidExpression
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Key
from eventcron.model.records import Record, State
from eventcron.rules.definition import canonical_of
from eventcron.rules.planning import DENSE
from eventcron.rules.reconcile import OVER_MS, Fault, Setting, find
from eventcron.timing.exclusions import parse_dates
from eventcron.timing.hashing import flexible_offset_ms, segment_of
from tests.records import record_of

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
REACH = 12 * MINUTE
KEY = Key("acme", "report")
HERE, ELSEWHERE = segment_of(KEY, 4), segment_of(KEY, 4) + 1
#: Each segment is planned through 08:10.
SETTING = Setting(NOW, REACH, 4, dict.fromkeys(range(4), NOW + 10 * MINUTE))
ANEW = SETTING._replace(work_out=True)
NORWAY = {"norway": [parse_dates("2026-12-24")]}


def enabled(expression: str = "* * * * *", *, schedule: dict[str, Any] | None = None, **more: Any) -> Record:
    """A schedule that was put nine days before, dense and in its segment."""
    given = Schedule(tenant="acme", name="report", expression=expression, **(schedule or {}))
    created = NOW - 9 * DAY
    values = {
        "trigger": canonical_of(given, created, NORWAY),
        "start": created,
        "created": created,
        "segment": HERE,
        "wake": DENSE,
        "handoff": created + REACH,
    }
    return record_of(given, **{**values, **more})


def found(record: Record, setting: Setting = SETTING, **calendars: Any) -> tuple[Fault | None, dict[str, Any]]:
    """The fault of *record*, and what the repair changes of it."""
    finding = find(record, setting, calendars.get("calendars"))
    if finding is None:
        return None, {}
    names = [name for name in record.__struct_fields__ if getattr(record, name) != getattr(finding.record, name)]
    return finding.fault, {name: getattr(finding.record, name) for name in names}


# --- Which records are over ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.DELETED, State.COMPLETED, State.ENABLED])
def test_a_record_is_expired_from_the_second_on_at_which_ttl_may_remove_it(state: State) -> None:
    record = enabled(state=state, expires=NOW // 1000, wake=None, segment=None)

    assert found(record, SETTING._replace(now=NOW)) == (Fault.EXPIRED, {})
    assert found(record, SETTING._replace(now=NOW - 1))[0] is not Fault.EXPIRED


@pytest.mark.parametrize(
    ("record", "now", "fault"),
    [
        pytest.param(enabled("at(2026-12-01T08:00:00)", wake=None), NOW + OVER_MS, None, id="it-may-be-on-its-way"),
        pytest.param(enabled("at(2026-12-01T08:00:00)", wake=None), NOW + OVER_MS + 1, Fault.OVER, id="a-day-later"),
        pytest.param(
            enabled("at(2026-12-01T08:00:00)", wake=None, handoff=NOW + HOUR), NOW + DAY + HOUR, None, id="handed-over"
        ),
        pytest.param(
            enabled("at(2026-12-01T08:00:00)", wake=None, handoff=NOW + HOUR),
            NOW + DAY + HOUR + 1,
            Fault.OVER,
            id="a-day-after-that",
        ),
        pytest.param(
            enabled("at(2026-12-01T08:00:00)", wake=None, pending=NOW), NOW + 9 * DAY, None, id="the-registrar-has-it"
        ),
        pytest.param(enabled("at(2026-12-01T08:00:00)"), NOW + 9 * DAY, None, id="the-planner-has-it"),
        pytest.param(enabled("manual", wake=None), NOW + 9 * DAY, None, id="manual-is-never-over"),
        pytest.param(enabled(end=NOW, wake=None), NOW + 9 * DAY, Fault.OVER, id="it-ended-before-its-next"),
    ],
)
def test_a_schedule_is_over_a_day_after_its_last_fire_and_its_handoff(
    record: Record, now: Instant, fault: Fault | None
) -> None:
    assert found(record, SETTING._replace(now=now)) == (fault, {})


# --- Where the planner looks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wake", "expected"),
    [
        pytest.param(NOW + REACH, (None, {}), id="at-the-next-fire-beyond-the-reach"),
        pytest.param(NOW + REACH + 1, (Fault.WAKE, {"wake": NOW}), id="after-it"),
        pytest.param(None, (Fault.WAKE, {"wake": NOW}), id="never"),
        pytest.param(1, (None, {}), id="too-early-costs-one-look"),
    ],
)
def test_a_wake_is_wrong_only_after_a_fire_that_cannot_be_planned_yet(
    wake: Instant | None, expected: tuple[Fault | None, dict[str, Any]]
) -> None:
    assert found(enabled(wake=wake)) == expected


def test_what_the_registrar_sent_is_planned_from_its_handoff_on() -> None:
    assert found(enabled(wake=NOW + DAY, handoff=NOW + HOUR)) == (Fault.WAKE, {"wake": NOW + HOUR})


def test_a_flexible_window_moves_the_wake_by_its_offset() -> None:
    offset = flexible_offset_ms(KEY, 600)
    spread = enabled("0 * * * *", schedule={"flexible_window_seconds": 600}, wake=NOW + HOUR + offset)

    assert offset > 0
    assert found(spread) == (None, {})
    assert found(replace(spread, wake=NOW + HOUR + offset + 1)) == (Fault.WAKE, {"wake": NOW + offset})


@pytest.mark.parametrize(
    ("record", "repaired"),
    [
        pytest.param(
            enabled(segment=ELSEWHERE),
            {"segment": HERE, "wake": NOW + 10 * MINUTE},
            id="from-where-that-one-is-planned",
        ),
        pytest.param(
            enabled(segment=ELSEWHERE, handoff=NOW + HOUR), {"segment": HERE, "wake": NOW + HOUR}, id="or-its-handoff"
        ),
        pytest.param(
            enabled(segment=ELSEWHERE, end=NOW + 10 * MINUTE), {"segment": None, "wake": None}, id="nothing-is-left"
        ),
        pytest.param(enabled(segment=9), {"segment": HERE, "wake": NOW - 9 * DAY + REACH}, id="that-was-never-planned"),
        pytest.param(enabled(segment=ELSEWHERE, wake=NOW + MINUTE), {"segment": HERE}, id="a-timed-one-keeps-its-wake"),
    ],
)
def test_a_record_of_another_segment_moves_to_its_own(record: Record, repaired: dict[str, Any]) -> None:
    assert found(record) == (Fault.SEGMENT, repaired)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(enabled(state=State.PAUSED, wake=None), id="paused-with-a-segment"),
        pytest.param(enabled(state=State.PAUSED, segment=None), id="paused-with-a-wake"),
        pytest.param(record_of(None, state=State.DELETED, segment=HERE, wake=DENSE, expires=NOW), id="a-tombstone"),
    ],
)
def test_what_the_planner_has_nothing_to_do_with_leaves_the_index(record: Record) -> None:
    finding = find(record, SETTING)

    assert finding == (Fault.INDEXED, replace(record, segment=None, wake=None))


# --- What triggers are computed from ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.ENABLED, State.PAUSED])
def test_a_changed_calendar_reaches_a_schedule_without_new_rules_and_a_deleted_one_leaves_its_days(
    state: State,
) -> None:
    indexed = {} if state is State.ENABLED else {"wake": None, "segment": None}
    record = enabled("0 9 * * *", schedule={"exclude": ["calendar:norway"]}, state=state, **indexed)
    moved = {"norway": [parse_dates("2026-12-25")]}
    assert record.schedule is not None

    assert found(record, calendars=NORWAY) == (None, {})
    assert found(record, ANEW, calendars={}) == (None, {})
    fault, repaired = found(record, calendars=moved)
    assert (fault, [*repaired]) == (Fault.TRIGGER, ["eras"])
    assert repaired["eras"][-1].trigger == canonical_of(record.schedule, record.created, moved)


def test_without_new_rules_a_trigger_is_not_computed_again_and_an_unknown_expression_not_even_looked_at() -> None:
    odd = enabled()
    odd = replace(odd, schedule=Schedule(tenant="acme", name="report", expression="every full moon"))

    assert found(odd) == (None, {})
    with pytest.raises(InvalidExpression):
        find(odd, ANEW)


# --- A repair is whole -----------------------------------------------------------------------------------------------


@given(
    expression=st.sampled_from(["* * * * *", "0 9 * * MON", "at(2026-12-01T08:30:00)", "manual", "rate(7 minutes)"]),
    state=st.sampled_from([State.ENABLED, State.COMPLETED]),
    segment=st.sampled_from([None, HERE, ELSEWHERE]),
    wake=st.sampled_from([None, DENSE, NOW - DAY, NOW + MINUTE, NOW + DAY]),
    handoff=st.sampled_from([NOW - 9 * DAY, NOW + HOUR]),
    end=st.sampled_from([None, NOW + HOUR]),
    schedule=st.sampled_from([{}, {"flexible_window_seconds": 600}]),
    anew=st.booleans(),
)
def test_what_is_repaired_has_no_other_fault(anew: bool, **fields: Any) -> None:
    setting = ANEW if anew else SETTING
    finding = find(enabled(**fields), setting)

    if finding is not None and finding.fault is not Fault.OVER:
        again = find(finding.record, setting)
        assert again is None or again.fault is Fault.OVER


def test_a_paused_record_in_the_index_is_repaired_whole() -> None:
    right = enabled("0 9 * * MON", state=State.PAUSED, wake=None, segment=None)
    stale = enabled("0 9 * * MON", state=State.PAUSED, trigger=enabled("0 9 * * TUE").era.trigger)

    assert find(stale, ANEW) == (Fault.INDEXED, right)
