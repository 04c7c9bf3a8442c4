"""Reads schedules and scheduled rules of EventBridge, wherever they are declared, or as the API answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eventcron.migrate import cloudformation, serverless, terraform
from eventcron.migrate.eventbridge_schedule import rule, schedule
from eventcron.migrate.model import Found, Origin, WrongFormat
from eventcron.migrate.trees import Table, documents, items, walk


def read(text: str, _origin: Origin) -> Found:
    """Return the schedules in *text*.

    It is a template of CloudFormation or SAM, Terraform's JSON, a serverless.yml, or an answer of ``aws scheduler`` or
    ``aws events``.

    Raises:
        WrongFormat: *text* is none of these.
    """
    found: Found = []
    recognised = False
    for document in documents(text):
        for read_one in (cloudformation.read, terraform.read, serverless.read, _answers):
            one = read_one(document)
            if one is not None:
                recognised = True
                found += one
                break
    if not recognised:
        raise WrongFormat(
            "neither a CloudFormation or SAM template, Terraform's JSON, a serverless.yml, nor an answer of the API", 1
        )
    return found


def _answers(document: Any) -> Found | None:
    """Answers of GetSchedule, ListSchedules and ListRules."""
    entries = [one for one in walk(document) if "ScheduleExpression" in one or _is_summary(one)]
    lists = isinstance(document, Table) and ({"Schedules", "Rules"} & document.keys())
    if not entries and not lists:
        return None
    return [found for entry in entries for found in of_answer(entry, items(entry.get("Targets")), line=entry.line)]


def _is_summary(entry: Table) -> bool:
    """Whether it is one of ListSchedules, which does not say when it fires."""
    return {"Name", "GroupName", "State"} <= entry.keys() and "Arn" in entry


def of_answer(entry: Mapping[str, Any], targets: Sequence[Mapping[str, Any]], *, line: int | None = None) -> Found:
    """Return what an answer of GetSchedule, or a rule with its *targets*, comes to."""
    is_schedule = "Target" in entry or "GroupName" in entry or "FlexibleTimeWindow" in entry
    return schedule(entry, line) if is_schedule else rule(entry, targets, line)
