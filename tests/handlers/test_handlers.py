"""The Lambda entry points: decode, call, encode, report. On memory ports; the stack's tests run them on AWS's API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventcron.adapters.memory import (
    MemoryDeadLetters,
    MemoryEventBus,
    MemoryFireQueue,
    MemoryHistory,
    MemoryLeases,
    MemoryQueue,
    MemoryRegistrarQueue,
    MemoryScheduleStore,
    MemorySegmentQueue,
)
from eventcron.entrypoints import (
    dispatcher_lambda,
    executor_lambda,
    history_lambda,
    planner_lambda,
    reconciler_lambda,
    registrar_lambda,
    rest_lambda,
)
from eventcron.entrypoints.process import process
from eventcron.entrypoints.telemetry import logger
from eventcron.errors import Unavailable
from eventcron.model.history import HistoryEntry
from eventcron.model.messages import Fire, GroupedCommand, SegmentRange
from eventcron.model.names import Instant, Key, Window
from eventcron.ports import Refusal
from eventcron.rules.packing import make_pack
from eventcron.testing import JumpingClock, memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.wire.encode import encode_pack, fire_id

NOW = 1_796_112_000_000  # 2026-12-01T08:00:00Z


class Context:
    """What Lambda hands a handler."""

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


class Stack:
    """The ports behind the handlers."""

    def __init__(self) -> None:
        self.clock = JumpingClock(NOW)
        self.store = MemoryScheduleStore(self.clock)
        self.leases = MemoryLeases()
        self.fires = MemoryQueue(self.clock)
        self.bus = MemoryEventBus(self.clock)
        self.dead = MemoryDeadLetters()
        self.plans = MemoryQueue(self.clock)
        self.grouped_commands = MemoryQueue(self.clock)
        self.refuse_command: Callable[[int, GroupedCommand], Refusal | None] = lambda _index, _command: None
        self.refuse_range: Callable[[SegmentRange], Refusal | None] = lambda _asked: None
        self.ports = memory_ports(
            self.clock,
            store=self.store,
            leases=self.leases,
            registrar_queue=MemoryRegistrarQueue(self.grouped_commands, refuse=self._refuse_command),
            fire_queue=MemoryFireQueue(self.fires),
            bus=self.bus,
            dead_letters=self.dead,
            segment_queue=MemorySegmentQueue(self.plans, refuse=self._refuse_range),
        )
        self.cases = self.ports.use_cases(SETTINGS)

    def _refuse_command(self, index: int, command: GroupedCommand) -> Refusal | None:
        return self.refuse_command(index, command)

    def _refuse_range(self, index: int, asked: SegmentRange) -> Refusal | None:
        refusal = self.refuse_range(asked)
        return None if refusal is None else msgspec.structs.replace(refusal, index=index)

    def change(self, **settings: Any) -> None:
        """Go on with other settings."""
        self.cases = self.ports.use_cases(msgspec.structs.replace(SETTINGS, **settings))

    @property
    def events(self) -> list[str]:
        return [event.detail_type for _, event in self.bus.published]


@pytest.fixture(name="stack")
def _stack() -> Stack:
    return Stack()


def dispatcher(stack: Stack, event: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(dispatcher_lambda.handle(stack.cases, event))


def registrar(stack: Stack, event: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(registrar_lambda.handle(stack.cases, event))


def executor(stack: Stack, event: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(executor_lambda.handle(stack.cases, event))


def planner(stack: Stack, event: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(planner_lambda.handle(stack.cases, event, Context()))


def reconciler(stack: Stack) -> dict[str, int]:
    return asyncio.run(reconciler_lambda.handle(stack.cases, Context()))


def sqs(*bodies: str, receives: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": f"m{number}", "body": body, "attributes": {"ApproximateReceiveCount": str(receives)}}
            for number, body in enumerate(bodies)
        ]
    }


def put(name: str, expression: str = "* * * * *", **more: Any) -> str:
    return json.dumps(
        {
            "version": "0",
            "id": f"id-{name}",
            "detail-type": "Put Schedule",
            "source": "eventcron.tenant.acme",
            "account": "000000000000",
            "time": "2026-12-01T08:00:00Z",
            "region": "us-east-1",
            "resources": [],
            "detail": {"tenant": "acme", "name": name, "expression": expression, **more},
        }
    )


def metrics(out: str) -> dict[str, Any]:
    """The metrics in the printed EMF records, by name."""
    records = [json.loads(line) for line in out.splitlines() if '"_aws"' in line]
    return {name: value for record in records for name, value in record.items() if name[0].isupper()}


def test_dispatcher_passes_every_command_on_and_counts_them(
    stack: Stack, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    stack.refuse_command = lambda index, command: Refusal(index=index, code="No") if command.body == "refused" else None

    response = dispatcher(stack, sqs(put("good"), "refused", "poison"))

    assert response == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert [message.body for message in stack.grouped_commands.receive()] == [put("good"), "poison"]
    counted = metrics(capsys.readouterr().out)
    assert (counted["CommandsDispatched"], counted["CommandsNotDispatched"]) == ([2], [1])
    assert caplog.messages == ["record_failed"]
    assert (stack.events, stack.dead.sent) == ([], [])


class HalfHistory(MemoryHistory):
    """Does not take a second entry."""

    async def append(self, entries: Sequence[HistoryEntry], *, days: int) -> list[Refusal]:
        await super().append([*entries[:1], *entries[2:]], days=days)
        return [Refusal(index=1, code="NotWritten", message="no room")]


def test_history_keeps_each_event_and_lets_those_come_back_that_it_could_not_keep(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    history = HalfHistory()
    cases = memory_ports(JumpingClock(NOW), history=history).use_cases(SETTINGS)
    folder = Path(__file__).parents[2] / "events" / "published"
    bodies = [
        (folder / f"{name}.json").read_text() for name in ("schedule-fired", "schedule-paused", "schedule-failed")
    ]

    response = asyncio.run(history_lambda.handle(cases, sqs("poison", *bodies[:1], bodies[1], bodies[2])))

    assert response == {"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m2"}]}
    counted = metrics(capsys.readouterr().out)
    assert (counted["EventsKept"], counted["EventsNotKept"]) == ([2], [2])
    assert caplog.messages == ["record_failed", "record_failed"]
    page = asyncio.run(history.read(Key("acme", "nightly-export"), Window(0, 10**13)))
    assert sorted(entry.kind for entry in page.items) == ["failed", "fired"]


def test_registrar_stores_what_is_good_answers_what_is_bad_and_dead_letters_what_is_neither(
    stack: Stack, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    response = registrar(stack, sqs(put("good"), "poison", put("bad", "61 * * * *")))

    out = capsys.readouterr().out
    assert response == {"batchItemFailures": []}
    assert set(stack.store.records) == {Key("acme", "good")}
    assert sorted(stack.events) == ["Schedule Created", "Schedule Rejected", "Schedule Rejected"]
    assert [dead_letter.body for dead_letter in stack.dead.sent] == ["poison"]
    assert {name: metrics(out)[name] for name in ("CommandsAccepted", "CommandsRejected", "CommandsDeadLettered")} == {
        "CommandsAccepted": [1],
        "CommandsRejected": [1],
        "CommandsDeadLettered": [1],
    }
    assert set(caplog.messages) == {"command_accepted", "command_rejected", "command_dead_lettered"}


def test_a_command_that_cannot_be_handled_now_comes_back_alone(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def throttled(keys: list[Key]) -> dict[Key, Any]:
        if Key("acme", "unlucky") in keys:
            raise Unavailable("dynamodb", "ThrottlingException")
        return {}

    monkeypatch.setattr(stack.store, "get", throttled)

    response = registrar(stack, sqs(put("unlucky"), put("lucky")))

    assert response == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert set(stack.store.records) == {Key("acme", "lucky")}
    (failed,) = (record for record in caplog.records if record.message == "record_failed")
    assert vars(failed)["reason"] == "dynamodb is unavailable: ThrottlingException"


def test_a_crash_in_one_record_is_one_failed_record_and_one_log_line(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_keys: list[Key]) -> dict[Key, Any]:
        raise ZeroDivisionError

    monkeypatch.setattr(stack.store, "get", broken)

    response = registrar(stack, sqs(put("any"), "poison"))

    assert response == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    (crash,) = (record for record in caplog.records if record.message == "record_crashed")
    assert crash.exc_info is not None
    assert crash.exc_info[0] is ZeroDivisionError


def test_planner_plans_every_segment_and_says_so(
    stack: Stack, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    registrar(stack, sqs(*(put(f"n{number}") for number in range(20))))
    stack.clock.instant += 300_000

    ended = planner(stack, {"source": "aws.events"})

    out = capsys.readouterr().out
    assert ended["planned"] == SETTINGS.segments
    assert ended["failed"] == 0
    (planned,) = (vars(record) for record in caplog.records if record.message == "planned")
    assert planned["tzdata"]
    assert planned["SchedulesRead"] == 20
    assert metrics(out)["FiresPlanned"][0] == planned["FiresPlanned"] == 20 * 4


def test_reconciler_looks_at_every_schedule_and_counts_them(
    stack: Stack, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    registrar(stack, sqs(*(put(f"n{number}") for number in range(20))))

    repaired = reconciler(stack)

    out = capsys.readouterr().out
    assert set(repaired.values()) == {0}
    printed = metrics(out)
    assert (printed["SchedulesEnabled"], printed["RecordsRepaired"], printed["RecordsChecked"]) == ([20], [0], [20])
    assert (printed["SweepPercent"], printed["SweepAgeMs"]) == ([100], [0])
    (line,) = (vars(record) for record in caplog.records if record.message == "reconciled")
    assert (line["finished"], line["contested"], line["rules"].startswith("tzdata 20")) == (True, 0, True)


def test_reconciler_prints_how_far_it_came_and_counts_schedules_when_it_is_through(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    registrar(stack, sqs(*(put(f"n{number}") for number in range(20))))
    scan = stack.store.scan

    async def slow(part: int, parts: int, *, cursor: str | None = None) -> Any:
        stack.clock.instant += 1_000
        return await scan(part, parts, cursor=cursor)

    monkeypatch.setattr(stack.store, "scan", slow)
    capsys.readouterr()
    runs = []
    for _ in range(5):
        reconciler(stack)
        runs.append(metrics(capsys.readouterr().out))
        stack.clock.instant += 3_600_000

    percents = [run["SweepPercent"][0] for run in runs if run]
    ages = [run["SweepAgeMs"][0] for run in runs if run]
    assert 1 < len(percents) < 5, "the last runs have nothing to do"
    assert percents == sorted(percents)
    assert (percents[0] < 100, percents[-1]) == (True, 100)
    assert all(age >= 3_600_000 * number for number, age in enumerate(ages))
    assert [run.get("SchedulesEnabled") for run in runs if run][-2:] == [None, [20]]


def test_executor_publishes_a_pack_with_its_lateness_and_knows_it_the_second_time(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    registrar(stack, sqs(put("good", "30 * * * * *")))
    stack.clock.instant += 40_000
    pack = msgspec.json.encode(make_pack([fire_of("good", due=NOW + 30_000)])).decode()
    capsys.readouterr()

    first = executor(stack, sqs(pack))
    out = capsys.readouterr().out
    second = executor(stack, sqs(pack, receives=2))

    assert first == second == {"batchItemFailures": []}
    assert stack.events.count("Schedule Fired") == 1
    assert metrics(out) == {"FiresPublished": [1], "FireLatenessMs": [10_000]}
    assert metrics(capsys.readouterr().out) == {"PacksRepeated": [1]}


def test_executor_dead_letters_what_is_no_pack_and_publishes_what_is_beside_it(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    registrar(stack, sqs(put("good", "30 * * * * *")))
    stack.clock.instant += 30_000
    pack = encode_pack(make_pack([fire_of("good", due=NOW + 30_000)]))

    response = executor(stack, sqs("[]", pack))

    assert response == {"batchItemFailures": []}
    assert [(dead_letter.queue, dead_letter.body) for dead_letter in stack.dead.sent] == [("fires", "[]")]
    assert stack.events.count("Schedule Fired") == 1
    assert "pack_dead_lettered" in caplog.messages


def test_a_late_fire_is_logged_with_whose_it_is_and_a_punctual_one_is_not(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    registrar(stack, sqs(put("good", "30 * * * * *")))
    stack.clock.instant += 32_000
    late, punctual = fire_of("good", due=NOW + 30_000), fire_of("good", due=NOW + 90_000)
    for fire in (late, punctual):
        executor(stack, sqs(msgspec.json.encode(make_pack([fire])).decode()))
        stack.clock.instant = max(stack.clock.instant, NOW + 86_000)

    [line] = [vars(record) for record in caplog.records if record.message == "fires_late"]
    executed = [vars(record)["latest_ms"] for record in caplog.records if record.message == "packs_executed"]
    assert (line["tenant"], line["schedule"], line["lateness_ms"]) == ("acme", "acme/good", 2_000)
    assert (line["fire_id"], line["fires"]) == (fire_id(late), 1)
    assert executed == [2_000, 0]


def test_packs_that_were_simply_published_share_a_line_and_one_that_comes_again_has_its_own(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    registrar(stack, sqs(put("good", "* * * * * *")))
    stack.clock.instant += 30_000
    first, second, third = (make_pack([fire_of("good", due=NOW + 30_000 + second)]) for second in (0, 1_000, 2_000))

    executor(stack, sqs(encode_pack(first), encode_pack(second)))
    executor(stack, sqs(encode_pack(third), receives=2))

    shared, own = (vars(record) for record in caplog.records if record.message == "packs_executed")
    assert (shared["pack_ids"], shared["published"]) == ([first.id, second.id], 2)
    assert "receives" not in shared
    assert (own["pack_ids"], own["published"], own["receives"]) == ([third.id], 1, 2)


def test_a_watched_tenant_s_fires_are_metrics_of_their_own(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.change(watched_tenants=frozenset({"acme"}))
    registrar(stack, sqs(put("good", "30 * * * * *")))
    stack.clock.instant += 40_000
    capsys.readouterr()
    executor(stack, sqs(encode_pack(make_pack([fire_of("good", due=NOW + 30_000)]))))

    records = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    [watched] = [record for record in records if "tenant" in record]
    [about] = watched["_aws"]["CloudWatchMetrics"]
    assert (watched["tenant"], watched["service"], watched["FireLatenessMs"]) == ("acme", "executor", [10_000])
    assert sorted(about["Dimensions"][0]) == ["service", "tenant"]
    assert len(records) == 2


def test_fires_over_the_limit_of_their_tenant_are_counted_told_and_logged(
    stack: Stack, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    stack.change(tenant_fires_per_minute=2)
    registrar(stack, sqs(*(put(f"n{number}") for number in range(5))))
    stack.clock.instant += 60_000
    pack = encode_pack(make_pack([fire_of(f"n{number}", due=NOW + 60_000) for number in range(5)]))
    capsys.readouterr()

    executor(stack, sqs(pack))

    counted = metrics(capsys.readouterr().out)
    assert (counted["FiresPublished"], counted["FiresSkipped"], counted["FiresOverQuota"]) == ([2], [3], [3])
    assert stack.events.count("Schedule Skipped") == 3
    (line,) = (vars(record) for record in caplog.records if record.message == "packs_executed")
    assert (line["levelname"], line["skipped"], line["over_quota"]) == ("WARNING", 3, 3)


def test_planner_tells_the_lag_of_each_segment_without_a_metric_for_each(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    planner(stack, {})
    stack.clock.instant += (SETTINGS.tick_seconds + 7) * 1000
    capsys.readouterr()
    planner(stack, {})

    records = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "PlannerLagMs" in line]
    assert sorted(record["segment"] for record in records) == list(range(SETTINGS.segments))
    assert {tuple(record["PlannerLagMs"]) for record in records} == {(7_000,)}
    assert all(record["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]] for record in records)


def fan_out(stack: Stack, **settings: Any) -> None:
    """Have several planners from here on."""
    several = {
        "planner_workers": 2,
        "segment_queue_url": "segments",
        "segment_dlq_url": "segment-dlq",
        "concurrency": 2,
    }
    stack.change(**several, **settings)


def ranges(stack: Stack) -> list[str]:
    return [message.body for message in stack.plans.receive()]


def test_with_several_planners_a_tick_hands_out_and_each_range_is_planned(
    stack: Stack, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    fan_out(stack)
    ended = planner(stack, {"source": "aws.events"})
    tick = metrics(capsys.readouterr().out)
    bodies = ranges(stack)
    first = planner(stack, sqs(bodies[0]))
    half = [state.planned_through > 0 for state in asyncio.run(stack.leases.segments(4))]
    second = planner(stack, sqs(bodies[1]))

    assert (ended["ranges"], ended["planned"], len(bodies)) == (2, 0, 2)
    assert tick == {"RangesSent": [2], "RangesRefused": [0]}
    assert first == second == {"batchItemFailures": []}
    assert half == [True, True, False, False]
    planned = [vars(record) for record in caplog.records if record.message == "planned"]
    assert [(line["first"], line["end"], line["age_ms"], line["planned"]) for line in planned] == [
        (0, 2, 0, 2),
        (2, 4, 0, 2),
    ]


def test_what_the_segment_queue_refuses_the_tick_plans_itself(
    stack: Stack, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    fan_out(stack)
    stack.refuse_range = lambda asked: Refusal(index=1, code="InternalError", message="down") if asked.first else None

    ended = planner(stack, {"source": "aws.events"})

    states = asyncio.run(stack.leases.segments(4))
    (line,) = (vars(record) for record in caplog.records if record.message == "handed_out")
    assert (ended["ranges"], ended["planned"]) == (1, 2)
    assert [state.planned_through > 0 for state in states] == [False, False, True, True]
    assert (line["levelname"], line["left"], line["reason"]) == ("WARNING", 2, "down")
    assert metrics(capsys.readouterr().out)["RangesRefused"] == [1]


def test_a_range_with_a_segment_left_comes_back_and_the_one_beside_it_does_not(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fan_out(stack)
    planner(stack, {})
    read = stack.store.read_index

    async def throttled(segment: int, **rest: Any) -> Any:
        if segment == 1:
            raise Unavailable("dynamodb", "ThrottlingException")
        return await read(segment, **rest)

    monkeypatch.setattr(stack.store, "read_index", throttled)

    response = planner(stack, sqs(*ranges(stack)))

    (failed,) = (vars(record) for record in caplog.records if record.message == "record_failed")
    assert response == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert failed["reason"] == "1 of the segments 0 to 1 are left, 1 first"
    assert [state.planned_through > 0 for state in asyncio.run(stack.leases.segments(4))] == [True, False, True, True]


def test_what_is_no_range_is_dead_lettered_and_what_is_beside_it_is_planned(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    fan_out(stack)
    planner(stack, {})

    response = planner(stack, sqs("poison", ranges(stack)[0]))

    assert response == {"batchItemFailures": []}
    assert [(dead_letter.queue, dead_letter.body, dead_letter.code) for dead_letter in stack.dead.sent] == [
        ("segments", "poison", "undecodable")
    ]
    assert "range_dead_lettered" in caplog.messages
    assert asyncio.run(stack.leases.planned_through(1)) > 0


def test_a_tick_tells_the_lag_of_what_no_planner_takes(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """The alarm looks at the highest: it would see nothing where nobody claims."""
    planner(stack, {})
    fan_out(stack)
    for _ in range(3):
        stack.clock.instant += SETTINGS.tick_seconds * 1000
        capsys.readouterr()
        planner(stack, {})

    assert metrics(capsys.readouterr().out)["PlannerLagMs"] == [2 * SETTINGS.tick_seconds * 1000]


def test_a_ledger_that_cannot_be_looked_at_does_not_stop_a_tick(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def throttled(_count: int) -> Any:
        raise Unavailable("dynamodb", "ThrottlingException")

    fan_out(stack)
    monkeypatch.setattr(stack.leases, "segments", throttled)

    assert planner(stack, {})["ranges"] == 2
    assert "lag_unknown" in caplog.messages
    assert len(ranges(stack)) == 2


def test_a_handler_without_its_environment_says_which_variable_is_missing() -> None:
    with pytest.raises(Exception, match="schedules_table"):
        planner_lambda.handler({}, Context())
    process.close()


def fire_of(name: str, *, due: Instant) -> Fire:
    return Fire("acme", name, NOW, due, due)


class Invocation:
    """What Lambda hands a handler, of one request."""

    def __init__(self, request: str) -> None:
        self.aws_request_id = request


@pytest.mark.parametrize(
    "module",
    [dispatcher_lambda, executor_lambda, planner_lambda, reconciler_lambda, registrar_lambda, rest_lambda],
    ids=lambda module: module.__name__.rpartition(".")[2],
)
def test_every_log_line_of_an_invocation_names_its_request(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[object] = []
    monkeypatch.setattr(process, "run", lambda _work: named.append(logger.get_current_keys()["function_request_id"]))
    for request in ("first", "second"):
        module.handler({}, Invocation(request))

    assert named == ["first", "second"]
