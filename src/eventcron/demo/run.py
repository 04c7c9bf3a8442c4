"""One run of the demo, from its first command to its report."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import chain
from typing import Any, NoReturn

from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.demo import samples
from eventcron.demo.comparison import CREATED, Report, compare, expect
from eventcron.demo.compress import compress
from eventcron.demo.observations import REJECTED, News, Observations, QueueReader
from eventcron.demo.samples import Sample, Sent, send
from eventcron.demo.screen import Screen, progress_of
from eventcron.demo.subscriptions import API_DESTINATION, FUNCTION_NAME, SUBSCRIPTIONS, Queues, Webhook, subscribe
from eventcron.local.lambda_patches import LAMBDA_TARGETS_AT_ONCE
from eventcron.local.runtime import Runtime
from eventcron.local.tasks import run_with
from eventcron.model.commands import Schedule
from eventcron.model.names import Instant, Window
from eventcron.ports import Clock

#: Concurrent PutEvents calls.
CALLS_AT_ONCE = 4
#: Tasks that read each queue, so that one receives while another deletes.
READERS = 2
#: Seconds. All commands must be answered within them; 1,307 take about 8 on 2 cores.
ANSWER_SECONDS = 120.0
#: Seconds after the end. Every fire due before the end must arrive within them, however busy the machine is.
ARRIVAL_SECONDS = 120.0
#: Milliseconds. What was due before the end is lost if nothing of it arrives while the fires of so long are published.
QUIET_MS = 8_000
#: Says that a schedule has come to its end, and so answers no command.
COMPLETED = "Schedule Completed"
#: Milliseconds after the end. The run awaits fires this late, because a repeat of an earlier fire comes before them.
BEYOND_MS = 2_000


class Quiet:
    """Whether answers to commands, and fires due before *end*, have ceased to arrive.

    Later fires measure it, not a clock: what holds up the ones holds up the others. ``is_reached`` has to be asked
    whenever something was observed.
    """

    def __init__(self, observed: Observations, end: Instant) -> None:
        self._observed = observed
        self._end = end
        self._arrived = 0
        self._since = end

    def is_reached(self) -> bool:
        observed = self._observed
        dues = chain((one.due for one in observed.publications), (one.due for one in observed.receipts))
        answers = sum(one.detail_type != COMPLETED for one in observed.answers)
        arrived = answers + sum(due.at < self._end for due in dues)
        latest = latest_due(observed)
        if arrived > self._arrived:
            self._arrived, self._since = arrived, max(latest, self._end)
        return latest >= self._since + QUIET_MS


def latest_due(observed: Observations) -> Instant:
    """The latest instant at which something was due that was published; 0 = nothing was."""
    return max((one.due.at for one in observed.publications), default=0)


class Run:
    """One run on *runtime*, which must be fresh: the run takes fixed names there."""

    def __init__(self, runtime: Runtime, *, clock: Clock, screen: Screen) -> None:
        self._runtime = runtime
        self._clock = clock
        self._screen = screen
        self._bus = EventBridgeBus(runtime.client("events"), runtime.bus_name, concurrency=CALLS_AT_ONCE)
        self._observed = Observations()
        self._news = News()
        self._sent: list[Sent] = []

    async def report(self, schedules: Sequence[Schedule], *, seconds: int, compressed: bool) -> Report:
        """Put *schedules* and the frequent ones, let them fire for *seconds*, and compare.

        *compressed* ones fire in a minute as often as they would in an hour.

        Raises:
            Unavailable: the bus refused a command several times.
        """
        async with Webhook(clock=self._clock, receive=self._receive) as webhook:
            self._screen.step("subscribing a Lambda function, a state machine and an API destination")
            queues = await subscribe(self._runtime, webhook.url)
            self._screen.step("starting the workers of all functions")
            await self._warm()
            return await run_with(self._play(schedules, seconds, compressed=compressed), self._readers(queues))

    def _receive(self, event: bytes, at: Instant) -> None:
        self._observed.add_receipt(API_DESTINATION, event, at=at)
        self._news.announce()

    def _readers(self, queues: Queues) -> list[Coroutine[Any, Any, NoReturn]]:
        sqs = self._runtime.client("sqs")
        events = QueueReader(sqs, queues.events.url, self._observed.add_event_message)
        receipts = QueueReader(sqs, queues.receipts.url, self._observed.add_receipt_message)
        return [self._read(reader) for reader in (events, receipts) for _ in range(READERS)]

    async def _read(self, reader: QueueReader) -> NoReturn:
        while True:
            await reader.read()
            self._news.announce()

    async def _warm(self) -> None:
        """Start every worker that the run will need, so that the lateness does not include their start.

        A worker is a process here. Ten that start while schedules fire would keep two cores busy for seconds.
        """
        settings, outputs = self._runtime.settings, self._runtime.outputs
        no_messages = b'{"Records": []}'
        await self._invoke(outputs["DispatcherFunctionName"], no_messages, settings.max_dispatchers)
        await self._invoke(outputs["RegistrarFunctionName"], no_messages, settings.max_registrars)
        await self._invoke(outputs["ExecutorFunctionName"], no_messages, settings.max_executors)
        await self._invoke(FUNCTION_NAME, b"{}", LAMBDA_TARGETS_AT_ONCE)

    async def _invoke(self, function: str, payload: bytes, count: int) -> None:
        """Invoke *function* *count* times at once, so that each invocation starts a worker of its own."""
        aws_lambda = self._runtime.client("lambda")
        await asyncio.gather(*(aws_lambda.invoke(FunctionName=function, Payload=payload) for _ in range(count)))

    async def _play(self, schedules: Sequence[Schedule], seconds: int, *, compressed: bool) -> Report:
        speed = ", an hour of theirs as a minute" if compressed else ""
        self._screen.step(f"emitting {len(schedules):,} schedules by PutEvents{speed}")
        if compressed:
            schedules = compress(schedules, self._clock.now())
        await self._put(samples.real(schedules))
        frequent = samples.frequent(self._clock.now())
        self._screen.step(f"emitting {len(frequent)} made up for the demo")
        await self._put(frequent)
        # A fire due within a lead of its schedule's acceptance must come, but cannot be on time.
        start = self._clock.now() + self._runtime.settings.lead_seconds * 1000
        span = Window(start, start + seconds * 1000)
        self._screen.step(f"firing for {seconds} s")
        await run_with(self._fire(span), [self._show(span)])
        self._screen.step("comparing what was received with what was due")
        return await self._compare(span)

    async def _put(self, puts: Sequence[Sample]) -> None:
        """Send *puts* and wait until each is answered. The comparison reports those that are not."""
        before = self._answers()
        await self._send(puts)

        def answered() -> bool:
            count = self._answers() - before
            self._screen.answers(count, len(puts))
            return count >= len(puts)

        await self._news.until(answered, seconds=ANSWER_SECONDS)

    async def _send(self, commands: Sequence[Sample]) -> None:
        self._sent += await send(commands, self._bus, self._clock)

    def _answers(self) -> int:
        return sum(answer.detail_type in {CREATED, REJECTED} for answer in self._observed.answers)

    async def _fire(self, span: Window) -> None:
        """Let time pass, and change three of the schedules meanwhile."""
        for change in samples.changes():
            instant = span.start + round((span.end - span.start) * change.part)
            # Fires are due on whole seconds. Halfway between two, it is clear which of them come before the change.
            await self._clock.sleep_until(instant // 1000 * 1000 + 500)
            await self._send([change.sample])
        await self._clock.sleep_until(span.end)

    async def _show(self, span: Window) -> None:
        while True:
            self._screen.fires(progress_of(self._observed, span, self._clock.now(), list(SUBSCRIPTIONS)))
            await asyncio.sleep(self._screen.every)

    async def _compare(self, span: Window) -> Report:
        """Compare once every fire has come or none comes any more, at the latest ``ARRIVAL_SECONDS`` after the end."""
        expectation, quiet = expect(self._sent, self._observed.answers, span.end), Quiet(self._observed, span.end)

        def report() -> Report:
            nonlocal expectation
            if expectation.unconfirmed:
                expectation = expect(self._sent, self._observed.answers, span.end)
            return compare(self._sent, expectation, self._observed, SUBSCRIPTIONS, timely_from=span.start)

        def over() -> bool:
            is_quiet = quiet.is_reached()
            if latest_due(self._observed) < span.end + BEYOND_MS:
                return False
            return is_quiet or not (report().missing or expectation.unconfirmed)

        await self._news.until(over, seconds=ARRIVAL_SECONDS)
        return report()
