"""Least privilege, measured: each function makes exactly the calls to AWS that its role allows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiobotocore.session import AioSession, get_session

from eventcron.adapters.aws import sessions
from eventcron.adapters.aws.fire_queue import SqsFireQueue
from eventcron.adapters.aws.inputs import DynamoInputs
from eventcron.adapters.aws.json_api import JsonApi
from eventcron.adapters.aws.schedules import DynamoScheduleStore
from eventcron.adapters.clock import SystemClock
from eventcron.app.use_cases import UseCases
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
from eventcron.local import template
from eventcron.model.commands import Schedule
from eventcron.model.messages import Fire, SegmentRange
from eventcron.model.names import Instant, Key
from eventcron.model.records import InputRef, Record, State
from eventcron.model.runs import Lane, OpenRun
from eventcron.ports import Refusal
from eventcron.rules.packing import make_pack
from eventcron.rules.runs import deadline_pack
from eventcron.testing import JumpingClock
from eventcron.timing.instant import rfc3339
from eventcron.timing.trigger import parse
from eventcron.wire.encode import encode_pack, fire_id
from eventcron.wire.encode_runs import run_token
from eventcron.wire.segment_ranges import encode_range
from tests.emulators import ministack_server, use_endpoint
from tests.eventbridgev2 import ARN, FakeBus, fake_bus
from tests.infra.stack import allowed, decided, name_of
from tests.records import record_of
from tests.resources import create_queue, create_table
from tests.rest import gateway

pytestmark = pytest.mark.embedded

#: Actions that Lambda itself performs with the function's role.
BY_LAMBDA = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
}
#: Operations whose IAM action has another name.
BY_ANOTHER_NAME = {"SendMessageBatch": "SendMessage"}
#: The newer API of EventBridge, whose actions are ``events:`` too.
NEWER_API = "eventbridgev2"
#: The schedule that the executor completes.
REVISION = 1_796_112_000_000
TABLES = ("SchedulesTable", "LedgerTable", "HistoryTable")
QUEUES = (
    "CommandQueue",
    "RegistrarQueue",
    "FireQueue",
    "SegmentQueue",
    "CommandDeadLetters",
    "FireDeadLetters",
    "SegmentDeadLetters",
)

STACK = decided(HasRestApi=True, KeepsHistory=True)
FUNCTIONS = template.of_type(STACK, "AWS::Serverless::Function")

Asked = dict[str, set[str]]


class Recorder:
    """Records, for each action, the resources it was called for, and the sources of published events."""

    def __init__(self) -> None:
        self.asked: Asked = {}
        self.sources: set[str] = set()

    def listen(self, patch: pytest.MonkeyPatch) -> None:
        """Record what the clients are asked: the lean ones, and botocore's for the newer bus."""
        call_bytes = JsonApi.call_bytes

        async def recorded(api: JsonApi, operation: str, request: Mapping[str, Any], **options: Any) -> bytes:
            self._record(api.service, operation, request)
            return await call_bytes(api, operation, request, **options)

        patch.setattr(JsonApi, "call_bytes", recorded)
        patch.setattr(sessions, "get_session", self._session)

    def _session(self) -> AioSession:
        def record(params: dict[str, Any], model: Any, **_: object) -> None:
            self._record(model.service_model.service_name.replace(NEWER_API, "events"), model.name, params)

        session = get_session()
        session.register("provide-client-params.*.*", record)
        return session

    def _record(self, service: str, operation: str, params: Mapping[str, Any]) -> None:
        operation = BY_ANOTHER_NAME.get(operation, operation)
        self.asked.setdefault(f"{service}:{operation}", set()).update(_resources(params))
        self.sources |= {entry["Source"] for entry in params.get("Entries", []) if "Source" in entry}


def _resources(params: Mapping[str, Any]) -> set[str]:
    """Return logical ids, after which resources are named here. An index is written as in the template."""
    if "IndexName" in params:
        return {f"${{{params['TableName']}.Arn}}/index/{params['IndexName']}"}
    if "RequestItems" in params:
        return set(params["RequestItems"])
    if "QueueUrl" in params:
        return {params["QueueUrl"].rpartition("/")[2]}
    if "TableName" in params:
        return {params["TableName"]}
    if "EventBusArn" in params:
        return {{ARN: "EventBusV2"}[params["EventBusArn"]]}
    return {entry["EventBusName"] for entry in params["Entries"]}


@pytest.fixture(scope="module", name="endpoint")
def _endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Create the stack's tables, queues and bus, named after their logical ids."""
    with pytest.MonkeyPatch.context() as patch, ministack_server(tmp_path_factory.mktemp("ministack")) as endpoint:
        use_endpoint(patch, endpoint)
        asyncio.run(_create())
        yield endpoint


async def _empty_tables() -> None:
    async with get_session().create_client("dynamodb") as dynamodb:
        for table in TABLES:
            await dynamodb.delete_table(TableName=table)
            await create_table(dynamodb, table, table)


async def _create() -> None:
    session = get_session()
    async with session.create_client("dynamodb") as dynamodb:
        for table in TABLES:
            await create_table(dynamodb, table, table)
    async with session.create_client("sqs") as sqs:
        for queue in QUEUES:
            await create_queue(sqs, queue)
    async with session.create_client("events") as events:
        await events.create_event_bus(Name="Bus")


@pytest.fixture(name="stage")
def _stage(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    use_endpoint(monkeypatch, endpoint)
    stage = Stage(monkeypatch)
    url = f"{endpoint}/000000000000"
    stage.set(
        schedules_table="SchedulesTable",
        ledger_table="LedgerTable",
        bus_name="Bus",
        registrar_queue_url=f"{url}/RegistrarQueue",
        fire_queue_url=f"{url}/FireQueue",
        command_dlq_url=f"{url}/CommandDeadLetters",
        fire_dlq_url=f"{url}/FireDeadLetters",
        segment_queue_url=f"{url}/SegmentQueue",
        segment_dlq_url=f"{url}/SegmentDeadLetters",
        keep_history="ALL",
        history_table="HistoryTable",
        segments=1,
    )
    stage.recorder.listen(monkeypatch)
    monkeypatch.setattr("eventcron.app.planner.INDEX_LAG_MS", 0)  # one stage follows the other within seconds
    yield stage
    process.close()


class Stage:
    """The functions' environment, and a queue that refuses on request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.recorder = Recorder()

    def set(self, **settings: str | int) -> None:
        """Restart the functions with these settings."""
        for name, value in settings.items():
            self._monkeypatch.setenv(f"EVENTCRON_{name.upper()}", str(value))
        process.close()

    def refuse_a_pack(self) -> None:
        """Make SQS permanently refuse the first pack of the next call that sends packs."""
        send = SqsFireQueue.send

        async def refused(queue: SqsFireQueue, packs: list[Any], **rest: Any) -> list[Refusal]:
            if not packs:
                return await send(queue, packs, **rest)
            self._monkeypatch.setattr(SqsFireQueue, "send", send)
            return [Refusal(index=0, code="InvalidMessageContents", retryable=False)]

        self._monkeypatch.setattr(SqsFireQueue, "send", refused)


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def _event(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]}


_numbers = iter(range(1_000_000))


def _command(kind: str, name: str, **detail: Any) -> dict[str, Any]:
    now = rfc3339(SystemClock().now(), millis=False)
    body = {
        "id": f"event-{next(_numbers)}",
        "detail-type": kind,
        "source": "eventcron.tenant.acme",
        "time": now,
        "detail": {"tenant": "acme", "name": name, **detail},
    }
    return _event(json.dumps(body))


def _put(name: str, **detail: Any) -> None:
    registrar_lambda.handler(_command("Put Schedule", name, **detail), Context())


def _store(*records: Record) -> None:
    async def write(cases: UseCases) -> None:
        for record in records:
            assert await cases.store.put(record, replacing=None)

    process.run(write)


def _pack(fire: Fire) -> str:
    return encode_pack(make_pack([fire]))


def _at(instant: Instant) -> str:
    return f"at({rfc3339(instant, millis=False).removesuffix('Z')})"


def _prepare_registrar(_stage: Stage) -> None:
    """The registrar needs commands only."""


def _drive_dispatcher(_stage: Stage) -> None:
    dispatcher_lambda.handler(_command("Put Schedule", "often", expression="rate(20 seconds)"), Context())


def _drive_registrar(stage: Stage) -> None:
    _put("often", expression="rate(20 seconds)")
    stage.refuse_a_pack()
    registrar_lambda.handler(_command("Run Schedule", "often"), Context())
    span = {"from": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:10:00Z", "backfill_id": "b"}
    registrar_lambda.handler(_command("Backfill Schedule", "often", **span), Context())
    registrar_lambda.handler(_command("Cancel Backfill", "often", backfill_id="b"), Context())
    registrar_lambda.handler(_command("Delete Schedule", "often"), Context())
    registrar_lambda.handler(_command("Put Calendar", "norway", dates=["2026-12-24"]), Context())
    _put("never-in-norway", expression="@yearly", exclude=["calendar:norway"])
    registrar_lambda.handler(_event("not JSON"), Context())
    registrar_lambda.handler(_command("Report Run", "tracked", **_run("tracked")), Context())


def _run(name: str, *, overdue: bool = False) -> dict[str, str]:
    """A report on a run of that schedule, which is paused if the run fails."""
    fire = Fire("acme", name, REVISION, 1, 1)
    deadline = 2 if overdue else SystemClock().now() + 60_000
    lane = Lane(
        tenant="acme", name=name, version=1, secret="5f" * 32, open=OpenRun(fire, fire_id(fire), 1, deadline, 1)
    )

    async def write(cases: UseCases) -> None:
        assert await cases.runs.put(lane, replacing=None)

    process.run(write)
    return {
        "fire_id": fire_id(fire),
        "run_token": run_token(lane.secret, fire_id(fire), shared=True),
        "status": "failed",
    }


def _prepare_planner(stage: Stage) -> None:
    """Store a dense schedule, a timed one, and a running backfill."""
    stage.set(tick_seconds=1, horizon_seconds=2, guard_seconds=1)  # leaves little for the registrar to send
    dense, rare = f"dense-{next(_numbers)}", f"rare-{next(_numbers)}"
    _put(dense, expression="* * * * * *")
    _put(rare, expression=_at(SystemClock().now() + 60_000))
    span = {"from": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:02:00Z", "backfill_id": "open"}
    registrar_lambda.handler(_command("Backfill Schedule", dense, **span), Context())
    stage.set(horizon_seconds=720)


def _drive_planner(stage: Stage) -> None:
    stage.refuse_a_pack()
    planner_lambda.handler({}, Context())


def _drive_planners(stage: Stage) -> None:
    # Later than the horizon that one planner has already planned.
    stage.set(planner_workers=2, horizon_seconds=800)
    planner_lambda.handler({}, Context())
    planner_lambda.handler(_event("not JSON"), Context())
    stage.refuse_a_pack()
    ours = encode_range(SegmentRange(tick=SystemClock().now(), first=0, end=1))
    planner_lambda.handler(_event(ours), Context())


def _prepare_executor(_stage: Stage) -> None:
    _put("once", expression=_at(SystemClock().now() + 3_600_000), revision=REVISION)


def _drive_executor(stage: Stage) -> None:
    stage.set(tenant_fires_per_minute=1)
    now = SystemClock().now()
    last = Fire("acme", "once", REVISION, now, now, last=True)
    later = Fire("acme", "once", REVISION, now + 3_600_000, now + 3_600_000)
    executor_lambda.handler(_event(_pack(last)), Context())
    executor_lambda.handler(_event(_pack(later)), Context())
    executor_lambda.handler(_event("not JSON"), Context())
    _run("overdue", overdue=True)
    run = OpenRun(Fire("acme", "overdue", REVISION, 1, 1), "", 1, 2)
    executor_lambda.handler(_event(encode_pack(deadline_pack(run, shared=True))), Context())


def _prepare_reconciler(_stage: Stage) -> None:
    """Store an expired tombstone, one that is over, one not in the index, and a lone input.

    The tombstone is of a tenant that has no count of its schedules, so the reconciler counts them.
    """
    over = Schedule(tenant="acme", name="over", expression="at(2020-01-01T00:00:00)")
    lost = Schedule(tenant="acme", name="lost", expression="* * * * *")
    _store(
        Record(schedule=None, tenant="uncounted", name="gone", revision=1, state=State.DELETED, created=0, expires=1),
        record_of(over, trigger=parse("at(2020-01-01T00:00:00)", anchor=0).canonical),
        record_of(lost, trigger=parse("* * * * *", anchor=0).canonical),
    )

    async def write(cases: UseCases) -> None:
        assert isinstance(cases.store, DynamoScheduleStore)
        inputs = DynamoInputs(cases.store._table, clock=JumpingClock(0))
        await inputs.write(Key("acme", "lost"), InputRef(1, "d" * 32, 2), msgspec.Raw(b"{}"))

    process.run(write)


def _drive_history(_stage: Stage) -> None:
    folder = Path(__file__).parents[2] / "events" / "published"
    history_lambda.handler(_event((folder / "schedule-fired.json").read_text()), Context())


def _drive_reconciler(_stage: Stage) -> None:
    reconciler_lambda.handler({}, Context())


def _drive_rest(stage: Stage) -> None:
    stage.set(rest_trusted_principals="role/platform")
    path = "/tenants/acme/schedules/asked"
    _ask("PUT", path, expression="rate(20 seconds)")
    _ask("GET", path)
    _ask("GET", f"{path}/history")
    _ask("GET", "/tenants/acme/schedules")
    stage.refuse_a_pack()
    _ask("POST", f"{path}/run")
    span = {"from": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:10:00Z", "backfill_id": "asked"}
    _ask("POST", f"{path}/backfill", **span)
    _ask("POST", f"{path}/cancel-backfill", backfill_id="asked")
    _ask("POST", f"{path}/report-run", **_run("asked"))
    _ask("DELETE", path)


def _ask(method: str, path: str, **body: Any) -> None:
    caller = f"arn:aws:sts::{gateway.ACCOUNT}:assumed-role/platform/session"
    request = gateway.event(method, path, json.dumps(body).encode() if body else b"", caller=caller, headers={})
    answer = rest_lambda.handler(request, Context())
    assert answer["statusCode"] < 300, answer


#: For each function and number of planners: what prepares the stage, and what makes the function do everything it can.
SCENARIOS: dict[tuple[str, int], tuple[Callable[[Stage], None], Callable[[Stage], None]]] = {
    ("DispatcherFunction", 1): (_prepare_registrar, _drive_dispatcher),
    ("RegistrarFunction", 1): (_prepare_registrar, _drive_registrar),
    ("PlannerFunction", 1): (_prepare_planner, _drive_planner),
    ("PlannerFunction", 2): (_prepare_planner, _drive_planners),
    ("ExecutorFunction", 1): (_prepare_executor, _drive_executor),
    ("ReconcilerFunction", 1): (_prepare_reconciler, _drive_reconciler),
    ("HistoryFunction", 1): (_prepare_registrar, _drive_history),
    ("RestFunction", 1): (_prepare_registrar, _drive_rest),
}


#: Functions that publish nothing.
SILENT = {"DispatcherFunction", "HistoryFunction"}


def test_every_function_is_covered() -> None:
    assert {function for function, _ in SCENARIOS} == set(FUNCTIONS)


@pytest.fixture(name="event_bus_v2")
def _event_bus_v2(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBus]:
    """The stage with BusKind eventbridgev2 and no schedules. No emulator has that bus, so it is a fake."""
    asyncio.run(_empty_tables())
    with fake_bus() as (bus, endpoint):
        monkeypatch.setenv("AWS_ENDPOINT_URL_EVENTBRIDGEV2", endpoint)
        stage.set(event_bus_v2_arn=ARN)
        yield bus
        process.close()


@pytest.mark.parametrize(("function", "planners"), SCENARIOS)
def test_a_function_uses_every_permission_of_its_role_and_no_other(function: str, planners: int, stage: Stage) -> None:
    _asks_for_what_it_may(function, planners, stage)


@pytest.mark.parametrize(("function", "planners"), [one for one in SCENARIOS if one[0] not in SILENT])
def test_with_the_second_bus_a_function_may_publish_there_only(
    function: str, planners: int, stage: Stage, event_bus_v2: FakeBus
) -> None:
    _asks_for_what_it_may(function, planners, stage, HasEventBusV2=True)

    assert event_bus_v2.calls
    assert all("SystemMetadata" in entry for call in event_bus_v2.calls for entry in call["Entries"])


def _asks_for_what_it_may(function: str, planners: int, stage: Stage, **conditions: bool) -> None:
    prepare, drive = SCENARIOS[function, planners]
    prepare(stage)
    recorder = stage.recorder
    recorder.asked.clear()
    drive(stage)

    stack = decided(HasRestApi=True, KeepsHistory=True, FansOut=planners > 1, **conditions)
    role = allowed(name_of(FUNCTIONS[function]["Role"]), stack)
    assert recorder.asked == {action: resources for action, resources in role.items() if action not in BY_LAMBDA}
    assert recorder.sources == ({"eventcron"} if "events:PutEvents" in recorder.asked else set())
