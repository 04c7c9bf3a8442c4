"""The embedded AWS: ministack on loopback, in a process group of its own that ends with this process."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from msgspec import Struct

import eventcron
from eventcron.local.errors import LocalError
from eventcron.local.removal import remove
from eventcron.local.snapshot import SAVE_SECONDS, Snapshot

LOOPBACK = "127.0.0.1"
#: Bytes. Longer than any line of the host, which cuts output to a quarter of this before JSON escapes it.
_LINE_LIMIT = 2**21
#: Seconds. After its parent pipe closes, the host kills itself, so only a busy machine takes any time.
_STOP_SECONDS = 5.0
#: Seconds. The same if the host saves a snapshot first.
_SAVE_AND_STOP_SECONDS = SAVE_SECONDS + _STOP_SECONDS
#: What the host imports and only the extra ``local`` brings.
_OF_LOCAL = ("boto3", "ministack", "samtranslator")
#: Prefixes of environment variables that the emulator and its functions must not inherit.
_PRIVATE = (
    *("AWS_", "EVENTCRON_", "POWERTOOLS_", "LAMBDA_", "LOCALSTACK_", "MINISTACK_", "DOCKER_", "SFN_"),
    # Switches of ministack that would change its services.
    *("AUTH", "SERVICES", "USE_SSL", "EDGE_PORT", "PERSIST_STATE", "S3_PERSIST"),
)


class FunctionOutput(Struct, frozen=True):
    """The output of one invocation of a Lambda function, and whether the invocation failed."""

    function: str
    error: bool
    output: str


class EmbeddedAws:
    """An AWS endpoint on loopback for as long as the context lasts.

    *port* 0 picks a free one. *on_output* is called with each invocation's output, in order of completion. With a
    *snapshot*, it loads the state there and saves it when this process ends, SIGKILL included.

    Raises:
        LocalError: at once, if the extra ``local`` is not installed; on entering, if the port is taken or the snapshot
            cannot be loaded; on leaving, if not everything could be saved.
    """

    def __init__(
        self, *, port: int, region: str, on_output: Callable[[FunctionOutput], None], snapshot: Snapshot | None = None
    ) -> None:
        _require_extra()
        self._wanted_port = port
        self._snapshot = snapshot
        self.region = region
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
        """Warnings and errors of ministack itself."""
        return self.directory / "ministack.log"

    async def __aenter__(self) -> Self:
        # The socket listens before the process starts. So a taken port is an error at once, and a request that comes
        # before ministack is ready waits for its answer: nobody has to poll.
        with _listen(self._wanted_port) as listener:
            self.port = listener.getsockname()[1]
            if self._snapshot is not None:
                self._snapshot.begin(self.port)
            self.directory = Path(tempfile.mkdtemp(prefix="eventcron-"))
            with self.log_file.open("wb") as log:
                self._process = await asyncio.create_subprocess_exec(
                    # -P: the working directory must not decide what is imported.
                    *(sys.executable, "-P", "-m", "eventcron.local.host"),
                    *(str(listener.fileno()), str(self.directory), *self._snapshot_directory()),
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

    def _snapshot_directory(self) -> list[str]:
        return [] if self._snapshot is None else [str(self._snapshot.directory.resolve())]

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)}
        source = str(Path(eventcron.__file__).parents[1])
        direct = [os.environ.get("no_proxy"), os.environ.get("NO_PROXY"), LOOPBACK, "localhost"]
        no_proxy = ",".join(filter(None, direct))
        store = Path(*self._snapshot_directory() or [str(self.directory)])
        return inherited | {
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": self.region,
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(self.directory),
            "STATE_DIR": str(store / "state"),
            "S3_DATA_DIR": str(store / "s3"),
            **dict.fromkeys(("PERSIST_STATE", "S3_PERSIST"), "1" if self._snapshot else "0"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            # The host and its functions import eventcron from the same folder as this process.
            "PYTHONPATH": os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")])),
        }

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101  # it was asked for above
        decode = msgspec.json.Decoder(FunctionOutput).decode
        async for line in process.stdout:
            self._on_output(decode(line))

    async def died(self) -> LocalError:
        """Wait until the process dies and return the error to raise. Raise what *on_output* raised."""
        assert self._process is not None  # noqa: S101  # only within the context
        assert self._reader is not None  # noqa: S101
        exited = asyncio.ensure_future(self._process.wait())
        try:
            # A worker may hold the output open for a while after the process has died.
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
        self._process.stdin.close()  # closes the parent pipe: the host ends its whole process group
        try:
            await asyncio.wait_for(self._process.wait(), _SAVE_AND_STOP_SECONDS if self._snapshot else _STOP_SECONDS)
        except TimeoutError:
            died = True
        if died:  # the host could not end its process group, so end it here
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        if self._reader is not None:
            await asyncio.wait([self._reader])  # ``died`` raises what it raised
        remove(self.directory)  # the host may be removing it at this moment
        if self._snapshot is not None and not died:
            self._snapshot.end()


def _require_extra() -> None:
    missing = [name for name in _OF_LOCAL if find_spec(name) is None]
    if missing:
        raise LocalError(
            f"the embedded AWS needs {', '.join(missing)}, which this Python does not have: run"
            " `pip install 'eventcron[local]'`"
        )


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A port is free if its last connections are in TIME_WAIT, and taken if another socket listens on it.
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
