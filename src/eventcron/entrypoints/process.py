"""What a Lambda process keeps between invocations: one event loop, and the clients opened on it.

``asyncio.run`` would close the loop after each invocation, and a connection cannot outlive its loop. Lambda imports a
handler while it starts the function: the clients are opened then, so that the first invocation finds them connected.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from eventcron import config
from eventcron.app.use_cases import UseCases
from eventcron.wiring import on_aws

T = TypeVar("T")

#: Objects that wait for the collector, 10 MB at most. An executor makes a few thousand for each pack, none of them in a
#: cycle: looking at them every 700 objects, as Python does, takes a tenth of its time.
GARBAGE = 20_000

#: Set by Lambda in each of its environments, and by nobody else: the name is reserved.
IN_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"


class Process:
    """Runs coroutines on one event loop, over use cases that ``open`` or the first run wires."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._exits = AsyncExitStack()
        self._cases: UseCases | None = None

    def run(self, work: Callable[[UseCases], Coroutine[Any, Any, T]]) -> T:
        """Run *work* to its end.

        Raises:
            InvalidSettings: the environment does not describe a deployment.
        """
        # The runner's own ``run`` also catches Ctrl-C, which Lambda never sends: 0.1 ms of each invocation.
        return self._runner.get_loop().run_until_complete(self._with_cases(work))

    def open(self) -> None:
        """Wire the use cases now, with a connection to each service.

        Raises:
            InvalidSettings: as ``run``.
        """
        self._runner.run(self._wired(connected=True))

    def close(self) -> None:
        """Close the clients and the loop; the next ``run`` opens new ones. Lambda just ends the process."""
        self._runner.run(self._exits.aclose())
        self._runner.close()
        self._runner, self._cases = asyncio.Runner(), None

    async def _with_cases(self, work: Callable[[UseCases], Coroutine[Any, Any, T]]) -> T:
        return await work(await self._wired(connected=False))

    async def _wired(self, *, connected: bool) -> UseCases:
        if self._cases is None:
            wiring = on_aws(config.read(os.environ), connected=connected)
            self._cases = await self._exits.enter_async_context(wiring)
            # What is there by now stays. A collector that looked at it again and again would take a fifth of the time
            # in which an executor publishes.
            gc.freeze()
            gc.set_threshold(GARBAGE)
        return self._cases


def started() -> Process:
    """The process of a function. In Lambda its clients are open already.

    What keeps them from being opened ends the import. Lambda logs it with its message, and imports anew for the next
    invocation, so that a message waits in its queue meanwhile. Elsewhere a handler can be imported without settings.

    Raises:
        InvalidSettings: the environment does not describe a deployment.
    """
    made = Process()
    if IN_LAMBDA in os.environ:
        try:
            made.open()
        except BaseException:
            made.close()
            raise
    return made


process = started()
