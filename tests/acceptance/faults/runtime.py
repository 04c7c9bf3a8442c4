"""``eventcron dev --keep`` as a process that tests kill, in whole or in part, and start again."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.acceptance.processes import descendants, wait_gone
from tests.waiting import HANG_SECONDS

#: The module of the embedded AWS. Its arguments are a socket, its directory and the snapshot's directory.
_SERVER = "eventcron.local.host"
#: A Lambda execution environment: ministack names its directory after the function.
_HOST = re.compile(r"/ministack-lambda-eventcron-(\w+?)Function-")


class Host(NamedTuple):
    """The process of one execution environment of a Lambda function."""

    function: str
    pid: int


class KeptRuntime:
    """``eventcron dev --keep``, run from *source* if that is given."""

    def __init__(self, directory: Path, *, source: Path | None = None) -> None:
        self._directory = directory
        self._environment = os.environ | ({"PYTHONPATH": str(source)} if source is not None else {})
        self._process: Process | None = None
        #: The output of ``--json``.
        self.document: dict[str, Any] = {}

    async def start(self) -> None:
        """Start it, for the first time or again; returns when it runs."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "eventcron", "dev", "--json"),
                *("--port", "0", "--keep", str(self._directory / "kept")),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=self._directory,  # where it says that it runs
                env=self._environment,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), HANG_SECONDS)
        assert line, self.log()
        self.document = json.loads(line)

    async def command(self, *arguments: str) -> None:
        """Run ``eventcron`` with *arguments*, in a shell that the three lines were copied into."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "eventcron", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment | self.document["environment"],
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode()

    @property
    def _log(self) -> Path:
        return self._directory / "dev.log"

    def log(self) -> str:
        """What it wrote."""
        return self._log.read_text(encoding="utf-8")

    def hosts(self) -> list[Host]:
        """The Lambda hosts that run at this moment, in the order of their start."""
        found = []
        for pid in sorted(self._below()):
            match = _HOST.search(" ".join(_command_line(pid)))
            if match is not None:
                found.append(Host(match[1].lower(), pid))
        return found

    async def kill(self) -> None:
        """``kill -9`` of the process, which takes everything with it; returns when it is gone."""
        if self._process is None:
            return
        below, directories = self._below(), self._directories()
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.communicate()
        await asyncio.to_thread(wait_gone, below)
        left = [path for path in directories if path.exists() or path.with_suffix(".going").exists()]
        assert not left, left

    def _directories(self) -> list[Path]:
        """Where the embedded AWS keeps its files while it runs."""
        lines = map(_command_line, self._below())
        return [Path(line[line.index(_SERVER) + 2]) for line in lines if _SERVER in line]

    def _below(self) -> set[int]:
        assert self._process is not None
        return descendants(self._process.pid)


def _command_line(pid: int) -> list[str]:
    """The arguments of a process; none if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def kill_host(host: Host) -> bool:
    """``kill -9``. Return whether the process was still there."""
    try:
        os.kill(host.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@asynccontextmanager
async def running(directory: Path, *, source: Path | None = None) -> AsyncIterator[KeptRuntime]:
    """Start a runtime in *directory*. Kill it at the end."""
    runtime = KeptRuntime(directory, source=source)
    try:
        await runtime.start()
        yield runtime
    finally:
        await runtime.kill()
