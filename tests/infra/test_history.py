"""Which events the history rule brings to the history queue, by the matcher of the embedded AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ministack.services import eventbridge

from eventcron.local import template
from eventcron.model.history import KeepHistory
from eventcron.rules.history import is_kept
from eventcron.wire.history import decode_entry
from tests.infra.stack import STACK, decided, name_of

PUBLISHED = sorted((Path(__file__).parents[2] / "events" / "published").glob("*.json"))
KEEPING = {
    KeepHistory.TRACKED: decided(KeepsHistory=True),
    KeepHistory.ALL: decided(KeepsHistory=True, KeepsAllHistory=True),
}


def matches(keep: KeepHistory, event: dict[str, Any]) -> bool:
    pattern = json.dumps(KEEPING[keep]["Resources"]["HistoryRule"]["Properties"]["EventPattern"])
    return bool(eventbridge._matches_pattern(pattern, eventbridge._event_from_test_payload(event)))


@pytest.mark.parametrize("keep", KEEPING)
@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.stem)
def test_the_rule_and_the_fake_keep_the_same_events(file: Path, keep: KeepHistory) -> None:
    event = json.loads(file.read_text())
    kept = matches(keep, event)

    assert kept == is_kept(keep, event["detail-type"], event["detail"])
    assert not matches(keep, event | {"replay-name": "last-week"})
    assert not matches(keep, event | {"source": "eventcron.tenant.acme"})
    assert not kept or decode_entry(json.dumps(event)) is not None


@pytest.mark.parametrize(
    ("detail_type", "detail", "tracked"),
    [
        ("Schedule Fired", {"fire_id": "5f", "run_token": "t"}, True),
        ("Schedule Fired", {"fire_id": "5f"}, False),
        ("Run Overdue", {"fire_id": "5f"}, True),
        ("Schedule Skipped", {"fire_id": "5f", "reason": "still_running"}, True),
        ("Schedule Skipped", {"fire_id": "5f", "reason": "misfire"}, False),
        ("Schedule Paused", {"reason": "failures"}, True),
        ("Schedule Paused", {}, False),
    ],
)
def test_tracked_fires_and_what_becomes_of_them(detail_type: str, detail: dict[str, Any], *, tracked: bool) -> None:
    event = {
        "id": "1", "detail-type": detail_type, "source": "eventcron.fires.acme", "account": "0", "detail": detail,
        "region": "eu-north-1", "resources": [], "time": "2026-12-01T00:00:00Z",
    }  # fmt: skip

    assert matches(KeepHistory.TRACKED, event) == tracked == is_kept(KeepHistory.TRACKED, detail_type, detail)
    assert matches(KeepHistory.ALL, event)


def test_without_a_history_there_is_nothing_that_could_cost() -> None:
    conditional = {
        name for name, resource in template.read()["Resources"].items() if resource.get("Condition") == "KeepsHistory"
    }

    assert conditional == {
        "HistoryTable", "HistoryQueue", "HistoryDeadLetters", "HistoryRule", "HistoryQueuePolicy", "HistoryFunction",
        "HistoryLogs", "HistoryRole", "HistoryDeadLettersAlarm", "HistoryAgeAlarm",
    }  # fmt: skip
    assert not conditional & STACK["Resources"].keys()
    assert STACK["Parameters"]["KeepHistory"]["Default"] == "NONE"


def test_only_the_rule_sends_to_the_queue_and_the_function_reads_it() -> None:
    resources = KEEPING[KeepHistory.ALL]["Resources"]
    [sending] = resources["HistoryQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    source = resources["HistoryFunction"]["Properties"]["Events"]["Events"]["Properties"]

    assert name_of(sending["Condition"]["ArnEquals"]["aws:SourceArn"]) == "HistoryRule"
    assert name_of(source["Queue"]) == "HistoryQueue"
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    visible = resources["HistoryQueue"]["Properties"]["VisibilityTimeout"]
    assert visible >= 6 * resources["HistoryFunction"]["Properties"]["Timeout"]
