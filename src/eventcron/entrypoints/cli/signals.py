"""Runs a command until it ends or a signal stops it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: A closing terminal sends SIGHUP.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """*signal* stopped the command."""

    def __init__(self, number: signal.Signals) -> None:
        self.signal = number
        super().__init__(f"stopped by {number.name}")

    @property
    def status(self) -> int:
        """The exit status that a shell expects."""
        return 128 + self.signal


def run_until_signal(work: Coroutine[Any, Any, T]) -> T:
    """The result of *work*. A signal cancels it and lets it clean up.

    Raises:
        Stopped: a signal cancelled *work*.
    """
    caught: list[signal.Signals] = []

    async def run() -> T:
        working = asyncio.ensure_future(work)

        def stop(number: signal.Signals) -> None:
            caught.append(number)
            working.cancel()

        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        return await working

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        raise Stopped(caught[0]) from None
