"""The demo from its first order to its report."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eventcron.demo import cast
from eventcron.demo.beside import beside
from eventcron.demo.comparison import Report, compare
from eventcron.demo.emit import emit
from eventcron.demo.expectation import expect
from eventcron.demo.glance import glance
from eventcron.demo.inbox import Inbox
from eventcron.demo.observed import REJECTED
from eventcron.demo.orders import Order, Sent
from eventcron.demo.screen import Screen
from eventcron.demo.shares import API_DESTINATION, SHARES
from eventcron.demo.targets import API_KEY, API_KEY_HEADER, subscribe
from eventcron.demo.warm import warm
from eventcron.demo.webhook import Webhook
from eventcron.local.runtime import Runtime
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Window
from eventcron.ports import Clock

#: Seconds within which all orders must be answered; 1,307 take about 8 on 2 cores.
ANSWER_SECONDS = 60.0
#: Seconds after the end within which what was due before it must have come through.
ARRIVAL_SECONDS = 10.0
#: Milliseconds after the end whose fires are awaited too: a repeat of an earlier one would come before them.
BEYOND_MS = 2_000


class Performance:
    """One run on *runtime*, which must be fresh: its names are taken afterwards."""

    def __init__(self, runtime: Runtime, *, clock: Clock, screen: Screen) -> None:
        self._runtime = runtime
        self._clock = clock
        self._screen = screen
        self._inbox = Inbox()
        self._sent: list[Sent] = []

    async def run(self, schedules: Sequence[Schedule], *, seconds: int) -> Report:
        """Put *schedules* and the quick ones, let them fire for *seconds*, and compare.

        Raises:
            Unavailable: PutEvents refused an order again and again.
        """

        def receive(event: bytes, at: Instant) -> None:
            self._inbox.received(API_DESTINATION, event, at)

        async with Webhook(key_header=API_KEY_HEADER, key=API_KEY, clock=self._clock, receive=receive) as webhook:
            self._screen.step("subscribing a Lambda function, a state machine and an API destination")
            queues = await subscribe(self._runtime, webhook.url)
            self._screen.step("starting the workers of all functions")
            await warm(self._runtime)
            readers = self._inbox.readers(self._runtime.client("sqs"), queues)
            return await beside(self._play(schedules, seconds), readers)

    async def _play(self, schedules: Sequence[Schedule], seconds: int) -> Report:
        self._screen.step(f"emitting {len(schedules):,} schedules by PutEvents")
        await self._put(cast.real(schedules))
        quick = cast.quick(self._clock.now())
        self._screen.step(f"emitting {len(quick)} quick ones")
        await self._put(quick)
        # What is due sooner than a lead after it was accepted cannot be held to its instant. It has to come all the
        # same, but is no measure of lateness.
        start = self._clock.now() + self._runtime.settings.lead_seconds * 1000
        span = Window(start, start + seconds * 1000)
        self._screen.step(f"firing for {seconds} s")
        await beside(self._fire(span), [self._show(span)])
        self._screen.step("comparing what was received with what was due")
        return await self._compare(span)

    async def _put(self, orders: Sequence[Order]) -> None:
        """Emit *orders* and wait until a fact answers each; the comparison will say which were not."""
        before = self._answers()
        await self._emit(orders)

        def done() -> bool:
            count = self._answers() - before
            self._screen.answers(count, len(orders))
            return count >= len(orders)

        await self._inbox.until(done, seconds=ANSWER_SECONDS)

    async def _emit(self, orders: Sequence[Order]) -> None:
        runtime = self._runtime
        self._sent += await emit(runtime.client("events"), runtime.bus_name, orders, clock=self._clock)

    def _answers(self) -> int:
        return sum(answer.fact in {"Schedule Created", REJECTED} for answer in self._inbox.observed.answers)

    async def _fire(self, span: Window) -> None:
        """Let time pass, and change three of the schedules meanwhile."""
        for change in cast.changes():
            instant = span.start + round((span.end - span.start) * change.part)
            # Fires are due on whole seconds. Halfway between two, it is plain which of them come before the change.
            await self._clock.sleep_until(instant // 1000 * 1000 + 500)
            await self._emit([change.order])
        await self._clock.sleep_until(span.end)

    async def _show(self, span: Window) -> None:
        while True:
            self._screen.fires(glance(self._inbox.observed, span, self._clock.now(), list(SHARES)))
            await asyncio.sleep(self._screen.every)

    async def _compare(self, span: Window) -> Report:
        """Compare once all that had to come has come, or the time for it is over."""
        observed = self._inbox.observed
        expectation = expect(self._sent, observed.answers, span.end)
        subscriptions = {target: share.takes for target, share in SHARES.items()}

        def report() -> Report:
            return compare(self._sent, expectation, observed, subscriptions, timely_from=span.start)

        def done() -> bool:
            latest = max((one.due.at for one in observed.publications), default=0)
            return latest >= span.end + BEYOND_MS and not report().missing

        await self._inbox.until(done, seconds=ARRIVAL_SECONDS)
        return report()
