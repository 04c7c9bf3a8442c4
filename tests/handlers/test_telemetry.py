"""Metrics in CloudWatch's embedded format, compared with what Powertools prints."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from eventcron.app.pack_report import Published
from eventcron.entrypoints import executor_lambda
from eventcron.entrypoints.telemetry import emit
from eventcron.model.messages import Fire


@pytest.fixture(name="printed")
def _printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "mine")

    def printed() -> list[dict[str, Any]]:
        records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        for record in records:
            assert record["_aws"].pop("Timestamp") > 1_700_000_000_000
        return records

    return printed


def test_a_record_is_what_powertools_prints(printed: Any) -> None:
    emit(
        "planner",
        {"FiresPlanned": 7, "PacksSent": 0},
        milliseconds={"PlannerLagMs": [3, 4]},
        dimensions={"tenant": "acme"},
        fields={"segment": 5},
    )
    [ours] = printed()
    metrics = EphemeralMetrics(namespace="mine", service="planner")
    metrics.add_dimension("tenant", "acme")
    metrics.add_metadata("segment", 5)
    metrics.add_metric(name="FiresPlanned", unit=MetricUnit.Count, value=7)
    metrics.add_metric(name="PacksSent", unit=MetricUnit.Count, value=0)
    for value in (3, 4):
        metrics.add_metric(name="PlannerLagMs", unit=MetricUnit.Milliseconds, value=value)
    metrics.flush_metrics()

    assert [ours] == printed()


def test_a_record_holds_a_hundred_values_of_a_metric_and_the_next_the_others(printed: Any) -> None:
    emit("executor", {"FiresPublished": 250}, milliseconds={"FireLatenessMs": range(250)})

    records = printed()
    assert [value for record in records for value in record["FireLatenessMs"]] == list(range(250))
    assert [len(record["FireLatenessMs"]) for record in records] == [100, 100, 50]
    assert [record.get("FiresPublished") for record in records] == [[250], None, None]
    for record in records:
        [described] = record["_aws"]["CloudWatchMetrics"]
        assert [metric["Name"] in record for metric in described["Metrics"]] == [True] * len(described["Metrics"])


def test_nothing_is_printed_where_there_is_nothing_to_say(printed: Any) -> None:
    emit("executor", {}, milliseconds={"FireLatenessMs": []})

    assert printed() == []


def test_only_what_is_meant_to_be_on_time_counts_as_late() -> None:
    """A run is due when it was asked for, and what is caught up on waits for its tenant's limit."""
    ordinary = Fire("acme", "report", 1, 0, 0)
    fires = [
        ordinary,
        Fire("acme", "report", 1, 0, 0, "run", "r"),
        Fire("acme", "report", 1, 0, 0, cause_id="resume:1"),
    ]

    assert executor_lambda._timed([Published(fire, 90_000) for fire in fires]) == [Published(ordinary, 90_000)]
