"""Which errors of AWS mean "later", and how long later is."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from eventcron.adapters.aws.failures import explained, mapped
from eventcron.errors import EventcronError, Unavailable
from tests.adapters.scripted import refused

URL = "http://127.0.0.1"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(refused("ThrottlingException"), "ThrottlingException", id="throttled"),
        pytest.param(
            refused("ProvisionedThroughputExceededException"), "ProvisionedThroughputExceededException", id="hot"
        ),
        pytest.param(refused("RequestThrottled"), "RequestThrottled", id="sqs-throttled"),
        pytest.param(refused("TransactionConflictException"), "TransactionConflictException", id="write-conflict"),
        pytest.param(refused("InternalServerError", status=500), "InternalServerError", id="server-error"),
        pytest.param(refused("SomethingNew", status=500), "SomethingNew", id="unknown-code-with-5xx"),
        pytest.param(refused("SomethingNew", status=429), "SomethingNew", id="unknown-code-with-429"),
        pytest.param(ConnectTimeoutError(endpoint_url=URL), "ConnectTimeoutError", id="connect-timeout"),
        pytest.param(ReadTimeoutError(endpoint_url=URL), "ReadTimeoutError", id="read-timeout"),
        pytest.param(EndpointConnectionError(endpoint_url=URL), "EndpointConnectionError", id="no-connection"),
        pytest.param(ConnectionClosedError(endpoint_url=URL), "ConnectionClosedError", id="connection-lost"),
        pytest.param(HTTPClientError(error="reset"), "HTTPClientError", id="other-transport-error"),
    ],
)
def test_what_may_pass_is_unavailable(error: ClientError | BotoCoreError, code: str) -> None:
    with pytest.raises(Unavailable) as raised, mapped("sqs"):
        raise error

    assert (raised.value.service, raised.value.code, raised.value.retryable) == ("sqs", code, True)
    assert str(raised.value) == f"sqs is unavailable: {code}: {error}"
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(refused("AccessDeniedException"), id="not-allowed"),
        pytest.param(refused("ResourceNotFoundException"), id="no-such-table"),
        pytest.param(refused("ValidationException"), id="bad-request"),
        pytest.param(NoCredentialsError(), id="no-credentials"),
        pytest.param(ParamValidationError(report="wrong"), id="wrong-parameter"),
        pytest.param(KeyError("ours"), id="not-of-botocore"),
    ],
)
def test_what_will_not_pass_rises_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, mapped("sqs"):
        raise error

    assert raised.value is error


@pytest.mark.parametrize("error", [refused("AccessDeniedException"), ValueError("Invalid endpoint: nowhere")])
def test_a_command_says_what_will_not_pass_in_its_own_words(error: Exception) -> None:
    with (
        pytest.raises(EventcronError, match="here: "),
        explained("aws", lambda said: EventcronError(f"here: {said}")),
    ):
        raise error


def test_a_mistake_of_ours_is_not_explained_away() -> None:
    with pytest.raises(ValueError, match="ours"), explained("aws", EventcronError):
        raise ValueError("ours")
