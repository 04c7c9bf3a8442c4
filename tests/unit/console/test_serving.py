"""The port of the console, and its thread in ``eventcron dev``."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from eventcron.adapters.aws.accounts import Account
from eventcron.console import listener as listener_module
from eventcron.console.listener import NoConsole, Visited, address_of, listener_on, require_extra
from eventcron.console.live import Live
from eventcron.console.serving import serve
from eventcron.console.site import Stack
from eventcron.entrypoints.cli import console
from eventcron.entrypoints.cli.console import Pages
from eventcron.entrypoints.cli.main import cli
from eventcron.errors import EventcronError
from tests.waiting import HANG_SECONDS


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "http://127.0.0.1:"), ("localhost", "http://127.0.0.1:"), ("::1", "http://[::1]:")],
)
def test_it_listens_on_loopback(host: str, address: str) -> None:
    with listener_on(host, 0, known=False) as listener:
        assert address_of(listener).startswith(address)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::"])
def test_it_refuses_another_address_unless_that_is_known(host: str) -> None:
    with pytest.raises(NoConsole, match="without a password; add --i-know"):
        listener_on(host, 0, known=False)


def test_all_addresses_are_named_by_loopback() -> None:
    with listener_on("0.0.0.0", 0, known=True) as listener:
        assert address_of(listener).startswith("http://127.0.0.1:")


def test_a_name_and_a_taken_port_are_refused() -> None:
    with pytest.raises(NoConsole, match="no IP address"):
        listener_on("example.com", 0, known=True)
    with listener_on("127.0.0.1", 0, known=False) as listener, pytest.raises(NoConsole, match="in use"):
        listener_on("127.0.0.1", listener.getsockname()[1], known=False)
    with pytest.raises(NoConsole, match=r"cannot listen on 192\.0\.2\.7"):
        listener_on("192.0.2.7", 0, known=True)


@asynccontextmanager
async def nothing() -> AsyncIterator[Stack | str]:
    yield "there is no stack"


def fetched(address: str) -> str:
    with urllib.request.urlopen(address, timeout=HANG_SECONDS) as answer:
        text: str = answer.read().decode()
    return text


def test_it_is_served_from_the_first_visit_on_in_a_thread_of_its_own() -> None:
    served: list[str] = []

    async def work() -> str:
        listener = listener_on("127.0.0.1", 0, known=False)
        address = address_of(listener)

        async def pages() -> None:
            served.append(address)
            await serve(listener, nothing(), Live(began=0), allow_changes=False, listen=False)

        visited = Visited(listener, pages, on_failure=served.append)
        assert served == []
        text = await asyncio.to_thread(fetched, f"{address}expression")
        stream = await asyncio.to_thread(socket.create_connection, listener.getsockname())
        stream.sendall(f"GET /live/events HTTP/1.1\r\nHost: {address[7:-1]}\r\n\r\n".encode())
        assert await asyncio.to_thread(stream.recv, 12) == b"HTTP/1.1 200"
        await visited.close()  # a page that listens does not hold it up
        stream.close()
        with pytest.raises(urllib.error.URLError):
            await asyncio.to_thread(fetched, address)
        return text

    assert "At 02:30, Monday to Friday." in asyncio.run(asyncio.wait_for(work(), HANG_SECONDS))
    assert len(served) == 1


def test_a_console_that_nobody_visits_is_never_begun() -> None:
    async def work() -> None:
        listener = listener_on("127.0.0.1", 0, known=False)

        async def never() -> None:
            raise AssertionError

        visited = Visited(listener, never, on_failure=pytest.fail)
        await asyncio.sleep(0)
        await visited.close()

    asyncio.run(work())


def test_a_failure_of_the_thread_is_said() -> None:
    said: list[str] = []

    async def work() -> None:
        listener = listener_on("127.0.0.1", 0, known=False)
        failed = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def broken() -> None:
            raise EventcronError("no stack")

        def note(why: str) -> None:
            said.append(why)
            loop.call_soon_threadsafe(failed.set)

        visited = Visited(listener, broken, on_failure=note)
        socket.create_connection(listener.getsockname()).close()
        await failed.wait()
        await visited.close()

    asyncio.run(asyncio.wait_for(work(), HANG_SECONDS))

    assert said == ["the console ended: no stack"]


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "find_spec", lambda name: None if name != "jinja2" else object())

    with pytest.raises(NoConsole) as caught:
        require_extra()

    assert str(caught.value) == (
        "the console needs starlette, uvicorn, which this Python does not have: run `pip install 'eventcron[console]'`"
    )

    async def served() -> str:
        async with Pages(allow_changes=False).served(Account(), None) as address:
            return address

    assert asyncio.run(served()) == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "add --i-know"),
        (["--host", "example.com", "--i-know"], "no IP address"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(cli, ["console", *arguments])

    assert isinstance(result.exception, NoConsole)
    assert says in str(result.exception)


def test_the_command_line_does_not_import_what_only_the_pages_need() -> None:
    assert console.__name__ in sys.modules
    code = (
        "import sys; import eventcron.entrypoints.cli.dev, eventcron.entrypoints.cli.console;"
        "sys.exit(any(name in sys.modules for name in ('starlette', 'uvicorn', 'jinja2')))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_pages_lie_in_the_package() -> None:
    folder = Path(listener_module.__file__).parent

    assert {path.suffix for path in (folder / "static").iterdir()} == {".css", ".js", ".svg"}
