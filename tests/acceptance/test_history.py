"""``eventcron dev`` keeps a history: what is put and fires is there to be read, from the command line and by REST."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running_dev import Dev, dev, until
from tests.commands import run

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes by /proc"),
]


def eventcron(directory: Path, *arguments: str) -> Any:
    """What the command prints as JSON. It finds the deployment by the file in *directory*."""
    done = run(*arguments, "--json", cwd=directory)
    assert done.status == 0, done.err
    return done.json


def kinds(directory: Path, name: str, running: Dev, *wanted: str) -> list[dict[str, Any]]:
    """The entries of a schedule, once those that are *wanted* are among them."""

    def entries() -> list[dict[str, Any]]:
        # By default the latest 50 are shown. Of what fires each second, the first would soon be missing.
        found: list[dict[str, Any]] = eventcron(directory, "history", f"acme/{name}", "--limit", "1000")["entries"]
        return found if set(wanted) <= {entry["kind"] for entry in found} else []

    return until(entries, running)


def test_what_was_put_fired_and_was_skipped_is_kept(tmp_path: Path) -> None:
    with dev(tmp_path, "--port", "0", "--json", "-q") as running:
        until(lambda: running.stdout, running)
        eventcron(tmp_path, "put", "acme/often", "* * * * * *", "--input", '{"password": "secret"}')

        entries = kinds(tmp_path, "often", running, "fired", "changed")
        fired = next(entry for entry in entries if entry["kind"] == "fired")
        assert entries[-1]["event"] == "Schedule Created"
        assert fired["detail"]["due"] == fired["at"]
        assert fired["detail"]["input_bytes"] == len('{"password":"secret"}')
        assert "secret" not in json.dumps(entries)
        shown = eventcron(tmp_path, "get", "acme/often", "--events", "1")
        assert [entry["kind"] for entry in shown["last_events"]] == ["fired"]

        (why,) = eventcron(tmp_path, "why", "acme/often", "--at", fired["at"])["answers"]
        assert (why["because"], why["due"], why["fired"]) == ("fired", True, True)
        assert why["events"] == [fired]

        eventcron(tmp_path, "pause", "acme/often")
        until(lambda: "Schedule Paused" in _events(tmp_path), running)
        until(lambda: eventcron(tmp_path, "why", "acme/often")["answers"][0]["because"] == "pause", running)

        eventcron(tmp_path, "put", "acme/job", "manual", "--track", "--timeout", "1")
        eventcron(tmp_path, "run", "acme/job")
        run = next(one for one in kinds(tmp_path, "job", running, "fired", "run") if one["kind"] == "run")
        assert run["event"] == "Run Overdue"
        (why,) = eventcron(tmp_path, "why", "acme/job", "--at", run["at"])["answers"]
        assert (why["because"], [event["kind"] for event in why["events"]]) == ("fired", ["fired", "run"])
        assert "the run did not end in time after" in why["says"]


def _events(directory: Path) -> list[str]:
    return [entry["event"] for entry in eventcron(directory, "history", "acme/often")["entries"]]
