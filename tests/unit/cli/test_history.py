"""history, and the last events in get."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec.structs import replace

from eventcron.app.history import HistoryNotKept
from eventcron.model.history import EntryKind, HistoryEntry, KeepHistory
from eventcron.testing.world import SETTINGS
from tests.unit.cli.deployed import NOW, Deployed, Runs, schedule

KEEPING = replace(SETTINGS, keep_history=KeepHistory.ALL, history_table="history")
FIRED = HistoryEntry(
    tenant="acme",
    name="a",
    at=NOW,
    kind=EntryKind.FIRED,
    id="5f",
    detail_type="Schedule Fired",
    time=NOW,
    detail={"fire_id": "5f", "due": "2026-12-01T08:00:00.000Z", "local_time": "x", "cause": "schedule"},
)
FAILED = replace(
    FIRED,
    kind=EntryKind.RUN,
    detail_type="Run Failed",
    time=NOW + 90_000,
    detail={"fire_id": "5f", "due": "2026-12-01T08:00:00.000Z", "duration_ms": 90_000, "message": "no disk"},
)


@pytest.fixture(name="deployed")
def _deployed() -> Deployed:
    deployed = Deployed(KEEPING)
    hours = [replace(FIRED, at=NOW - hour * 3_600_000, time=NOW - hour * 3_600_000) for hour in range(1, 4)]
    asyncio.run(deployed.history.append([FIRED, FAILED, *hours], days=30))
    return deployed


def test_the_latest_come_first_with_their_particulars(run: Runs) -> None:
    lines = run("history", "acme/a", "--limit", "3").stdout.splitlines()

    assert lines == [
        "2026-12-01T08:01:30Z  Run Failed      due 2026-12-01T08:00:00.000Z, after 90.0 s, fire 5f: no disk",
        "2026-12-01T08:00:00Z  Schedule Fired  due 2026-12-01T08:00:00.000Z, schedule, fire 5f",
        "2026-12-01T07:00:00Z  Schedule Fired  due 2026-12-01T08:00:00.000Z, schedule, fire 5f",
    ]


def test_what_a_target_wrote_does_nothing_to_the_terminal(run: Runs, deployed: Deployed) -> None:
    forged = replace(FAILED, detail=FAILED.detail | {"message": "\x1b[2Jdone\n2026-12-01T09:00:00Z  Run Succeeded"})
    asyncio.run(deployed.history.append([forged], days=30))

    (line,) = run("history", "acme/a", "--limit", "1").stdout.splitlines()

    assert line.endswith(r"\x1b[2Jdone\n2026-12-01T09:00:00Z  Run Succeeded")


def test_it_says_that_there_are_more_and_how_to_see_them(run: Runs) -> None:
    assert "--until 2026-12-01T07:00:00.000Z" in run("history", "acme/a", "--limit", "3").stderr
    assert not run("history", "acme/a", "--limit", "5").stderr


def test_programs_get_a_document_of_a_span(run: Runs) -> None:
    document = json.loads(
        run("history", "acme/a", "--since", "2026-12-01T06:00:00Z", "--until", "2026-12-01T08:00:00Z", "--json").output
    )

    assert (document["schedule"], document["kept"], document["more"]) == ("acme/a", "ALL", False)
    assert [entry["at"] for entry in document["entries"]] == ["2026-12-01T07:00:00.000Z", "2026-12-01T06:00:00.000Z"]
    assert document["entries"][0]["kind"] == "fired"


def test_get_shows_the_last_ones(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("a"))

    text = run("get", "acme/a", "--events", "2").output
    document = json.loads(run("get", "acme/a", "--events", "1", "--json").output)

    assert "last events\n2026-12-01T08:01:30Z  Run Failed" in text
    assert text.count("Schedule Fired") == 1
    assert [entry["event"] for entry in document["last_events"]] == ["Run Failed"]


def test_a_schedule_of_which_nothing_is_kept(run: Runs, deployed: Deployed) -> None:
    deployed.seed(schedule("b"))

    assert run("history", "acme/b").output == "nothing is kept about acme/b\n"
    assert run("get", "acme/b").output.endswith("last events: none are kept\n")


def test_a_deployment_that_keeps_nothing_says_how_to(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Runs(Deployed(), monkeypatch)

    error = run.error("history", "acme/a")
    assert isinstance(error, HistoryNotKept)
    assert "KeepHistory=ALL" in str(error)
