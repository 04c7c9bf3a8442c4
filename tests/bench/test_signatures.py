"""The rig accepts what botocore signs, and nothing that was changed or signed otherwise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.rig.http import Request
from benchmarks.rig.refused import Refused
from benchmarks.rig.signatures import verify
from tests.bench.requests import signed


def test_a_request_signed_by_botocore_is_accepted() -> None:
    verify(signed("GetItem", {"TableName": "schedules"}), service="dynamodb")


def test_a_signature_with_another_secret_is_refused() -> None:
    with pytest.raises(Refused, match="does not match"):
        verify(signed("GetItem", {}, secret="another"), service="dynamodb")


def _with_header(name: str, value: str) -> Callable[[Request], Request]:
    return lambda request: request._replace(headers={**request.headers, name: value})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda request: request._replace(body=request.body + b" "), id="body"),
        pytest.param(lambda request: request._replace(path="/other"), id="path"),
        pytest.param(lambda request: request._replace(method="PUT"), id="method"),
        pytest.param(_with_header("x-amz-target", "DynamoDB_20120810.PutItem"), id="target"),
        pytest.param(_with_header("host", "example.com"), id="host"),
    ],
)
def test_a_request_changed_after_it_was_signed_is_refused(change: Callable[[Request], Request]) -> None:
    with pytest.raises(Refused, match="does not match"):
        verify(change(signed("GetItem", {"TableName": "schedules"})), service="dynamodb")


def test_a_signature_for_another_service_is_refused() -> None:
    with pytest.raises(Refused, match="signed for"):
        verify(signed("PutEvents", {}, service="events"), service="sqs")


def test_an_old_signature_is_refused() -> None:
    request = signed("GetItem", {})

    with pytest.raises(Refused, match="expired"):
        verify(request, service="dynamodb", now=datetime.now(UTC) + timedelta(minutes=6))


@pytest.mark.parametrize("authorization", ["", "AWS4-HMAC-SHA256 Credential=a/b", "Basic eA=="])
def test_a_request_without_a_signature_is_refused(authorization: str) -> None:
    request = _with_header("authorization", authorization)(signed("GetItem", {}))

    with pytest.raises(Refused, match="no Authorization"):
        verify(request, service="dynamodb")


def test_a_signature_that_leaves_the_target_out_is_refused() -> None:
    request = signed("GetItem", {})
    text = request.headers["authorization"].replace(";x-amz-target", "")

    with pytest.raises(Refused, match="too few"):
        verify(_with_header("authorization", text)(request), service="dynamodb")
