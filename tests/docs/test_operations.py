"""The operators' page: every alarm has a row, every query and widget it names is there."""

from __future__ import annotations

import re
from typing import Any

from eventcron.local import template
from tests.docs.pages import codes, read, rows
from tests.eventbridgev2 import model

PAGE = "docs/operations.md"
STACK = template.read()
BODY = STACK["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0]


def test_every_alarm_has_a_row_that_says_what_happened_and_what_to_do() -> None:
    told = {codes(row[0])[0]: row[1:] for row in rows(PAGE) if row[0].startswith("`") and len(row) == 3}

    assert told.keys() == template.of_type(STACK, "AWS::CloudWatch::Alarm").keys()
    assert all(len(cell) > 20 for row in told.values() for cell in row)


def test_every_saved_query_is_on_the_page_by_its_name_and_the_page_names_no_other() -> None:
    names = {
        query["Name"]["Fn::Sub"].partition("/")[2].partition(" (")[0]
        for query in template.of_type(STACK, "AWS::Logs::QueryDefinition").values()
    }
    named = set(re.findall(r"`(\d [^`]+)`", read(PAGE)))

    assert named <= names
    assert len(names - named) <= 1  # which segments lag: `eventcron segments` says it too


def test_the_widgets_that_the_page_sends_one_to_are_on_the_dashboard() -> None:
    questions = [row[1] for row in rows(PAGE) if row[0].endswith("?")]
    widgets = {widget for cell in questions for widget in re.findall(r"\*([^*]+)\*", cell)}

    assert len(widgets) >= 6
    for widget in widgets:
        assert f'"title": "{widget}' in BODY


def test_parameters_on_the_page_are_parameters_of_the_stack() -> None:
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", read(PAGE)))
    newer: Any = model()  # what the second bus is asked, and what its subscribers have
    api = {*newer.operation_names, *newer.operation_model("CreateSubscriber").input_shape.members}
    known = {*STACK["Parameters"], *STACK["Resources"], *STACK["Outputs"]}

    assert named <= known | api
