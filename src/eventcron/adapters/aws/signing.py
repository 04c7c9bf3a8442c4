"""Signature Version 4 for a POST of JSON to the root of a service, as botocore signs it."""

from __future__ import annotations

import hmac
import time
from hashlib import sha256
from typing import NamedTuple

_ALGORITHM = "AWS4-HMAC-SHA256"


class Keys(NamedTuple):
    """The keys of an AWS principal. *token* is that of temporary credentials; "" = there is none."""

    access: str
    secret: str
    token: str = ""


class Signer:
    """Signs requests to one *service*, at *host*, in one *region*.

    What does not change between two requests is computed once: the signing key each day, the time each second.
    """

    def __init__(self, *, service: str, region: str, host: str, content_type: str) -> None:
        self._service, self._region = service, region
        self._host, self._content_type = host, content_type
        self._second = -1
        self._date = self._amz_date = ""
        self._key_of: tuple[Keys, str] | None = None
        self._key = b""

    def head(self, target: str, body: bytes, keys: Keys, *, now: float | None = None) -> bytes:
        """The request line and all headers of the request with *body* for the operation *target*, signed at *now*.

        *now* is in seconds since 1970; None: the present.
        """
        second = int(time.time() if now is None else now)
        if second != self._second:
            self._second, self._amz_date = second, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            self._date = self._amz_date[:8]
        signed = f"content-type:{self._content_type}\nhost:{self._host}\nx-amz-date:{self._amz_date}\n"
        names, token = "content-type;host;x-amz-date;x-amz-target", ""
        if keys.token:
            signed += f"x-amz-security-token:{keys.token}\n"
            names = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
            token = f"X-Amz-Security-Token: {keys.token}\r\n"
        canonical = f"POST\n/\n\n{signed}x-amz-target:{target}\n\n{names}\n{sha256(body).hexdigest()}"
        scope = f"{self._date}/{self._region}/{self._service}/aws4_request"
        to_sign = f"{_ALGORITHM}\n{self._amz_date}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._signing_key(keys), to_sign.encode(), "sha256").hex()
        return (
            f"POST / HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: {self._content_type}\r\n"
            f"X-Amz-Target: {target}\r\nX-Amz-Date: {self._amz_date}\r\n{token}"
            f"Authorization: {_ALGORITHM} Credential={keys.access}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()

    def _signing_key(self, keys: Keys) -> bytes:
        if self._key_of != (keys, self._date):
            key = b"AWS4" + keys.secret.encode()
            for part in (self._date, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key, self._key_of = key, (keys, self._date)
        return self._key
