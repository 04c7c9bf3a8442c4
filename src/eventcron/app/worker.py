"""A worker: takes messages off a queue, works on several at once, and answers the queue for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from msgspec import Struct

from eventcron.app.jobs import Handled, Jobs
from eventcron.app.retry import Retry
from eventcron.app.together import Together
from eventcron.errors import Unavailable
from eventcron.ports import Clock, Refusal
from eventcron.ports.work import WorkMessage, WorkQueue
from eventcron.rules.jobs import BEAT_PART, JobEnd, is_last, seconds_until_next

#: Messages. SQS ReceiveMessage, MaxNumberOfMessages: "Valid values: 1 to 10"; as many entries has a batch.
AT_ONCE = 10
#: Milliseconds. The longest wait between two tries of a receive that is refused.
LONGEST_PAUSE_MS = 10_000


class WorkSettings(Struct, frozen=True, kw_only=True):
    """How a worker works.

    ``visibility_seconds`` is for how long a message is hidden at a time: as long a dead worker's messages stay hidden.
    ``stop_seconds`` is how long the jobs may go on after the worker is stopped. ``attempts`` is how often the queue
    delivers a message; None: the queue is asked.
    """

    concurrency: int = 10
    visibility_seconds: int = 60
    wait_seconds: int = 20
    stop_seconds: float = 30.0
    attempts: int | None = None


class Watch(Protocol):
    """Hears what a worker does. Nothing that it raises is expected."""

    def began(self, max_receives: int | None) -> None:
        """The worker asks for messages now."""

    def handled(self, message: WorkMessage, how: Handled) -> None:
        """A message was worked on, and the queue has its answer."""

    def refused(self, doing: str, message_id: str, refusal: Refusal) -> None:
        """The queue did not take an answer: the message may come back early, or again."""

    def waiting(self, error: Unavailable) -> None:
        """The queue gives no messages for now. The worker asks again."""


class Worker:
    """Works on the messages of *queue* until it is stopped. For one run."""

    def __init__(
        self,
        jobs: Jobs,
        *,
        queue: WorkQueue,
        clock: Clock,
        jitter: Callable[[], float],
        settings: WorkSettings,
        watch: Watch,
    ) -> None:
        self._jobs = jobs
        self._queue = queue
        self._clock = clock
        self._jitter = jitter
        self._settings = settings
        self._watch = watch
        self._retry = Retry(clock=clock, jitter=jitter)
        self._patient = Retry(clock=clock, jitter=jitter, cap_ms=LONGEST_PAUSE_MS)
        self._delete = Together(self._delete_all, at_most=AT_ONCE)
        self._max_receives: int | None = None
        self._running: dict[asyncio.Task[None], WorkMessage] = {}
        self._receiving: asyncio.Task[list[WorkMessage]] | None = None
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._room = asyncio.Event()
        self._fault: BaseException | None = None

    def stop(self) -> None:
        """Take no more messages, and let the jobs end. The second call stops the jobs too."""
        if self._stopping.is_set():
            self._hurrying.set()
        self._stopping.set()
        self._room.set()

    async def run(self) -> None:
        """Work until ``stop``, and until the jobs have ended or were stopped.

        Raises:
            Exception: the queue refuses for good, as one that does not exist. The jobs have ended then, too.
        """
        attempts = self._settings.attempts
        self._max_receives = attempts if attempts is not None else await self._retry.call(self._queue.max_receives)
        self._watch.began(self._max_receives)
        helpers = [asyncio.create_task(self._keep_hidden()), asyncio.create_task(self._stop_in_time())]
        helpers[0].add_done_callback(self._noted)
        try:
            await self._receive_until_stopped()
        finally:
            self._stopping.set()
            while self._running:
                await asyncio.wait(self._running)
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        if self._fault is not None:
            raise self._fault

    async def _receive_until_stopped(self) -> None:
        refused = 0
        while True:
            free = await self._free()
            if self._stopping.is_set():
                return
            try:
                messages = await self._receive(min(free, AT_ONCE))
            except Unavailable as error:
                refused += 1
                self._watch.waiting(error)
                await self._wait(refused)
                continue
            refused = 0
            if self._stopping.is_set():
                await self._hide(messages, seconds=0)
                return
            for message in messages:
                task = asyncio.create_task(self._work(message))
                self._running[task] = message
                task.add_done_callback(self._ended)

    async def _free(self) -> int:
        """How many more jobs may run; waits until there is one, or until the worker is stopped."""
        while (free := self._settings.concurrency - len(self._running)) <= 0 and not self._stopping.is_set():
            self._room.clear()
            await self._room.wait()
        return free

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task)
        self._room.set()
        self._noted(task)

    def _noted(self, task: asyncio.Task[None]) -> None:
        """Stop for what no message is to blame for, as a missing permission: ``run`` raises it."""
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            self._fault = self._fault or fault
            self._stopping.set()
            self._room.set()

    async def _receive(self, limit: int) -> list[WorkMessage]:
        """The next messages. A poll goes on when the worker is stopped: who ends it loses what it was given."""
        settings = self._settings
        self._receiving = asyncio.create_task(
            self._queue.receive(limit, wait_seconds=settings.wait_seconds, hidden_seconds=settings.visibility_seconds)
        )
        try:
            return await self._receiving
        except asyncio.CancelledError:
            if not self._hurrying.is_set():
                raise
            return []
        finally:
            self._receiving = None

    async def _wait(self, refused: int) -> None:
        """Wait after the receive was refused so many times, or until the worker is stopped."""
        waits = [asyncio.create_task(self._patient.wait(refused)), asyncio.create_task(self._stopping.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    async def _stop_in_time(self) -> None:
        """Once the worker is stopped, give the jobs their time, and then stop them."""
        await self._stopping.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.stop_seconds):
                await self._hurrying.wait()
        self._hurrying.set()
        if self._receiving is not None:
            self._receiving.cancel()
        self._jobs.stop()

    async def _work(self, message: WorkMessage) -> None:
        try:
            how = await self._jobs.handle(message.body, last=is_last(message.receives, self._max_receives))
        except Exception as error:  # noqa: BLE001  # one message's fault is not that of the others
            how = Handled(end=JobEnd.FAILED, reason=str(error), error=error)
        await self._answer(message, how)
        self._watch.handled(message, how)

    async def _answer(self, message: WorkMessage, how: Handled) -> None:
        """Say to the queue what becomes of *message*."""
        if how.end.is_done:
            refusal = (await self._delete([message])).get(message)
            if refusal is not None:
                self._watch.refused("delete", message.id, refusal)
        elif not how.still_running:
            seconds = seconds_until_next(
                how.end, receives=message.receives, max_receives=self._max_receives, jitter=self._jitter()
            )
            await self._hide([message], seconds=seconds)

    async def _delete_all(self, messages: Sequence[WorkMessage]) -> Mapping[WorkMessage, Refusal]:
        refused = await self._retry.deliver(messages, self._queue.delete)
        return {messages[refusal.index]: refusal for refusal in refused}

    async def _hide(self, messages: Sequence[WorkMessage], *, seconds: int) -> None:
        async def hide(some: Sequence[WorkMessage]) -> Sequence[Refusal]:
            return await self._queue.hide(some, seconds=seconds)

        for refusal in await self._retry.deliver(messages, hide) if messages else ():
            self._watch.refused("hide", messages[refusal.index].id, refusal)

    async def _keep_hidden(self) -> None:
        """Hide the messages in hand anew, long before the queue shows them."""
        every_ms = self._settings.visibility_seconds * 1000 // BEAT_PART
        while True:
            await self._clock.sleep_until(self._clock.now() + every_ms)
            await self._hide(list(self._running.values()), seconds=self._settings.visibility_seconds)
