"""HTTP/1.1 connections to one endpoint, kept open between calls.

botocore's own HTTP client costs more processor time than everything else in a call. httptools, which parses here, is
the parser of Node.js.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections import deque
from contextlib import suppress
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

import httptools
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

#: Seconds. All services answer within tens of milliseconds from the same Region. A call that takes longer is better
#: repeated than waited for; but not too soon, as a repeated publication may come twice.
CONNECT_TIMEOUT_S = 1.0
READ_TIMEOUT_S = 10.0
#: Seconds. A connection that was open this long is closed after its call, so that calls follow the addresses that the
#: name of the service resolves to.
MAX_AGE_S = 300.0

#: Bytes that are received at once.
_RECEIVED_BYTES = 262_144

#: The headers of an answer that are kept.
_KEPT = frozenset({b"x-amzn-requestid", b"x-amz-crc32", b"x-amzn-query-error"})


class Answer(NamedTuple):
    """A response: its status, those of its headers that are kept, by lower-case name, and its body."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Pool:
    """The connections to the endpoint at *url*: at most *limit* at once, each for one call at a time.

    *ca_bundle* is the file of the certificates by which a service is checked; "" = the host's.
    """

    def __init__(self, url: str, *, limit: int, ca_bundle: str = "") -> None:
        self.url = url
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._address, self._port = parts.hostname or "", parts.port or (443 if self._secure else 80)
        #: What the header ``Host`` says: the port too, unless it is the scheme's own.
        self.host = parts.netloc if parts.port not in {None, 443 if self._secure else 80} else self._address
        self._slots = asyncio.Semaphore(limit)
        self._idle: deque[_Connection] = deque()
        self._ca_bundle = ca_bundle
        #: What any of the connections receives, until it is parsed, which is at once. A buffer for each answer, as
        #: asyncio's other protocol makes them, takes longer to make than to fill.
        self._received = memoryview(bytearray(_RECEIVED_BYTES))

    async def open(self) -> None:
        """Open a connection for the first call. If there is none to be had now, that call tries again, and says why."""
        with suppress(ConnectTimeoutError, EndpointConnectionError):
            self._idle.append(await self._connect())

    async def call(self, head: bytes, body: bytes, *, within: float = READ_TIMEOUT_S) -> Answer:
        """Send a request, and return the whole answer to it, for which it waits *within* so many seconds.

        Raises:
            HTTPClientError: there was none, in time. Whether the service has done what it was asked is unknown.
        """
        async with self._slots:
            connection = self._reusable() or await self._connect()
            try:
                answer = await connection.call(head, body, within)
            except BaseException:
                connection.close()
                raise
            if connection.may_be_kept():
                self._idle.append(connection)
            else:
                connection.close()
            return answer

    def close(self) -> None:
        """Close every connection that no call uses."""
        while self._idle:
            self._idle.pop().close()

    def _reusable(self) -> _Connection | None:
        """The connection that was used last, unless the service has closed it."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        tls = _tls(self._ca_bundle) if self._secure else None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self.url, self._received), self._address, self._port, ssl=tls
                )
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self.url, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=self.url, error=error) from error
        return connection


@cache
def _tls(ca_bundle: str) -> ssl.SSLContext:
    """How services are checked, for all pools: to read the certificates takes 20 ms of a core."""
    return ssl.create_default_context(cafile=ca_bundle or None)


class _Connection(asyncio.BufferedProtocol):
    """One connection. httptools calls the methods ``on_…`` as it parses an answer."""

    def __init__(self, url: str, received: memoryview) -> None:
        self._url = url
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.time()
        self._transport: asyncio.Transport | None = None
        #: Says whether something is there to be received.
        self._ask = select.poll()
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._lost = False
        #: Whether the service keeps the connection open after its last answer.
        self._stays = False
        #: For how many seconds the call under way waits, and when it is given up, by the loop's clock.
        self._within = READ_TIMEOUT_S
        self._give_up = 0.0
        #: Sees to it, and stays for the next calls: to set a timer for each takes longer than to parse the answer.
        self._timer: asyncio.TimerHandle | None = None

    async def call(self, head: bytes, body: bytes, within: float) -> Answer:
        assert self._transport is not None  # noqa: S101  # it is connected
        self._answer = self._loop.create_future()
        self._within = within
        self._give_up = self._loop.time() + within
        if self._timer is not None and self._timer.when() > self._give_up:  # it is that of a call that could last
            self._stop_timer()
        if self._timer is None:
            self._timer = self._loop.call_at(self._give_up, self._look)
        self._transport.write(head + body)
        try:
            return await self._answer
        finally:
            self._answer = None

    def may_be_kept(self) -> bool:
        """Whether the service and the connection's age allow another call."""
        return self._stays and not self._lost and self._loop.time() - self._opened < MAX_AGE_S

    def is_closed(self) -> bool:
        """Whether the service has closed the connection, or sent what nobody asked for.

        A process that was frozen has not heard of it, so its socket is asked.
        """
        if self._lost or self._transport is None:
            return True
        return bool(self._ask.poll(0))

    def close(self) -> None:
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # create_connection makes no other
        self._transport = transport
        self._ask.register(transport.get_extra_info("socket"), select.POLLIN)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # as asyncio calls it
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        if self._answer is None:
            self._lost = True  # nobody asked for it
            return
        try:
            self._parser.feed_data(self._received[:nbytes])
        except httptools.HttpParserError as error:
            self._fail(ConnectionClosedError(endpoint_url=self._url, error=error))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._lost = True
        self._fail(ConnectionClosedError(endpoint_url=self._url, error=exc))

    def on_message_begin(self) -> None:
        self._lost = self._lost or self._answer is None or self._answer.done()  # nobody asked for a second one
        self._headers, self._body = {}, []

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _KEPT:
            self._headers[name] = value

    def on_body(self, part: bytes) -> None:
        self._body.append(part)

    def on_message_complete(self) -> None:
        self._stays = self._parser.should_keep_alive()  # the parser knows it here only
        if self._answer is not None and not self._answer.done():
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._answer.set_result(Answer(self._parser.get_status_code(), self._headers, body))
            self._headers, self._body = {}, []  # an idle connection holds no answer

    def _look(self) -> None:
        """Give the call under way up if its time is over."""
        self._timer = None
        if self._answer is None:
            return
        if self._loop.time() >= self._give_up:
            self._fail(ReadTimeoutError(endpoint_url=self._url, error=f"no answer after {self._within} s"))
        else:
            self._timer = self._loop.call_at(self._give_up, self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fail(self, error: Exception) -> None:
        self._lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
