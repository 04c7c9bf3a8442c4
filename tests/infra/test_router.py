"""Checks of the router's stack. ``tests/acceptance/test_router.py`` deploys it and fires through it."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from eventcron.local import template
from tests.infra.stack import ROOT

ROUTER = template.parse((ROOT / "infra" / "examples" / "router" / "router.yaml").read_text(encoding="utf-8"))
RESOURCES = ROUTER["Resources"]


def test_one_rule_matches_the_fires_of_every_tenant_with_the_route_whatever_their_detail_type() -> None:
    (rule,) = template.of_type(ROUTER, "AWS::Events::Rule").values()

    assert rule["EventPattern"] == {
        "source": ["eventcron", {"prefix": "eventcron.fires."}],
        "detail": {"route": [{"Ref": "Route"}], "fire_id": [{"exists": True}]},
    }


def test_the_function_can_send_to_the_tenants_queues_and_to_no_other() -> None:
    (policy,) = RESOURCES["RouterRole"]["Properties"]["Policies"]
    (sending,) = [one for one in policy["PolicyDocument"]["Statement"] if one["Action"] == "sqs:SendMessage"]

    assert sending["Resource"]["Fn::Sub"].endswith(":${AWS::AccountId}:${QueuePrefix}*")
    assert "Default" not in ROUTER["Parameters"]["QueuePrefix"]


class _Aws:
    """DynamoDB and SQS with the targets of some tenants."""

    def __init__(self, queues: dict[str, str]) -> None:
        self._queues = queues
        self.sent: list[tuple[str, str]] = []

    def get_item(self, *, TableName: str, Key: dict[str, Any]) -> dict[str, Any]:  # noqa: N803  # boto3's names
        assert TableName == "targets"
        queue = self._queues.get(Key["tenant"]["S"])
        return {} if queue is None else {"Item": {"tenant": Key["tenant"], "queue": {"S": queue}}}

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> None:  # noqa: N803
        self.sent.append((QueueUrl, json.loads(MessageBody)["detail"]["name"]))


def test_a_fire_goes_to_its_tenant_s_queue_and_one_without_a_target_fails_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    aws = _Aws({"acme": "url-of-acme", "beta": "url-of-beta"})
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=lambda _service: aws))
    monkeypatch.setenv("TABLE", "targets")
    code: dict[str, Any] = {}
    exec(RESOURCES["Router"]["Properties"]["Code"]["ZipFile"], code)  # the stack's own code

    def record(number: int, tenant: str) -> dict[str, str]:
        # A tenant can write anything into its labels and input.
        detail = {"tenant": tenant, "name": f"fire-{number}", "labels": {"tenant": "beta"}, "input": {"tenant": "beta"}}
        return {"messageId": str(number), "body": json.dumps({"detail": detail})}

    answer = code["handler"]({"Records": [record(1, "acme"), record(2, "nobody"), record(3, "beta")]}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert aws.sent == [("url-of-acme", "fire-1"), ("url-of-beta", "fire-3")]
