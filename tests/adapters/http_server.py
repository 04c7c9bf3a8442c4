"""A server on loopback that answers requests as told, byte by byte if need be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

#: Handles one request: gets its head and body, and writes whatever it likes.
Handle: TypeAlias = Callable[[bytes, bytes, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Where it listens, and what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[tuple[bytes, bytes]] = []
        self.connections: list[asyncio.StreamWriter] = []


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole response."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def serving(handle: Handle) -> AsyncIterator[Server]:
    """A server that calls *handle* for each request, on as many connections as clients open."""

    tasks: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        server.connections.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                body = await reader.readexactly(int(length.partition(b":")[2]))
                server.requests.append((head, body))
                await handle(head, body, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone, or the handler closed
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server = Server(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
    async with listening:
        yield server
        for writer in server.connections:
            writer.close()
        await asyncio.gather(*(task for task in tasks if task is not None))
