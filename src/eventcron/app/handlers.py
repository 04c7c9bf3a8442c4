"""One way from a message to work: every host of eventcron calls ``Handlers`` and acts on its reports.

The hosts are the Lambda functions, ``eventcron.testing.World`` and the simulator. A host receives messages and hands
them over. By the reports it deletes the messages that are done, lets the queue show the others again, and writes logs
and metrics.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from eventcron.app.backfill import Backfiller, BackfillReport
from eventcron.app.concurrency import all_of
from eventcron.app.dispatcher import Dispatcher
from eventcron.app.executor import Executor
from eventcron.app.fanout import UNFINISHED, Behind, FanOut, FanOutReport
from eventcron.app.history import Recorder
from eventcron.app.pack_report import Report
from eventcron.app.planner import Planner, SegmentReport
from eventcron.app.reconcile import Reconciler, ReconcileReport
from eventcron.app.registrar import Registrar
from eventcron.app.results import Outcome, Result
from eventcron.errors import EventcronError, InvalidSchedule, Unavailable, Undecodable
from eventcron.model.codes import RejectionCode
from eventcron.model.messages import SegmentRange
from eventcron.model.names import Instant
from eventcron.ports import DeadLetters, DeadLetterSource
from eventcron.wire.decode import Received, Rejected, decode_command
from eventcron.wire.encode import decode_pack
from eventcron.wire.segment_ranges import decode_range

T = TypeVar("T")

#: The queues whose messages end in a dead-letter queue.
COMMANDS: DeadLetterSource = "commands"
FIRES: DeadLetterSource = "fires"
SEGMENTS: DeadLetterSource = "segments"
#: Milliseconds kept back from the end of an invocation, so that what is being sent or written can end.
MARGIN_MS = 1_000


class QueueMessage(Protocol):
    """A message as a queue handed it out."""

    @property
    def body(self) -> str:
        """Its text."""


class MessageOutcome(StrEnum):
    """What the host does with a message."""

    DONE = "done"  # delete it
    DEAD_LETTERED = "dead_lettered"  # delete it: its body is in the dead-letter queue
    COMES_BACK = "comes_back"  # leave it: a service refused, or part of the work is left
    CRASHED = "crashed"  # leave it, and report a fault in eventcron


class Handled(Struct, Generic[T], frozen=True, kw_only=True):
    """How the handling of one message ended.

    ``result`` is the use case's own report, if it ended with one. ``reason`` says in one sentence why the message is a
    dead letter or comes back; ``error`` is the exception behind it, if there was one.
    """

    outcome: MessageOutcome
    result: T | None = None
    reason: str = ""
    error: Exception | None = None

    @property
    def comes_back(self) -> bool:
        """Whether the queue is to show the message again."""
        return self.outcome in {MessageOutcome.COMES_BACK, MessageOutcome.CRASHED}


class RangeReport(Struct, frozen=True, kw_only=True):
    """The segments that one message asked for, and what became of each, in order."""

    asked: SegmentRange
    segments: Sequence[SegmentReport]


class TickReport(Struct, kw_only=True):
    """What one tick did. Where ``error`` stopped it, the parts before that are there and the rest is empty."""

    #: None: nothing was handed out, as there is one planner only.
    handed_out: FanOutReport | None = None
    #: The segment furthest behind, of those that the tick handed out.
    behind: Behind | None = None
    #: Why ``behind`` could not be read; "" if it could.
    behind_unknown: str = ""
    #: The segments that the tick planned itself.
    segments: Sequence[SegmentReport] = ()
    backfills: Sequence[BackfillReport] = ()
    error: Exception | None = None


class CheckReport(Struct, frozen=True, kw_only=True):
    """What one hourly check of the records did, or the ``error`` that stopped it."""

    result: ReconcileReport | None = None
    error: Exception | None = None


class Handlers:
    """Turns messages, ticks and checks into work. No method raises an ``Exception``: each failure is part of a report.

    Messages of one batch are handled at once, each by itself: one that fails takes no other with it. Reports are in
    the order of the messages. A *deadline* is when this process may be killed; work ends ``MARGIN_MS`` before it.
    """

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        registrar: Registrar,
        executor: Executor,
        fanout: FanOut,
        planner: Planner,
        backfiller: Backfiller,
        reconciler: Reconciler,
        recorder: Recorder,
        dead_letters: DeadLetters,
        trusted_sources: frozenset[str],
    ) -> None:
        self._dispatcher = dispatcher
        self._registrar = registrar
        self._executor = executor
        self._fanout = fanout
        self._planner = planner
        self._backfiller = backfiller
        self._reconciler = reconciler
        self._recorder = recorder
        self._dead_letters = dead_letters
        self._trusted_sources = trusted_sources

    async def on_sent_commands(self, messages: Sequence[QueueMessage]) -> list[Handled[None]]:
        """Pass the commands of one batch on to the registrars. A command that their queue refuses comes back."""
        # If it fails, nobody knows which of them were sent. A registrar notices one that comes twice.
        return _each(await _report_failure(self._dispatch(messages)), len(messages))

    async def _dispatch(self, messages: Sequence[QueueMessage]) -> Handled[dict[int, str]]:
        refused = await self._dispatcher.run([one.body for one in messages])
        return _done({refusal.index: f"{refusal.code}: {refusal.message}" for refusal in refused})

    async def on_history(self, messages: Sequence[QueueMessage]) -> list[Handled[None]]:
        """Keep the events of one batch. One that cannot be kept comes back, and in the end is a dead letter."""
        return _each(await _report_failure(self._record(messages)), len(messages))

    async def _record(self, messages: Sequence[QueueMessage]) -> Handled[dict[int, str]]:
        return _done(await self._recorder.record([one.body for one in messages]))

    async def on_commands(self, messages: Sequence[QueueMessage]) -> list[Handled[Result]]:
        """Apply the commands of one batch."""
        return await all_of(self.on_command(one.body) for one in messages)

    async def on_command(self, body: str) -> Handled[Result]:
        """Apply a command.

        ``Schedule Rejected`` answers a bad command. A message that is no command is a dead letter.
        """
        return await _report_failure(self._command(body))

    async def _command(self, body: str) -> Handled[Result]:
        try:
            received = decode_command(body, trusted_sources=self._trusted_sources)
        except Undecodable as error:
            if not _is_json(body):
                # The body does not say who sent it. The bus is the one place where its sender may be listening. If the
                # bus refuses, the message comes back; it becomes a dead letter only once.
                await self._registrar.reject(_unreadable(body))
            return await self._dead_letter(COMMANDS, body, error)
        except Rejected as error:
            return _done(await self._registrar.reject(error))
        return _done(await self._apply(received))

    async def _apply(self, received: Received) -> Result:
        try:
            return await self._registrar.apply(received)
        except InvalidSchedule as error:
            if not received.is_answered:
                return Result(Outcome.REJECTED, received.command.key, reason=str(error))
            return await self._registrar.reject(received.reject(error))

    async def on_packs(self, messages: Sequence[QueueMessage]) -> list[Handled[Report]]:
        """Publish the packs of one batch."""
        return await all_of(self.on_pack(one.body) for one in messages)

    async def on_pack(self, body: str) -> Handled[Report]:
        """Publish a pack when it is due. A message that is no pack is a dead letter."""
        return await _report_failure(self._pack(body))

    async def _pack(self, body: str) -> Handled[Report]:
        try:
            pack = decode_pack(body)
        except Undecodable as error:
            return await self._dead_letter(FIRES, body, error)
        return _done(await self._executor.execute(pack))

    async def on_segment_ranges(
        self, messages: Sequence[QueueMessage], *, deadline: Instant
    ) -> list[Handled[RangeReport]]:
        """Plan the ranges of one batch."""
        return await all_of(self.on_segments(one.body, deadline=deadline) for one in messages)

    async def on_segments(self, body: str, *, deadline: Instant) -> Handled[RangeReport]:
        """Plan a range of segments. The message comes back until all of them are planned.

        A message that is no range is a dead letter.
        """
        return self._come_back_if_left(await _report_failure(self._segments(body, deadline=deadline)))

    async def _segments(self, body: str, *, deadline: Instant) -> Handled[RangeReport]:
        try:
            asked = decode_range(body)
        except Undecodable as error:
            return await self._dead_letter(SEGMENTS, body, error)
        reports = await self._planner.run(range(asked.first, asked.end), deadline=deadline - MARGIN_MS, tick=asked.tick)
        return _done(RangeReport(asked=asked, segments=reports))

    @staticmethod
    def _come_back_if_left(handled: Handled[RangeReport]) -> Handled[RangeReport]:
        """Let a range come back while a segment is left. A segment that another planner holds is left to that one."""
        if handled.result is None:
            return handled
        left = [report.segment for report in handled.result.segments if report.ended in UNFINISHED]
        if not left:
            return handled
        asked = handled.result.asked
        reason = f"{len(left)} of the segments {asked.first} to {asked.end - 1} are left, {left[0]} first"
        return replace(handled, outcome=MessageOutcome.COMES_BACK, reason=reason)

    async def on_tick(self, *, deadline: Instant) -> TickReport:
        """Hand every segment to a planner, plan here what no queue takes, then carry on the backfills."""
        report = TickReport()
        try:
            await self._tick(report, deadline=deadline - MARGIN_MS)
        except Exception as error:  # noqa: BLE001  # whatever it is, the host reports it, and the next tick comes
            report.error = error
        return report

    async def _tick(self, report: TickReport, *, deadline: Instant) -> None:
        handed_out = await self._fanout.run()
        if handed_out.sent or handed_out.refusals:
            report.handed_out = handed_out
            await self._look_behind(report)
        report.segments = await self._planner.run(handed_out.left, deadline=deadline)
        # Last, with the time that is left: backfills give way to what is due.
        report.backfills = await self._backfiller.run(deadline=deadline)

    async def on_check(self, *, deadline: Instant, rules: str) -> CheckReport:
        """Carry on the daily check of every record. *rules* names the zone rules and the release."""
        try:
            return CheckReport(result=await self._reconciler.run(deadline=deadline - MARGIN_MS, rules=rules))
        except Exception as error:  # noqa: BLE001  # whatever it is, the host reports it, and the next check comes
            return CheckReport(error=error)

    async def _look_behind(self, report: TickReport) -> None:
        try:
            report.behind = await self._fanout.furthest_behind()
        except Unavailable as error:
            # Planners that cannot read the ledger report that themselves.
            report.behind_unknown = str(error)

    async def _dead_letter(self, queue: DeadLetterSource, body: str, error: Undecodable) -> Handled[Any]:
        await self._dead_letters.send_to_dlq(queue, body, reason=error.reason, code="undecodable")
        return Handled(outcome=MessageOutcome.DEAD_LETTERED, reason=error.reason, error=error)


def _done(result: T) -> Handled[T]:
    return Handled(outcome=MessageOutcome.DONE, result=result)


def _each(batch: Handled[dict[int, str]], count: int) -> list[Handled[None]]:
    """How each of *count* messages ended that were handled together; the result has those that failed, and why."""
    if batch.result is None:
        return [Handled[None](outcome=batch.outcome, reason=batch.reason, error=batch.error)] * count
    reasons = batch.result
    return [
        Handled(outcome=MessageOutcome.COMES_BACK, reason=reasons[index]) if index in reasons else _done(None)
        for index in range(count)
    ]


async def _report_failure(work: Coroutine[Any, Any, Handled[T]]) -> Handled[T]:
    """Run *work*; the message behind it comes back if that fails, however it fails."""
    try:
        return await work
    except EventcronError as error:
        return Handled(outcome=MessageOutcome.COMES_BACK, reason=str(error), error=error)
    except Exception as error:  # noqa: BLE001  # a fault of ours costs one message a delay, and no other message
        return Handled(outcome=MessageOutcome.CRASHED, reason=repr(error), error=error)


def _is_json(body: str) -> bool:
    try:
        msgspec.json.decode(body.encode(errors="surrogatepass"))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _unreadable(body: str) -> Rejected:
    error = InvalidSchedule(
        RejectionCode.NOT_JSON, field="body", given=ascii(body[:80]), allowed="an EventBridge event as JSON"
    )
    return Rejected(error, command="", event_id="", source="", tenant=None, name=None)
