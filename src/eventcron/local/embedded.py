"""The embedded AWS: ministack in a process group of its own, on loopback, gone when we are gone."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec
from msgspec import Struct

import eventcron
from eventcron.errors import EventcronError

LOOPBACK = "127.0.0.1"
#: Bytes. Longer than any line the host writes: its output is cut to a quarter of this before JSON escapes it.
_LINE_LIMIT = 2**21
#: Seconds within which the host ends after its leash is let go; it kills itself, so this is only ever the scheduler.
_STOP_SECONDS = 5.0
#: The same if it saves first: see ``keeping``.
_SAVE_AND_STOP_SECONDS = 65.0
#: What the developer's own environment may not tell the emulator or its functions.
_PRIVATE = (
    *("AWS_", "EVENTCRON_", "POWERTOOLS_", "LAMBDA_", "LOCALSTACK_", "MINISTACK_", "DOCKER_", "SFN_"),
    # Switches of ministack that would change what the stack is made on.
    *("AUTH", "SERVICES", "USE_SSL", "EDGE_PORT", "PERSIST_STATE", "S3_PERSIST"),
)


class LocalError(EventcronError):
    """The local runtime cannot do what was asked: says what is in the way and what to do."""


class FunctionOutput(Struct, frozen=True):
    """What one invocation of a Lambda function wrote, and whether it failed."""

    function: str
    error: bool
    output: str


class Keeping(Protocol):
    """What EmbeddedAws asks of the directory that it keeps everything in."""

    directory: Path

    def begin(self, port: int) -> None:
        """Called when the port is ours, before anything runs.

        Raises:
            LocalError: what is there is not fit to go on with.
        """

    def end(self) -> None:
        """Called when everything has ended as it was told to.

        Raises:
            LocalError: not everything was saved.
        """


class EmbeddedAws:
    """An AWS endpoint on loopback for as long as the context lasts.

    *port* 0 picks a free one. *on_output* is called with each invocation's output, in order of completion. With
    *keep* it goes on with what is there, and leaves there what it held when we ended, SIGKILL included.

    Raises:
        LocalError: on entering, if the port is taken; by *keep*, on entering and leaving.
    """

    def __init__(
        self, *, port: int, region: str, on_output: Callable[[FunctionOutput], None], keep: Keeping | None = None
    ) -> None:
        self._wanted_port = port
        self._keep = keep
        self._region = region
        self._on_output = on_output
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self.port = 0
        self.directory = Path()

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def log_file(self) -> Path:
        """What ministack itself logs: warnings and errors."""
        return self.directory / "ministack.log"

    async def __aenter__(self) -> Self:
        # The socket listens before the process starts: the port is ours or refused at once, and a request made
        # meanwhile waits for its answer, so nobody polls.
        with _listen(self._wanted_port) as listener:
            self.port = listener.getsockname()[1]
            if self._keep is not None:
                self._keep.begin(self.port)
            self.directory = Path(tempfile.mkdtemp(prefix="eventcron-"))
            with self.log_file.open("wb") as log:
                self._process = await asyncio.create_subprocess_exec(
                    # -P: the working directory must not decide what is imported.
                    *(sys.executable, "-P", "-m", "eventcron.local.host"),
                    *(str(listener.fileno()), str(self.directory), *self._kept_in()),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    limit=_LINE_LIMIT,
                    env=self._environment(),
                    pass_fds=[listener.fileno()],
                    process_group=0,
                )
        self._reader = asyncio.create_task(self._read(self._process), name="embedded-aws-output")
        return self

    def _kept_in(self) -> list[str]:
        return [] if self._keep is None else [str(self._keep.directory.resolve())]

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)}
        source = str(Path(eventcron.__file__).parents[1])
        direct = [os.environ.get("no_proxy"), os.environ.get("NO_PROXY"), LOOPBACK, "localhost"]
        no_proxy = ",".join(filter(None, direct))
        store = Path(*self._kept_in() or [str(self.directory)])
        return inherited | {
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": self._region,
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(self.directory),
            "STATE_DIR": str(store / "state"),
            "S3_DATA_DIR": str(store / "s3"),
            **dict.fromkeys(("PERSIST_STATE", "S3_PERSIST"), "1" if self._keep else "0"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            # The host and its functions run this very source, wherever it was imported from.
            "PYTHONPATH": os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")])),
        }

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101  # it was asked for above
        decode = msgspec.json.Decoder(FunctionOutput).decode
        async for line in process.stdout:
            self._on_output(decode(line))

    async def died(self) -> LocalError:
        """Wait until the process ends of itself; what to raise then. Raises what *on_output* raised."""
        assert self._process is not None  # noqa: S101  # only within the context
        assert self._reader is not None  # noqa: S101
        exited = asyncio.ensure_future(self._process.wait())
        try:
            # A function's worker may hold the output open for a while after the process is gone.
            await asyncio.wait({exited, self._reader}, return_when=asyncio.FIRST_COMPLETED)
            if self._reader.done():
                self._reader.result()
            await exited
        finally:
            exited.cancel()
        tail = self.log_file.read_text(errors="replace").strip()[-2000:]
        return LocalError(f"the embedded AWS ended with status {self._process.returncode}: {tail or 'no message'}")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None  # noqa: S101  # __aenter__ set it
        assert self._process.stdin is not None  # noqa: S101  # it was asked for
        died = self._process.returncode is not None
        self._process.stdin.close()  # lets go of the leash: the host ends its whole group
        try:
            await asyncio.wait_for(self._process.wait(), _SAVE_AND_STOP_SECONDS if self._keep else _STOP_SECONDS)
        except TimeoutError:
            died = True
        if died:  # it could not end its group, so that falls to us
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        if self._reader is not None:
            await asyncio.wait([self._reader])  # what it raised is for ``died`` to say
        remove(self.directory)  # the host removes most of it, perhaps at this moment
        if self._keep is not None and not died:
            self._keep.end()


def remove(directory: Path) -> None:
    """Remove *directory*, or what is left of it, however many Lambda workers are about to start in it.

    It gets another name first, so that they find no place and leave nothing behind.
    """
    going = directory.with_suffix(".going")
    with suppress(OSError):
        directory.rename(going)
    shutil.rmtree(going, ignore_errors=True)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A port whose last connections are still in TIME_WAIT is free; one that another socket listens on is not.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise LocalError(
                f"port {port} on {LOOPBACK} is in use; stop what uses it, or choose another with --port (0 = any)"
            ) from error
        raise LocalError(f"cannot listen on {LOOPBACK}:{port}: {error.strerror}") from error
    return listener
