"""The operators' pages: every alarm has a row, every query, widget and parameter they name is there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from eventcron.local import template
from eventcron.model.records import State
from tests.docs.pages import ROOT, codes, read, rows
from tests.eventbridgev2 import model

WATCH = "docs/operations/watch.md"
PAGES = [
    WATCH,
    "docs/troubleshooting.md",
    *(f"docs/operations/{name}.md" for name in ("deploy", "restore", "size", "second-bus")),
]
STACK = template.read()
#: What AWS calls its own: APIs, fields and metrics.
AWS_S_OWN = {"PutEvents", "FailedEntryCount", "EventBusName", "DetailType", "MatchedEvents", "FailedInvocations",
             "AccessDeniedException", "IngestionToInvocationStartLatency", "RecursiveLoop"}  # fmt: skip
BODY = STACK["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0]


def test_every_alarm_has_a_row_that_says_what_happened_and_what_to_do() -> None:
    described = {codes(row[0])[0]: row[1:] for row in rows(WATCH, "Alarms") if row[0].startswith("`")}

    assert described.keys() == template.of_type(STACK, "AWS::CloudWatch::Alarm").keys()
    assert all(len(cell) > 20 for row in described.values() for cell in row)


def test_every_saved_query_is_on_a_page_by_its_name_and_no_page_names_another() -> None:
    names = {
        query["Name"]["Fn::Sub"].partition("/")[2].partition(" (")[0]
        for query in template.of_type(STACK, "AWS::Logs::QueryDefinition").values()
    }
    named = {query for page in PAGES for query in re.findall(r"`(\d [a-z][^`]+)`", read(page))}

    assert named <= names
    assert len(names - named) <= 1  # which segments lag: `eventcron segments` says it too


def test_the_widgets_that_the_page_sends_one_to_are_on_the_dashboard() -> None:
    questions = [row[1] for row in rows(WATCH) if row[0].endswith("?")]
    widgets = {widget for cell in questions for widget in re.findall(r"\*([^*]+)\*", cell)}

    assert len(widgets) >= 6
    for widget in widgets:
        assert f'"title": "{widget}' in BODY


@pytest.mark.parametrize("page", PAGES)
def test_parameters_on_a_page_are_parameters_of_the_stack(page: str) -> None:
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", read(page))) - AWS_S_OWN - _metrics_on_the_page()
    newer: Any = model()  # what the second bus is asked, and what its subscribers have
    api = {*newer.operation_names, *newer.operation_model("CreateSubscriber").input_shape.members}
    known = {*STACK["Parameters"], *STACK["Resources"], *STACK["Outputs"]}

    assert named <= known | api


def _metrics_on_the_page() -> set[str]:
    return {metric for row in rows(WATCH, "Metrics") for metric in codes(row[0])}


def test_every_metric_is_documented_and_no_other() -> None:
    kinds = "Backfill|Command|Fire|Pack|Planner|Range|Record|Run|Schedule|Segment|Sweep"
    entrypoints = ROOT / "src" / "eventcron" / "entrypoints"
    sources = [*entrypoints.glob("*_lambda.py"), entrypoints / "telemetry.py"]
    named = {
        name for path in sources for name in re.findall(rf'"((?:{kinds})[a-z]*(?:[A-Z][a-z]+)+)"', path.read_text())
    }
    by_state = {f"Schedules{state.title()}" for state in State}

    assert _metrics_on_the_page() == named | by_state
