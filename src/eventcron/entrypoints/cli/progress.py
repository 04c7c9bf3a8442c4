"""How far a long command is: one line of stderr, written over, and only where somebody watches and has to wait."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import click

#: Seconds. What takes no longer shows no progress.
AFTER = 1.0
#: Seconds between two lines: more often than anybody reads.
EVERY = 0.1
#: What a command that was sent is shown as.
ANSWER = "waiting for the deployment"
#: Back to the first column, and erase to the end of the line (ECMA-48, EL).
_ANEW = "\r\x1b[K"


class Progress:
    """Shows texts on stderr, if it is a terminal, from one second on. Leaving the context removes the last one."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._next = now() + AFTER
        self._shown = False

    def show(self, text: str) -> None:
        """Show *text* in place of the last one, unless it is too early."""
        now = self._now()
        if now < self._next or not sys.stderr.isatty():
            return
        self._next = now + EVERY
        self._shown = True
        click.echo(f"{_ANEW}{text}", err=True, nl=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shown:
            click.echo(_ANEW, err=True, nl=False)


@asynccontextmanager
async def waiting(text: str, *, progress: Progress | None = None, every: float = AFTER) -> AsyncIterator[None]:
    """Show *text* and for how long it is so already, *every* so many seconds, while the context is open."""

    async def tick() -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(every)
            shown.show(f"{text} … {time.monotonic() - began:.0f} s")

    with progress or Progress() as shown:
        ticking = asyncio.create_task(tick())
        try:
            yield
        finally:
            ticking.cancel()
