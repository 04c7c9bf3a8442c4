"""What ``eventcron.local.host`` relies on in uvicorn."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

#: Serves some requests on one connection, and prints how often the server wrote and what the client read.
_SERVE = """
import asyncio, json, socket, sys
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from eventcron.local.host import send_responses_whole

if sys.argv[1] == "patched":
    send_responses_whole()
writes, made = [], HttpToolsProtocol.connection_made

class Noted:
    def __init__(self, transport):
        self.transport = transport
    def __getattr__(self, name):
        return getattr(self.transport, name)
    def write(self, data):
        writes.append(len(data))
        self.transport.write(data)

HttpToolsProtocol.connection_made = lambda protocol, transport: made(protocol, Noted(transport))

async def app(scope, receive, send):
    if scope["path"] == "/parts":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in (b"who", b"le"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    body = b"" if scope["path"] == "/empty" else b"whole"
    length = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": body})

async def main():
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_config=None, http="httptools", server_header=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    found = []
    for request in ("GET /", "GET /empty", "HEAD /", "GET /parts", "GET /last"):
        last = "connection: close\\r\\n" if request == "GET /last" else ""
        before = len(writes)
        writer.write(f"{request} HTTP/1.1\\r\\nhost: here\\r\\n{last}\\r\\n".encode())
        head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode().lower()
        if "chunked" in head:
            body = await reader.readuntil(b"0\\r\\n\\r\\n")
        elif last:
            body = await reader.read()
        else:
            length = int(head.split("content-length: ")[1].split()[0])
            body = await reader.readexactly(0 if request == "HEAD /" else length)
        found.append([request, head.split()[1], body.decode(), len(writes) - before])
    writer.close()
    server.should_exit = True
    await serving
    print(json.dumps(found))

asyncio.run(main())
"""


@pytest.mark.parametrize(("how", "writes"), [("plain", [2, 2, 1, 4, 2]), ("patched", [1, 1, 1, 3, 1])])
def test_a_response_is_written_at_once_only_if_patched(how: str, writes: list[int]) -> None:
    done = subprocess.run([sys.executable, "-c", _SERVE, how], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == [
        ["GET /", "200", "whole", writes[0]],
        ["GET /empty", "200", "", writes[1]],
        ["HEAD /", "200", "", writes[2]],
        ["GET /parts", "200", "3\r\nwho\r\n2\r\nle\r\n0\r\n\r\n", writes[3]],
        ["GET /last", "200", "whole", writes[4]],
    ]
