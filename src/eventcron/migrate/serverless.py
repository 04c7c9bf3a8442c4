"""Finds the schedules of functions in a serverless.yml."""

from __future__ import annotations

from typing import Any

from eventcron.migrate.eventbridge_schedule import rule, schedule
from eventcron.migrate.model import Found, Unsaid
from eventcron.migrate.trees import Table, items, table


def read(document: Any) -> Found | None:
    """Return the schedules of *document*, or None if it is no serverless.yml."""
    if not isinstance(document, Table) or not {"functions", "provider"} <= document.keys():
        return None
    found: Found = []
    functions = document["functions"]
    for group in functions if isinstance(functions, list) else [functions]:
        if not isinstance(group, Table):
            found.append(_elsewhere("", "functions", group, document.line_of("functions")))
        for name, function in table(group).items():
            for event in items(table(function).get("events")):
                if isinstance(event, Table) and "schedule" in event:
                    found += _of_event(name, event)
                elif isinstance(event, str) and "${" in event:
                    found.append(_elsewhere(name, "events", event, table(function).line_of("events")))
    return found


def _elsewhere(name: str, key: str, given: Any, line: int | None) -> Unsaid:
    reason = "its value is in another file or in the environment"
    nearest = "the deployed schedules: eventcron import eventbridge --live"
    return Unsaid(name, f"{key}: {given}", reason, nearest, line)


def _of_event(function: str, event: Table) -> Found:
    declared = event["schedule"] if isinstance(event["schedule"], Table) else Table({"rate": event["schedule"]})
    line = event.line_of("schedule")
    #: serverless names a function's resource after the function.
    arn = Table({"Fn::GetAtt": [f"{function[:1].upper()}{function[1:]}LambdaFunction", "Arn"]})
    target: dict[str, Any] = {"Arn": arn, "Input": declared.get("input")}
    if declared.get("method") != "scheduler":
        target |= {
            "Id": function,
            "InputPath": declared.get("inputPath"),
            "InputTransformer": declared.get("inputTransformer"),
        }
    found: Found = []
    for rate in items(declared.get("rate")):
        properties = {
            "Name": declared.get("name") or function,
            "ScheduleExpression": rate,
            "ScheduleExpressionTimezone": declared.get("timezone"),
            "Description": declared.get("description"),
            "State": "DISABLED" if declared.get("enabled") is False else "ENABLED",
        }
        said = f"function {function}: {rate}"
        if declared.get("method") == "scheduler":
            found += schedule({**properties, "Target": target, "GroupName": declared.get("groupName")}, line, said=said)
        else:
            found += rule(properties, [target], line, said=said)
    return found
