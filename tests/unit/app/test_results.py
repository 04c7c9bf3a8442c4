"""A command has one of four outcomes, each with a metric of its own, and a result that says what it was about."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventcron.app.results import Outcome, Result
from eventcron.app.use_cases import UseCases
from eventcron.entrypoints.registrar_lambda import METRICS
from eventcron.model.names import CalendarKey, Key
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
TEA = {"name": "tea", "expression": "0 9 * * *"}


def test_every_outcome_has_a_metric_of_its_own() -> None:
    """Operators sum them to how many commands there were."""
    assert {outcome: METRICS[outcome] for outcome in Outcome} == {
        outcome: f"Commands{outcome.value.capitalize()}" for outcome in Outcome
    }


async def apply(cases: UseCases, event_id: str, detail_type: str, **detail: Any) -> Result:
    handled = await cases.handlers.on_command(
        json.dumps(
            {
                "id": event_id,
                "detail-type": detail_type,
                "source": "eventcron.tenant.acme",
                "time": "2026-12-01T08:00:00Z",
                "detail": {"tenant": "acme"} | detail,
            }
        )
    )
    assert handled.result is not None
    return handled.result


@pytest.fixture(name="cases")
def _cases() -> UseCases:
    return memory_ports(JumpingClock(NOW)).use_cases(SETTINGS)


async def test_the_same_put_is_accepted_then_a_duplicate_and_as_another_event_unchanged(cases: UseCases) -> None:
    first = await apply(cases, "e-1", "Put Schedule", **TEA)
    again = await apply(cases, "e-1", "Put Schedule", **TEA)
    another = await apply(cases, "e-2", "Put Schedule", **TEA)

    results = (first, again, another)
    assert [one.outcome for one in results] == [Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.UNCHANGED]
    assert [one.key for one in results] == [Key("acme", "tea")] * 3
    assert [one.created for one in results] == [True, False, False]
    assert [one.reason for one in results] == [""] * 3


async def test_an_accepted_command_shows_what_is_stored_now(cases: UseCases) -> None:
    put = await apply(cases, "e-1", "Put Schedule", **TEA)
    paused = await apply(cases, "e-2", "Pause Schedule", name="tea")

    assert put.record is not None
    assert paused.record is not None
    assert (put.record.state, paused.record.state, paused.created) == ("ENABLED", "PAUSED", False)
    assert paused.record == (await cases.store.get([Key("acme", "tea")]))[Key("acme", "tea")]


@pytest.mark.parametrize(
    ("detail_type", "detail", "reason"),
    [
        pytest.param("Put Schedule", TEA | {"colour": 1}, "colour: got 1; allowed: ", id="what-it-says"),
        pytest.param(
            "Put Schedule", TEA | {"expression": "61 * * * *"}, "minute: got '61'; allowed: ", id="its-meaning"
        ),
        pytest.param("Pause Schedule", {"name": "tea"}, "name: got 'acme/tea'; allowed: ", id="what-is-stored"),
    ],
)
async def test_a_rejected_command_says_why_and_shows_no_record(
    cases: UseCases, detail_type: str, detail: dict[str, Any], reason: str
) -> None:
    result = await apply(cases, "e-1", detail_type, **detail)

    assert (result.outcome, result.record, result.created) == (Outcome.REJECTED, None, False)
    assert result.key == Key("acme", "tea")
    assert result.reason.startswith(reason)


async def test_a_rejected_command_about_a_calendar_is_of_the_calendar(cases: UseCases) -> None:
    result = await apply(cases, "e-1", "Delete Calendar", name="norway")

    assert (result.outcome, result.key) == (Outcome.REJECTED, CalendarKey("acme", "norway"))


async def test_a_command_about_a_calendar_is_of_the_calendar_and_of_no_record(cases: UseCases) -> None:
    result = await apply(cases, "e-1", "Put Calendar", name="norway", dates=["2026-12-24"])

    assert result == Result(Outcome.ACCEPTED, CalendarKey("acme", "norway"))
