"""A worker for servers: does the work of fires that wait in an SQS queue."""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import re
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from msgspec.structs import replace

from eventcron.adapters.aws.accounts import Account, session_at
from eventcron.adapters.aws.clients import aws_clients
from eventcron.adapters.aws.work_queue import SqsWorkQueue
from eventcron.adapters.clock import SystemClock
from eventcron.adapters.memory.work import MemorySeen
from eventcron.app.jobs import Handled, Handler, Jobs
from eventcron.app.run_reporter import RunReporter
from eventcron.app.worker import Worker as Loop
from eventcron.app.worker import WorkSettings
from eventcron.client.dev_file import account_near
from eventcron.consumer.log import LogWatch, lost
from eventcron.consumer.reports import ReportsTo
from eventcron.model.fires import Fire
from eventcron.ports import Clock
from eventcron.ports.work import RunReports, Seen, WorkQueue
from eventcron.rules.jobs import Filter

F = TypeVar("F", bound=Callable[[Any], object])

#: Seconds. SQS ChangeMessageVisibility: "Values range: 0 to 43200".
MAX_VISIBILITY_S = 43_200
#: Seconds. SQS ReceiveMessage, WaitTimeSeconds: at most 20.
MAX_WAIT_S = 20
#: Connections to SQS for the answers to messages, besides the one that waits for them.
ANSWERS_AT_ONCE = 8
_AWS_QUEUE = re.compile(r"https://sqs\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/")
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Worker:
    """Takes fires off *queue* and gives each to the first function that was registered for it by ``on``.

    *queue* is the URL of an SQS queue that a rule sends fires to; in tests a ``MemoryWorkQueue``. At most *concurrency*
    jobs run at once. A message is hidden for *visibility_seconds* at a time while its job runs, so a dead worker's
    messages come back within that time. A poll of an empty queue lasts *wait_seconds*. A message is deleted after its
    job has succeeded, and else comes back later and later, until the queue gives it up after *attempts* deliveries: by
    default as often as the queue's redrive policy says.

    *seen* remembers which fires are done. The default, ``MemorySeen``, knows what this process did and nothing else.
    *report_to*, the name or ARN of eventcron's bus, has the runs of tracked fires reported, with the tenant's own
    source or *report_source*. *profile*, *region* and *endpoint_url* say where queue and bus are, as those of the AWS
    CLI do. The Region is by default that of the URL. If the queue is none of AWS, and neither they nor the environment
    name an account, a running ``eventcron dev`` is used, as by ``Client``.
    """

    def __init__(
        self,
        queue: str | WorkQueue,
        *,
        concurrency: int = 10,
        visibility_seconds: int = 60,
        wait_seconds: int = 20,
        stop_seconds: float = 30,
        attempts: int | None = None,
        seen: Seen | None = None,
        report_to: str | RunReports | None = None,
        report_source: str = "",
        profile: str | None = None,
        region: str | None = None,
        endpoint_url: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        _check("concurrency", concurrency, 1, 10_000)
        _check("visibility_seconds", visibility_seconds, 3, MAX_VISIBILITY_S)
        _check("wait_seconds", wait_seconds, 1, MAX_WAIT_S)
        _check("attempts", 1 if attempts is None else attempts, 1, 1_000)
        self._queue = queue
        self._settings = WorkSettings(
            concurrency=concurrency,
            visibility_seconds=visibility_seconds,
            wait_seconds=wait_seconds,
            stop_seconds=stop_seconds,
            attempts=attempts,
        )
        self._seen = seen or MemorySeen()
        self._report_to = report_to
        self._report_source = report_source
        self._account = Account(profile=profile, region=region, endpoint=endpoint_url)
        self._clock = clock or SystemClock()
        self._handlers: list[Handler] = []
        self._threads: ThreadPoolExecutor | None = None
        self._stop: Callable[[], object] | None = None

    def on(
        self,
        name: str = "*",
        *,
        tenant: str | None = None,
        detail_type: str | None = None,
        route: str | None = None,
        input: Any = Any,  # noqa: A002  # what a fire calls it
    ) -> Callable[[F], F]:
        """Register a function for the fires of schedules whose name matches the glob *name*.

        The other arguments have to be those of the fire, if they are given. *input* is the type of the fire's input,
        by default plain JSON; msgspec converts it. A function that is no coroutine function runs in a thread.
        """

        def register(function: F) -> F:
            is_async = inspect.iscoroutinefunction(function)
            made = Handler(
                filter=Filter(name=name, tenant=tenant, detail_type=detail_type, route=route),
                work=cast("Any", function) if is_async else self._in_thread(function),
                input=input,
                interruptible=is_async,
            )
            self._handlers.append(made)
            return function

        return register

    async def run(self) -> None:
        """Work until SIGTERM, SIGINT or ``stop``.

        The jobs that run then go on for *stop_seconds* at most, and the worker takes no more messages. It lets a poll
        that has begun end, *wait_seconds* at most, and puts back what the poll brings: an abandoned poll would leave
        its messages hidden. A second signal stops jobs and poll at once. The messages
        of jobs that were stopped go back.

        Raises:
            ClientError: the queue does not exist, or may not be read.
            ValueError: no function is registered.
        """
        if not self._handlers:
            raise ValueError("no function is registered: decorate one with @worker.on(…)")
        async with AsyncExitStack() as exits:
            queue, reports = await self._open(exits)
            loop = Loop(
                self._jobs(reports),
                queue=queue,
                clock=self._clock,
                jitter=random.random,
                settings=self._settings,
                watch=LogWatch(),
            )
            running = asyncio.get_running_loop()
            self._stop = lambda: running.call_soon_threadsafe(loop.stop)
            with _on_signals(loop.stop):
                await loop.run()

    def stop(self) -> None:
        """Let ``run`` end, as a signal does. The second call stops the jobs that run. Any thread may call it."""
        if self._stop is not None:
            self._stop()

    async def handle(self, body: str, *, last: bool = False) -> Handled:
        """Do the work of one message as ``run`` does, without a queue: for tests. *last*: nobody tries it again."""
        async with AsyncExitStack() as exits:
            reports = self._reports(exits, self._account)
            return await self._jobs(reports).handle(body, last=last)

    def _jobs(self, reports: RunReports | None) -> Jobs:
        return Jobs(self._handlers, seen=self._seen, reporter=RunReporter(reports, lost=lost))

    async def _open(self, exits: AsyncExitStack) -> tuple[WorkQueue, RunReports | None]:
        if not isinstance(self._queue, str):
            return self._queue, self._reports(exits, self._account)
        account = _account_of(self._queue, self._account)
        reports = self._reports(exits, account)
        calls = ANSWERS_AT_ONCE + 1
        clients = await exits.enter_async_context(aws_clients(concurrency=calls, session=session_at(account)))
        return SqsWorkQueue(clients.sqs, self._queue, concurrency=ANSWERS_AT_ONCE), reports

    def _reports(self, exits: AsyncExitStack, account: Account) -> RunReports | None:
        if not isinstance(self._report_to, str):
            return self._report_to
        reports = ReportsTo(self._report_to, source=self._report_source, session=session_at(account))
        exits.push_async_callback(reports.close)
        return reports

    def _in_thread(self, function: Callable[[Any], object]) -> Callable[[Fire[Any]], Coroutine[Any, Any, object]]:
        async def work(fire: Fire[Any]) -> object:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="eventcron-job")
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, fire)

        return work


def _account_of(url: str, said: Account) -> Account:
    """Where the queue at *url* is: as its program says, and else as the URL does."""
    of_aws = _AWS_QUEUE.match(url)
    if of_aws is not None:
        return said if said.region or said.endpoint else replace(said, region=of_aws["region"])
    return account_near(said, Path.cwd(), os.environ)[0]


def _check(name: str, given: int, least: int, most: int) -> None:
    if not least <= given <= most:
        raise ValueError(f"{name} is {given}; it is {least} to {most}")


@contextmanager
def _on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call *stop* for SIGTERM and SIGINT. Python delivers signals to the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
