"""Signatures, compared with botocore's, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock

import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from eventcron.adapters.aws.signing import Keys, Signer

TYPE = "application/x-amz-json-1.0"
HOSTS = st.sampled_from(["dynamodb.eu-west-1.amazonaws.com", "127.0.0.1:4566", "sqs.cn-north-1.amazonaws.com.cn"])
TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
KEYS = st.builds(Keys, TEXTS, TEXTS, st.just("") | TEXTS)
SECONDS = st.integers(0, 4_000_000_000)


def by_botocore(host: str, target: str, body: bytes, keys: Keys, second: int) -> dict[str, str]:
    """The headers that botocore adds to such a request."""
    headers = {"Content-Type": TYPE, "X-Amz-Target": target}
    request = AWSRequest("POST", f"https://{host}/", data=body, headers=headers)
    credentials = Credentials(keys.access, keys.secret, keys.token or None)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=datetime.fromtimestamp(second, UTC)):
        SigV4Auth(credentials, "dynamodb", "eu-west-1").add_auth(request)
    return dict(request.headers)


def headers_of(head: bytes) -> dict[str, str]:
    request_line, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
    assert request_line == "POST / HTTP/1.1"
    return dict(line.split(": ", 1) for line in lines)


@given(HOSTS, st.lists(st.tuples(st.binary(max_size=200), KEYS, SECONDS), min_size=1, max_size=4))
def test_every_request_is_signed_as_botocore_signs_it(host: str, calls: list[tuple[bytes, Keys, int]]) -> None:
    """One signer signs them all: what it keeps from one call to the next must not show."""
    signer = Signer(service="dynamodb", region="eu-west-1", host=host, content_type=TYPE)

    for body, keys, second in calls:
        signed = headers_of(signer.head("DynamoDB_20120810.Query", body, keys, now=second))
        expected = by_botocore(host, "DynamoDB_20120810.Query", body, keys, second)
        assert signed == {**expected, "Host": host, "Content-Length": str(len(body))}


def test_without_a_given_time_the_present_is_signed() -> None:
    signer = Signer(service="sqs", region="eu-west-1", host="a", content_type=TYPE)
    before = datetime.now(UTC).replace(microsecond=0)
    date = headers_of(signer.head("AmazonSQS.SendMessage", b"{}", Keys("a", "b")))["X-Amz-Date"]

    assert before <= datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) <= datetime.now(UTC)
