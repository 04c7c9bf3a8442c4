"""The parsed template with its conditions evaluated, and helpers that the tests share."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from eventcron.local import template

ROOT = Path(__file__).parents[2]
_NOTHING = {"Ref": "AWS::NoValue"}


@cache
def _read() -> template.Template:
    """Read the template, once: that takes half a second."""
    return template.read()


def decided(**conditions: bool) -> template.Template:
    """Return the template with exactly these conditions true and all others false."""
    stack = deepcopy(_read())
    unknown = conditions.keys() - stack["Conditions"].keys()
    assert not unknown, f"the template has no condition {unknown}"
    stack["Resources"] = {
        name: resource
        for name, resource in stack["Resources"].items()
        if "Condition" not in resource or conditions.get(resource["Condition"], False)
    }
    result: template.Template = _decide(stack, conditions)
    return result


def _decide(value: Any, conditions: dict[str, bool]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"Fn::If"}:
            name, then, otherwise = value["Fn::If"]
            return _decide(then if conditions.get(name, False) else otherwise, conditions)
        members = {key: _decide(member, conditions) for key, member in value.items()}
        return {key: member for key, member in members.items() if member != _NOTHING}
    if isinstance(value, list):
        return [member for member in (_decide(member, conditions) for member in value) if member != _NOTHING]
    return value


STACK = decided()
RESOURCES: dict[str, dict[str, Any]] = STACK["Resources"]
PARAMETERS: dict[str, dict[str, Any]] = STACK["Parameters"]
GLOBALS: dict[str, Any] = STACK["Globals"]["Function"]
FUNCTIONS = template.of_type(STACK, "AWS::Serverless::Function")
#: The stack with several planners, to which a tick sends ranges of segments.
FANNED_OUT = decided(FansOut=True)
#: Every queue that any deployment has.
QUEUES = template.of_type(FANNED_OUT, "AWS::SQS::Queue")
RULES = template.of_type(STACK, "AWS::Events::Rule")
TABLES = template.of_type(STACK, "AWS::DynamoDB::Table")
ROLES = template.of_type(STACK, "AWS::IAM::Role")


def statements(role: str, stack: template.Template = STACK) -> Iterator[dict[str, Any]]:
    for policy in stack["Resources"][role]["Properties"]["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def allowed(role: str, stack: template.Template = STACK) -> dict[str, set[str]]:
    """Return, for each action of *role*, the logical ids (or other text) of the resources that it is allowed on."""
    found: dict[str, set[str]] = {}
    for statement in statements(role, stack):
        for action in as_list(statement["Action"]):
            found.setdefault(action, set()).update(name_of(resource) for resource in as_list(statement["Resource"]))
    return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def name_of(resource: dict[str, Any]) -> str:
    """Return the logical id that an ARN in the template belongs to, or the text of a ``Sub``."""
    if "Fn::GetAtt" in resource:
        return str(resource["Fn::GetAtt"][0])
    return str(resource["Fn::Sub"])
