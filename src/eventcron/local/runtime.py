"""eventcron on this machine: the embedded AWS, the stack in it, and its ticks. No Docker, no AWS account."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn, Self, TypeVar

from aiobotocore.config import AioConfig
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.exceptions import HTTPClientError
from msgspec import Struct

from eventcron.adapters.aws.accounts import Account, session_at
from eventcron.adapters.clock import SystemClock
from eventcron.errors import Unavailable
from eventcron.local import stack
from eventcron.local.embedded import EmbeddedAws, FunctionOutput
from eventcron.local.errors import LocalError
from eventcron.local.snapshot import Snapshot
from eventcron.local.tasks import run_with
from eventcron.local.ticker import Ticker
from eventcron.model.history import KeepHistory

T = TypeVar("T")

#: Services that ``Runtime.client`` has a client of.
SERVICES = (
    *("cloudformation", "cloudwatch", "dynamodb", "events", "iam", "lambda", "logs"),
    *("s3", "sns", "sqs", "stepfunctions", "sts"),
)
#: Executors that are started at once: enough for a few schedules. A later one starts within the lead.
WARM_EXECUTORS = 3
#: Seconds to wait for the notice that the embedded AWS died, after a call to it failed.
DEATH_NOTICE_SECONDS = 5.0
#: Credentials for the embedded AWS, which accepts any.
ACCESS_KEY_ID = SECRET_ACCESS_KEY = "test"  # noqa: S105  # there is no secret to keep


class LocalSettings(Struct, frozen=True, kw_only=True):
    """Settings of a local stack. Each default that differs from the template's says why."""

    #: 0 picks a free one.
    port: int = 0
    region: str = "us-east-1"
    bus_name: str = "eventcron"
    #: Few, because an index query of the embedded DynamoDB takes longer the larger the table is.
    segments: int = 4
    #: Short, so that a developer sees a schedule planned within seconds.
    tick_seconds: int = 5
    #: More than two ticks, as in an account. Short, because the registrar sends the fires of a new schedule within
    #: horizon and guard in separate packs, and the executors here are ten instead of an account's hundred.
    #: A planner may wait five seconds for a lagging index, and the fires that it plans then still have to be in time.
    horizon_seconds: int = 18
    #: Only for commands that are slow under load: the embedded index does not lag.
    guard_seconds: int = 5
    #: The embedded event source mapping polls a quiet queue once a second, AWS without a pause.
    lead_seconds: int = 3
    #: More than ten, because an invocation takes the embedded AWS as long as four calls. It waits for no more to come.
    dispatch_batch_size: int = 100
    #: Few, because workers are processes here.
    max_dispatchers: int = 2
    max_registrars: int = 2
    max_executors: int = 10
    planner_workers: int = 1
    #: None, so that what measures a stack here measures no history. ``eventcron dev`` keeps all.
    keep_history: KeepHistory = KeepHistory.NONE
    log_level: str = "INFO"
    trusted_sources: tuple[str, ...] = ()
    #: The directory of the snapshot. None = the state is discarded on exit.
    keep: Path | None = None

    def parameters(self) -> dict[str, str]:
        """The template's parameters that are not left at their defaults."""
        return {
            "BusName": self.bus_name,
            "Segments": str(self.segments),
            "TickSeconds": str(self.tick_seconds),
            "TickState": "DISABLED",  # ``Ticker`` ticks instead
            "HorizonSeconds": str(self.horizon_seconds),
            "GuardSeconds": str(self.guard_seconds),
            "LeadSeconds": str(self.lead_seconds),
            "MaxDispatchers": str(self.max_dispatchers),
            "DispatchBatchSize": str(self.dispatch_batch_size),
            "MaxRegistrars": str(self.max_registrars),
            "MaxExecutors": str(self.max_executors),
            "PlannerWorkers": str(self.planner_workers),
            "LogLevel": self.log_level,
            "KeepHistory": str(self.keep_history),
            "KeepEvents": "NONE",  # the embedded EventBridge does not deliver to log groups
            "TrustedSources": ",".join(self.trusted_sources),
            "RestApi": "ENABLED",
            "RestTrustedPrincipals": "root",  # the principal of callers who have assumed no role
            "MaxRestFunctions": "0",  # workers are processes here, and a test may send many requests at once
        }


def _ignore(_: object) -> None:
    """The callback of a caller who gave none."""


class Runtime:
    """A running eventcron on loopback for as long as the context lasts.

    *on_progress* is called with each step of the start, *on_output* with each invocation's output, and *on_failure*
    with the response of each failed planner run.

    Raises:
        LocalError: on entering, if the port is taken, the snapshot cannot be loaded, the stack is refused or a function
            does not start; on leaving, if not everything could be saved.
    """

    endpoint: str
    region: str
    account: str
    bus_name: str
    bus_arn: str
    #: The URL of the REST API. The one in the outputs works only where ``*.execute-api.localhost`` resolves.
    rest_url: str
    #: The stack's outputs.
    outputs: Mapping[str, str]

    def __init__(
        self,
        settings: LocalSettings | None = None,
        *,
        on_progress: Callable[[str], None] = _ignore,
        on_output: Callable[[FunctionOutput], None] = _ignore,
        on_failure: Callable[[str], None] = _ignore,
    ) -> None:
        self.settings = settings or LocalSettings()
        self._on_progress = on_progress
        self._on_output = on_output
        self._on_failure = on_failure
        self._clients: dict[str, Any] = {}
        self._ticking: asyncio.Task[None] | None = None
        self._exits = AsyncExitStack()

    def client(self, service: str) -> Any:
        """The aiobotocore client of *service*, one of ``SERVICES``. The runtime closes it."""
        return self._clients[service]

    @property
    def log_file(self) -> Path:
        """Warnings and errors of the embedded AWS."""
        return self._aws.log_file

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as exits:
            settings = self.settings
            snapshot = self._snapshot()
            port = settings.port or (snapshot.port() if snapshot else 0)
            self._aws = EmbeddedAws(port=port, region=settings.region, on_output=self._on_output, snapshot=snapshot)
            self._on_progress("starting the embedded AWS")
            await exits.enter_async_context(self._aws)
            self.endpoint, self.region, self.bus_name = self._aws.endpoint, settings.region, settings.bus_name
            await self._open_clients(exits)
            await self.guard(self._start(exits, resumed=snapshot is not None and snapshot.resumed))
            self._exits = exits.pop_all()
        return self

    def _snapshot(self) -> Snapshot | None:
        settings = self.settings
        if settings.keep is None:
            return None
        return Snapshot(settings.keep, region=settings.region, parameters=settings.parameters())

    async def guard(self, work: Awaitable[T]) -> T:
        """The result of *work*, which is cancelled if the embedded AWS or the ticks end before it.

        Raises:
            LocalError: the embedded AWS or the ticks ended; says why.
        """
        others = [self._embedded_aws_died(), *([self._ticks_ended()] if self._ticking else [])]
        try:
            return await run_with(work, others)
        except (HTTPClientError, NoConnectionError, Unavailable):
            # A call that failed can be the first sign that the embedded AWS died, and then its death is the reason.
            with suppress(TimeoutError):
                async with asyncio.timeout(DEATH_NOTICE_SECONDS):
                    await self._embedded_aws_died()
            raise

    async def _embedded_aws_died(self) -> NoReturn:
        raise await self._aws.died()

    async def _ticks_ended(self) -> NoReturn:
        assert self._ticking is not None  # noqa: S101  # ``guard`` has looked
        await asyncio.shield(self._ticking)
        raise LocalError("the ticks stopped")

    async def _open_clients(self, exits: AsyncExitStack) -> None:
        keys = (ACCESS_KEY_ID, SECRET_ACCESS_KEY)
        session = session_at(Account(region=self.region, endpoint=self.endpoint, keys=keys))
        # Local calls are not throttled, so there is no retry. A function may run for Lambda's 900 s.
        config = AioConfig(max_pool_connections=64, read_timeout=900, retries={"total_max_attempts": 1}, proxies={})
        for service in SERVICES:
            self._clients[service] = await exits.enter_async_context(session.create_client(service, config=config))

    async def _start(self, exits: AsyncExitStack, *, resumed: bool) -> None:
        self.account = (await self.client("sts").get_caller_identity())["Account"]
        if resumed:
            self._on_progress("resuming the saved stack")
            outputs = await stack.resume(self)
        else:
            self._on_progress("creating the stack")
            outputs = await stack.deploy(self, self.settings.parameters(), stack.bundle())
        self.outputs = MappingProxyType(outputs)
        self.bus_arn = outputs["BusArn"]
        self.rest_url = f"{self.endpoint}/_aws/execute-api/{outputs['RestApiId']}/$default"
        self._on_progress("warming the functions")
        ticker = Ticker(
            self.client("lambda"),
            outputs["PlannerFunctionName"],
            seconds=self.settings.tick_seconds,
            clock=SystemClock(),
            on_failure=self._on_failure,
        )
        failures = await asyncio.gather(
            ticker.tick(),
            self._warm(outputs["DispatcherFunctionName"]),
            self._warm(outputs["RegistrarFunctionName"]),
            *(self._warm(outputs["ExecutorFunctionName"]) for _ in range(WARM_EXECUTORS)),
        )
        for failure in filter(None, failures):
            raise LocalError(f"a function does not start: {failure}")
        self._ticking = asyncio.create_task(ticker.run(), name="ticker")
        exits.push_async_callback(_end, self._ticking)

    async def _warm(self, function: str) -> str | None:
        """Start a worker of *function* before the first message comes. Return the error if it fails."""
        answer = await self.client("lambda").invoke(FunctionName=function, Payload=b'{"Records": []}')
        async with answer["Payload"] as body:
            payload: bytes = await body.read()
        return payload.decode(errors="replace") if "FunctionError" in answer else None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._exits.__aexit__(kind, error, traceback)


async def _end(task: asyncio.Task[None]) -> None:
    """Stop *task*. If it failed before, ``guard`` has raised its exception."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
