"""``infra/template.yaml``: where it lies, and its text as CloudFormation's JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from eventcron.local.embedded import LocalError

_PACKAGE = Path(__file__).parents[1]
#: In an installed wheel, then in a clone.
PLACES = (_PACKAGE / "_infra" / "template.yaml", _PACKAGE.parents[1] / "infra" / "template.yaml")

Template = dict[str, Any]

#: Resource types that ministack's CloudFormation does not know or not enough of, and why a local stack does well
#: without.
LACKING = {
    "AWS::CloudWatch::Alarm": "the embedded CloudWatch refuses metric math, and a developer watches the console",
    "AWS::CloudWatch::Dashboard": "it shows the alarms",
    "AWS::Events::EventBusPolicy": "who may put what is IAM's to decide, and the embedded AWS lets anyone do anything",
    "AWS::Logs::QueryDefinition": "the embedded CloudWatch has no Logs Insights that would list them",
}


def find() -> Path:
    """The template that belongs to the running package.

    Raises:
        LocalError: there is none.
    """
    for place in PLACES:
        if place.is_file():
            return place
    raise LocalError(f"the stack's template is missing; looked for {' and '.join(map(str, PLACES))}")


def parse(text: str) -> Template:
    """*text* with short forms written out: ``!Ref X`` is ``{"Ref": "X"}``, ``!Sub`` is ``{"Fn::Sub": …}``."""
    template: Template = yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader with CloudFormation's tags
    return template


def read() -> Template:
    """The running package's template, parsed."""
    return parse(find().read_text(encoding="utf-8"))


def with_code(template: Template, uri: str) -> Template:
    """*template* with every function's code taken from *uri*, as ``sam package`` would write it."""
    functions = template["Globals"]["Function"] | {"CodeUri": uri}
    return template | {"Globals": template["Globals"] | {"Function": functions}}


def without_lacking(template: Template) -> Template:
    """*template* less the resources of the types in ``LACKING``; nothing else may refer to them."""
    known = {name: resource for name, resource in template["Resources"].items() if resource["Type"] not in LACKING}
    return template | {"Resources": known}


def of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Properties of the resources of type *kind*, by logical id."""
    return {
        name: resource["Properties"] for name, resource in template["Resources"].items() if resource["Type"] == kind
    }


class _Loader(yaml.SafeLoader):
    """YAML as CloudFormation writes it."""


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
