"""A decorated function is a Lambda handler that decodes fires, reports their runs, and lets failures reach Lambda."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from eventcron import consumer
from eventcron.consumer import loop
from eventcron.model.tracking import RunStatus
from eventcron.testing import MemoryRunReports, World, fire_event


class Export(msgspec.Struct):
    report: str


class Context:
    """As Lambda's own."""

    aws_request_id = "r-1"


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:
    yield
    loop.close()


def tracked(name: str = "nightly", **fields: Any) -> dict[str, Any]:
    return fire_event("acme", name, **{"run_token": "secret", "input": {"report": "leads"}, **fields})


def batch(*events: Any, receives: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"m-{number}",
                "body": event if isinstance(event, str) else json.dumps(event),
                "attributes": {"ApproximateReceiveCount": str(receives)},
                "eventSource": "aws:sqs",
            }
            for number, event in enumerate(events)
        ]
    }


def said(reports: MemoryRunReports) -> list[tuple[RunStatus, str, str]]:
    return [(one.status, one.message, one.result.decode()) for one in reports.taken]


def test_a_function_gets_a_typed_fire_and_returns_what_it_returns() -> None:
    @consumer.handler(input=Export, once=consumer.REPEATABLE)
    def export(fire: consumer.Fire[Export]) -> str:
        """Export a report."""
        return f"{fire.tenant} {fire.input.report}"

    assert export(tracked(), Context()) == "acme leads"
    assert (vars(export)["__name__"], export.__doc__) == ("export", "Export a report.")


def test_a_function_with_a_second_parameter_gets_lambdas_context() -> None:
    @consumer.handler(once=consumer.REPEATABLE)
    def export(fire: consumer.Fire[Any], context: Any) -> str:
        return f"{fire.name} {context.aws_request_id}"

    assert export(tracked(), Context()) == "nightly r-1"


def test_a_coroutine_function_is_awaited_on_one_loop() -> None:
    loops: set[int] = set()

    @consumer.handler(once=consumer.REPEATABLE)
    async def export(fire: consumer.Fire[Any]) -> str:
        await asyncio.sleep(0)
        loops.add(id(asyncio.get_running_loop()))
        return fire.name

    assert [export(tracked(), None), export(tracked(), None)] == ["nightly", "nightly"]
    assert len(loops) == 1


def test_the_run_of_a_tracked_fire_is_reported() -> None:
    reports = MemoryRunReports()

    @consumer.handler(once=consumer.REPEATABLE, report_to=reports)
    def export(_fire: consumer.Fire[Any]) -> dict[str, int]:
        return {"rows": 3}

    export(tracked(), None)
    export(tracked(run_token=None), None)

    assert said(reports) == [(RunStatus.STARTED, "", "null"), (RunStatus.SUCCEEDED, "", '{"rows":3}')]


@pytest.mark.parametrize(
    ("attempts", "status", "message"),
    [
        (None, RunStatus.PROGRESS, "is tried again: ValueError: no rows"),
        (3, RunStatus.PROGRESS, "is tried again: ValueError: no rows"),
        (1, RunStatus.FAILED, "ValueError: no rows"),
    ],
)
def test_a_failure_reaches_lambda_and_ends_the_run_only_if_nobody_tries_again(
    attempts: int | None, status: RunStatus, message: str
) -> None:
    reports = MemoryRunReports()

    @consumer.handler(once=consumer.REPEATABLE, report_to=reports, attempts=attempts)
    def export(_fire: consumer.Fire[Any]) -> None:
        raise ValueError("no rows")

    with pytest.raises(ValueError, match="no rows"):
        export(tracked(), None)

    assert said(reports)[1:] == [(status, message, "null")]


def test_a_report_that_is_not_taken_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    @consumer.handler(once=consumer.REPEATABLE, report_to=MemoryRunReports(refuse="AccessDenied: no"))
    def export(_fire: consumer.Fire[Any]) -> str:
        return "done"

    assert export(tracked(), None) == "done"
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "the run of acme/nightly" in caplog.messages[1]
    assert "succeeded: AccessDenied: no" in caplog.messages[1]
    assert "secret" not in caplog.text


def test_an_input_that_does_not_fit_reaches_lambda_and_is_reported() -> None:
    reports = MemoryRunReports()

    @consumer.handler(input=Export, once=consumer.REPEATABLE, report_to=reports, attempts=1)
    def export(_fire: consumer.Fire[Export]) -> None:
        raise AssertionError

    with pytest.raises(consumer.Undecodable, match="does not fit"):
        export(tracked(input={}), None)

    assert [status for status, _, _ in said(reports)] == [RunStatus.FAILED]


@pytest.mark.parametrize("event", [{}, {"source": "aws.s3", "detail-type": "Object Created", "detail": {}}])
def test_what_is_no_fire_reaches_lambda(event: dict[str, Any]) -> None:
    @consumer.handler(once=consumer.REPEATABLE)
    def export(_fire: consumer.Fire[Any]) -> None:
        raise AssertionError

    with pytest.raises(consumer.Undecodable):
        export(event, None)


def test_of_a_batch_those_that_failed_come_back(caplog: pytest.LogCaptureFixture) -> None:
    reports = MemoryRunReports()

    @consumer.handler(once=consumer.REPEATABLE, report_to=reports, attempts=5)
    def export(fire: consumer.Fire[Any]) -> None:
        if fire.name == "bad":
            raise ValueError("no rows")

    events = batch(tracked(), tracked("bad"), "{}", tracked("weekly"))

    assert export(events, None) == {"batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-2"}]}
    assert [message.partition(",")[0] for message in caplog.messages] == ["message m-1 failed", "message m-2 failed"]
    assert said(reports)[3][:2] == (RunStatus.PROGRESS, "is tried again: ValueError: no rows")


def test_the_last_delivery_of_a_message_ends_its_run() -> None:
    reports = MemoryRunReports()

    @consumer.handler(once=consumer.REPEATABLE, report_to=reports, attempts=5)
    def export(_fire: consumer.Fire[Any]) -> None:
        raise ValueError("no rows")

    export(batch(tracked(), receives=4), None)
    export(batch(tracked(), receives=5), None)

    assert [status for status, _, _ in said(reports)] == [
        RunStatus.STARTED,
        RunStatus.PROGRESS,
        RunStatus.STARTED,
        RunStatus.FAILED,
    ]


def test_a_batch_of_something_else_is_refused() -> None:
    @consumer.handler(once=consumer.REPEATABLE)
    def export(_fire: consumer.Fire[Any]) -> None:
        raise AssertionError

    with pytest.raises(consumer.Undecodable, match="aws:kinesis"):
        export({"Records": [{"eventSource": "aws:kinesis"}]}, None)


def test_a_function_that_nothing_keeps_from_working_twice_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    @consumer.handler
    def export(fire: consumer.Fire[Any]) -> None:
        done.append(fire.fire_id)

    for _ in range(2):
        export(tracked(), None)

    assert len(done) == 2
    [warning] = caplog.messages
    assert "export does a fire's work again if the fire is delivered twice" in warning
    assert "once=consumer.REPEATABLE" in warning


def test_attempts_is_a_number_of_times() -> None:
    with pytest.raises(ValueError, match="attempts is 0; the work is tried once at least"):
        consumer.handler(attempts=0)


def test_it_takes_what_the_whole_of_eventcron_in_memory_fires() -> None:
    names: list[str] = []

    @consumer.handler(once=consumer.REPEATABLE)
    def export(fire: consumer.Fire[Any]) -> None:
        names.append(f"{fire.tenant}/{fire.name} {fire.due:%H:%M} {fire.input}")

    with World("2026-12-01T00:00:00Z") as world:
        world.emit("Put Schedule", {"tenant": "acme", "name": "tea", "expression": "0 16 * * *", "input": [1]})
        world.run(hours=24)
        for event in world.events:
            if event["detail-type"] == "Schedule Fired":
                export(event, None)

    assert names == ["acme/tea 16:00 [1]"]
