"""``events/``: every payload is valid by its schema, decodes, and is what this code makes or answers."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import re
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.adapters.aws.fire_queue import SqsFireQueue
from eventcron.adapters.aws.schedules import DynamoScheduleStore
from eventcron.adapters.aws.table import DynamoTable
from eventcron.adapters.clock import SystemClock
from eventcron.adapters.memory import MemoryDeadLetters, MemoryEventBus
from eventcron.app.handlers import Handled
from eventcron.app.results import Outcome, Result
from eventcron.app.retry import Retry
from eventcron.app.use_cases import Ports, UseCases
from eventcron.entrypoints import executor_lambda, planner_lambda, registrar_lambda
from eventcron.errors import InvalidSchedule, Undecodable
from eventcron.model.codes import CancelReason, RejectionCode, SkipReason
from eventcron.model.commands import COMMANDS, ReportRun, Schedule
from eventcron.model.events import EVENT_DETAILS, Event, SkipNotice
from eventcron.model.messages import Fire, SegmentRange
from eventcron.model.names import Key, Window
from eventcron.model.records import Backfill, Calendar, Record, State
from eventcron.model.runs import PastRun
from eventcron.model.tracking import RunEnd, RunStatus
from eventcron.ports import SegmentState
from eventcron.rules.backfill import cancel
from eventcron.rules.packing import make_pack
from eventcron.testing import FakeClock, JumpingClock
from eventcron.testing.ports import memory_ports
from eventcron.testing.world import SETTINGS
from eventcron.timing.instant import from_rfc3339, rfc3339
from eventcron.timing.trigger import local_time
from eventcron.wire import schemas
from eventcron.wire.decode import decode_command, decode_schedule
from eventcron.wire.encode import (
    backfilled,
    calendar_changed,
    calendar_unchanged,
    completed,
    created,
    decode_pack,
    deleted,
    encode_pack,
    failed,
    fire_id,
    fired,
    paused,
    rejected,
    resumed,
    skipped,
    unchanged,
    updated,
)
from eventcron.wire.encode_runs import run_ended, run_reported, run_token
from eventcron.wire.segment_ranges import decode_range, encode_range
from tests.records import record_of

EVENTS = Path(__file__).parents[2] / "events"


NOW = from_rfc3339("2026-11-30T12:00:00.250Z")
DUE = from_rfc3339("2026-12-01T01:00:00Z")
FIRST = 1764547200000


def load(path: str) -> Any:
    return json.loads((EVENTS / path).read_text(encoding="utf-8"))


def files(folder: str, pattern: str = "*.json") -> list[str]:
    return sorted(str(path.relative_to(EVENTS)) for path in (EVENTS / folder).glob(pattern))


def validate(title: str, detail: object) -> None:
    validator = jsonschema.Draft202012Validator(
        load(f"schemas/{schemas.file_name(title)}"), format_checker=jsonschema.FormatChecker()
    )
    validator.validate(detail)


# --- Schemas ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", schemas.SCHEMAS)
def test_schemas_are_not_stale(title: str) -> None:
    """Run ``python -m eventcron.wire.schemas events/schemas`` after a change to the structs."""
    assert (EVENTS / "schemas" / schemas.file_name(title)).read_text(encoding="utf-8") == schemas.text(title)


def test_there_is_no_schema_of_something_gone() -> None:
    assert files("schemas") == sorted(f"schemas/{schemas.file_name(title)}" for title in schemas.SCHEMAS)


@pytest.mark.parametrize("title", schemas.SCHEMAS)
def test_schemas_are_valid_and_mean_the_same_in_other_languages(title: str) -> None:
    schema = load(f"schemas/{schemas.file_name(title)}")
    jsonschema.Draft202012Validator.check_schema(schema)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert r"\\Z" not in json.dumps(schema)


def test_write_all_makes_the_folder(tmp_path: Path) -> None:
    schemas.write_all(tmp_path / "new")

    assert len(list((tmp_path / "new").iterdir())) == len(schemas.SCHEMAS)


@pytest.mark.parametrize(
    "detail",
    [
        pytest.param({"tenant": "acme", "name": "x"}, id="no-expression"),
        pytest.param({"tenant": "acme", "name": "x", "expression": "@daily", "colour": "red"}, id="unknown-field"),
        pytest.param({"tenant": "a/b", "name": "x", "expression": "@daily"}, id="bad-tenant"),
        pytest.param({"tenant": "acme", "name": "x", "expression": "@daily", "max_fires": 0}, id="out-of-range"),
        pytest.param({"tenant": "acme", "name": "x", "expression": []}, id="no-expression-in-a-list"),
    ],
)
def test_the_schema_refuses_what_the_decoder_refuses(detail: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate("Put Schedule", detail)


# --- Commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", files("commands"))
def test_each_command_is_valid_and_decodes(path: str) -> None:
    event = load(path)
    validate(event["detail-type"], event["detail"])
    received = decode_command(json.dumps(event), trusted_sources=frozenset())

    assert type(received.command) is COMMANDS[event["detail-type"]]
    assert event["source"] == f"eventcron.tenant.{received.command.tenant}"
    assert json.loads(msgspec.json.encode(received.command)).items() <= {**event["detail"], **_normal(event)}.items()


def _normal(event: dict[str, Any]) -> dict[str, Any]:
    """Times as this code writes them, in place of how they were given."""
    times = {name: event["detail"][name] for name in ("start", "end") if name in event["detail"]}
    return {name: datetime.fromisoformat(text).isoformat().replace("+00:00", "Z") for name, text in times.items()}


@pytest.mark.parametrize("path", files("commands", "put-*.json"))
def test_each_schedule_is_one_that_the_registrar_takes(path: str) -> None:
    cases, _ = in_memory(NOW)

    assert _outcome(asyncio.run(cases.handlers.on_command(json.dumps(load(path))))) is Outcome.ACCEPTED


def test_there_is_a_payload_for_every_command() -> None:
    assert {load(path)["detail-type"] for path in files("commands")} == set(COMMANDS)


def test_one_payload_uses_every_field_of_a_schedule_that_fires_and_one_the_field_of_those_that_do_not() -> None:
    of_fires = set(Schedule.__struct_fields__) - {"expect"}
    assert set(load("commands/put-schedule-full.json")["detail"]) == of_fires
    assert "expect" in load("commands/put-schedule-expect.json")["detail"]


# --- Outcomes --------------------------------------------------------------------------------------------------------

#: Payload → status, message and result of the report that it is.
OUTCOMES = {
    "lambda-success": ("succeeded", "", {"rows": 1204}),
    "lambda-failure": (
        "failed",
        "no space left on device",
        {"errorMessage": "no space left on device", "errorType": "OSError", "stackTrace": []},
    ),
    "execution-running": ("started", "", None),
    "execution-succeeded": ("succeeded", "", {"rows": 1204}),
    "execution-failed": ("failed", "OSError: no space left on device", None),
    "execution-timed-out": ("failed", "TIMED_OUT", None),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_what_aws_says_of_a_target_is_a_report_on_its_run(name: str) -> None:
    received = decode_command(json.dumps(load(f"outcomes/{name}.json")), trusted_sources=frozenset())
    fire = load("published/schedule-fired-and-tracked.json")["detail"]
    report = received.command

    assert isinstance(report, ReportRun)
    assert not received.is_answered
    assert (report.key, report.fire_id, report.run_token) == (
        Key(fire["tenant"], fire["name"]),
        fire["fire_id"],
        fire["run_token"],
    )
    assert (report.status, report.message, json.loads(bytes(report.result))) == OUTCOMES[name]


def test_there_is_a_report_for_every_outcome() -> None:
    assert files("outcomes") == sorted(f"outcomes/{name}.json" for name in OUTCOMES)


@pytest.mark.parametrize("change", [{"requestPayload": {"order": 1}}, {"requestPayload": None}, {"requestPayload": []}])
def test_what_aws_says_of_something_else_is_no_report(change: dict[str, Any]) -> None:
    event = load("outcomes/lambda-success.json")
    event["detail"] |= change

    with pytest.raises(Undecodable, match="about no tracked fire"):
        decode_command(json.dumps(event), trusted_sources=frozenset())


def test_a_result_that_is_too_large_for_a_report_is_left_out() -> None:
    event = load("outcomes/lambda-success.json")
    event["detail"]["responsePayload"] = "x" * 5_000
    received = decode_command(json.dumps(event), trusted_sources=frozenset())

    assert isinstance(received.command, ReportRun)
    assert bytes(received.command.result) == b"null"


# --- Events ----------------------------------------------------------------------------------------------------------

SCHEDULE = Schedule(
    tenant="acme",
    name="nightly-export",
    expression="cron(0 2 * * ? *)",
    timezone="Europe/Oslo",
    input=msgspec.Raw(b'{"report": "leads"}'),
    labels={"team": "crm"},
)
RECORD = record_of(SCHEDULE, revision=FIRST, created=NOW)
TOMBSTONE = Record(
    schedule=None, tenant="acme", name="nightly-export", revision=FIRST + 4, state=State.DELETED, created=NOW
)
FIRE = Fire("acme", "nightly-export", FIRST, DUE, DUE)
RUN = Fire("acme", "nightly-export", FIRST, NOW, NOW, cause="run", cause_id="retry-of-monday")


def _at(revision: int, state: State = State.ENABLED) -> Record:
    return msgspec.structs.replace(RECORD, revision=FIRST + revision, state=state)


def _put_schedule_full() -> Schedule:
    """The schedule of the payload that sets every field."""
    return decode_schedule(msgspec.json.encode(load("commands/put-schedule-full.json")["detail"]))


def _fired(fire: Fire, schedule: Schedule = SCHEDULE, attempt: int = 1) -> Event:
    record = msgspec.structs.replace(RECORD, schedule=schedule)
    return fired(record, fire, attempt=attempt, local_time=local_time(fire.due, schedule.timezone))


def _rejected() -> Event:
    event = load("commands/run-schedule.json")
    event["detail"]["runid"] = event["detail"].pop("run_id")
    with pytest.raises(InvalidSchedule) as caught:
        decode_command(json.dumps(event), trusted_sources=frozenset())
    return rejected(caught.value, now=NOW)  # type: ignore[arg-type]  # it is a Rejected


def _skipped(reason: str, first: int, last: int, count: int, by: str | None = None) -> Event:
    notice = SkipNotice(
        tenant="acme",
        name="nightly-export",
        revision=FIRST,
        reason=SkipReason(reason),
        first_due=first,
        last_due=last,
        count=count,
        by=by,
    )
    return skipped(notice, now=NOW)


BACKFILL = Backfill(
    tenant="acme",
    name="nightly-export",
    id="november",
    event_id="6f2ab4c1-0d1e-4a57-9c3b-000000000201",
    revision=FIRST,
    span=Window(from_rfc3339("2026-11-01T00:00:00Z"), from_rfc3339("2026-11-15T00:00:00Z")),
    per_minute=10,
    enqueued_through=from_rfc3339("2026-11-08T01:00:00Z"),
    fires=7,
)


CALENDAR = Calendar(
    tenant="acme", name="norway", revision=FIRST, dates=("2026-12-24/2026-12-26", "2027-01-01", "2027-05-17")
)


def _skipped_of_a_backfill() -> Event:
    due = from_rfc3339("2026-11-08T01:00:00Z")
    notice = SkipNotice(
        tenant="acme",
        name="nightly-export",
        revision=FIRST,
        reason=SkipReason.CANCELLED,
        first_due=due,
        last_due=due,
        cause="backfill",
        cause_id="november",
    )
    return skipped(notice, now=NOW)


#: The event id of the command that is answered.
COMMAND_ID = "6f2ab4c1-0d1e-4a57-9c3b-000000000202"

#: A tracked fire's, and what it ended in a minute later.
TOKEN = run_token("5f" * 32, fire_id(FIRE), shared=True)
RUN_OF_FIRE = PastRun(FIRE, fire_id(FIRE), DUE + 3, DUE + 3_600_003, RunEnd.SUCCEEDED, DUE + 61_500)


def _report(status: RunStatus, message: str, result: bytes = b"null") -> ReportRun:
    return ReportRun(
        tenant="acme",
        name="nightly-export",
        fire_id=fire_id(FIRE),
        run_token=TOKEN,
        status=status,
        message=message,
        result=msgspec.Raw(result),
    )


def _run_ended(end: RunEnd, report: ReportRun | None = None, **changes: Any) -> Event:
    run = msgspec.structs.replace(RUN_OF_FIRE, end=end, **changes)
    return run_ended(run, report, event_id="" if report is None else COMMAND_ID)


MADE: dict[str, Callable[[], Event]] = {
    "schedule-created": lambda: created(RECORD, now=NOW, event_id=COMMAND_ID),
    "schedule-updated": lambda: updated(_at(1), now=NOW, event_id=COMMAND_ID),
    "schedule-unchanged": lambda: unchanged(_at(1), now=NOW, event_id=COMMAND_ID),
    "schedule-paused": lambda: paused(_at(2, State.PAUSED), now=NOW, event_id=COMMAND_ID),
    "schedule-paused-after-failures": lambda: paused(_at(2, State.PAUSED), now=NOW, by_failures=True),
    "schedule-resumed": lambda: resumed(_at(3), now=NOW, event_id=COMMAND_ID),
    "schedule-deleted": lambda: deleted(TOMBSTONE, now=NOW, event_id=COMMAND_ID),
    "schedule-completed": lambda: completed(RECORD, now=NOW),
    "schedule-fired": lambda: _fired(FIRE),
    "schedule-fired-and-tracked": lambda: fired(
        RECORD, FIRE, attempt=1, local_time=local_time(DUE, SCHEDULE.timezone), run_token=TOKEN
    ),
    "schedule-fired-by-run": lambda: _fired(RUN, attempt=2),
    "schedule-fired-under-another-name": lambda: _fired(
        msgspec.structs.replace(FIRE, name="quarter-hours"), _put_schedule_full()
    ),
    "schedule-skipped": lambda: _skipped("misfire", DUE - 3 * 86_400_000, DUE - 86_400_000, 3),
    "schedule-skipped-by-exclusion": lambda: _skipped("excluded", DUE, DUE, 1, "2026-12-01"),
    "schedule-skipped-by-quota": lambda: _skipped("quota", NOW - 250, NOW - 250, 1, "100 fires a minute"),
    "schedule-skipped-while-running": lambda: _skipped("still_running", DUE, DUE, 1, fire_id(RUN)),
    "run-succeeded": lambda: _run_ended(
        RunEnd.SUCCEEDED, _report(RunStatus.SUCCEEDED, "exported", b'{"rows": 1204}'), failures=0
    ),
    "run-failed": lambda: _run_ended(RunEnd.FAILED, _report(RunStatus.FAILED, "no space left on device"), failures=2),
    "run-overdue": lambda: _run_ended(RunEnd.OVERDUE, ended=DUE + 3_600_003),
    "run-reported": lambda: run_reported(
        _report(RunStatus.PROGRESS, "500 of 1204 rows"), ended="", now=NOW, event_id=COMMAND_ID
    ),
    "run-reported-too-late": lambda: run_reported(
        _report(RunStatus.SUCCEEDED, "exported"), ended="overdue", now=NOW, event_id=COMMAND_ID
    ),
    "schedule-skipped-of-a-backfill": _skipped_of_a_backfill,
    "schedule-backfilled": lambda: backfilled(BACKFILL, now=NOW),
    "schedule-backfilled-until-cancelled": lambda: backfilled(
        cancel(BACKFILL, CancelReason.COMMAND, expires=0), now=NOW, event_id=COMMAND_ID
    ),
    "calendar-updated": lambda: calendar_changed(CALENDAR, now=NOW, event_id=COMMAND_ID),
    "calendar-unchanged": lambda: calendar_unchanged(CALENDAR, now=NOW, event_id=COMMAND_ID),
    "calendar-deleted": lambda: calendar_changed(
        msgspec.structs.replace(CALENDAR, revision=FIRST + 1, dates=None), now=NOW, event_id=COMMAND_ID
    ),
    "schedule-failed": lambda: failed(
        RECORD, FIRE, code="ThrottlingException", message="Rate exceeded", attempts=30, now=NOW
    ),
    "schedule-rejected": _rejected,
}


@pytest.mark.parametrize("name", MADE)
def test_each_event_is_valid_and_is_what_this_code_makes(name: str) -> None:
    payload = load(f"published/{name}.json")
    event = MADE[name]()
    detail_type = next(
        title
        for title in sorted(EVENT_DETAILS, key=len, reverse=True)
        if name.startswith(title.lower().replace(" ", "-"))
    )
    validate(detail_type, payload["detail"])

    assert as_delivered(event, payload["id"]) == payload
    assert msgspec.json.encode(msgspec.json.decode(event.detail, type=EVENT_DETAILS[detail_type])) == event.detail
    assert list(payload["detail"]) == list(json.loads(event.detail))


def write_published() -> None:
    """Write ``events/published`` anew from ``MADE``; each payload keeps its id."""
    for name, make in MADE.items():
        path = EVENTS / "published" / f"{name}.json"
        payload = as_delivered(make(), json.loads(path.read_text(encoding="utf-8"))["id"])
        path.write_text(json.dumps(payload, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def as_delivered(event: Event, event_id: str) -> dict[str, Any]:
    """*event* as a rule's target gets it."""
    return {
        "version": "0",
        "id": event_id,
        "detail-type": event.detail_type,
        "source": event.source,
        "account": "123456789012",
        "time": rfc3339(event.time // 1000 * 1000, millis=False),
        "region": "eu-north-1",
        "resources": list(event.resources),
        "detail": json.loads(event.detail),
    }


def test_there_is_a_payload_for_every_event() -> None:
    assert files("published") == sorted(f"published/{name}.json" for name in MADE)
    assert {load(path)["detail-type"] for path in files("published")} == {*EVENT_DETAILS, "Quarter Hour Struck"}


# --- Entry points ----------------------------------------------------------------------------------------------------


def in_memory(now: int, **settings: Any) -> tuple[UseCases, Ports]:
    """The use cases, and the memory ports below them, at the instant *now*, with other *settings* than the defaults."""
    ports = memory_ports(FakeClock(now))
    return ports.use_cases(msgspec.structs.replace(SETTINGS, **settings)), ports


class Context:
    """What Lambda tells a handler."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def published(ports: Ports) -> list[tuple[str, dict[str, Any]]]:
    assert isinstance(ports.bus, MemoryEventBus)
    return [(event.detail_type, json.loads(event.detail)) for _, event in ports.bus.published]


def sent_to_dlq(ports: Ports) -> list[tuple[str, str, str]]:
    assert isinstance(ports.dead_letters, MemoryDeadLetters)
    return [(one.queue, one.body, one.reason) for one in ports.dead_letters.sent]


def test_a_batch_of_commands_is_applied_around_the_poison_in_it() -> None:
    cases, ports = in_memory(NOW)
    event = load("lambda/registrar.json")
    response = asyncio.run(registrar_lambda.handle(cases, event))
    [poison] = [record["body"] for record in event["Records"] if not record["body"].startswith("{")]

    assert response == {"batchItemFailures": []}
    assert sorted(name for name, _ in published(ports)) == [
        "Schedule Created",
        "Schedule Rejected",
        "Schedule Rejected",
    ]
    assert [(queue, body) for queue, body, _ in sent_to_dlq(ports)] == [("commands", poison)]


def test_a_tick_plans_every_segment() -> None:
    cases, _ = in_memory(NOW)
    event = load("lambda/planner.json")

    assert event["detail-type"] == "Scheduled Event"
    assert asyncio.run(planner_lambda.handle(cases, event, Context()))["planned"] == cases.settings.segments


def test_a_range_is_planned_around_the_poison_in_the_batch() -> None:
    cases, ports = in_memory(NOW)
    event = load("lambda/planner-range.json")

    async def run() -> tuple[dict[str, Any], list[SegmentState]]:
        response = await planner_lambda.handle(cases, event, Context())
        return response, await cases.leases.segments(64)

    response, states = asyncio.run(run())
    poison = event["Records"][1]["body"]
    assert response == {"batchItemFailures": []}
    assert [state.segment for state in states if state.planned_through] == list(range(32, 48))
    assert [(queue, body) for queue, body, _ in sent_to_dlq(ports)] == [("segments", poison)]


def test_ranges_are_what_this_code_sends() -> None:
    [body, _] = [record["body"] for record in load("lambda/planner-range.json")["Records"]]
    validate("Segment Range", json.loads(body))
    asked = SegmentRange(tick=NOW - 130, first=32, end=48)

    assert encode_range(asked) == body
    assert decode_range(body) == asked


def test_packs_are_published_around_the_poison_in_the_batch() -> None:
    cases, ports = in_memory(DUE)
    event = load("lambda/executor.json")

    async def run() -> dict[str, list[dict[str, str]]]:
        assert await cases.store.put(RECORD, replacing=None)
        return await executor_lambda.handle(cases, event)

    assert asyncio.run(run()) == {"batchItemFailures": []}
    assert published(ports) == [("Schedule Fired", load("published/schedule-fired.json")["detail"])]
    assert [queue for queue, _, _ in sent_to_dlq(ports)] == ["fires"]


def test_packs_are_what_this_code_sends() -> None:
    [body, _] = [record["body"] for record in load("lambda/executor.json")["Records"]]
    validate("Pack", json.loads(body))

    assert encode_pack(make_pack([FIRE])) == body
    assert decode_pack(body) == make_pack([FIRE])


@pytest.mark.parametrize("path", ["lambda/registrar.json", "lambda/planner-range.json", "lambda/executor.json"])
def test_messages_carry_the_digest_of_their_body(path: str) -> None:
    """A payload edited by hand would no longer be a real one."""
    for record in load(path)["Records"]:
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()


# --- Rejections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", files("rejections"))
def test_each_bad_command_gets_its_answer_and_nothing_else_is_touched(path: str) -> None:
    payload = load(path)
    cases, ports = in_memory(NOW, **payload.get("settings", {}))

    async def run() -> tuple[dict[Key, Record], int]:
        for event in payload["before"]:
            assert _outcome(await cases.handlers.on_command(json.dumps(event))) is Outcome.ACCEPTED
        before = await _stored(cases), len(published(ports))
        body = payload["body"] if "body" in payload else json.dumps(payload["event"], ensure_ascii=False)
        assert _outcome(await cases.handlers.on_command(body)) is Outcome.REJECTED
        return before

    stored, count = asyncio.run(run())
    validate("Schedule Rejected", payload["answer"])

    assert published(ports)[count:] == [("Schedule Rejected", payload["answer"])]
    after = asyncio.run(_stored(cases))
    assert {key: record.schedule for key, record in after.items() if record.schedule} == {
        key: record.schedule for key, record in stored.items()
    }


async def _stored(cases: UseCases) -> dict[Key, Record]:
    page = await cases.store.scan(0, 1)
    return {record.key: record for record in page.items}


#: Raised where no command leads: the decoder's bounds come first; or about calendars, conversions, stored triggers.
ELSEWHERE = {"too_long", "wrong_length", "calendar_too_long", "cannot_convert", "invalid_trigger"}


def test_there_is_a_payload_for_every_code() -> None:
    assert {load(path)["answer"]["code"] for path in files("rejections")} == set(RejectionCode) - ELSEWHERE


# --- Poison ----------------------------------------------------------------------------------------------------------

DECODERS: dict[str, Callable[[str], object]] = {
    "commands": functools.partial(decode_command, trusted_sources=frozenset()),
    "fires": decode_pack,
    "segments": decode_range,
}
HANDLERS: dict[str, Callable[[UseCases, dict[str, Any]], Coroutine[Any, Any, dict[str, Any]]]] = {
    "commands": registrar_lambda.handle,
    "fires": executor_lambda.handle,
    "segments": functools.partial(planner_lambda.handle, context=Context()),
}


@pytest.mark.parametrize("path", files("poison"))
def test_poison_is_undecodable_for_a_reason(path: str) -> None:
    payload = load(path)
    decode = DECODERS[payload["queue"]]
    with pytest.raises(Undecodable) as caught:
        decode(payload["body"])

    assert caught.value.reason == payload["reason"]


@pytest.mark.parametrize("path", files("poison"))
def test_poison_ends_in_its_dead_letter_queue(path: str) -> None:
    payload = load(path)
    cases, ports = in_memory(NOW)
    message = {"messageId": "1", "attributes": {"ApproximateReceiveCount": "1"}, "body": payload["body"]}
    handle = HANDLERS[payload["queue"]]

    assert asyncio.run(handle(cases, {"Records": [message]})) == {"batchItemFailures": []}
    assert sent_to_dlq(ports) == [(payload["queue"], payload["body"], payload["reason"])]


# --- What AWS answers ------------------------------------------------------------------------------------------------


#: Waits for nothing.
RETRY = Retry(clock=JumpingClock(0), jitter=lambda: 0.5)


class Service:
    """A client that gives one answer after another."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self._answers = iter(answers)
        self.asked: list[dict[str, Any]] = []

    async def _next(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return next(self._answers)

    put_events = send_message_batch = query = _next

    async def query_bytes(self, **request: Any) -> bytes:
        return msgspec.json.encode(await self._next(**request))

    batch_get_item_bytes = query_bytes


async def test_put_events_may_refuse_entries_inside_a_200() -> None:
    answer = load("services/put-events-refused.json")
    refused = await EventBridgeBus(Service(answer), "eventcron").publish([_fired(FIRE), _fired(RUN)])

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert [(one.index, one.code, one.retryable) for one in refused] == [(1, "ThrottlingException", True)]


async def test_send_message_batch_may_refuse_messages_inside_a_200() -> None:
    answer = load("services/send-message-batch-refused.json")
    packs = [make_pack([FIRE]), make_pack([RUN]), make_pack([FIRE, RUN])]
    queue = SqsFireQueue(Service(answer), "https://queue")  # type: ignore[arg-type]
    refused = await queue.send(packs, visible_at=[NOW] * 3, now=NOW)

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert [(one.index, one.code, one.retryable) for one in refused] == [
        (1, "InternalError", True),
        (2, "InvalidParameterValue", False),
    ]


async def test_batch_get_item_may_leave_keys_unprocessed() -> None:
    answer = load("services/batch-get-item-unprocessed.json")
    name = "eventcron-schedules"
    [left] = answer["UnprocessedKeys"][name]["Keys"]
    found = answer["Responses"][name]
    client = Service(answer, {"Responses": {name: [left]}})
    table = DynamoTable(client, name, concurrency=1, retry=RETRY)  # type: ignore[arg-type]

    assert await table.get_many([{key: item[key] for key in ("tenant", "name")} for item in found] + [left]) == [
        *found,
        left,
    ]
    assert client.asked[1]["RequestItems"][name]["Keys"] == [left]


async def test_a_page_may_be_empty_and_not_the_last() -> None:
    answer = load("services/query-empty-page.json")
    store = DynamoScheduleStore(
        DynamoTable(Service(answer), "eventcron-schedules", retry=RETRY),  # type: ignore[arg-type]
        clock=SystemClock(),
    )
    page = await store.read_index(3, before=NOW)

    assert page.items == []
    assert page.cursor is not None


# --- The index -------------------------------------------------------------------------------------------------------


def test_the_index_lists_every_payload_and_no_other() -> None:
    readme = (EVENTS / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"\]\(([\w./-]+\.json)\)", readme)

    assert sorted(listed) == sorted(path for path in files(".", "**/*.json") if not path.startswith("schemas/"))


def _outcome(handled: Handled[Result]) -> Outcome | None:
    return None if handled.result is None else handled.result.outcome


if __name__ == "__main__":
    write_published()
