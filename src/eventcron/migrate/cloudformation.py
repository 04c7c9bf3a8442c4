"""Finds the schedules and scheduled rules in a template of CloudFormation or SAM."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from eventcron.migrate.eventbridge_schedule import rule, schedule
from eventcron.migrate.model import Found
from eventcron.migrate.trees import Table, items, table

_SUBSTITUTED = re.compile(r"\$\{(?P<name>[A-Za-z0-9]+)\}")
_WITH_EVENTS = {"AWS::Serverless::Function": "Arn", "AWS::Serverless::StateMachine": "Arn"}


def read(template: Any) -> Found | None:
    """Return the schedules of *template*, or None if it is no template."""
    if not isinstance(template, Table) or not isinstance(template.get("Resources"), Table):
        return None
    defaults = {
        name: parameter["Default"]
        for name, parameter in table(template.get("Parameters")).items()
        if isinstance(parameter, Table) and "Default" in parameter
    }
    found: Found = []
    for name, resource in template["Resources"].items():
        if isinstance(resource, Table):
            found += _of_resource(name, resource, defaults)
    return found


def _of_resource(name: str, resource: Table, defaults: Mapping[str, Any]) -> Found:
    declared = table(resource.get("Properties"))
    kind = resource.get("Type")
    if kind == "AWS::Scheduler::Schedule":
        line = declared.line_of("ScheduleExpression")
        return schedule(_named(_resolved(declared, defaults), name), line)
    if kind == "AWS::Events::Rule" and "ScheduleExpression" in declared:
        properties = _named(_resolved(declared, defaults), name)
        return rule(properties, items(properties.get("Targets")), declared.line_of("ScheduleExpression"))
    if kind not in _WITH_EVENTS:
        return []
    found: Found = []
    for event, given in table(declared.get("Events")).items():
        target = Table({"Fn::GetAtt": [name, "Arn"]}) if kind == "AWS::Serverless::Function" else Table({"Ref": name})
        found += _of_event(f"{name}{event}", table(given), target, defaults)
    return found


def _of_event(name: str, event: Table, target: Table, defaults: Mapping[str, Any]) -> Found:
    """Return what an event of a function or a state machine of SAM comes to."""
    declared = table(event.get("Properties"))
    properties = _named(_resolved(declared, defaults), name)
    calls: dict[str, Any] = {"Arn": target}
    for passed in ("Input", "InputPath", "RoleArn", "RetryPolicy", "DeadLetterConfig"):
        if passed in properties:
            calls[passed] = properties.pop(passed)
    if event.get("Type") == "ScheduleV2":
        return schedule({**properties, "Target": calls}, declared.line_of("ScheduleExpression"))
    if event.get("Type") == "Schedule":
        properties["ScheduleExpression"] = properties.pop("Schedule", None)
        if properties.get("Enabled") is False:
            properties["State"] = "DISABLED"
        return rule(properties, [{"Id": name, **calls}], declared.line_of("Schedule"))
    return []


def _named(properties: dict[str, Any], name: str) -> dict[str, Any]:
    """Return *properties* with the logical id where they have no name, or one that only a deployment knows."""
    given = properties.get("Name")
    return properties if isinstance(given, str) and given else {**properties, "Name": name}


def _resolved(value: Any, defaults: Mapping[str, Any]) -> Any:
    """Return *value* with parameters replaced by their defaults. What else a deployment computes stays as it is."""
    if isinstance(value, list):
        return [_resolved(item, defaults) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Ref"} and value["Ref"] in defaults:
        return defaults[value["Ref"]]
    if value.keys() == {"Fn::Sub"} and isinstance(value["Fn::Sub"], str):
        text = _SUBSTITUTED.sub(lambda found: str(defaults.get(found["name"], found[0])), value["Fn::Sub"])
        return text if "${" not in text else Table({"Fn::Sub": text})
    return {name: _resolved(item, defaults) for name, item in value.items()}
