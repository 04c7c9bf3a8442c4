"""What a Lambda process keeps between invocations: one event loop, and the clients opened on it.

``asyncio.run`` would close the loop after each invocation, and an aiohttp client cannot outlive its loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from eventcron import config
from eventcron.app.use_cases import UseCases
from eventcron.wiring import on_aws

T = TypeVar("T")


class Process:
    """Runs coroutines on one event loop, over use cases that the first run wires."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._open = AsyncExitStack()
        self._cases: UseCases | None = None

    def run(self, work: Callable[[UseCases], Coroutine[Any, Any, T]]) -> T:
        """Run *work* to its end.

        Raises:
            InvalidSettings: the environment does not describe a deployment.
        """
        return self._runner.run(self._with_cases(work))

    def close(self) -> None:
        """Close the clients and the loop; the next ``run`` opens new ones. Lambda just ends the process."""
        self._runner.run(self._open.aclose())
        self._runner.close()
        self._runner, self._cases = asyncio.Runner(), None

    async def _with_cases(self, work: Callable[[UseCases], Coroutine[Any, Any, T]]) -> T:
        if self._cases is None:
            self._cases = await self._open.enter_async_context(on_aws(config.read(os.environ)))
        return await work(self._cases)


process = Process()
