"""Alarms, widgets and queries use metrics and fields that the handlers really print, with the same dimensions.

The handlers run here through good and bad times, on ports in memory; the metrics and log lines that they print are
held against the template.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from itertools import chain
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from eventcron.entrypoints import executor_lambda, planner_lambda, reconciler_lambda, registrar_lambda
from eventcron.errors import Unavailable
from eventcron.local import template
from eventcron.model.events import Event
from eventcron.model.names import Instant
from eventcron.ports import Refusal
from eventcron.rules.packing import make_pack
from eventcron.testing.world import SETTINGS
from eventcron.wire.encode import encode_pack
from tests.handlers.test_handlers import (
    NOW,
    Stack,
    dispatcher,
    executor,
    fan_out,
    fire_of,
    planner,
    put,
    ranges,
    reconciler,
    registrar,
    sqs,
)
from tests.infra.stack import STACK
from tests.infra.test_observability import ALARMS, OURS, QUERIES, WIDGETS, metrics_of

DAY_MS = 86_400_000
#: Milliseconds by which a planner's clock is ahead once: more than any lease.
AHEAD_MS = 3_600_000


class Series(NamedTuple):
    """A metric with its dimensions."""

    name: str
    dimensions: frozenset[tuple[str, str]]


class Printed(NamedTuple):
    """The metrics and log lines that the handlers printed."""

    metrics: frozenset[Series]
    #: For each message, the fields that were logged with it.
    fields: dict[str, set[str]]


class Bad:
    """Switches for faults: a table that throttles or fails, a bus that refuses."""

    def __init__(self) -> None:
        self.table: Exception | None = None
        self.bus = False

    def refuse(self, index: int, _event: Event) -> Refusal | None:
        return Refusal(index=index, code="ThrottlingException") if self.bus else None

    def failing(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            if self.table is not None:
                raise self.table
            return await method(*args, **kwargs)

        return call


def command(name: str, detail_type: str, **detail: Any) -> str:
    envelope = json.loads(put(name))
    envelope |= {
        "id": f"{detail_type}-{name}".replace(" ", "-"),
        "detail-type": detail_type,
        "detail": {"tenant": "acme", "name": name},
    }
    envelope["detail"] |= detail
    return json.dumps(envelope)


def pack(name: str, due: Instant) -> str:
    return encode_pack(make_pack([fire_of(name, due=due)]))


@pytest.fixture(name="printed", scope="module")
def _printed() -> Iterator[Printed]:
    """Run the handlers so that every counted outcome occurs at least once."""
    with pytest.MonkeyPatch.context() as patch:
        yield _live_through(patch)


def _live_through(patch: pytest.MonkeyPatch) -> Printed:
    lines: list[str] = []
    patch.setattr("eventcron.entrypoints.telemetry.sys", SimpleNamespace(stdout=SimpleNamespace(write=lines.append)))
    records: list[dict[str, Any]] = []
    for module in (executor_lambda, planner_lambda, reconciler_lambda, registrar_lambda):
        patch.setattr(module, "logger", Log(records))
    patch.setattr("eventcron.entrypoints.records.logger", Log(records))
    stack, bad = Stack(), Bad()
    patch.setattr(stack.bus, "_refuse", bad.refuse)
    for port, name in ((stack.store, "get"), (stack.leases, "acquire"), (stack.ports.packs, "published")):
        patch.setattr(port, name, bad.failing(getattr(port, name)))
    settings = replace(SETTINGS, watched_tenants=frozenset({"acme"}), tenant_fires_per_minute=1)
    stack.cases = stack.ports.use_cases(settings)

    span = {"from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "backfill_id": "day"}
    commands = [put("good"), put("gone"), put("old", misfire={"grace_seconds": 60}), "poison", put("bad", "61 * * * *")]
    dispatcher(stack, sqs(*commands))
    stack.refuse_command = lambda index, _command: Refusal(index=index, code="InternalError")
    dispatcher(stack, sqs(*commands))
    registrar(stack, sqs(*commands))
    registrar(stack, sqs(put("good"), command("gone", "Delete Schedule", revision=NOW + 1)))
    same = {field: value for field, value in json.loads(put("good"))["detail"].items() if field != "name"}
    registrar(stack, sqs(command("good", "Put Schedule", **same)))
    registrar(stack, sqs(command("good", "Backfill Schedule", **span)))
    planner(stack, {})
    stack.clock.instant = NOW + 60_000 + 2_000
    late, again = pack("good", NOW + 60_000), pack("good", NOW + 120_000)
    executor(stack, sqs(late, pack("gone", NOW + 60_000), pack("old", NOW - DAY_MS), "[]"))
    executor(stack, sqs(late, receives=2))
    executor(stack, sqs(pack("good", NOW + 61_000)))
    planner(stack, {})
    bad.bus = True
    executor(stack, sqs(again, pack("good", NOW + 62_000)))
    bad.bus = False
    for wrong in (Unavailable("dynamodb", "ThrottlingException"), ZeroDivisionError()):
        bad.table = wrong
        registrar(stack, sqs(put("unlucky")))
        executor(stack, sqs(again))
    bad.table = Unavailable("dynamodb", "ThrottlingException")
    planner(stack, {})
    bad.table = None
    stack.clock.instant += AHEAD_MS
    planner(stack, {})
    stack.clock.instant -= AHEAD_MS
    planner(stack, {})
    fan_out(stack)
    planner(stack, {})
    planner(stack, sqs(*ranges(stack)))
    reconciler(stack)
    return Printed(frozenset(chain.from_iterable(map(_series, lines))), _fields(records))


class Log:
    """Replaces Powertools' logger and stores the records."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._records = records
        self.log_level = logging.INFO

    def __getattr__(self, _level: str) -> Callable[..., None]:
        def log(message: str, *, extra: dict[str, Any] | None = None, **fields: Any) -> None:
            self._records.append({"message": message, **(extra or {}), **fields})

        return log


def _series(line: str) -> Iterator[Series]:
    record = json.loads(line)
    for about in record["_aws"]["CloudWatchMetrics"]:
        for names in about["Dimensions"]:
            dimensions = frozenset((name, record[name]) for name in names)
            for metric in about["Metrics"]:
                yield Series(metric["Name"], dimensions)


def _fields(records: list[dict[str, Any]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in records:
        found.setdefault(record["message"], set()).update(record)
    return found


def _alarmed() -> dict[str, set[Series]]:
    """Return the eventcron metrics that each alarm watches."""
    watched = {
        alarm: {
            Series(metric["MetricName"], frozenset((one["Name"], one["Value"]) for one in metric["Dimensions"]))
            for metric in metrics_of(properties)
            if metric["Namespace"] == OURS
        }
        for alarm, properties in ALARMS.items()
    }
    return {alarm: series for alarm, series in watched.items() if series}


def _shown() -> Iterator[Series]:
    """Yield the eventcron metrics on the dashboard."""
    for widget in WIDGETS:
        for metric in widget["properties"].get("metrics", []):
            if metric[0] == "${BusName}":
                _, name, *pairs = (part for part in metric if isinstance(part, str))
                yield Series(name, frozenset(zip(pairs[::2], pairs[1::2], strict=True)))


def _searched() -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the metrics that a widget searches for: the name, and the names of its dimensions."""
    for widget in WIDGETS:
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], dict) and "SEARCH" in metric[0]["expression"]:
                found = re.search(r"\{\"\$\{BusName\}\",([\w,]+)\} MetricName=\"(\w+)\"", metric[0]["expression"])
                assert found, metric
                yield found[2], frozenset(found[1].split(","))


@pytest.mark.parametrize("alarm", _alarmed())
def test_the_handlers_print_every_metric_that_an_alarm_watches(alarm: str, printed: Printed) -> None:
    assert _alarmed()[alarm] <= printed.metrics


def test_most_alarms_on_eventcron_metrics_are_checked() -> None:
    assert {"PlannerLagAlarm", "SegmentsFailedAlarm", "LatenessAlarm", "FiresPutBackAlarm"} <= _alarmed().keys()


def test_the_handlers_print_every_metric_on_the_dashboard(printed: Printed) -> None:
    assert set(_shown()) - printed.metrics == set()
    names = {(series.name, frozenset(name for name, _ in series.dimensions)) for series in printed.metrics}
    assert set(_searched()) - names == set()


def test_the_dashboard_shows_every_printed_metric(printed: Printed) -> None:
    """CloudWatch charges for each metric, so none should be printed that nobody sees."""
    used = set(_shown()).union(*_alarmed().values())
    searched = set(_searched())
    unused = {
        series.name
        for series in printed.metrics - used
        if (series.name, frozenset(name for name, _ in series.dimensions)) not in searched
    }

    assert unused == set()


@pytest.mark.parametrize("query", QUERIES)
def test_the_handlers_log_the_messages_and_fields_that_a_query_uses(query: str, printed: Printed) -> None:
    text = QUERIES[query]["QueryString"]
    one = re.search(r'filter message = "(\w+)"', text)
    several = re.search(r"message in \[([^\]]+)\]", text)
    messages = [one[1]] if one else re.findall(r'"(\w+)"', several[1]) if several else []
    fields = set(re.findall(r"(?:sum|max|pct|latest|count_distinct)\((\w+)", text)) if one else set()

    assert set(messages) <= printed.fields.keys()
    for message in messages:
        assert fields <= printed.fields[message]
    for metric in re.findall(r"\b([A-Z]\w+)\.0", text):
        assert metric in {series.name for series in printed.metrics}


def test_the_namespace_is_the_one_that_alarms_and_dashboard_name() -> None:
    variables = STACK["Globals"]["Function"]["Environment"]["Variables"]

    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == OURS
    assert template.of_type(STACK, "AWS::Events::EventBus")["Bus"]["Name"] == OURS
