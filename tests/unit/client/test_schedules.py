"""A mistake in a command is found before anything is sent, in the registrar's own words."""

from __future__ import annotations

import inspect
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

import eventcron
from eventcron.client.schedules import Schedule, command
from eventcron.errors import InvalidSchedule
from eventcron.model import commands
from eventcron.model.commands import BackfillSchedule, DeleteSchedule

LEAST: dict[str, Any] = {"tenant": "acme", "name": "nightly", "expression": "0 2 * * *"}


def test_it_takes_every_field_of_a_put() -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(commands.Schedule)}

    assert set(inspect.signature(Schedule).parameters) == fields


def test_fields_are_as_the_registrar_decodes_them() -> None:
    made = Schedule(
        **LEAST,
        timezone="Europe/Oslo",
        start=datetime(2026, 12, 1, tzinfo=UTC),
        end="2027-01-01T00:00:00+01:00",
        input={"report": ["leads", 1.5, None]},
        misfire={"policy": "skip"},
        exclude=("2026-12-24", "calendar:norway"),
        labels={"team": "a"},
    )

    assert bytes(made.input) == b'{"report":["leads",1.5,null]}'
    assert (made.start, made.exclude) == (datetime(2026, 12, 1, tzinfo=UTC), ["2026-12-24", "calendar:norway"])
    assert made.misfire.policy == "skip"


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        pytest.param({"expression": "61 2 * * *"}, "minute", "invalid_expression", id="an expression"),
        pytest.param({"expression": "0 0 30 2 *"}, "day_of_month", "never_matches", id="one that never fires"),
        pytest.param({"timezone": "Mars"}, "timezone", "unknown_timezone", id="a zone"),
        pytest.param({"name": "a b"}, "name", "invalid_name", id="a name"),
        pytest.param({"priority": 10}, "priority", "out_of_range", id="a number"),
        pytest.param({"route": "to a queue"}, "route", "invalid_name", id="a route"),
        pytest.param({"start": datetime(2026, 12, 1)}, "start", "invalid_time", id="a time without a zone"),  # noqa: DTZ001
        pytest.param({"misfire": {"polcy": "skip"}}, "misfire.polcy", "unknown_field", id="a field in a field"),
        pytest.param({"input": "x" * 200_001}, "input", "too_large", id="an input"),
        pytest.param({"input": object()}, "input", "wrong_type", id="an input that is no JSON"),
        pytest.param({"labels": {"a": 1}}, "labels.a", "wrong_type", id="a label"),
        pytest.param({"exclude": ["2026-02-30"]}, "exclude.0", "invalid_date", id="an exclusion"),
    ],
)
def test_a_mistake_names_its_field_and_what_is_allowed(fields: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        Schedule(**(LEAST | fields))

    assert (caught.value.field, caught.value.code) == (field, code)
    assert caught.value.allowed


def test_other_commands_are_checked_too() -> None:
    with pytest.raises(InvalidSchedule, match="name: got nothing; allowed: required"):
        command(DeleteSchedule, tenant="acme")
    with pytest.raises(InvalidSchedule, match=r"^from: got "):
        command(BackfillSchedule, tenant="acme", name="nightly", **{"from": "yesterday", "until": "2026-12-01"})


def test_the_package_has_it_without_importing_it_first() -> None:
    assert eventcron.Schedule is Schedule
    with pytest.raises(AttributeError, match="'Nothing'"):
        _ = eventcron.Nothing


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        pytest.param("import eventcron", {"aiobotocore", "msgspec", "asyncio"}, id="the package: nothing"),
        pytest.param("from eventcron import Client", {"click", "yaml", "rich", "icalendar", "boto3"}, id="no extra"),
    ],
)
def test_what_an_import_takes_along(imported: str, absent: set[str]) -> None:
    code = f"{imported}; import sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert absent.isdisjoint(loaded)
