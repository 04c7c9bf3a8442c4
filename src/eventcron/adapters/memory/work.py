"""A worker's queue, its memory and its reports, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from eventcron.adapters.memory.queues import MemoryQueue
from eventcron.ports import Clock, Refusal
from eventcron.ports.work import Claim, NotReported, RunReport, WorkMessage

#: Fires that a process remembers, 20 MB at most.
MAX_SEEN = 100_000


def _take_all(_doing: str, _message: WorkMessage) -> None:
    """Refuse nothing."""


class MemoryWorkQueue:
    """``WorkQueue`` over *queue*. *refuse* returns a ``Refusal`` for a message that is not to be deleted or hidden.

    A handle is the message's id and the number of its receive: that of an earlier receive does nothing.
    """

    def __init__(
        self,
        queue: MemoryQueue,
        clock: Clock,
        *,
        refuse: Callable[[str, WorkMessage], Refusal | None] = _take_all,
    ) -> None:
        self.queue = queue
        self._clock = clock
        self._refuse = refuse

    async def receive(self, limit: int, *, wait_seconds: int, hidden_seconds: int) -> list[WorkMessage]:
        until = self._clock.now() + wait_seconds * 1000
        while True:
            received = self.queue.receive(limit, hidden_seconds=hidden_seconds)
            if received or self._clock.now() >= until:
                break
            await asyncio.sleep(0)
            visible = self.queue.next_visible()
            soon = self._clock.now() + 1000  # a message that is put meanwhile gives no signal
            await self._clock.sleep_until(min(until, soon if visible is None else min(visible, soon)))
        return [
            WorkMessage(
                id=message.id, handle=f"{message.id}/{message.receives}", body=message.body, receives=message.receives
            )
            for message in received
        ]

    async def delete(self, messages: Sequence[WorkMessage]) -> list[Refusal]:
        await asyncio.sleep(0)
        taken, refused = self._sorted("delete", messages)
        for message in taken:
            self.queue.delete(message.id)
        return refused

    async def hide(self, messages: Sequence[WorkMessage], *, seconds: int) -> list[Refusal]:
        await asyncio.sleep(0)
        taken, refused = self._sorted("hide", messages)
        for message in taken:
            self.queue.change_visibility(message.id, seconds=seconds)
        return refused

    async def max_receives(self) -> int | None:
        return self.queue.max_receives

    def _sorted(self, doing: str, messages: Sequence[WorkMessage]) -> tuple[list[WorkMessage], list[Refusal]]:
        """Those to act on, and those refused: by ``refuse``, or because the message is gone or received again."""
        taken: list[WorkMessage] = []
        refused: list[Refusal] = []
        for index, message in enumerate(messages):
            refusal = self._refuse(doing, message)
            if refusal is not None:
                refused.append(
                    Refusal(index=index, code=refusal.code, message=refusal.message, retryable=refusal.retryable)
                )
            elif self.queue.receives(message.id) == message.receives:
                taken.append(message)
            elif doing == "hide":
                refused.append(Refusal(index=index, code="ReceiptHandleIsInvalid", retryable=False))
        return taken, refused


class MemorySeen:
    """``Seen`` in this process alone: the last *limit* fires that were done since it started.

    It recognises what SQS or EventBridge delivers twice to one worker. Another process, and the same one after a
    restart, know nothing of it.
    """

    def __init__(self, limit: int = MAX_SEEN) -> None:
        self._limit = limit
        self._claimed: set[str] = set()
        self._done: dict[str, None] = {}

    async def claim(self, fire_id: str) -> Claim:
        if fire_id in self._done:
            return "done"
        if fire_id in self._claimed:
            return "busy"
        self._claimed.add(fire_id)
        return "new"

    async def finish(self, fire_id: str) -> None:
        self._claimed.discard(fire_id)
        self._done[fire_id] = None
        if len(self._done) > self._limit:
            del self._done[next(iter(self._done))]

    async def release(self, fire_id: str) -> None:
        self._claimed.discard(fire_id)


class MemoryRunReports:
    """``RunReports`` that keeps them in ``taken``. With *refuse*, it takes none, for that reason."""

    def __init__(self, refuse: str = "") -> None:
        self.taken: list[RunReport] = []
        self._refuse = refuse

    async def report(self, report: RunReport) -> None:
        await asyncio.sleep(0)
        if self._refuse:
            raise NotReported(self._refuse)
        self.taken.append(report)
