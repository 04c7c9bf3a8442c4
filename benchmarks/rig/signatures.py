"""Checks AWS's Signature Version 4 of a request. It shares no code with botocore, which signs most of what it checks.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

from benchmarks.rig.http import Request
from benchmarks.rig.refused import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Refused

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$"
)
#: AWS: a request "must reach AWS within five minutes of the time stamp in the request".
SKEW = timedelta(minutes=5)
_FORMAT = "%Y%m%dT%H%M%SZ"


def verify(request: Request, *, service: str, now: datetime | None = None) -> None:
    """Check that *request* was signed for *service* with the rig's credentials, a short time before *now*.

    Raises:
        Refused: it was not.
    """
    found = _AUTHORIZATION.match(request.headers.get("authorization", ""))
    if found is None:
        raise Refused("IncompleteSignatureException", "no Authorization header of Signature Version 4", status=403)
    access_key, day, region, signed_for, names, signature = found.groups()
    if (access_key, region, signed_for) != (ACCESS_KEY_ID, REGION, service):
        scope = f"{access_key}, {region}, {signed_for}"
        expected = f"{ACCESS_KEY_ID}, {REGION}, {service}"
        raise Refused("InvalidSignatureException", f"signed for {scope}, not {expected}", status=403)
    signed = names.split(";")
    missing = {"host", "x-amz-date", "x-amz-target"} - set(signed)
    if missing or signed != sorted(signed):
        raise Refused("InvalidSignatureException", f"SignedHeaders={names}: not in order or too few", status=403)
    date = request.headers.get("x-amz-date", "")
    _check_date(date, day, now or datetime.now(UTC))
    if not hmac.compare_digest(_signature(request, signed, date, region, service), signature):
        raise Refused("InvalidSignatureException", "the signature does not match the request", status=403)


def _check_date(date: str, day: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(date, _FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise Refused("InvalidSignatureException", f"x-amz-date is {date!r}", status=403) from error
    if not date.startswith(day) or abs(now - signed_at) > SKEW:
        raise Refused("InvalidSignatureException", f"signature of {date} for {day} expired", status=403)


def _signature(request: Request, signed: list[str], date: str, region: str, service: str) -> str:
    path, _, query = request.path.partition("?")
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed)
    canonical = "\n".join(
        [request.method, path, query, headers, ";".join(signed), hashlib.sha256(request.body).hexdigest()]
    )
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET_ACCESS_KEY}".encode()
    for part in (date[:8], region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()
