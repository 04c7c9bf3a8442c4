"""Reports go out as the command Report Run, and are repeated while the bus refuses them for now."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.aws.run_reports import EventBridgeReports
from eventcron.consumer.reports import ReportsTo
from eventcron.model.commands import ReportRun
from eventcron.model.tracking import RunStatus
from eventcron.ports.work import NotReported, RunReport
from eventcron.testing import fire_event
from eventcron.wire.decode import decode_command
from eventcron.wire.fires import decode_fire
from tests.adapters.scripted import Answer, Script, Waits, refused

TOKEN = "S" + "t" * 43
TAKEN: Answer = {"FailedEntryCount": 0, "Entries": [{"EventId": "e-1"}]}
LATER: Answer = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}]}
NEVER: Answer = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "NotAuthorized", "ErrorMessage": "no"}]}
FIRE = decode_fire(fire_event("acme", "nightly", run_token=TOKEN))


async def report(script: Script, **fields: Any) -> None:
    waits = Waits()
    reports = EventBridgeReports(EventBridgeBus(script.client, "bus"), clock=waits, retry=waits.retry(), **fields)
    await reports.report(RunReport(fire=FIRE, status=RunStatus.SUCCEEDED, message="done", result=b'{"rows":3}'))


async def test_a_report_is_a_command_that_eventcron_takes() -> None:
    script = Script("events", [TAKEN])
    await report(script)

    [entry] = script.requests[0]["Entries"]
    body = {
        "id": "e-1",
        "time": "2026-12-01T01:00:00Z",
        "source": entry["Source"],
        "detail-type": entry["DetailType"],
        "detail": json.loads(entry["Detail"]),
    }
    command = decode_command(json.dumps(body), trusted_sources=frozenset()).command
    assert isinstance(command, ReportRun)
    assert (command.tenant, command.name, command.fire_id) == ("acme", "nightly", FIRE.fire_id)
    assert (command.run_token, command.status, command.message) == (TOKEN, RunStatus.SUCCEEDED, "done")
    assert json.loads(bytes(command.result)) == {"rows": 3}
    assert (entry["EventBusName"], entry["Source"]) == ("bus", "eventcron.tenant.acme")


async def test_a_platform_may_report_with_a_source_of_its_own() -> None:
    script = Script("events", [TAKEN])
    await report(script, source="com.example.platform")

    assert script.requests[0]["Entries"][0]["Source"] == "com.example.platform"


async def test_a_report_is_repeated_while_the_bus_refuses_it_for_now() -> None:
    script = Script("events", [LATER, refused("ThrottlingException"), TAKEN])
    await report(script)

    assert len(script.requests) == 3


@pytest.mark.parametrize(
    ("answer", "calls", "said"),
    [(NEVER, 1, "NotAuthorized: no"), (LATER, 3, "ThrottlingException"), (refused("AccessDenied"), 1, "AccessDenied")],
)
async def test_a_report_that_is_not_taken_says_why(answer: Answer, calls: int, said: str) -> None:
    script = Script("events", lambda _request: answer)
    with pytest.raises(NotReported, match=said):
        await report(script)

    assert len(script.requests) == calls


async def test_without_credentials_a_report_is_not_taken() -> None:
    reports = ReportsTo("bus")

    for _ in range(2):
        with pytest.raises(NotReported, match=r"[Rr]egion|credentials"):
            await reports.report(RunReport(fire=FIRE, status=RunStatus.STARTED))
