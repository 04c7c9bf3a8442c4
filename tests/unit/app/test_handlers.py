"""From a message to its end: done, back in the queue, or a dead letter. The use cases are fakes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pytest

from eventcron.adapters.memory import MemoryDeadLetters, MemoryHistory
from eventcron.app.backfill import BackfillOutcome, BackfillReport
from eventcron.app.fanout import Behind, FanOutReport
from eventcron.app.handlers import MARGIN_MS, Handled, Handlers, MessageOutcome
from eventcron.app.history import Recorder
from eventcron.app.pack_report import Report
from eventcron.app.planner import SegmentOutcome, SegmentReport
from eventcron.app.reconcile import ReconcileReport
from eventcron.app.results import Outcome, Result
from eventcron.errors import Conflict, InvalidSchedule, Unavailable, Undecodable
from eventcron.model.codes import RejectionCode
from eventcron.model.messages import Fire, Pack, SegmentRange
from eventcron.model.names import BackfillKey, Instant
from eventcron.ports import Refusal
from eventcron.rules.packing import make_pack
from eventcron.testing.world import SETTINGS
from eventcron.wire.decode import Received, Rejected
from eventcron.wire.encode import encode_pack
from eventcron.wire.segment_ranges import encode_range

DEADLINE = 60_000
#: When the work of an invocation with that deadline ends.
ENDS = DEADLINE - MARGIN_MS
THROTTLED = Unavailable("dynamodb", "ThrottlingException")
LATER = [THROTTLED, Conflict("someone was first"), Undecodable("a stored record of a later release")]


class Message(NamedTuple):
    body: str


class FakeDispatcher:
    def __init__(self) -> None:
        self.sent: list[str] = []
        self.refusals: list[Refusal] = []
        self.failure: Exception | None = None

    async def run(self, bodies: Sequence[str]) -> list[Refusal]:
        if self.failure is not None:
            raise self.failure
        self.sent += bodies
        return self.refusals


class FakeRegistrar:
    def __init__(self) -> None:
        self.applied: list[str] = []
        self.answered: list[str] = []
        #: Name → what its command raises.
        self.failures: dict[str, Exception] = {}
        #: What the next answers raise.
        self.rejects: list[Exception] = []

    async def apply(self, received: Received) -> Result:
        name = received.command.name
        if name in self.failures:
            raise self.failures[name]
        self.applied.append(name)
        return Result(Outcome.ACCEPTED)

    async def reject(self, error: Rejected) -> Result:
        if self.rejects:
            raise self.rejects.pop(0)
        self.answered.append(error.code)
        return Result(Outcome.REJECTED)


class FakeExecutor:
    def __init__(self) -> None:
        self.failures: dict[str, Exception] = {}

    async def execute(self, pack: Pack) -> Report:
        if pack.id in self.failures:
            raise self.failures[pack.id]
        return Report(pack_id=pack.id)


class FakePlanner:
    """Segment → how its pass ends; PLANNED if it is not there."""

    def __init__(self, log: list[str]) -> None:
        self.ends: dict[int, SegmentOutcome] = {}
        self.runs: list[tuple[list[int], Instant, Instant | None]] = []
        self.failure: Exception | None = None
        self._log = log

    async def run(
        self, segments: Iterable[int], *, deadline: Instant, tick: Instant | None = None
    ) -> list[SegmentReport]:
        self._log.append("plan")
        if self.failure is not None:
            raise self.failure
        chosen = list(segments)
        self.runs.append((chosen, deadline, tick))
        return [SegmentReport(segment=one, ended=self.ends.get(one, SegmentOutcome.PLANNED)) for one in chosen]


class FakeFanOut:
    def __init__(self, log: list[str]) -> None:
        self.report = FanOutReport(left=range(4))
        self.behind: Behind | Exception | None = None
        self._log = log

    async def run(self) -> FanOutReport:
        self._log.append("hand out")
        return self.report

    async def furthest_behind(self) -> Behind | None:
        self._log.append("look behind")
        if isinstance(self.behind, Exception):
            raise self.behind
        return self.behind


class FakeBackfiller:
    def __init__(self, log: list[str]) -> None:
        self.reports = [BackfillReport(key=BackfillKey("acme", "tea", "b"), outcome=BackfillOutcome.ON)]
        self.failure: Exception | None = None
        self._log = log

    async def run(self, *, deadline: Instant) -> Sequence[BackfillReport]:
        self._log.append(f"backfill until {deadline}")
        if self.failure is not None:
            raise self.failure
        return self.reports


class FakeReconciler:
    def __init__(self) -> None:
        self.report = ReconcileReport()
        self.failure: Exception | None = None
        self.runs: list[tuple[Instant, str]] = []

    async def run(self, *, deadline: Instant, rules: str) -> ReconcileReport:
        self.runs.append((deadline, rules))
        if self.failure is not None:
            raise self.failure
        return self.report


class Stage:
    """Handlers over fakes."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.dispatcher, self.registrar, self.executor = FakeDispatcher(), FakeRegistrar(), FakeExecutor()
        self.planner, self.fanout, self.backfiller = (
            FakePlanner(self.log),
            FakeFanOut(self.log),
            FakeBackfiller(self.log),
        )
        self.reconciler = FakeReconciler()
        self.dead = MemoryDeadLetters()
        fakes: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("dispatcher", "registrar", "executor", "fanout", "planner", "backfiller", "reconciler")
        }
        self.history = MemoryHistory()
        recorder = Recorder(history=self.history, settings=SETTINGS)
        self.handlers = Handlers(**fakes, recorder=recorder, dead_letters=self.dead, trusted_sources=frozenset())

    @property
    def dead_letters(self) -> list[tuple[str, str]]:
        return [(one.queue, one.body) for one in self.dead.sent]


@pytest.fixture(name="stage")
def _stage() -> Stage:
    return Stage()


def put(name: str, **more: Any) -> str:
    return json.dumps({
        "id": f"id-{name}", "detail-type": "Put Schedule", "source": "eventcron.tenant.acme",
        "time": "2026-12-01T08:00:00Z", "detail": {"tenant": "acme", "name": name, "expression": "@daily", **more},
    })  # fmt: skip


def pack(name: str) -> Pack:
    return make_pack([Fire("acme", name, 1, 0, 0)])


# --- Commands on their way to a registrar -----------------------------------------------------------------------------


async def test_a_batch_of_commands_is_passed_on_as_it_is(stage: Stage) -> None:
    handled = await stage.handlers.on_sent_commands([Message(put("a")), Message("not json")])

    assert stage.dispatcher.sent == [put("a"), "not json"]
    assert [one.outcome for one in handled] == [MessageOutcome.DONE] * 2
    assert stage.dead_letters == []


async def test_a_command_that_the_queue_refuses_comes_back_alone(stage: Stage) -> None:
    stage.dispatcher.refusals = [Refusal(index=1, code="InternalError", message="try again")]

    handled = await stage.handlers.on_sent_commands([Message(put(name)) for name in "abc"])

    assert [one.comes_back for one in handled] == [False, True, False]
    assert handled[1].reason == "InternalError: try again"


@pytest.mark.parametrize(
    ("failure", "outcome"), [(THROTTLED, MessageOutcome.COMES_BACK), (KeyError("x"), MessageOutcome.CRASHED)]
)
async def test_a_batch_that_cannot_be_sent_comes_back_whole(
    stage: Stage, failure: Exception, outcome: MessageOutcome
) -> None:
    stage.dispatcher.failure = failure

    handled = await stage.handlers.on_sent_commands([Message(put("a")), Message(put("b"))])

    assert [(one.outcome, one.error) for one in handled] == [(outcome, failure)] * 2


# --- Commands --------------------------------------------------------------------------------------------------------


async def test_each_command_is_applied(stage: Stage) -> None:
    handled = await stage.handlers.on_commands([Message(put("a")), Message(put("b"))])

    assert stage.registrar.applied == ["a", "b"]
    assert [(one.outcome, one.result) for one in handled] == [(MessageOutcome.DONE, Result(Outcome.ACCEPTED))] * 2


async def test_a_bad_command_is_answered_whoever_finds_it_bad(stage: Stage) -> None:
    stage.registrar.failures["b"] = InvalidSchedule(
        RejectionCode.IN_THE_PAST, field="expression", given="x", allowed="y"
    )

    handled = await stage.handlers.on_commands([Message(put("a", colour="red")), Message(put("b"))])

    assert stage.registrar.answered == ["unknown_field", "in_the_past"]
    assert [(one.outcome, one.result) for one in handled] == [(MessageOutcome.DONE, Result(Outcome.REJECTED))] * 2
    assert stage.dead_letters == []


@pytest.mark.parametrize(("body", "answers"), [("[1, 2]", []), ("not json", ["not_json"]), ("\ud800", ["not_json"])])
async def test_what_is_no_command_is_a_dead_letter_and_answered_if_it_is_no_json(
    stage: Stage, body: str, answers: list[str]
) -> None:
    handled = await stage.handlers.on_command(body)

    assert (handled.outcome, handled.comes_back) == (MessageOutcome.DEAD_LETTERED, False)
    assert handled.reason
    assert stage.dead_letters == [("commands", body)]
    assert stage.registrar.answered == answers


# --- What fails ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", LATER)
async def test_what_fails_comes_back_alone(stage: Stage, error: Exception) -> None:
    """A stored record that nobody can read fails the message, too; the message itself is no dead letter."""
    stage.registrar.failures["b"] = error

    handled = await stage.handlers.on_commands([Message(put(name)) for name in "abc"])

    assert [one.comes_back for one in handled] == [False, True, False]
    assert (handled[1].outcome, handled[1].reason) == (MessageOutcome.COMES_BACK, str(error))
    assert stage.dead_letters == []


async def test_a_crash_comes_back_alone_and_is_told_apart(stage: Stage) -> None:
    good, bad = pack("good"), pack("bad")
    stage.executor.failures[bad.id] = ZeroDivisionError()

    handled = await stage.handlers.on_packs([Message(encode_pack(bad)), Message(encode_pack(good))])

    assert [one.outcome for one in handled] == [MessageOutcome.CRASHED, MessageOutcome.DONE]
    assert handled[0].comes_back
    assert isinstance(handled[0].error, ZeroDivisionError)
    assert handled[1].result == Report(pack_id=good.id)


async def test_poison_comes_back_while_the_dead_letter_queue_refuses_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_message: object, **_reason: object) -> None:
        raise Unavailable("sqs", "ThrottlingException")

    monkeypatch.setattr(stage.dead, "send_to_dlq", refuse)

    handled: list[Handled[Any]] = [
        await stage.handlers.on_command("poison"),
        await stage.handlers.on_pack("poison"),
        await stage.handlers.on_segments("poison", deadline=DEADLINE),
    ]

    assert [one.outcome for one in handled] == [MessageOutcome.COMES_BACK] * 3


async def test_poison_becomes_one_dead_letter_though_the_bus_refuses_its_answer_at_first(stage: Stage) -> None:
    stage.registrar.rejects = [Unavailable("events", "ThrottlingException")]

    handled = [await stage.handlers.on_command("poison") for _ in range(2)]

    assert [one.outcome for one in handled] == [MessageOutcome.COMES_BACK, MessageOutcome.DEAD_LETTERED]
    assert stage.dead_letters == [("commands", "poison")]
    assert stage.registrar.answered == ["not_json"]


# --- Packs and ranges ------------------------------------------------------------------------------------------------


async def test_what_is_no_pack_or_no_range_is_a_dead_letter_of_its_queue(stage: Stage) -> None:
    handled: list[Handled[Any]] = [
        *await stage.handlers.on_packs([Message("[]")]),
        *await stage.handlers.on_segment_ranges([Message("{}")], deadline=DEADLINE),
    ]

    assert [one.outcome for one in handled] == [MessageOutcome.DEAD_LETTERED] * 2
    assert stage.dead_letters == [("fires", "[]"), ("segments", "{}")]


@pytest.mark.parametrize("end", SegmentOutcome)
async def test_a_range_comes_back_while_one_of_its_segments_is_unfinished(stage: Stage, end: SegmentOutcome) -> None:
    asked = SegmentRange(tick=7, first=1, end=4)
    stage.planner.ends[2] = end

    handled = await stage.handlers.on_segments(encode_range(asked), deadline=DEADLINE)

    assert stage.planner.runs == [([1, 2, 3], ENDS, 7)]
    assert handled.comes_back is (end in {SegmentOutcome.SAVED, SegmentOutcome.FAILED})
    assert (handled.reason == "1 of the segments 1 to 3 are left, 2 first") is handled.comes_back
    assert handled.result is not None
    assert [report.ended for report in handled.result.segments][1] is end


async def test_a_range_beside_one_that_comes_back_is_done(stage: Stage) -> None:
    stage.planner.ends[0] = SegmentOutcome.SAVED
    bodies = [encode_range(SegmentRange(tick=0, first=first, end=first + 1)) for first in (0, 1)]

    handled = await stage.handlers.on_segment_ranges([Message(body) for body in bodies], deadline=DEADLINE)

    assert [one.comes_back for one in handled] == [True, False]


# --- Ticks -----------------------------------------------------------------------------------------------------------


async def test_a_tick_of_one_planner_plans_every_segment_and_then_the_backfills(stage: Stage) -> None:
    report = await stage.handlers.on_tick(deadline=DEADLINE)

    assert stage.log == ["hand out", "plan", f"backfill until {ENDS}"]
    assert stage.planner.runs == [([0, 1, 2, 3], ENDS, None)]
    assert (report.handed_out, report.error, len(report.segments)) == (None, None, 4)
    assert report.backfills == stage.backfiller.reports


async def test_a_tick_of_several_planners_plans_what_the_queue_refused_and_looks_behind(stage: Stage) -> None:
    stage.fanout.report = FanOutReport(
        sent=[SegmentRange(tick=0, first=0, end=2)], left=[2, 3], refusals=[Refusal(index=1, code="InternalError")]
    )
    stage.fanout.behind = Behind(1, 9_000)

    report = await stage.handlers.on_tick(deadline=DEADLINE)

    assert stage.planner.runs == [([2, 3], ENDS, None)]
    assert (report.handed_out, report.behind) == (stage.fanout.report, Behind(1, 9_000))


async def test_a_ledger_that_cannot_be_read_does_not_stop_a_tick(stage: Stage) -> None:
    stage.fanout.report = FanOutReport(sent=[SegmentRange(tick=0, first=0, end=4)], left=[])
    stage.fanout.behind = THROTTLED

    report = await stage.handlers.on_tick(deadline=DEADLINE)

    assert (report.behind, report.behind_unknown, report.error) == (None, str(THROTTLED), None)
    assert stage.log[-1] == f"backfill until {ENDS}"


@pytest.mark.parametrize("error", [THROTTLED, ZeroDivisionError()])
async def test_what_stops_a_tick_is_reported_with_what_it_did_before(stage: Stage, error: Exception) -> None:
    stage.backfiller.failure = error

    report = await stage.handlers.on_tick(deadline=DEADLINE)

    assert report.error is error
    assert (len(report.segments), report.backfills) == (4, ())


async def test_a_planner_that_crashes_stops_its_tick_in_the_open(stage: Stage) -> None:
    stage.planner.failure = ZeroDivisionError()

    report = await stage.handlers.on_tick(deadline=DEADLINE)

    assert report.error is stage.planner.failure
    assert stage.log == ["hand out", "plan"]


# --- Checks ----------------------------------------------------------------------------------------------------------


async def test_a_check_of_the_records_ends_before_its_invocation_does(stage: Stage) -> None:
    report = await stage.handlers.on_check(deadline=DEADLINE, rules="2026a")

    assert (report.result, report.error) == (stage.reconciler.report, None)
    assert stage.reconciler.runs == [(ENDS, "2026a")]


@pytest.mark.parametrize("error", [THROTTLED, ZeroDivisionError()])
async def test_what_stops_a_check_is_reported(stage: Stage, error: Exception) -> None:
    stage.reconciler.failure = error

    report = await stage.handlers.on_check(deadline=DEADLINE, rules="2026a")

    assert (report.result, report.error) == (None, error)
