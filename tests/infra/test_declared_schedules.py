"""The custom resource that declares schedules: what it sends, and what it answers CloudFormation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventcron.local import template
from eventcron.wire.decode import decode_schedule
from tests.infra.stack import ROOT

EXAMPLE = template.parse((ROOT / "infra" / "examples" / "declared-schedules.yaml").read_text(encoding="utf-8"))
PROPERTIES = {
    "ServiceToken": "arn:aws:lambda:eu-north-1:123456789012:function:declare",
    "BusName": "eventcron",
    "tenant": "acme",
    "name": "nightly",
    "expression": "0 2 * * *",
    "max_fires": "7",
    "misfire": {"policy": "skip", "grace_seconds": "60"},
    "InputJson": '{"report": "leads"}',
}


class Calls:
    """Stands in for EventBridge and for CloudFormation's address for answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entries: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self.failed = 0
        code = EXAMPLE["Resources"]["Function"]["Properties"]["Code"]["ZipFile"]
        names: dict[str, Any] = {}
        exec(compile(code, "index.py", "exec"), names)  # the example's own code
        self._handler = names["handler"]
        monkeypatch.setattr(names["boto3"], "client", lambda _service: self)
        monkeypatch.setattr("urllib.request.urlopen", lambda request: self.answers.append(json.loads(request.data)))

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # boto3's name
        self.entries += Entries
        return {"FailedEntryCount": self.failed, "Entries": [{"ErrorCode": "AccessDeniedException"}]}

    def request(self, kind: str, *, made: str | None = None, **properties: Any) -> dict[str, Any]:
        """The answer to a request of CloudFormation."""
        event = {
            "RequestType": kind,
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Nightly",
            "ResponseURL": "https://cloudformation.example/answer",
            "ResourceProperties": PROPERTIES | properties,
        }
        self._handler(event if made is None else event | {"PhysicalResourceId": made}, None)
        return self.answers[-1]


@pytest.fixture(name="calls")
def _calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_schedule_is_put_that_the_registrar_reads(calls: Calls, kind: str) -> None:
    answer = calls.request(kind)

    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "acme/nightly")
    [entry] = calls.entries
    assert (entry["Source"], entry["DetailType"]) == ("eventcron.tenant.acme", "Put Schedule")
    schedule = decode_schedule(entry["Detail"].encode())
    assert (schedule.max_fires, schedule.misfire.grace_seconds) == (7, 60)
    assert json.loads(bytes(schedule.input)) == {"report": "leads"}


def test_a_schedule_is_deleted_with_its_stack(calls: Calls) -> None:
    answer = calls.request("Delete", made="acme/nightly")

    assert answer["Status"] == "SUCCESS"
    [entry] = calls.entries
    assert entry["DetailType"] == "Delete Schedule"
    assert json.loads(entry["Detail"]) == {"tenant": "acme", "name": "nightly"}


def test_what_was_never_made_is_not_deleted(calls: Calls) -> None:
    """After a failed creation CloudFormation rolls back: a schedule of that name may be another's."""
    assert calls.request("Delete", made="none")["Status"] == "SUCCESS"
    assert calls.entries == []


def test_what_the_bus_refuses_fails_with_the_reason(calls: Calls) -> None:
    calls.failed = 1

    answer = calls.request("Create")

    assert answer["Status"] == "FAILED"
    assert "AccessDeniedException" in answer["Reason"]


def test_what_is_wrong_in_the_properties_is_answered_too(calls: Calls) -> None:
    assert calls.request("Create", max_fires="many")["Status"] == "FAILED"
    assert calls.entries == []


def test_its_role_sends_as_its_tenant_alone() -> None:
    role = EXAMPLE["Resources"]["FunctionRole"]["Properties"]

    assert role["Tags"] == [{"Key": "tenant", "Value": {"Ref": "Tenant"}}]
