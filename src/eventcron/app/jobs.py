"""One message of a worker's queue: read its fire, find its handler, do the work once, report how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct

from eventcron.app.run_reporter import RunReporter, reason_of
from eventcron.errors import Undecodable
from eventcron.model.fires import Fire
from eventcron.ports.work import Seen
from eventcron.rules.jobs import Filter, JobEnd
from eventcron.wire.fires import decode_fire, with_input


class Handler(Struct, frozen=True, kw_only=True):
    """A function that does the work of the fires that *filter* lets through.

    *interruptible*: cancelling it ends its work. A thread cannot be cancelled.
    """

    filter: Filter
    work: Callable[[Fire[Any]], Awaitable[object]]
    input: Any = Any
    interruptible: bool = True


class Handled(Struct, frozen=True, kw_only=True):
    """What became of a message, and why. ``still_running``: the worker has no hold on the work any more."""

    end: JobEnd
    fire: Fire[Any] | None = None
    reason: str = ""
    error: BaseException | None = None
    still_running: bool = False


class Jobs:
    """Hands the fires of messages to *handlers*: each to the first whose filter lets it through."""

    def __init__(self, handlers: Sequence[Handler], *, seen: Seen, reporter: RunReporter) -> None:
        self._handlers = handlers
        self._seen = seen
        self._reporter = reporter
        self._working: set[asyncio.Future[object]] = set()
        self._stopped = False

    def stop(self) -> None:
        """Cancel the work that is being done, and begin none. What is done by now is still reported as done."""
        self._stopped = True
        for work in self._working:
            work.cancel()

    async def handle(self, body: str, *, last: bool) -> Handled:
        """Do the work of the fire in *body*. *last*: the queue does not deliver the message again.

        Raises:
            Unavailable: it is not known whether the work is done already.
        """
        try:
            fire = decode_fire(body)
        except Undecodable as error:
            return Handled(end=JobEnd.UNREADABLE, reason=error.reason)
        handler = next((one for one in self._handlers if one.filter.matches(fire)), None)
        if handler is None:
            return await self._given_up(JobEnd.UNHANDLED, fire, "no handler is registered for it", last=last)
        try:
            fire = with_input(fire, handler.input)
        except Undecodable as error:
            return await self._given_up(JobEnd.UNREADABLE, fire, error.reason, last=last)
        return await self._once(fire, handler, last=last)

    async def _given_up(self, end: JobEnd, fire: Fire[Any], reason: str, *, last: bool) -> Handled:
        await self._reporter.failed(fire, reason, last=last)
        return Handled(end=end, fire=fire, reason=reason)

    async def _once(self, fire: Fire[Any], handler: Handler, *, last: bool) -> Handled:
        claim = await self._seen.claim(fire.fire_id)
        if claim == "busy":
            return Handled(end=JobEnd.BUSY, fire=fire, reason="another delivery of the same fire is being worked on")
        if claim == "done":
            await self._reporter.succeeded(fire)  # the worker before may have died before its report
            return Handled(end=JobEnd.REPEATED, fire=fire)
        try:
            await self._reporter.started(fire)
            result = await self._work(fire, handler)
        except asyncio.CancelledError as error:
            # Something inside the job may have been cancelled, and not the job.
            return await (self._interrupted(fire, handler) if self._stopped else self._failed(fire, error, last=last))
        except Exception as error:  # noqa: BLE001  # whatever a job raises, the others go on
            return await self._failed(fire, error, last=last)
        await self._seen.finish(fire.fire_id)
        await self._reporter.succeeded(fire, result)
        return Handled(end=JobEnd.SUCCEEDED, fire=fire)

    async def _work(self, fire: Fire[Any], handler: Handler) -> object:
        if self._stopped:
            raise asyncio.CancelledError
        work = asyncio.ensure_future(handler.work(fire))
        self._working.add(work)
        try:
            return await work
        finally:
            self._working.discard(work)

    async def _failed(self, fire: Fire[Any], error: BaseException, *, last: bool) -> Handled:
        await self._seen.release(fire.fire_id)
        await self._reporter.failed(fire, reason_of(error), last=last)
        return Handled(end=JobEnd.FAILED, fire=fire, reason=reason_of(error), error=error)

    async def _interrupted(self, fire: Fire[Any], handler: Handler) -> Handled:
        if not handler.interruptible:
            return Handled(end=JobEnd.STOPPED, fire=fire, reason="its thread goes on", still_running=True)
        await self._seen.release(fire.fire_id)
        await self._reporter.stopped(fire)
        return Handled(end=JobEnd.STOPPED, fire=fire, reason="the worker was stopped")
