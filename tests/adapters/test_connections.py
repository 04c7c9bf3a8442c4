"""HTTP connections, with a service that answers slowly, in pieces, wrongly, or not at all."""

from __future__ import annotations

import asyncio
import socket

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, HTTPClientError, ReadTimeoutError

from eventcron.adapters.aws import connections
from eventcron.adapters.aws.connections import Answer, Pool
from tests.adapters.http_server import Handle, response, serving

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


def saying(*pieces: bytes, then_close: bool = False) -> Handle:
    """Answers each request with *pieces*, one packet each."""

    async def handle(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if then_close:
            writer.close()

    return handle


async def test_an_answer_has_status_body_and_the_headers_that_are_kept() -> None:
    said = response(b'{"a":1}', "X-Amzn-RequestId: 7", "x-amz-CRC32: 9", "Server: other", status="400 Bad Request")
    async with serving(saying(said)) as server:
        pool = Pool(server.url, limit=1)
        answer = await pool.call(HEAD, b"{}")
        pool.close()

    assert answer == Answer(400, {b"x-amzn-requestid": b"7", b"x-amz-crc32": b"9"}, b'{"a":1}')
    assert server.requests == [(HEAD, b"{}")]


async def test_an_answer_may_come_byte_by_byte() -> None:
    said = response(b'{"a":1}')
    async with serving(saying(*[said[at : at + 1] for at in range(len(said))])) as server:
        pool = Pool(server.url, limit=1)
        assert (await pool.call(HEAD, b"{}")).body == b'{"a":1}'
        pool.close()


async def test_an_answer_may_come_in_chunks() -> None:
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}1\r\n2\r\n23\r\n0\r\n\r\n"
    async with serving(saying(said)) as server:
        pool = Pool(server.url, limit=1)
        assert (await pool.call(HEAD, b"{}")).body == b"{}123"
        pool.close()


async def test_calls_share_connections_and_open_no_more_than_the_limit() -> None:
    async with serving(saying(response(b"{}"))) as server:
        pool = Pool(server.url, limit=3)
        for _ in range(4):
            await asyncio.gather(*(pool.call(HEAD, b"{}") for _ in range(10)))
        pool.close()

    assert len(server.requests) == 40
    assert len(server.connections) == 3


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(response(b"{}", "Connection: close"), id="the-service-says-so"),
        pytest.param(response(b"{}").replace(b"HTTP/1.1", b"HTTP/1.0"), id="http-1.0"),
    ],
)
async def test_a_connection_that_the_service_ends_is_not_used_again(said: bytes) -> None:
    async with serving(saying(said)) as server:
        pool = Pool(server.url, limit=1)
        for _ in range(2):
            await pool.call(HEAD, b"{}")
        pool.close()

    assert len(server.connections) == 2


async def test_a_connection_that_is_old_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_AGE_S", 0)
    async with serving(saying(response(b"{}"))) as server:
        pool = Pool(server.url, limit=1)
        for _ in range(2):
            await pool.call(HEAD, b"{}")
        pool.close()

    assert len(server.connections) == 2


def test_a_process_that_was_frozen_finds_out_that_the_service_has_closed() -> None:
    """Between two invocations no loop runs, so that nothing tells the connection of its end."""
    server = socket.create_server(("127.0.0.1", 0))
    runner, pool = asyncio.Runner(), Pool(f"http://127.0.0.1:{server.getsockname()[1]}", limit=1)

    def serve_once() -> None:
        peer, _ = server.accept()
        with peer:
            assert peer.recv(1_000)
            peer.sendall(response(b"{}"))

    async def call() -> Answer:
        serving_once = asyncio.get_running_loop().run_in_executor(None, serve_once)
        answer = await pool.call(HEAD, b"{}")
        await serving_once
        return answer

    with server, runner:
        assert [runner.run(call()).status for _ in range(2)] == [200, 200]
        runner.get_loop().call_soon(pool.close)
        runner.run(asyncio.sleep(0))


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        pytest.param([], ConnectionClosedError, id="before-the-answer"),
        pytest.param([response(b"{}")[:20]], ConnectionClosedError, id="in-the-head"),
        pytest.param([response(b"{}")[:-1]], ConnectionClosedError, id="in-the-body"),
        pytest.param([b"SMTP 1\r\n\r\n"], ConnectionClosedError, id="no-http"),
    ],
)
async def test_an_answer_that_does_not_come_whole_is_an_error_and_the_next_call_works(
    pieces: list[bytes], error: type[HTTPClientError]
) -> None:
    broken = [saying(*pieces, then_close=True), saying(response(b"{}"))]

    async def handle(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        await broken.pop(0)(head, body, writer)

    async with serving(handle) as server:
        pool = Pool(server.url, limit=1)
        with pytest.raises(error):
            await pool.call(HEAD, b"{}")
        assert (await pool.call(HEAD, b"{}")).body == b"{}"
        pool.close()


async def test_a_service_that_does_not_answer_is_given_up() -> None:
    async with serving(saying()) as server:
        pool = Pool(server.url, limit=1)
        with pytest.raises(ReadTimeoutError):
            await pool.call(HEAD, b"{}", within=0)


async def test_a_call_waits_its_own_time_whatever_the_one_before_waited() -> None:
    answers = iter([response(b"{}")])

    async def answer_once(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(next(answers, b""))

    async with serving(answer_once) as server:
        pool = Pool(server.url, limit=1)
        await pool.call(HEAD, b"{}", within=3_600)
        with pytest.raises(ReadTimeoutError):
            await pool.call(HEAD, b"{}", within=0.01)

    assert len(server.connections) == 1


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(EndpointConnectionError):
        await Pool(f"http://127.0.0.1:{port}", limit=1).call(HEAD, b"{}")


async def test_what_nobody_asked_for_is_no_answer() -> None:
    async with serving(saying(response(b"{}") + response(b"second"))) as server:
        pool = Pool(server.url, limit=1)
        for _ in range(2):
            assert (await pool.call(HEAD, b"{}")).body == b"{}"
        pool.close()

    assert len(server.connections) == 2


async def test_a_call_that_is_cancelled_gives_its_connection_up() -> None:
    waiting = asyncio.Event()
    handles = [saying(response(b"{}"))]

    async def handle(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        waiting.set()
        if len(server.requests) > 1:
            await handles.pop()(head, body, writer)

    async with serving(handle) as server:
        pool = Pool(server.url, limit=1)
        cancelled = asyncio.ensure_future(pool.call(HEAD, b"{}"))
        await waiting.wait()
        cancelled.cancel()
        assert (await pool.call(HEAD, b"{}")).body == b"{}"
        pool.close()

    assert cancelled.cancelled()
    assert len(server.connections) == 2


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://sqs.eu-west-1.amazonaws.com", "sqs.eu-west-1.amazonaws.com"),
        ("https://vpce.example:443", "vpce.example"),
        ("http://127.0.0.1:4566", "127.0.0.1:4566"),
        ("http://[::1]:4566", "[::1]:4566"),
    ],
)
def test_the_host_header_names_a_port_that_is_not_the_scheme_s_own(url: str, host: str) -> None:
    assert Pool(url, limit=1).host == host
