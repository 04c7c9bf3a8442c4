"""Finds ``infra/template.yaml`` and reads it as CloudFormation's JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from eventcron.local.errors import LocalError

_PACKAGE = Path(__file__).parents[1]
#: In an installed wheel, then in a clone.
PLACES = (_PACKAGE / "_infra" / "template.yaml", _PACKAGE.parents[1] / "infra" / "template.yaml")

Template = dict[str, Any]

#: Resource types that the embedded AWS accepts in a stack but makes nothing of, and why. ministack's CloudFormation
#: does not know them, or refuses what the template says.
NOT_EMULATED = {
    "AWS::CloudWatch::Alarm": "the embedded CloudWatch rejects metric math, and a developer watches the console",
    "AWS::CloudWatch::Dashboard": "it shows the alarms",
    "AWS::Events::EventBusPolicy": "the embedded AWS checks no permissions",
    "AWS::Logs::QueryDefinition": "the embedded CloudWatch has no Logs Insights",
}


def find() -> Path:
    """The template of the running package.

    Raises:
        LocalError: it is missing.
    """
    for place in PLACES:
        if place.is_file():
            return place
    raise LocalError(f"the stack's template is missing; looked for {' and '.join(map(str, PLACES))}")


def parse(text: str) -> Template:
    """*text* with its short forms expanded: ``!Ref X`` to ``{"Ref": "X"}``, ``!Sub`` to ``{"Fn::Sub": …}``."""
    template: Template = yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader with CloudFormation's tags
    return template


def read() -> Template:
    """The running package's template, parsed."""
    return parse(find().read_text(encoding="utf-8"))


def with_code(template: Template, uri: str) -> Template:
    """*template* with the code of every function at *uri*, as ``sam package`` writes it."""
    functions = template["Globals"]["Function"] | {"CodeUri": uri}
    return template | {"Globals": template["Globals"] | {"Function": functions}}


def of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """The properties of the resources of type *kind*, by logical id."""
    return {
        name: resource["Properties"] for name, resource in template["Resources"].items() if resource["Type"] == kind
    }


class _Loader(yaml.CSafeLoader):  # libyaml: it takes a tenth of the time
    """Reads YAML with CloudFormation's tags."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)  # noqa: S101  # YAML has no other kinds
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)
