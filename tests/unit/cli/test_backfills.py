"""What ``eventcron backfills`` says of each."""

from __future__ import annotations

import json
import shlex

from msgspec.structs import replace

from eventcron.entrypoints.cli.backfills import Status, _status, as_object, as_table, in_full
from eventcron.model.commands import CancelBackfill
from eventcron.model.names import Window
from eventcron.model.records import Backfill, BackfillState
from eventcron.rules.backfill import Left
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.wire.decode import Received, decode_command

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z
RUNNING = Backfill(
    tenant="acme",
    name="report",
    id="november",
    event_id="e-1",
    span=Window(NOW - 86_400_000, NOW),
    per_minute=1_200,
    enqueued_through=NOW - 3_600_000,
    fires=12_345,
    skipped=6,
    lease_until=NOW + 60_000,
)
ENDED = replace(
    RUNNING, state=BackfillState.CANCELLED, reason="deleted", lease_until=0, expires=(NOW + 86_400_000) // 1000
)
REST = Left(400, more=False, ends=NOW + 20_000)


def status(backfill: Backfill, rest: Left | None = None) -> Status:
    return Status(backfill, rest, "scheduler", NOW)


def test_the_running_ones_stand_in_a_table() -> None:
    more = status(replace(RUNNING, tenant="another"), Left(100_000, more=True, ends=NOW))

    assert as_table([status(RUNNING, REST), more]).splitlines() == [
        "backfill                 a minute   fired      left  through               ends",
        "acme/report/november        1,200  12,345       400  2026-12-01T07:00:00Z  2026-12-01T08:00:20Z",
        "another/report/november     1,200  12,345  100,000+  2026-12-01T07:00:00Z  2026-12-01T08:00:00Z or later",
    ]
    assert as_table([]) == "no backfill is running"


def test_one_is_shown_with_the_command_that_cancels_it() -> None:
    lines = in_full(status(RUNNING, REST)).splitlines()

    assert lines[:10] == [
        "backfill  acme/report/november",
        "state     RUNNING",
        "command   event e-1",
        "span      2026-11-30T08:00:00Z until 2026-12-01T08:00:00Z",
        "through   2026-12-01T07:00:00Z",
        "rate      1,200 a minute",
        "fired     12,345, skipped 6",
        "left      400",
        "ends      2026-12-01T08:00:20Z",
        "lease     until 2026-12-01T08:01:00Z",
    ]
    (entry,) = json.loads(shlex.split(lines[-1])[-1])
    envelope = {
        "version": "0", "id": "e", "time": "2026-12-01T08:00:00Z", "source": entry["Source"],
        "detail-type": entry["DetailType"], "detail": json.loads(entry["Detail"]),
    }  # fmt: skip
    received = decode_command(json.dumps(envelope), trusted_sources=frozenset())
    assert isinstance(received, Received)
    assert received.command == CancelBackfill(tenant="acme", name="report", backfill_id="november")
    assert entry["EventBusName"] == "scheduler"


def test_of_one_that_this_release_cannot_read_what_is_left_is_unknown_and_it_can_be_cancelled() -> None:
    ports = memory_ports(JumpingClock(NOW))
    unread = _status(replace(RUNNING, trigger="2;UTC;shift,once;s sunrise"), ports.use_cases(SETTINGS))

    assert as_table([unread]).splitlines()[1].split()[3:] == ["unknown", "2026-12-01T07:00:00Z", "unknown"]
    assert "left      unknown" in in_full(unread).splitlines()
    assert in_full(unread).splitlines()[-1].startswith("aws events put-events")
    assert (as_object(unread)["left"], as_object(unread)["cancel"]["DetailType"]) == (None, "Cancel Backfill")


def test_an_ended_one_says_why_and_until_when_it_is_stored() -> None:
    lines = in_full(status(ENDED)).splitlines()

    assert lines[1] == "state     CANCELLED with its schedule's deletion"
    assert lines[-1] == "stored    until 2026-12-02T08:00:00Z"
    assert not any("cancel" in line for line in lines)
    command = in_full(status(replace(ENDED, reason="command"))).splitlines()
    assert command[1] == "state     CANCELLED by Cancel Backfill"


def test_one_that_was_cancelled_before_it_arrived_shows_no_span() -> None:
    lines = in_full(status(replace(ENDED, event_id="", reason="command"))).splitlines()

    assert [line[:10].strip() for line in lines] == ["backfill", "state", "stored"]
    assert lines[1] == "state     CANCELLED before it arrived"


def test_programs_get_the_same() -> None:
    running, ended = as_object(status(RUNNING, REST)), as_object(status(ENDED))

    assert running["cancel"]["DetailType"] == "Cancel Backfill"
    assert {name: running[name] for name in ("left", "left_is_more", "ends", "held_until", "through")} == {
        "left": 400,
        "left_is_more": False,
        "ends": "2026-12-01T08:00:20Z",
        "held_until": "2026-12-01T08:01:00Z",
        "through": "2026-12-01T07:00:00Z",
    }
    assert (ended["state"], ended["reason"], ended["left"], ended["cancel"]) == ("CANCELLED", "deleted", None, None)
    assert as_object(status(replace(ENDED, event_id="")))["from"] is None
