"""HTTP/1.1 with keep-alive, as cheap as it can be in Python: requests parsed by httptools, replies written whole."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

import httptools

_REASONS = {200: b"OK", 400: b"Bad Request", 403: b"Forbidden", 500: b"Internal Server Error"}
_numbers = count(1)


class Request(NamedTuple):
    """One request. Names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """One reply, its body in parts that are sent one after the other."""

    status: int
    parts: list[bytes]
    content_type: bytes
    #: The CRC-32 of the body, which only DynamoDB sends; None = no such header.
    crc32: int | None = None
    #: Further header lines, each with its end.
    more: bytes = b""
    #: Seconds before the reply is sent.
    delay: float = 0.0

    def head(self) -> bytes:
        """The status line and the headers."""
        length = sum(map(len, self.parts))
        crc = b"" if self.crc32 is None else b"x-amz-crc32: %d\r\n" % self.crc32
        return b"HTTP/1.1 %d %s\r\nx-amzn-RequestId: %032X\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s%s\r\n" % (
            self.status, _REASONS[self.status], next(_numbers), self.content_type, length, crc, self.more,
        )  # fmt: skip


def crc32_of(parts: list[bytes]) -> int:
    """The CRC-32 of *parts*, one after the other."""
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc


class HttpProtocol(asyncio.Protocol):
    """One connection. *answer* is called with each request, and must not raise."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self._answer = answer
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self.on_message_begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.close()

    # httptools calls these.

    def on_message_begin(self) -> None:
        self._path = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        reply = self._answer(Request(method, self._path.decode(), self._headers, b"".join(self._body)))
        if reply.delay:
            asyncio.get_running_loop().call_later(reply.delay, self._send, reply)
        else:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines([reply.head(), *reply.parts])
