"""Requests for the rig, signed by botocore."""

from __future__ import annotations

from typing import Any

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.rig.http import Request
from benchmarks.rig.refused import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from benchmarks.rig.service import SERVICES

PREFIXES = {service.name: prefix for prefix, service in SERVICES.items()}


def signed(
    operation: str, body: dict[str, Any], *, service: str = "dynamodb", secret: str = SECRET_ACCESS_KEY
) -> Request:
    """A request for *operation* as a client sends it."""
    target = f"{PREFIXES[service]}.{operation}"
    headers = {
        "Host": "127.0.0.1:9",
        "Content-Type": SERVICES[PREFIXES[service]].content_type,
        "X-Amz-Target": target,
    }
    request = AWSRequest("POST", "http://127.0.0.1:9/", headers=headers, data=msgspec.json.encode(body))
    SigV4Auth(Credentials(ACCESS_KEY_ID, secret), service, REGION).add_auth(request)
    sent = request.prepare()
    assert isinstance(sent.body, bytes)
    return Request("POST", "/", {name.lower(): _text(one) for name, one in sent.headers.items()}, sent.body)


def _text(header: Any) -> str:
    """botocore's headers are bytes or text, whatever its types say."""
    return header.decode() if isinstance(header, bytes) else str(header)
