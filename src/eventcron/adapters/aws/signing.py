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


class _Parts(NamedTuple):
    """What is the same in all requests for one operation within a second."""

    #: Of the canonical request, and of the string to sign: what comes before a hash.
    canonical: str
    to_sign: str
    #: The request line and the headers, up to the signature.
    head: str


class _Hmac:
    """HMAC-SHA256 with one *key* of at most 64 bytes (RFC 2104), for many texts.

    The two hashes are begun once. ``hmac.digest`` begins them for each text, which takes three times as long.
    """

    def __init__(self, key: bytes) -> None:
        self._inner, self._outer = (sha256(bytes(byte ^ pad for byte in key.ljust(64, b"\0"))) for pad in (0x36, 0x5C))

    def sign(self, text: bytes) -> str:
        """The code of *text*, in hexadecimal digits."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.hexdigest()


class Signer:
    """Signs requests to one *service*, at *host*, in one *region*.

    What does not change between two requests is computed once: the signing key each day, most of the text each second.
    """

    def __init__(self, *, service: str, region: str, host: str, content_type: str) -> None:
        self._service, self._region = service, region
        self._host, self._content_type = host, content_type
        self._second = -1
        self._date = self._amz_date = ""
        self._parts: dict[tuple[str, Keys], _Parts] = {}
        self._key_of: tuple[Keys, str] | None = None
        self._key = _Hmac(b"")

    def head(self, target: str, body: bytes, keys: Keys, *, now: float | None = None) -> bytes:
        """The request line and all headers of the request with *body* for the operation *target*, signed at *now*.

        *now* is in seconds since 1970; None: the present.
        """
        second = int(time.time() if now is None else now)
        if second != self._second:
            self._second, self._amz_date = second, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            self._date = self._amz_date[:8]
            self._parts.clear()
        parts = self._parts.get((target, keys)) or self._parts.setdefault((target, keys), self._made(target, keys))
        canonical = parts.canonical + sha256(body).hexdigest()
        to_sign = parts.to_sign + sha256(canonical.encode()).hexdigest()
        signature = self._signing_key(keys).sign(to_sign.encode())
        return f"{parts.head}{signature}\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    def _made(self, target: str, keys: Keys) -> _Parts:
        signed = f"content-type:{self._content_type}\nhost:{self._host}\nx-amz-date:{self._amz_date}\n"
        names, token = "content-type;host;x-amz-date;x-amz-target", ""
        if keys.token:
            signed += f"x-amz-security-token:{keys.token}\n"
            names = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
            token = f"X-Amz-Security-Token: {keys.token}\r\n"
        scope = f"{self._date}/{self._region}/{self._service}/aws4_request"
        return _Parts(
            f"POST\n/\n\n{signed}x-amz-target:{target}\n\n{names}\n",
            f"{_ALGORITHM}\n{self._amz_date}\n{scope}\n",
            f"POST / HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: {self._content_type}\r\n"
            f"X-Amz-Target: {target}\r\nX-Amz-Date: {self._amz_date}\r\n{token}"
            f"Authorization: {_ALGORITHM} Credential={keys.access}/{scope}, SignedHeaders={names}, Signature=",
        )

    def _signing_key(self, keys: Keys) -> _Hmac:
        if self._key_of != (keys, self._date):
            key = b"AWS4" + keys.secret.encode()
            for part in (self._date, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key, self._key_of = _Hmac(key), (keys, self._date)
        return self._key
