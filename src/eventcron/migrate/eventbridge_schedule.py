"""Turns the properties of an EventBridge schedule or rule, named as its API names them, into a schedule."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from eventcron.migrate.model import Found, Imported, Subscription, Timing, Unsaid
from eventcron.timing.notation import Notation

#: Where a fire has the schedule's input.
_INPUT_PATH = "$.detail.input"
#: EventBridge Scheduler's default, which is that of ``misfire.grace_seconds`` too.
_DEFAULT_AGE_S = 86_400
#: Parameters that a schedule's target has, and a rule's has not.
_ONLY_OF_SCHEDULES = {
    "EventBridgeParameters": "detail_type of the schedule; the source of its fires is eventcron",
    "KinesisParameters": "KinesisParameters.PartitionKeyPath of the rule's target",
}
_UNIVERSAL = ":scheduler:::aws-sdk:"
_CONTEXT = "<aws.scheduler."


class Notes:
    """Collects what is said about one schedule or rule, and what is not."""

    def __init__(self, name: str, line: int | None) -> None:
        self.name = name
        self.line = line
        self.unsaid: list[Unsaid] = []

    def leave_out(self, given: str, reason: str, nearest: str) -> None:
        self.unsaid.append(Unsaid(self.name, given, reason, nearest, self.line, whole=False))

    def refuse(self, given: str, reason: str, nearest: str) -> Found:
        return [Unsaid(self.name, given, reason, nearest, self.line)]


def schedule(properties: Mapping[str, Any], line: int | None = None, *, said: str = "") -> Found:
    """Return what a schedule of EventBridge Scheduler with these *properties* comes to."""
    notes = Notes(_text(properties.get("Name")), line)
    if unknown := _unknown(properties, "ScheduleExpression", "ScheduleExpressionTimezone", "State"):
        return notes.refuse(*unknown)
    expression = str(properties["ScheduleExpression"])
    zone = str(properties.get("ScheduleExpressionTimezone") or "UTC")
    group = _text(properties.get("GroupName"))
    target = properties.get("Target") or {}
    fields: dict[str, Any] = {
        "labels": {"group": group} if group else {},
        "description": _text(properties.get("Description")) or None,
        "state": "PAUSED" if properties.get("State") == "DISABLED" else None,
        "start": _moment(properties.get("StartDate")),
        "end": _moment(properties.get("EndDate")),
        "after_completion": "DELETE" if properties.get("ActionAfterCompletion") == "DELETE" else None,
        "flexible_window_seconds": _window(properties.get("FlexibleTimeWindow"), notes),
        "input": _input(target.get("Input"), notes),
        "misfire": _misfire(target),
    }
    fields["daylight_saving"] = None if expression.startswith("rate") else "eventbridge"
    if properties.get("KmsKeyArn"):
        notes.leave_out(f"KmsKeyArn: {_text(properties['KmsKeyArn'])}", "the tables of eventcron have one key",
                        "the key of the deployment's tables")  # fmt: skip
    subscriptions = _of_schedule(target, notes)
    timing = Timing(expression, Notation.EVENTBRIDGE)
    text = said or f"schedule {notes.name}: {expression} {zone}"
    return [Imported(notes.name, (timing,), line, text, zone, fields, group, subscriptions), *notes.unsaid]


def rule(
    properties: Mapping[str, Any], targets: Sequence[Mapping[str, Any]], line: int | None = None, *, said: str = ""
) -> Found:
    """Return what a scheduled rule of EventBridge comes to. Rules are in UTC."""
    notes = Notes(_text(properties.get("Name")), line)
    if unknown := _unknown(properties, "ScheduleExpression", "State"):
        return notes.refuse(*unknown)
    expression = str(properties["ScheduleExpression"])
    only = targets[0] if len(targets) == 1 else {}
    fields: dict[str, Any] = {
        "description": _text(properties.get("Description")) or None,
        "state": "PAUSED" if properties.get("State") == "DISABLED" else None,
        "input": _input(only.get("Input"), notes),
    }
    subscriptions = tuple(
        _of_rule({"Id": f"{notes.name}-{place}" if place > 1 else notes.name, **target}, notes, its_input=bool(only))
        for place, target in enumerate(targets, 1)
    )
    timing = Timing(expression, Notation.EVENTBRIDGE)
    text = said or f"rule {notes.name}: {expression}"
    return [Imported(notes.name, (timing,), line, text, "UTC", fields, "", subscriptions), *notes.unsaid]


def _text(value: Any) -> str:
    """Return *value* as text: a function of CloudFormation, which a deployment computes, as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _unknown(properties: Mapping[str, Any], *names: str) -> tuple[str, str, str] | None:
    for name in names:
        value = properties.get(name)
        if isinstance(value, Mapping) or "${" in str(value or ""):
            reason = "its value is known only when it is deployed"
            return f"{name}: {_text(value)}", reason, "the deployed schedule: eventcron import eventbridge --live"
    if not properties.get("ScheduleExpression"):
        nearest = "aws scheduler get-schedule, or eventcron import eventbridge --live"
        return "no ScheduleExpression", "a list of schedules does not say when they fire", nearest
    return None


def _moment(value: Any) -> str | None:
    if value is None or value == "":
        return None
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return text if text[-1] in "Zz" or "+" in text or "-" in text[19:] else f"{text}Z"


def _window(window: Any, notes: Notes) -> int | None:
    """Minutes there, seconds here."""
    if not isinstance(window, Mapping) or window.get("Mode", "OFF") == "OFF":
        return None
    minutes = window.get("MaximumWindowInMinutes")
    if not str(minutes).isdigit():
        notes.leave_out(f"FlexibleTimeWindow: {_text(window)}", "not a number of minutes", "flexible_window_seconds")
        return None
    return int(str(minutes)) * 60


def _input(given: Any, notes: Notes) -> Any:
    """Return the input as JSON where it is JSON, else as text."""
    if given is None or not isinstance(given, str):
        return given
    if _CONTEXT in given:
        reason = "EventBridge Scheduler replaces its own words in it, which eventcron does not"
        notes.leave_out(f"Input: {given}", reason, "the fire's detail.due and detail.fire_id, by an InputTransformer")
    try:
        return json.loads(given)
    except ValueError:
        return given


def _misfire(target: Mapping[str, Any]) -> dict[str, Any] | None:
    age = (target.get("RetryPolicy") or {}).get("MaximumEventAgeInSeconds", _DEFAULT_AGE_S)
    return {"grace_seconds": int(age)} if str(age).isdigit() and int(age) != _DEFAULT_AGE_S else None


def _of_schedule(target: Mapping[str, Any], notes: Notes) -> tuple[Subscription, ...]:
    """The target of a rule that does what the schedule's own *target* does."""
    if not target:
        return ()
    arn = _text(target.get("Arn"))
    if _UNIVERSAL in arn:
        reason = "a rule's target is no call of any AWS API"
        notes.leave_out(f"Target: {_text(target)}", reason, "a state machine or a function that makes the call")
        return ()
    for name, nearest in _ONLY_OF_SCHEDULES.items():
        if target.get(name):
            notes.leave_out(f"Target.{name}: {_text(target[name])}", "a rule's target has no such parameters", nearest)
    passed = {name: value for name, value in target.items() if name not in {"Input", *_ONLY_OF_SCHEDULES} and value}
    if "Input" in target:
        passed["InputPath"] = _INPUT_PATH
    return (Subscription({"Id": notes.name, **passed}),)


def _of_rule(target: Mapping[str, Any], notes: Notes, *, its_input: bool) -> Subscription:
    """The *target* of a rule on eventcron's bus. *its_input*: the fires carry its input."""
    for name in ("InputPath", "InputTransformer"):
        if target.get(name):
            reason = "its paths are those of the scheduled event, which a fire is not"
            notes.leave_out(f"{name}: {_text(target[name])}", reason, "the paths of a fire, such as $.detail.due")
    passed = {name: value for name, value in target.items() if value}
    if its_input and "Input" in passed:
        del passed["Input"]
        passed["InputPath"] = _INPUT_PATH
    return Subscription(passed)
