"""The lines of ``eventcron dev``: fires, skips, and targets that get nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from eventcron.local.event_lines import line, undelivered
from eventcron.model.events import Answer

NOW = 1_796_112_000_250  # 2026-12-01T08:00:00.250Z
FIRE: dict[str, Any] = {
    "tenant": "acme",
    "name": "job",
    "fire_id": "0" * 32,
    "due": "2026-12-01T08:00:00.000Z",
    "local_time": "2026-12-01T09:00:00.000+01:00",
    "cause": "schedule",
    "attempt": 1,
    "input": None,
}
SKIP: dict[str, Any] = {
    "tenant": "acme",
    "name": "job",
    "fire_id": "0" * 32,
    "reason": "paused",
    "first_due": "2026-12-01T08:00:00.000Z",
    "last_due": "2026-12-01T08:00:00.000Z",
    "count": 1,
}


@pytest.fixture(autouse=True)
def _oslo() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "CET-1"  # an hour ahead of UTC
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def shown(detail_type: str, detail: dict[str, Any]) -> str | None:
    return line(Answer(detail_type=detail_type, detail=detail, time="2026-12-01T08:00:00Z"), now=NOW)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        pytest.param({}, "due 09:00:00.000, 250 ms later", id="in-time"),
        pytest.param({"due": "2026-12-01T07:59:58.000Z"}, "due 08:59:58.000, 2.2 s later", id="late"),
        pytest.param({"due": "2026-11-30T08:00:00.250Z"}, "due 2026-11-30 09:00:00.250, 86,400.0 s later", id="a-day"),
        pytest.param({"attempt": 2}, "due 09:00:00.000, 250 ms later, attempt 2", id="again"),
        pytest.param({"cause": "run"}, "due 09:00:00.000, 250 ms later  (run)", id="run"),
    ],
)
def test_a_fire_has_its_instant_and_how_late_it_is(changed: dict[str, Any], text: str) -> None:
    assert shown("Schedule Fired", FIRE | changed) == f"09:00:00.250  acme/job  fired  {text}"


def test_a_fire_with_a_detail_type_of_its_own_is_a_fire() -> None:
    assert "fired" in str(shown("Nightly Export Due", FIRE))


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        pytest.param({}, "due 09:00:00.000: paused", id="one"),
        pytest.param({"count": 3}, "due 09:00:00.000 and 2 more: paused", id="many"),
        pytest.param({"reason": "excluded", "by": "Sundays"}, "due 09:00:00.000: excluded by Sundays", id="by"),
    ],
)
def test_a_skip_has_its_reason(changed: dict[str, Any], text: str) -> None:
    assert shown("Schedule Skipped", SKIP | changed) == f"09:00:00.250  acme/job  skipped  {text}"


def test_other_events_have_no_line() -> None:
    assert shown("Schedule Created", {"tenant": "acme", "name": "job", "revision": 1}) is None


def test_only_deliveries_of_the_log_are_told() -> None:
    log = [
        "2026-11-26 16:57:22 WARNING [events] EventBridge → API destination hook: HTTP 400 (not retryable; dropped)\n",
        "2026-11-26 16:57:22 WARNING [lambda] something else\n",
        "Traceback (most recent call last):\n",
    ]

    assert list(undelivered(log)) == ["EventBridge → API destination hook: HTTP 400 (not retryable; dropped)"]
