"""What ``eventcron.local.host`` relies on in hypercorn."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Serves two requests on one connection and prints how often the server wrote, and what the client read.
_SERVE = """
import asyncio, json, socket, sys
from hypercorn.asyncio import serve
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config
from hypercorn.events import RawData
from eventcron.local.host import send_responses_whole

if sys.argv[1] == "patched":
    send_responses_whole()
writes, send = [], TCPServer.protocol_send

async def noted(server, event):
    if isinstance(event, RawData) and event.data:
        writes.append(len(event.data))
    await send(server, event)

async def app(scope, receive, send):
    body = b"" if scope["path"] == "/empty" else b"whole"
    if scope["type"] == "http":
        length = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": body})

async def main():
    TCPServer.protocol_send = noted
    listening = socket.create_server(("127.0.0.1", 0))
    config, stopped = Config(), asyncio.Event()
    config.bind, config.loglevel = [f"fd://{listening.fileno()}"], "ERROR"
    serving = asyncio.create_task(serve(app, config, shutdown_trigger=stopped.wait))
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    heads, bodies = [], []
    for path, length in (("/", 5), ("/empty", 0)):
        writer.write(f"GET {path} HTTP/1.1\\r\\nhost: here\\r\\n\\r\\n".encode())
        heads.append((await reader.readuntil(b"\\r\\n\\r\\n")).decode().split()[1])
        bodies.append((await reader.readexactly(length)).decode())
    writer.close()
    stopped.set()
    await serving
    listening.detach()
    print(json.dumps([len(writes), heads, bodies]))

asyncio.run(main())
"""


@pytest.mark.parametrize(("how", "writes"), [("plain", 3), ("patched", 2)])
def test_a_response_is_written_at_once_only_if_patched(how: str, writes: int) -> None:
    done = subprocess.run([sys.executable, "-c", _SERVE, how], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == f'[{writes}, ["200", "200"], ["whole", ""]]'
