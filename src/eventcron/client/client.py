"""The client of a deployment on AWS, or of ``eventcron dev``."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from eventcron.adapters.aws.accounts import Account
from eventcron.adapters.aws.answers import NoAnswers, answers_on
from eventcron.adapters.aws.deployment import Deployment, deployment
from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.clock import SystemClock
from eventcron.app.commander import PATIENCE_MS, Commander
from eventcron.client.blocking import Blocking
from eventcron.client.dev_file import account_near
from eventcron.client.verbs import Listen, Verbs
from eventcron.ports.answers import Answers
from eventcron.wiring import over_clients

#: Connections to each service.
CONNECTIONS = 64


class Client(Verbs):
    """Puts, reads and runs schedules of the deployment *stack*: an async context manager.

    *profile*, *region* and *endpoint_url* say where the stack is, as those of the AWS CLI do. If they and the
    environment name no account, a running ``eventcron dev`` that was started in the working directory or above it is
    used. *source* is the source of all commands, for a platform that the deployment trusts; by default each command has
    its tenant's own. A verb that waits gives up after *timeout* seconds without an answer.

    Raises:
        NoDeployment, StaleDev: on entering, if there is no such stack.
    """

    def __init__(
        self,
        *,
        stack: str | None = None,
        profile: str | None = None,
        region: str | None = None,
        endpoint_url: str | None = None,
        source: str = "",
        timeout: float = PATIENCE_MS / 1000,
    ) -> None:
        self._stack = stack or os.environ.get("EVENTCRON_STACK") or "eventcron"
        self._account = Account(profile=profile, region=region, endpoint=endpoint_url)
        self._source = source
        self._timeout_ms = round(timeout * 1000)
        self._exits = AsyncExitStack()

    @classmethod
    def sync(cls, **options: Any) -> Blocking:
        """The same without ``async`` and ``await``: a context manager whose verbs block.

        *options* are those of the client. The verbs run on an event loop in a thread of their own.
        """
        return Blocking(cls(**options))

    @classmethod
    def at(cls, account: Account, **options: Any) -> Self:
        """The client in *account*; *options* are the other arguments."""
        made = cls(**options)
        made._account = account
        return made

    async def __aenter__(self) -> Self:
        account, _ = account_near(self._account, Path.cwd(), os.environ)
        async with AsyncExitStack() as exits:
            opened = await exits.enter_async_context(deployment(self._stack, concurrency=CONNECTIONS, account=account))
            await self._begin(opened)
            exits.push_async_callback(self.close)
            self._exits = exits.pop_all()
        return self

    def __getattr__(self, name: str) -> Any:
        """What is missing before the client is entered."""
        raise AttributeError(f"{name!r}: the client is not open; enter it first, by `async with Client() as client:`")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._exits.__aexit__(kind, error, traceback)

    async def _begin(self, opened: Deployment) -> None:
        """Take the verbs' parts from the deployment *opened*."""
        cases = over_clients(opened.settings, opened.clients)
        # The bus of commands, which is not the one of events if there are two.
        bus = EventBridgeBus(await opened.client("events"), opened.settings.bus_name)
        commander = Commander(clock=cases.clock, bus=bus, jitter=random.random, source=self._source)
        Verbs.__init__(self, cases, commander, _listener(opened), patience_ms=self._timeout_ms)


def _listener(opened: Deployment) -> Listen:
    """Listens on the bus of *opened*."""

    @asynccontextmanager
    async def listen(tenants: Sequence[str], *, everything: bool = False) -> AsyncIterator[Answers]:
        settings = opened.settings
        if settings.event_bus_v2_arn:
            raise NoAnswers(
                "this deployment publishes its answers on a second bus, where there are no rules; send commands"
                " without waiting, or call the REST API, which answers at once"
            )
        async with answers_on(
            opened.client, settings.bus_name, clock=SystemClock(), tenants=tenants, everything=everything
        ) as answers:
            yield answers

    return listen
